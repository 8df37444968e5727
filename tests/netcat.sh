#!/usr/bin/env bash
# What a person types with nc (that of OpenBSD), and what has to come of it.
#
#   tests/netcat.sh PORT PHOTOS    in an empty directory, against a server on [::]:PORT
#
# Exits 0 if all is well; else says what failed, and what came.
set -euo pipefail

port=$1
photos=$2

die() { printf 'netcat.sh: %s\n' "$*" >&2; exit 1; }
# An nc that hangs is a failure, not a wait.
talk() { timeout 20 nc "$@"; }
# magic FILE HEX: the file begins with these bytes.
magic() {
    local found
    found=$(od -An -tx1 -N $((${#2} / 2)) "$1" | tr -d ' \n')
    [[ $found == "$2" ]] || die "$1 begins with $found, not with $2"
}
status() { head -1 "$1" | tr -d '\r' | cut -d' ' -f2; }

# A picture in, a picture out; with half-close (-N) and without: the picture's own end is enough.
talk -N 127.0.0.1 "$port" <"$photos/rocket.jpg" >a.jpg
magic a.jpg ffd8ff
talk -N ::1 "$port" <"$photos/rocket.jpg" >b.jpg
cmp a.jpg b.jpg
talk 127.0.0.1 "$port" <"$photos/rocket.jpg" >b.jpg
cmp a.jpg b.jpg
talk 127.0.0.1 "$port" <"$photos/chelsea.png" >c.png
magic c.png 89504e470d0a1a0a

# A PGM ends where the client says so. 2x2 at 0.5 is one pixel.
printf 'P5\n2 2\n255\n\100\100\100\100' | talk -N 127.0.0.1 "$port" >d.pgm
printf 'P5\n1 1\n255\n\100' | cmp - d.pgm

# What comes slowly comes.
{ head -c 1000 "$photos/chelsea.png"; sleep 0.2; tail -c +1001 "$photos/chelsea.png"; } | talk 127.0.0.1 "$port" >e.png
cmp c.png e.png

# A failure is one line.
head -c 5000 "$photos/chelsea.png" | talk -N 127.0.0.1 "$port" >error
grep -q '^ERROR 422 ' error || die "$(cat error)"
[[ $(wc -l <error) == 1 ]] || die "$(cat error)"

# HTTP, typed: every line ends in bare LF.
printf 'GET /healthz HTTP/1.1\nHost: yo\n\n' | talk -N 127.0.0.1 "$port" >typed
[[ $(status typed) == 200 && $(tail -1 typed) == ok ]] || die "$(cat typed)"
printf 'GET /healthz HTTP/1.0\n\n' | talk 127.0.0.1 "$port" >typed
[[ $(status typed) == 200 ]] || die "$(cat typed)"
# Slowly, with an empty line first.
{ printf '\n'; sleep 0.1; printf 'GET /nada HTTP/1.1\n'; sleep 0.1; printf 'Host: yo\nConnection: close\n\n'; } |
    talk 127.0.0.1 "$port" >typed
[[ $(status typed) == 404 ]] || die "$(cat typed)"
printf 'GET / HTTP/1.1\nHost: yo\r\n\n' | talk -N 127.0.0.1 "$port" >typed
[[ $(status typed) == 400 ]] || die "$(cat typed)"
printf 'hola\n\n' | talk -N 127.0.0.1 "$port" >typed
[[ $(status typed) == 400 ]] || die "$(cat typed)"

# A whole upload by hand.
{
    printf 'POST /?formato=pgm HTTP/1.1\r\nHost: yo\r\nConnection: close\r\n'
    printf 'Content-Length: %s\r\n\r\n' "$(wc -c <"$photos/rocket.jpg")"
    cat "$photos/rocket.jpg"
} | talk 127.0.0.1 "$port" >upload
[[ $(status upload) == 200 ]] || die "$(head -20 upload)"
grep -aq '^320 213$' upload || die 'no PGM of 320x213'

# Two requests, one after the other, on one connection.
printf 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n' | talk -N ::1 "$port" >two
[[ $(grep -c '^ok' two) == 2 ]] || die "$(cat two)"
