# Hecho de las tablas de opciones por «cargo run --example manuals»: no se edita.
_tp2_cliente() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
        -i | --ip) :; return ;;
        -p | --port | --puerto) :; return ;;
        -f | --image | --imagen | --carpeta) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -o | --salida) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -e | --escala) :; return ;;
        --ancho) :; return ;;
        --alto) :; return ;;
        --formato) mapfile -t COMPREPLY < <(compgen -W 'jpeg png webp gif bmp tiff pgm' -- "$cur"); return ;;
        --calidad) :; return ;;
        --fondo) :; return ;;
        --clave-archivo) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-h --help -i --ip -p --port --puerto -f --image --imagen --carpeta -o --salida -r --recursivo --de-nuevo --simular -e --escala --ancho --alto --formato --calidad --fondo --tarea --enlace -q --silencio --json --clave-archivo -V --version' -- "$cur")
    else
        compopt -o filenames
        mapfile -t COMPREPLY < <(compgen -f -- "$cur")
    fi
}
complete -F _tp2_cliente tp2-cliente
