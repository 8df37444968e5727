#!/usr/bin/env bash
# schemathesis invents requests by docs/openapi.json for SECONDS (120): a tp2 answers none of them with 5xx, and none in a
# way that is not described.
#
#   tests/schemathesis.sh TP2 [SECONDS]
#
# Exit 0 if all of it holds. Needs the program of that name (pip install schemathesis), or TP2_SCHEMATHESIS. A failure comes
# with its seed and a command of curl.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
tp2=$(cd "$(dirname "$1")" && pwd)/$(basename "$1")
seconds=${2:-120}
work=$(mktemp -d)
server=''

cleanup() {
    [[ -z $server ]] || kill "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT

mkdir "$work/fotos"
printf 'P5 8 8 255\n%064d' 0 >"$work/fotos/foto.pgm"
cd "$work"
env -i PATH="$PATH" "$tp2" -i 127.0.0.1 -p 0 -d fotos >out 2>log &
server=$!
port=''
for _ in $(seq 300); do
    port=$(sed -n 's|^Servidor escuchando en http://.*:\([0-9]*\)$|\1|p' out)
    [[ -z $port ]] || break
    sleep 0.1
done
[[ -n $port ]] || { cat log >&2; exit 1; }
curl -sS --fail -o face.json -T fotos/foto.pgm "http://127.0.0.1:$port/carpetas/caras/a.jpg"

# Examples and Allow are tests/openapi.py's affair. Of images, which nothing here decodes, the media type is checked.
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,unsupported_method
code=0
SCHEMATHESIS_HOOKS=schemathesis_hooks PYTHONPATH=$here PYTHONDONTWRITEBYTECODE=1 \
    "${TP2_SCHEMATHESIS:-schemathesis}" run "$here/../docs/openapi.json" --url "http://127.0.0.1:$port" --max-time "$seconds" \
    --phases coverage,fuzzing --checks "$checks" --request-timeout 60 --generation-database none --suppress-health-check all \
    --warnings off --no-color >told 2>&1 || code=$?
kill -0 "$server" || { echo 'tests/schemathesis.sh: tp2 has ended' >&2; code=1; }
if [[ $code != 0 ]]; then
    cat told
    grep -E ' (5[0-9][0-9]) [0-9]+ → ' log | tail -5 || true
    exit 1
fi
sed -n '/^Test cases:/,$p' told
