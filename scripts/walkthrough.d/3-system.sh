# Steps of scripts/walkthrough: the whole system in one command.

step one_command 'Todo en una orden'
one_command() {
    say 'Sin -s, tp2 inicia su propio escalador: el mismo programa, otra vez, en otro proceso.'
    need_whole
    local own
    own=$(children "$whole")
    type_in "curl -sS -F imagen=@foto.jpg $here/ -o gris.jpg -w '%{http_code}\n'"
    must '200' says '^200$'
    type_in "$tree -p $whole,$own --ppid $own"
    must 'tp2 (con hilos), su escalador (sin), los hijos del escalador' says "^ *[0-9]+ +$own +1 "
    type_in "ss -xlp | grep 'pid=$own,' | sed 's/ \+/ /g'"
    must 'se hablan por un socket Unix, en un directorio privado' says 'tp2-escalador-'
    type_in "stat -c '%A %n' $(dirname "$(socket_of "$own")")"
    must 'que nadie más puede abrir' says '^drwx------'
    open src/net/supervisor.rs spawn 'Arranca su propio programa otra vez; entre el fork y el exec no corre código nuestro.'
    open src/own_scaler.rs main 'Lo primero que hace el proceso nuevo, cuando aún no hay hilos.'
}
# The Unix socket that a process listens on.
socket_of() { ss -xlpH | sed -nE "s/.* (\/[^ ]+) .*pid=$1,.*/\1/p"; }

step the_scaler_killed 'kill -9 al escalador'
the_scaler_killed() {
    say 'El escalador es de tp2: si muere, tp2 inicia otro, en medio segundo a más tardar.'
    need_whole
    local own
    own=$(children "$whole")
    type_in "kill -9 $own"
    comes 'tp2 inició otro' has_another_child "$whole" "$own"
    type_in "$tree -p $whole --ppid $whole"
    type_in "curl -sS --retry 5 -F imagen=@foto.jpg $here/ -o gris.jpg -w '%{http_code}\n'"
    must 'y la siguiente foto sale bien' says '^200$'
    comes 'el registro lo cuenta' has_line entero.log '(WARN|ERROR|INFO).*escalador'
    open src/net/supervisor.rs handle_sigchld 'SIGCHLD llega por un descriptor, como todo lo demás: no hay manejador de señales.'
    open src/net/pool.rs judge 'El trabajo que estaba allí se repite en otra conexión: el paso es puro.'
}
has_another_child() { [[ $(children "$1") && $(children "$1") != *"$2"* ]]; }

step a_task 'Una tarea: el id ahora, la imagen después'
a_task() {
    say 'Nadie tiene que esperar con la conexión abierta: 202 y un id en cuanto la foto está en el disco.'
    need_whole
    type_in "curl -sS -i -F imagen=@foto.jpg $here/tareas | grep -vE '^(Date|X-Content|Cache)'"
    must '202, con la dirección del estado' says '^Location: /estado/'
    task=$(sed -nE 's|^Location: /estado/([0-9a-f-]+).*|\1|p' "$out")
    type_in "curl -sS '$here/estado/$task?espera=30'"
    must '?espera=30: la respuesta llega cuando hay algo que decir' says '"estado":"Completada"'
    type_in "curl -sS $here/tareas/$task/imagen -o tarea.jpg -w '%{http_code} %{content_type}\n'"
    must 'y ahí está la imagen' says '^200 image/jpeg'
    open src/conn/intent.rs submit_task 'De una petición a una pregunta al almacén, y de su respuesta a HTTP.'
    open src/work/waiters.rs Waiters 'Quién espera qué tarea: nadie pregunta cada segundo.'
}

step a_crash 'kill -9 a todo'
a_crash() {
    say 'Lo que se respondió con 202 sobrevive a lo que sea.'
    need_whole
    [[ ${task:-} ]] || a_task
    local own
    own=$(children "$whole")
    # Bash would tell of its end in words of its own.
    disown "$whole"
    type_in "kill -9 $whole"
    comes 'tp2 murió, sin despedirse' gone "$whole"
    comes 'su escalador también: el núcleo se lo dijo' gone "$own"
    need_whole
    type_in "curl -sS $here/tareas/$task/imagen | cmp - tarea.jpg && echo iguales"
    must 'otro tp2, con el mismo archivo de SQLite: la tarea sigue ahí' says '^iguales$'
    open src/store/sqlite/writer.rs commit 'Un commit para todos los que esperan: así el disco alcanza.'
    open scaler/src/sys/process.rs die_with_parent 'PDEATHSIG: el escalador muere con tp2, aunque tp2 no pueda despedirse.'
}

step a_link 'Un enlace'
a_link() {
    say 'La imagen se queda en el servidor, y la respuesta es dónde está.'
    need_whole
    type_in "curl -sS -F imagen=@foto.jpg $here/enlaces"
    must 'la respuesta es una línea con la dirección' says '^Imagen escalada disponible en: http://127.0.0.1:'
    local link
    link=$(sed -n 's/.*disponible en: //p' "$out")
    type_in "curl -sS -r 0-2 $link | od -A n -t x1"
    must 'la imagen se puede pedir entera o por partes (Range)' says 'ff d8 ff'
    type_in "ls -l scaled_images | cut -d' ' -f1,5-"
    open src/files/links.rs publish 'Se escribe aparte y se renombra: el archivo está entero o no está.'
}

step a_face 'Una cara en el banco'
a_face() {
    say 'El banco guarda cada imagen en gris, de 80x90, y su vector de 7200 números.'
    need_whole
    type_in "curl -sS -T foto.jpg $here/carpetas/caras/1A58003.jpg"
    must 'insertada' says '"mensaje":"imagen 1A58003.jpg insertada"'
    type_in "curl -sS -T foto.jpg $here/carpetas/caras/1A58003.jpg"
    must 'un nombre se da una sola vez' says 'ya existe'
    type_in "curl -sS $here/carpetas/caras/1A58003.jpg >documento; head -c 90 documento; echo …; tail -c 60 documento"
    type_in "sed 's/.*\"vector\":\[//; s/\].*//' documento | tr ',' '\n' | grep -c ."
    must 'son 7200 números' says '^7200$'
    open src/model/face.rs write_document 'El documento, escrito igual que lo escribían los programas de la clase.'
    open src/pixels/face.rs face_image 'De una imagen a 7200 grises.'
}
