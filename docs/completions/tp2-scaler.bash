# Hecho de las tablas de opciones por «cargo run --example manuals»: no se edita.
_tp2_scaler() {
    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
    COMPREPLY=()
    case $prev in
        -i | --ip) :; return ;;
        -p | --port) :; return ;;
        -u | --unix) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$cur"); return ;;
        -c | --hijos) :; return ;;
        --plazo) :; return ;;
        --max-pixeles) :; return ;;
        --nice-grandes) :; return ;;
    esac
    if [[ $cur == -* ]]; then
        mapfile -t COMPREPLY < <(compgen -W '-h --help -i --ip -p --port -u --unix -c --hijos --plazo --max-pixeles --nice-grandes --exigir-aislamiento --stdio -q --silencio --quiet -V --version' -- "$cur")
    fi
}
complete -F _tp2_scaler tp2-scaler
