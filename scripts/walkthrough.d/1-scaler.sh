# Steps of scripts/walkthrough: the second server, alone.

step the_scaler_alone 'El segundo servidor, solo'
the_scaler_alone() {
    say 'Son dos servidores. El segundo solo cambia el tamaño de imágenes grises; empezamos por él.' \
        'Con -p 0 el puerto lo elige el núcleo; aquí todos los puertos son así.'
    need_scaler
    show escalador.log
    type_in "$tree -p $scaler"
    must 'es un solo proceso, de un solo hilo (NLWP 1)' says "^ *$scaler +[0-9]+ +1 "
    type_in "ss -tlnp 'sport = :$scaler_port'"
    must 'escucha solo en esta máquina, con una cola de 1024 conexiones' says "LISTEN +0 +1024 +127.0.0.1:$scaler_port"
    open scaler/src/listener.rs open_all 'socket, bind, listen: de aquí sale el puerto que acabamos de ver.'
    open scaler/src/serve.rs turn 'Una vuelta del bucle: dormir en poll, enterrar hijos, aceptar. Cabe en una pantalla.'
}

step the_wire 'Qué se dicen: los bytes del protocolo'
the_wire() {
    say 'Una línea con el factor y una imagen PGM: cabecera en texto, un byte por píxel.'
    need_scaler
    need_tiny
    type_in "{ printf 'ESCALAR 0.5\n'; cat cuatro.pgm; } | od -A d -t x1z"
    type_in "{ printf 'ESCALAR 0.5\n'; cat cuatro.pgm; } | nc -N 127.0.0.1 $scaler_port | od -A d -t x1z"
    must 'responde OK y una PGM de 2x1: los grises 1b y 85' says '4f 4b 0a 50 35 0a 32 20 31 0a 32 35 35 0a 1b 85'
    type_in "printf 'ESCALAR mucho\n' | nc -N 127.0.0.1 $scaler_port"
    must 'un error es una línea, con el código de HTTP' says '^ERROR 422 '
    open protocol.md '## 1. Transport' 'El contrato entero, con ejemplos que una prueba repite byte por byte.'
    open scaler/src/wire/decoder.rs push 'Los bytes llegan cortados por donde sea; esta máquina recuerda dónde iba.'
    open scaler/src/resize/weights.rs cubic 'Una suma ponderada de los vecinos (bicúbica): primero un eje, después el otro.'
}

step a_process_each 'Un proceso por conexión'
a_process_each() {
    say 'Dos clientes que se conectan y todavía no dicen nada.'
    need_scaler
    local first_fd first_client
    hold uno "$scaler_port"
    first_fd=$held_fd first_client=$held
    hold dos "$scaler_port"
    comes 'hay dos hijos' has_children "$scaler" 2
    type_in "$tree -p $scaler --ppid $scaler"
    type_in "ss -tnp 'sport = :$scaler_port'"
    must 'cada conexión es de un hijo' says 'ESTAB.*pid='
    must 'y el padre ya la cerró: no aparece' not says "pid=$scaler,"
    say '' 'Los clientes se van. Cada hijo lee el fin de su conexión y termina.'
    release
    held_fd=$first_fd
    release
    comes 'no queda ningún hijo, ni zombi' has_no_children "$scaler"
    open scaler/src/serve.rs fork 'fork: el hijo se queda con la conexión, el padre la cierra y sigue.'
    open scaler/src/sys/process.rs fork_child 'La llamada al sistema. Todo el código «unsafe» del proyecto está en esta carpeta.'
    open scaler/src/serve.rs reap 'waitpid en un bucle: las SIGCHLD se funden, y un zombi sería un hijo olvidado.'
}
not() { ! "$@"; }
has_no_children() { ! has_children "$1" 1; }

step the_confined_child 'El hijo, encerrado'
the_confined_child() {
    say 'Antes de leer un byte ajeno el hijo renuncia a todo lo que no le hace falta.'
    need_scaler
    hold preso "$scaler_port"
    comes 'hay un hijo' has_children "$scaler"
    local child
    child=$(children "$scaler" | tail -n 1)
    comes 'ya está encerrado' has_line "/proc/$child/status" '^Seccomp:.2'
    type_in "ls -l /proc/$child/fd | cut -d' ' -f1,9-"
    must 'tiene tres descriptores: la conexión, dos veces, y una tubería para el registro' says '2 -> pipe:'
    must 'y ningún otro' not says '[3-9] -> '
    type_in "grep -E '^(NoNewPrivs|Seccomp):' /proc/$child/status"
    must 'no puede ganar privilegios' says 'NoNewPrivs:.1'
    type_in "grep -E 'Max (cpu|file size|processes|open files|address)' /proc/$child/limits"
    must 'no puede abrir archivos' says 'Max open files +0 '
    release
    open scaler/src/sandbox.rs confine 'La lista de pasos, en su orden: señales, descriptores, padre, límites, filtro.'
    open scaler/src/sandbox/filter.rs program 'El filtro de llamadas al sistema: un programa para el núcleo, escrito a mano.'
}

step the_fork_traced 'El fork, visto desde el núcleo'
the_fork_traced() {
    if ! command -v strace >/dev/null; then
        [[ ${TP2_CI:-} != 1 ]] || fail 'TP2_CI=1 y no está strace'
        note 'SALTADO: no está strace (apt-get install strace)'
        return
    fi
    if ! strace -o /dev/null true 2>/dev/null; then
        note 'SALTADO: aquí strace no puede mirar a otro proceso'
        return
    fi
    say 'strace muestra las llamadas al sistema del padre y de sus hijos (-f).'
    local calls=accept4,clone,clone3,fork,vfork,close_range,prctl,seccomp,exit_group,wait4
    start traza "strace -f -o rastro -e trace=$calls tp2-scaler -p 0"
    comes 'el escalador escucha' has_port traza
    need_tiny
    type_in "{ printf 'ESCALAR 0.5\n'; cat cuatro.pgm; } | nc -N 127.0.0.1 $(port_in traza) | od -A d -t x1z"
    # The first child of a scaler is the one that tries the confinement, before anybody connects.
    comes 'el padre enterró al hijo' reaped_after_accept
    type_in "grep -v -e ECHILD -e 'wait4.* = 0' rastro | sed -n '/accept4.* = [0-9]/,\$p' | sed 's/child_tidptr=[^)]*/…/'" 20
    must 'accept4, y enseguida clone: el fork' says 'clone|fork'
    must 'el hijo se encierra' says 'seccomp\(SECCOMP_SET_MODE_FILTER'
    must 'y termina con exit_group(0)' says 'exit_group\(0'
    kill "$(children "$pid")"
    wait "$pid" || true
    open scaler/src/child.rs run 'Lo que hace un hijo desde que nace: encerrarse, atender, terminar.'
}
reaped_after_accept() { sed -n '/accept4.* = [0-9]/,$p' rastro | grep 'WEXITSTATUS(s) == 0' >/dev/null; }

step a_child_killed 'kill -9 a un hijo'
a_child_killed() {
    say 'Un hijo muere en medio de una conexión: le pasa a su cliente, y a nadie más.'
    need_scaler
    need_tiny
    hold victima "$scaler_port"
    comes 'hay un hijo' has_children "$scaler"
    local child
    child=$(children "$scaler" | tail -n 1)
    type_in "kill -9 $child"
    comes 'el padre dice de qué murió' has_line escalador.log "Hijo $child .*SIGKILL"
    grep "Hijo $child" escalador.log | sed 's/^/    /'
    release
    type_in "{ printf 'ESCALAR 0.5\n'; cat cuatro.pgm; } | nc -N 127.0.0.1 $scaler_port | head -c 2"
    must 'el siguiente cliente no se entera' says '^OK$'
    open scaler/src/serve.rs on_exit 'Qué fue de cada hijo, y de quién es la culpa.'
    open scaler/src/ending.rs describe 'Cada código de salida y cada señal, en palabras.'
}
