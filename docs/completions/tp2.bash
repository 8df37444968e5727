# Hecho de las tablas de opciones por «cargo run --example manuals»: no se edita.
_tp2() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
        -i | --ip) :; return ;;
        -p | --port | --puerto) :; return ;;
        -e | --escala) :; return ;;
        -s | --escalador) :; return ;;
        -d | --directorio) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$cur"); return ;;
        -l | --enlaces) :; return ;;
        -a | --almacen) :; return ;;
        --banco) :; return ;;
        -t | --hilos) :; return ;;
        --nice-grandes) :; return ;;
        -o | --registro) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --origen) :; return ;;
        --nombre) :; return ;;
        --clave-archivo) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        --proxy) :; return ;;
        --max-cuerpo) :; return ;;
        --max-pixeles) :; return ;;
        --conexiones) :; return ;;
        --conexiones-por-ip) :; return ;;
        --cola) :; return ;;
        --memoria) :; return ;;
        --plazo) :; return ;;
        --retencion) :; return ;;
        --retencion-espacio) :; return ;;
        --enlaces-espacio) :; return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-h --help -i --ip -p --port --puerto -e --escala -s --escalador -d --directorio -l --enlaces -a --almacen --banco -t --hilos --nice-grandes -o --registro --registro-json -v --detalle -q --silencio --origen --nombre --clave-archivo --proxy --salud -V --version --max-cuerpo --max-pixeles --conexiones --conexiones-por-ip --cola --memoria --plazo --retencion --retencion-espacio --enlaces-espacio' -- "$cur")
    fi
}
complete -F _tp2 tp2
