# Steps of scripts/walkthrough: the first server, with the second started by hand.

step the_first_server 'El primer servidor'
the_first_server() {
    say 'El que atiende a los clientes: un bucle de eventos para todos, que a su vez habla con el escalador.' \
        'Los clientes solo lo ven a él.'
    need_front
    type_in "$tree -p $front"
    must 'tiene hilos, y un solo proceso' says "^ *$front +[0-9]+ +([2-9]|[0-9]{2,}) "
    comes 'cada hilo tiene un nombre' all_named "$front"
    type_in "ps -L -o tid,comm -p $front"
    must 'tp2 es el bucle' says ' tp2$'
    must 'log escribe el registro' says ' log$'
    must 'los pixels pasan fotos a gris y codifican el resultado: uno por núcleo' says ' pixels-[0-9]+$'
    must 'los quick hacen lo mismo con las pequeñas: no esperan detrás de una grande' says ' quick-[0-9]+$'
    must 'store-write escribe en la base de datos: el bucle no espera al disco' says ' store-write$'
    must 'store-read lee de ella' says ' store-read$'
    type_in "ss -tlnp 'sport = :$port'"
    must 'un solo socket para IPv4 e IPv6' says "(\*|\[::\]|0.0.0.0):$port"
    open src/main.rs serve 'Se arma en orden: señales, almacén, hilos, sockets, bucle.'
    open src/net/server.rs run 'El bucle: dormir, mirar quién está listo, mover bytes. Nada más espera.'
    open src/net/listener.rs bind 'IPV6_V6ONLY explícito: por eso :: atiende también IPv4.'
}
# A thread that has only just begun still has its process's name.
all_named() { [[ $(ps -L -o comm= -p "$1" | grep -c '^tp2$') == 1 ]]; }

step http_by_hand 'HTTP, a mano'
http_by_hand() {
    say 'Una petición es texto. La escribimos con printf y miramos los bytes.'
    need_front
    local request="printf 'GET /healthz HTTP/1.1\r\nHost: tp2\r\n\r\n'"
    type_in "$request | od -A d -t x1z"
    must 'cada línea termina en 0d 0a, y una vacía cierra la cabecera' says '0d 0a 0d 0a'
    type_in "$request | nc -N 127.0.0.1 $port"
    must '200, y el cuerpo detrás de la línea vacía' says '^HTTP/1.1 200 OK'
    if grep -q . /proc/net/if_inet6 2>/dev/null; then
        type_in "$request | nc -N ::1 $port | head -n 1"
        must 'por IPv6, lo mismo' says '^HTTP/1.1 200 OK'
    fi
    type_in "printf 'GET /healthz HTTP/1.1\nHost: tp2\n\n' | nc -N 127.0.0.1 $port | head -n 1"
    must 'quien escribe en nc no puede teclear 0d: con 0a solo, también' says '^HTTP/1.1 200 OK'
    open src/http/head.rs poll_head 'Busca la línea vacía y entonces lee la cabecera, una sola vez.'
    open src/conn/connection.rs handle_input 'La conversación: bytes que entran, acciones que salen. No conoce ningún socket.'
}

step multipart_bytes 'Un formulario, byte por byte'
multipart_bytes() {
    say 'Lo que envía un navegador al elegir un archivo: RFC 1867, multipart/form-data.'
    need_front
    {
        printf -- '--frontera\r\nContent-Disposition: form-data; name="escala"\r\n\r\n0.25\r\n'
        printf -- '--frontera\r\nContent-Disposition: form-data; name="imagen"; filename="foto.jpg"\r\n\r\n'
        cat foto.jpg
        printf -- '\r\n--frontera--\r\n'
    } >cuerpo
    type_in "head -c 176 cuerpo | od -A d -t x1z"
    must 'detrás de la línea vacía empieza la foto: ff d8 ff' says 'ff d8 ff'
    type_in "tail -c 24 cuerpo | od -A d -t x1z"
    must 'ff d9 es el final de la foto; detrás, la frontera' says 'ff d9 0d 0a 2d 2d'
    type_in "{ printf 'POST / HTTP/1.1\r\nHost: yo\r\nConnection: close\r\n'
printf 'Content-Type: multipart/form-data; boundary=frontera\r\nContent-Length: %s\r\n\r\n' \$(wc -c <cuerpo)
cat cuerpo; } | nc 127.0.0.1 $port >respuesta; sed '/^\r*\$/q' respuesta"
    must '200' says '^HTTP/1.1 200 OK'
    must 'un cuarto de 640x427: 160x106' says '^X-Ancho: 160'
    type_in "curl -sS -F imagen=@foto.jpg -F escala=0.25 $url/ | cmp - <(sed '1,/^\r*\$/d' respuesta) && echo iguales"
    must 'curl -F envía lo mismo y recibe lo mismo' says '^iguales$'
    open src/http/multipart.rs scan 'El buscador de fronteras: recibe trozos, no guarda la imagen, no copia nada.'
    open src/http/form.rs Form 'De las partes al pedido: cuál es la imagen, cuáles los parámetros.'
}

step the_whole_way 'El camino de una foto'
the_whole_way() {
    say 'Del cliente a tp2, a un hilo (gris), al escalador (tamaño), a un hilo (JPEG), al cliente.'
    need_front
    type_in "curl -sS -F imagen=@foto.jpg $url/ -o gris.jpg -D - | grep -E '^(HTTP|X-|Server-Timing)'"
    must '200' says '^HTTP/1.1 200'
    must 'con lo que tardó cada etapa' says '^Server-Timing: .*decode.*scale.*encode'
    must 'gris.jpg es un JPEG' begins gris.jpg ffd8ff
    type_in "tail -n 7 escalador.log"
    must 'el escalador cuenta lo que hizo' says 'Imagen escalada a 320x213'
    type_in "ss -tnp 'dport = :$scaler_port'"
    must 'tp2 deja abierta la conexión para la próxima' says "ESTAB.*pid=$front,"
    type_in "grep -E 'fd=.* POST' tp2.log | tail -n 1"
    must 'cada línea del registro lleva el descriptor y el id' says 'fd=[0-9]+ de [0-9a-f.:]+ [0-9a-f-]{36} - POST / 200'
    open src/work/pipeline.rs handle_done 'El trabajo como máquina de estados: gris, escala, código, fin.'
    open src/workers.rs submit 'El canal hacia los hilos: un trabajo entra, exactamente una respuesta sale.'
    open src/net/pool.rs assign 'Las conexiones con el escalador, y los reintentos si una se rompe.'
}

step nobody_blocks 'Nadie bloquea a nadie'
nobody_blocks() {
    say 'Un cliente manda media cabecera y se queda callado. Mientras, otro trabaja.'
    need_front
    hold lento "$port"
    printf 'POST / HTTP/1.1\r\nHost: len' >&"$held_fd"
    comes 'la conexión lenta está abierta' connected "$port"
    type_in "ss -tn 'sport = :$port'"
    type_in "curl -sS -o /dev/null -w '%{http_code} en %{time_total} s\n' -F imagen=@foto.jpg $url/"
    must 'el otro recibe su foto' says '^200 en '
    must 'el lento todavía no recibió nada' magnitude lento.answer 0
    release
    comes 'se fue a mitad de la cabecera: 400, y se le dice por qué' has_line lento.answer '^HTTP/1.1 400 '
    open src/net/client.rs pump 'Leer y escribir hasta WouldBlock, nunca más de 64 KiB seguidos: luego le toca a otro.'
    open src/conn/phase.rs Phase 'Cada fase de una conexión tiene un plazo; la cabecera, 10 s.'
}
connected() { ss -tnH "sport = :$1" | grep ESTAB >/dev/null; }

step two_requests 'Dos peticiones en una conexión'
two_requests() {
    say 'HTTP/1.1 deja la conexión abierta. El cliente puede incluso no esperar la respuesta.'
    need_front
    type_in "printf 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\nGET /nada HTTP/1.1\r\nHost: a\r\n\r\n' | nc -N 127.0.0.1 $port | grep -aE '^HTTP'"
    must 'las respuestas vienen en el orden de las preguntas' cmp -s "$out" <(printf 'HTTP/1.1 200 OK\r\nHTTP/1.1 404 Not Found\r\n')
    type_in "curl -sS -o /dev/null -o /dev/null -w '%{http_code}: conexiones nuevas: %{num_connects}\n' $url/healthz $url/nada"
    must 'curl no abre otra' says '^404: conexiones nuevas: 0'
    type_in "curl -sSv -H 'Expect: 100-continue' --data-binary @foto.jpg $url/ -o gris.jpg 2>&1 | grep -E '^[<>] (HTTP|Expect)'"
    must 'antes de enviar la foto, curl pregunta si vale la pena' says '100 Continue'
    open src/http/body.rs decode 'Dónde termina un cuerpo: por largo anunciado, o por trozos (chunked).'
    open src/conn/connection/replying.rs end_reply 'Qué sigue a una respuesta: otra petición, o el cierre.'
}

step netcat_mode 'Sin HTTP: la imagen y nada más'
netcat_mode() {
    say 'Si los primeros bytes son de una imagen, tp2 no espera HTTP: responde otra imagen.'
    need_front
    type_in "head -c 16 foto.jpg | od -A d -t x1z"
    type_in "nc -N 127.0.0.1 $port <foto.jpg >gris.jpg; head -c 16 gris.jpg | od -A d -t x1z"
    must 'entra un JPEG, sale un JPEG' says 'ff d8 ff'
    type_in "head -c 20000 foto.jpg | nc -N 127.0.0.1 $port"
    must 'media foto: una línea de error' says '^ERROR 422 '
    type_in "printf 'P6\n2 2\n255\n\377\0\0\377\0\0\377\0\0\377\0\0' | nc -N 127.0.0.1 $port | od -A n -t x1"
    must 'cuatro píxeles rojos son un gris 4c, 76 de 255: el rojo pesa 0.299' says '0a 4c$'
    open src/pixels/gray.rs luma 'Rec. 601, con las mismas cuentas enteras que Pillow.'
    open src/http/format.rs sniff 'Los números mágicos. «BM» también podría ser un verbo de HTTP: decide el byte 18.'
    open src/conn/connection/reading.rs begin_netcat 'La misma conversación, sin cabeceras.'
}

step half_close 'Cerrar la mitad'
half_close() {
    say 'nc -N avisa «ya no envío más» (FIN) y sigue leyendo. Sin -N no avisa.' \
        'Un JPEG dice dónde termina, y un TIFF no.'
    need_front
    type_in "curl -sS --data-binary @foto.jpg '$url/?escala=0.1&formato=tiff' -o chica.tif; head -c 4 chica.tif | od -A d -t x1z"
    type_in "nc 127.0.0.1 $port <foto.jpg | head -c 3 | od -A n -t x1"
    must 'JPEG sin -N: tp2 ve el final (ff d9) y responde' says 'ff d8 ff'
    printf '\n  %s$ nc 127.0.0.1 %s <chica.tif >nada.tif &%s\n' "$cyan" "$port" "$off"
    timeout --foreground 60 nc 127.0.0.1 "$port" <chica.tif >nada.tif &
    local patient=$!
    pids+=("$patient")
    comes 'TIFF sin -N: la conexión sigue abierta' connected "$port"
    type_in "nc -N 127.0.0.1 $port <chica.tif | head -c 4 | od -A n -t x1"
    must 'TIFF con -N: responde' says '49 49 2a 00|4d 4d 00 2a'
    must 'y el otro sigue sin respuesta: tp2 no sabe si falta algo' magnitude nada.tif 0
    kill "$patient"
    wait "$patient" 2>/dev/null || true
    open src/http/image_end.rs push 'Dónde termina una imagen, formato por formato, sin decodificarla.'
    open src/conn/upload.rs handle_eof 'El FIN del cliente: a veces es el final de la imagen, a veces un corte.'
}
