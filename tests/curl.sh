#!/usr/bin/env bash
# What a person types with curl, and what has to come of it.
#
#   tests/curl.sh PORT PHOTOS      in an empty directory, against a server on [::]:PORT
#
# Exits 0 if all is well; else says which command failed, and what it got.
set -euo pipefail

port=$1
photos=$2
url=http://127.0.0.1:$port
curl=(curl --silent --show-error --max-time 20)

die() { printf 'curl.sh: %s\n' "$*" >&2; exit 1; }
# magic FILE HEX: the file begins with these bytes.
magic() {
    local found
    found=$(od -An -tx1 -N $((${#2} / 2)) "$1" | tr -d ' \n')
    [[ $found == "$2" ]] || die "$1 begins with $found, not with $2"
}
# ask STATUS FILE ARGUMENT…: curl with these arguments answers so; the body goes to FILE, the head to FILE.head.
ask() {
    local status=$1 file=$2 found
    shift 2
    found=$("${curl[@]}" -o "$file" -D "$file.head" -w '%{http_code}' "$@") || die "curl $*: exit $?"
    [[ $found == "$status" ]] || die "curl $*: $found, not $status: $(head -c 300 "$file")"
}
field() { tr -d '\r' <"$1.head" | sed -n "s/^$2: //Ip" | tail -1; }

jpeg=ffd8ff png=89504e470d0a1a0a gif=474946383961 webp=52494646

# A form, in both families.
ask 200 a.jpg -F imagen=@"$photos/rocket.jpg" "$url/"
magic a.jpg $jpeg
[[ $(field a.jpg X-Ancho)x$(field a.jpg X-Alto) == 320x213 ]] || die "size: $(cat a.jpg.head)"
[[ $(field a.jpg Content-Type) == image/jpeg ]] || die "type: $(cat a.jpg.head)"
ask 200 b.jpg -F imagen=@"$photos/rocket.jpg" "http://[::1]:$port/"
cmp a.jpg b.jpg

# The bare body, three ways to send it.
ask 200 b.jpg --data-binary @"$photos/rocket.jpg" "$url/"
cmp a.jpg b.jpg
ask 200 b.jpg -T "$photos/rocket.jpg" "$url/"
cmp a.jpg b.jpg
ask 200 b.jpg -H 'Transfer-Encoding: chunked' --data-binary @"$photos/rocket.jpg" "$url/"
cmp a.jpg b.jpg
# From a pipe curl does not know the length: chunked by itself.
ask 200 b.jpg -T - "$url/" <"$photos/rocket.jpg"
cmp a.jpg b.jpg
ask 200 b.jpg -0 -F imagen=@"$photos/rocket.jpg" "$url/"
cmp a.jpg b.jpg
ask 200 b.jpg -H 'Expect: 100-continue' --data-binary @"$photos/rocket.jpg" "$url/"
cmp a.jpg b.jpg

# Parameters in the form and in the query.
ask 200 c -F imagen=@"$photos/chelsea.png" -F escala=0.25 -F formato=webp "$url/"
magic c $webp
[[ $(field c X-Ancho)x$(field c X-Alto) == 112x75 ]] || die "size: $(cat c.head)"
ask 200 c --data-binary @"$photos/coffee.png" "$url/?escala=0.1&formato=gif"
magic c $gif
ask 200 c -H 'Accept: image/png' --data-binary @"$photos/rocket.jpg" "$url/"
magic c $png

# Reading.
ask 200 page "$url/"
grep -q 'multipart/form-data' page || die 'the page has no form'
ask 200 page -I "$url/"
[[ $(cat page) == *'HTTP/1.1 200'* ]] || die '-I'
ask 200 health "$url/healthz"
ask 204 options -X OPTIONS "$url/"
[[ $(field options Allow) == *POST* ]] || die 'Allow'

# A link: followed, fetched in two pieces, and not again.
ask 201 link -F imagen=@"$photos/rocket.jpg" "$url/enlaces"
link=$(field link Location)
[[ $link == "$url"/scaled_images/scaled_image_*.jpg ]] || die "link: $link"
[[ $(cat link) == "Imagen escalada disponible en: $link" ]] || die "$(cat link)"
ask 200 linked "$link"
cmp a.jpg linked
ask 206 piece -r 0-999 "$link"
"${curl[@]}" -C - -o piece "$link"
cmp a.jpg piece
ask 304 again -H "If-None-Match: $(field linked ETag)" "$link"
ask 304 again -z "$(field linked Last-Modified)" "$link"

# Errors come as JSON in Spanish.
ask 404 error "$url/no/existe"
[[ $(field error Content-Type) == application/problem+json ]] || die "$(cat error.head)"
ask 405 error -X DELETE "$url/"
ask 415 error -d 'esto no es una imagen' "$url/"
ask 422 error -F nota=hola "$url/"
ask 422 error -F imagen=@"$photos/rocket.jpg" -F escala=0,5 "$url/"
grep -q 'escala' error || die "$(cat error)"

# Too long, with and without asking first: the answer can be read although curl has not sent everything.
head -c 40000000 /dev/zero >long
ask 413 error --data-binary @long "$url/"
ask 413 error -H 'Expect:' --data-binary @long "$url/"
grep -q -- '--max-cuerpo' error || die "$(cat error)"
ask 413 error -T - "$url/" <long

# So can the refusal of a name, which comes before the body too.
head -c 20000000 /dev/zero >fitting
ask 422 error -H 'Expect:' -T fitting "$url/carpetas/.c/x"
grep -q '«.c»' error || die "$(cat error)"

# One connection for several requests.
connects=$("${curl[@]}" -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects} ' "$url/" "$url/healthz" "$url/nada")
[[ $connects == '1 0 0 ' ]] || die "connections: $connects"
