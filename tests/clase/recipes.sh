#!/usr/bin/env bash
# Types the commands of documents, in order, in a fresh directory, as a newcomer would.
#
#   tests/clase/recipes.sh REPOSITORY BINARIES DOCUMENT…       in an empty directory
#
# Best in a network of its own (unshare --net), where its ports are free. Every block without a language is typed; a server goes to
# the background, in place of one that has the same port. What is not typed is told, with the reason: what asks at a terminal, what
# has a test of its own, what installs something or needs a MongoDB. `cargo` is answered with what is built already, and curl is
# told to fail where the server refuses. Lines of output in a block (`{"…`, `Imagen escalada …`) are no commands; the id in them, and
# the word ID, stand for the one that the server gave last. Exits 0 if every command did; else says which did not.
set -uo pipefail
repository=$1 binaries=$2 document=${*:3}
here=$PWD

# The repository's files, and nothing that is built or left over.
for entry in "$repository"/*; do
    [[ ${entry##*/} == target ]] || ln -s "$entry" .
done
mkdir -p target/release shims
for name in tp2 tp2-scaler tp2-cliente; do ln -s "$binaries/$name" target/release/; done
cat >shims/cargo <<'SHIM'
#!/usr/bin/env bash
case "$*" in
    'run --release -- '*) exec target/release/tp2 "${@:4}" ;;
    'run --release --bin '*) exec "target/release/$4" "${@:6}" ;;
    'build --release --workspace' | 'test --workspace') exit 0 ;;
    *) printf 'cargo %s: not expected\n' "$*" >&2; exit 1 ;;
esac
SHIM
curl=$(command -v curl) nc=$(command -v nc)
printf '#!/bin/sh\nexec %s --fail-with-body --silent --show-error --max-time 60 --retry 3 "$@"\n' "$curl" >shims/curl
printf '#!/bin/sh\nexec timeout 60 %s "$@"\n' "$nc" >shims/nc
chmod +x shims/*
export PATH=$here/shims:$PATH XDG_RUNTIME_DIR=$here TMPDIR=$here

declare -A servers=()
id='' typed=0
end_all() {
    local port
    for port in "${!servers[@]}"; do end_server "$port"; done
}
end_server() {
    kill "${servers[$1]}" 2>/dev/null
    wait "${servers[$1]}" 2>/dev/null
    unset "servers[$1]"
}
trap end_all EXIT
die() {
    printf '%s: line %s: %s: %s\n' "$document" "$number" "$line" "$*" >&2
    cat out server.* 2>/dev/null | tail -n 30 >&2
    exit 1
}
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null || (exec 3<>"/dev/tcp/::1/$1") 2>/dev/null; }

start() {
    local port=8889
    [[ $line =~ (-p|--port|--puerto)\ +([0-9]+) ]] && port=${BASH_REMATCH[2]}
    [[ -z ${servers[$port]:-} ]] || end_server "$port"
    ! listens "$port" || die "something else listens at $port"
    eval "exec ${line%%  *#*}" >"server.$port" 2>&1 </dev/null &
    servers[$port]=$!
    local give_up_at=$((SECONDS + 40))
    until listens "$port"; do
        kill -0 "${servers[$port]}" 2>/dev/null || die 'it has ended'
        ((SECONDS < give_up_at)) || die "it does not listen at $port"
        sleep 0.05
    done
}
left_out() { printf 'not typed: %s (%s)\n' "$line" "$1"; }
type_in() {
    line=${line//34d6916e-49b8-40f5-9940-a2c1a2e0082c/$id}
    line=${line//\/ID/\/$id}
    local before=$SECONDS
    eval "$line" >out 2>&1 </dev/null || die "exit $?"
    ((SECONDS - before < 120)) || die 'it took minutes'
    local given
    given=$(grep -aoE '"id_tarea": ?"[0-9a-f-]{36}' out | grep -oE '[0-9a-f-]{36}$' | tail -1) && id=$given
}

inside=0 number=0
while IFS= read -r line; do
    number=$((number + 1))
    if [[ $line == '```'* ]]; then
        if ((inside)); then inside=0; elif [[ $line == '```' ]]; then inside=1; else inside=2; fi
        continue
    fi
    ((inside == 1)) || continue
    while [[ $line == *\\ ]] && IFS= read -r more; do
        number=$((number + 1))
        line="${line%\\}$more"
    done
    case $line in
        '' | ' '* | '{"'* | 'Imagen escalada '*) continue ;;
        'tp2-cliente  '*) left_out 'it asks at a terminal' ;;
        'scripts/walkthrough --lista'*) type_in ;;
        scripts/walkthrough*) left_out 'it has tests of its own' ;;
        'scripts/juez http'*'--perfil tp2') left_out 'it has tests of its own' ;;
        *mongo* | *postgres* | createdb* | pg_* | psql* | docker* | nginx* | *' nginx '* | '    -e MONGO'*)
            left_out 'it needs a database, or nginx'
            ;;
        install\ * | systemctl*) left_out 'it installs' ;;
        'cargo build --release') left_out 'it is built' ;;
        *' -h' | *' -h '*) type_in ;;
        'cargo run --release -- '* | 'tp2 '* | 'tp2-scaler '* | target/release/tp2\ * | target/release/tp2-scaler* | 'python3 tests/clase/'*) start ;;
        *) type_in ;;
    esac
    typed=$((typed + 1))
done < <(cd "$repository" && cat "${@:3}")
((typed > 10)) || { printf '%s: only %s commands\n' "$document" "$typed" >&2; exit 1; }
printf '%s: %s commands\n' "$document" "$typed"
