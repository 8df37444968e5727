#!/usr/bin/env bash
# What scripts/release has made works where there is nothing else: the tarball in an empty folder, the container's root in a
# chroot, the Debian package installed, run as its unit would, upgraded, removed and purged.
#
#   tests/packages.sh DIR        DIR as scripts/release left it; root, on a Debian where tp2 is not installed
#
# From each of them a gray picture must come back with one command. Exit 0 if all of it holds.
set -euo pipefail
dist=$(cd "$1" && pwd)
photo=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/data/fotos/rocket.jpg
work=$(mktemp -d)
server=''

cleanup() {
    stop
    umount "$work/chroot/proc" 2>/dev/null || true
    dpkg --purge tp2 >/dev/null 2>&1 || true
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    printf 'tests/packages.sh: %s\n' "$*" >&2
    [[ ! -f $work/log ]] || tail -20 "$work/log" >&2
    exit 1
}

# start COMMAND...: runs it, and sets port to where it listens.
start() {
    "$@" >"$work/out" 2>"$work/log" &
    server=$!
    for _ in $(seq 300); do
        port=$(sed -n 's|^Servidor escuchando en http://.*:\([0-9]*\)$|\1|p' "$work/out")
        [[ -z $port ]] || return 0
        if ! kill -0 "$server" 2>/dev/null; then
            server=''
            fail "$* ended"
        fi
        sleep 0.1
    done
    fail "$* does not listen"
}

# stop: SIGTERM, and a good end.
stop() {
    [[ -n $server ]] || return 0
    kill "$server"
    local code=0
    wait "$server" || code=$?
    server=''
    [[ $code == 0 ]] || fail "it ended with $code"
}

# gray: one command, one gray picture.
gray() {
    curl -sS --fail --max-time 30 -F "imagen=@$photo" "http://127.0.0.1:$port/?formato=pgm" -o "$work/gray.pgm" || fail "$1: no picture"
    [[ $(head -c 2 "$work/gray.pgm") == P5 ]] || fail "$1: no gray picture"
    printf '%s: a gray picture of %s bytes\n' "$1" "$(stat -c %s "$work/gray.pgm")"
}

# The tarball.
(cd "$dist" && sha256sum --quiet -c SHA256SUMS)
for tarball in "$dist"/tp2-*.tar.gz; do
    [[ $tarball == *-symbols.tar.gz ]] || tar -xzf "$tarball" -C "$work"
done
folder=$(echo "$work"/tp2-*)
(cd "$folder" && sha256sum --quiet -c SHA256SUMS)
for program in tp2 tp2-scaler tp2-cliente; do
    "$folder/$program" --help >/dev/null || fail "$program --help"
    if readelf -d "$folder/$program" | grep NEEDED >/dev/null; then fail "$program needs libraries"; fi
    [[ $(stat -c %s "$folder/$program") -lt 12000000 ]] || fail "$program is too large"
done
mkdir "$work/empty"
cd "$work/empty"
start env -i "$folder/tp2" -i 127.0.0.1 -p 0
gray tarball
stop

# The container: its root, its user, /proc and /dev/null, as every runtime gives them, and nothing else.
cp -r "$dist/root" "$work/chroot"
chown -R 65532:65532 "$work/chroot/run/tp2" "$work/chroot/var/lib/tp2"
mkdir "$work/chroot/proc" "$work/chroot/dev"
mknod -m 666 "$work/chroot/dev/null" c 1 3
mount -t proc proc "$work/chroot/proc"
enter=("$(command -v chroot)" --userspec=65532:65532 "$work/chroot")
start env -i XDG_RUNTIME_DIR=/run/tp2 TP2_IP=0.0.0.0 TP2_PORT=0 TP2_ALMACEN=sqlite:/var/lib/tp2/tp2.sqlite3 \
    "${enter[@]}" /usr/bin/tp2
gray chroot
# The Dockerfile's HEALTHCHECK.
env -i TP2_IP=0.0.0.0 TP2_PORT="$port" "${enter[@]}" /usr/bin/tp2 --salud || fail 'chroot: --salud'
stop
umount "$work/chroot/proc"

# The package.
deb=$(echo "$dist"/tp2_*.deb)
if command -v lintian >/dev/null; then
    lintian --allow-root --fail-on error "$deb" || fail "lintian"
fi
[[ ! -e /usr/bin/tp2 ]] || fail "there is a tp2 on this machine"
dpkg -i "$deb" >/dev/null
unit=/lib/systemd/system/tp2.service
grep -q '^Environment=TP2_IP=127.0.0.1 ' "$unit" || fail "the unit does not listen on loopback"

# as_the_unit: its command, with the environment that it and /etc/default/tp2 give, as a user of its own.
as_the_unit() {
    install -d -o 65533 -g 65533 -m 700 /var/lib/tp2 "$work/runtime"
    chmod 711 "$work"
    cd /var/lib/tp2
    local command
    command=$(sed -n 's/^ExecStart=//p' "$unit")
    # shellcheck disable=SC2046 # Words of the files are words of the command.
    start env -i $(sed -n 's/^Environment=\(TP2_.*\)/\1/p' "$unit") $(grep -v '^#' /etc/default/tp2) XDG_RUNTIME_DIR="$work/runtime" \
        TP2_PORT=0 "$(command -v setpriv)" --reuid=65533 --regid=65533 --clear-groups --no-new-privs "$command"
}
as_the_unit
gray package
id=$(curl -sS -F "imagen=@$photo" "http://127.0.0.1:$port/tareas" | sed 's/.*"id_tarea":"\([^"]*\)".*/\1/')
stop
cd "$work"

# The next version: what was set stays set, what was kept is kept.
echo 'TP2_COLA=7' >>/etc/default/tp2
dpkg-deb -R "$deb" "$work/next"
sed -i 's/^Version: .*/&.1/' "$work/next/DEBIAN/control"
dpkg-deb --root-owner-group -Znone -b "$work/next" "$work/next.deb" >/dev/null
dpkg -i "$work/next.deb" >/dev/null
grep -q '^TP2_COLA=7$' /etc/default/tp2 || fail "an upgrade took the settings"
as_the_unit
# Read to the end: grep -q ends at its line, and then curl could not write the rest and fails.
curl -sS "http://127.0.0.1:$port/metrics" | grep '^tp2_queue_places_max 7$' >/dev/null || fail "the settings are not heeded"
curl -sS --fail "http://127.0.0.1:$port/estado/$id?espera=30" | grep '"estado":"Completada"' >/dev/null ||
    fail "the task is gone"
gray upgrade
stop
cd "$work"

dpkg --remove tp2 >/dev/null
[[ ! -e /usr/bin/tp2 && -e /etc/default/tp2 && -e /var/lib/tp2/tp2.sqlite3 ]] || fail "remove took too much, or too little"
dpkg --purge tp2 >/dev/null
for path in /etc/default/tp2 /var/lib/tp2 "$unit"; do
    [[ ! -e $path ]] || fail "purge left $path"
done
printf 'Tarball, chroot and package are well.\n'
