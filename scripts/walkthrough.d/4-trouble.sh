# Steps of scripts/walkthrough: what nobody should send, too many at once, and the end.

step malformed 'Peticiones mal hechas'
malformed() {
    say 'Lo que dos programas podrían entender de dos maneras se rechaza: 400 y se cierra.'
    need_whole
    refused() {
        type_in "printf '$1' | nc -N 127.0.0.1 $whole_port | grep -oaE '^HTTP.*|\"detail\":\"[^\"]*'"
        must "$3" says "^HTTP/1.1 $2 "
    }
    refused 'POST / HTTP/1.1\r\nHost: yo\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n' 400 'dos largos'
    refused 'GET / HTTP/1.1\r\nHost: yo\r\nHost: tu\r\n\r\n' 400 'dos Host'
    refused 'GET / HTTP/1.1\r\nHost : yo\r\n\r\n' 400 'un espacio antes de los dos puntos'
    refused 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n' 505 'HTTP/2'
    refused '\026\003\001\002\r\n\r\n' 400 'TLS en un puerto sin TLS'
    refused 'hola\r\n\r\n' 400 'esto no es nada'
    open src/http/head/error.rs HeadError 'Cada forma de estar mal tiene un nombre, un código y una frase.'
    open src/conn/problem.rs row 'La única tabla de errores: de cada causa, su código.'
}

step limits 'Límites, antes de reservar memoria'
limits() {
    say 'Cada límite tiene un valor, una opción para cambiarlo y un error que lo nombra.'
    need_whole
    type_in "printf 'POST / HTTP/1.1\r\nHost: yo\r\nContent-Length: 9000000000\r\n\r\n' | nc -N 127.0.0.1 $whole_port | grep -oaE '^HTTP.*|\"detail\":\"[^\"]*'"
    must 'nueve gigabytes anunciados: 413 sin leer ninguno' says '^HTTP/1.1 413 '
    type_in "wc -c <bomba.png; curl -sS --data-binary @bomba.png $here/ | grep -o '\"detail\":\"[^\"]*'"
    must 'pocos bytes que dicen ser una imagen enorme: 422, mirando solo la cabecera' says 'píxeles'
    type_in "curl -sS -F imagen=@foto.jpg -F escala=11 $here/ | grep -o '\"detail\":\"[^\"]*'"
    must 'un factor fuera de rango' says 'escala'
    type_in "curl -sS -H \"X-Larga: \$(head -c 17000 /dev/zero | tr '\\0' a)\" $here/ | grep -oE '\"(status|limite|valor)\":[^,]*'"
    must 'una cabecera de más de 16 KiB' says '"status":431'
    type_in "printf 'no soy una imagen' | curl -sS -F 'imagen=@-;filename=foto.jpg;type=image/jpeg' $here/ | grep -o '\"detail\":\"[^\"]*'"
    must 'bytes que no son imagen: el nombre y el tipo no cuentan' says 'parece texto'
    open src/conn/upload.rs keep 'Se cuenta cada byte que llega, no lo que se prometió.'
    open src/pixels/appraise.rs appraise 'Las medidas se leen de la cabecera; la memoria se pide después.'
}

step overload 'Demasiados a la vez'
overload() {
    say 'Un tp2 con lugar para dos imágenes (--cola 2), y un escalador al que detenemos.'
    start lerdo "tp2-scaler -p 0 -q --plazo 60"
    local slow=$pid
    comes 'el escalador escucha' listening "$slow"
    local slow_port
    slow_port=$(ss -tlnpH | sed -nE "s/.*127\.0\.0\.1:([0-9]+) .*pid=$slow,.*/\1/p")
    start chico "tp2 -i 127.0.0.1 -p 0 -t 1 --cola 2 -a sqlite:chico.sqlite3 -s 127.0.0.1:$slow_port"
    comes 'tp2 escucha' has_port chico
    local small=$pid small_port
    small_port=$(port_in chico)
    local there=http://127.0.0.1:$small_port
    type_in "kill -STOP $slow \$(ps -o pid= --ppid $slow)"
    local client clients=() name
    for name in una dos; do
        printf '\n  %s$ curl -F imagen=@foto.jpg %s/ -o %s.jpg &%s\n' "$cyan" "$there" "$name" "$off"
        command curl -sS --max-time 60 -F imagen=@foto.jpg "$there/" -o $name.jpg &
        clients+=($!)
        pids+=($!)
    done
    comes 'dos esperan' full "$there"
    type_in "curl -sS -i -F imagen=@foto.jpg $there/ | grep -oE '^(HTTP|Retry-After).*|\"detail\":\"[^\"]*'"
    must 'el tercero: 503, y cuándo volver' says '^Retry-After: [0-9]+'
    type_in "nc -N 127.0.0.1 $small_port <foto.jpg"
    must 'sin HTTP: una línea' says '^ERROR 503 '
    type_in "curl -sS -o /dev/null -w '%{http_code}\n' $there/healthz; curl -sS -o /dev/null -w '%{http_code}\n' $there/readyz"
    must 'el bucle vive (200), pero no acepta más (503)' cmp -s "$out" <(printf '200\n503\n')
    type_in "kill -CONT $slow \$(ps -o pid= --ppid $slow)"
    for client in "${clients[@]}"; do wait "$client" || fail 'un cliente que esperaba no recibió su foto'; done
    must 'los dos que esperaban reciben lo suyo' begins una.jpg ffd8ff
    must 'los dos' begins dos.jpg ffd8ff
    stop "$small"
    stop "$slow"
    open src/model/admission.rs Admission 'El único contador de admisión: lugares y bytes. Todo lo que entra tiene dónde estar.'
    open src/model/admission.rs retry_after 'Un Retry-After que sale de lo que se tarda, no de la galera.'
}
listening() { ss -tlnpH | grep "pid=$1," >/dev/null; }
full() { command curl -s "$1/metrics" | grep -x 'tp2_queue_places 2' >/dev/null; }

step figures 'Qué se puede mirar desde afuera'
figures() {
    say 'Un servidor al que no se puede mirar no se puede cuidar.'
    need_whole
    type_in "curl -sS -o /dev/null -F imagen=@foto.jpg $here/; curl -sS $here/metrics | grep -E '^(tp2_(queue|workers|connections|scaler_con)|process_(res|open))'"
    must 'cuántos esperan, cuántos trabajan, cuánta memoria' says '^tp2_workers_busy '
    type_in "curl -sS $here/metrics | grep -E 'stage_seconds_(sum|count)'"
    must 'y dónde se va el tiempo' says 'stage="decode"'
    open src/net/metrics/page.rs write_work 'El texto que lee Prometheus, y también el panel de la página.'
}

step the_end 'Terminar en orden'
the_end() {
    say 'SIGTERM: no entra nadie más, se responde a los que estaban, y se sale con 0.'
    need_whole
    local own private
    own=$(children "$whole")
    private=$(dirname "$(socket_of "$own")")
    printf '\n  %s$ kill %s; wait %s%s\n' "$cyan" "$whole" "$whole" "$off"
    stop "$whole"
    must 'tp2 sale con 0' exited 0
    must 'su escalador ya no está' gone "$own"
    tail -n 2 entero.log | sed 's/^/    /'
    if [[ ${scaler:-} ]] && alive "$scaler"; then
        printf '\n  %s$ kill %s; wait %s%s\n' "$cyan" "$scaler" "$scaler" "$off"
        stop "$scaler"
        must 'el escalador iniciado a mano, también' exited 0
    fi
    must 'el directorio privado del socket desapareció' not test -e "$private"
    open src/net/server/stopping.rs stop 'Qué se cierra, en qué orden, y hasta cuándo se espera.'
    open src/net/supervisor.rs drop 'Lo último: el escalador, y su directorio.'
}
