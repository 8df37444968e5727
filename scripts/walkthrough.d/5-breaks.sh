# Changes of one line for scripts/walkthrough --rompalo: what each costs, and the step that notices.
#
# broken TITLE STEP FILE OLD NEW WHY: OLD stands once in FILE; STEP is a function of this folder. A change that can no longer be made
# fails, by name, so that whoever moves the line moves it here as well.

broken 'El padre no espera a sus hijos' a_process_each scaler/src/serve.rs \
    '        self.reap();' '        // self.reap();' \
    'Un hijo que terminó sigue en la tabla de procesos hasta que su padre llama a waitpid: es un zombi. Ocupa un número de proceso, y cuando se acaban no hay más fork. SIGCHLD solo avisa; quien los borra es waitpid.'

broken 'El hijo no cierra lo que heredó' the_confined_child scaler/src/sandbox.rs \
    '("descriptores", keep_descriptors),' '("descriptores", |_| Ok(())),' \
    'fork copia la tabla de descriptores entera: el socket que escucha, las tuberías, los archivos. Si el hijo no los cierra, el puerto queda tomado cuando muere el padre, y el otro extremo de una tubería nunca ve su fin. Aquí el mismo paso pone la conexión en los descriptores 0 y 1: sin él, el hijo lee lo que era la entrada de su padre, encuentra el fin y termina.'

broken 'Otro núcleo para cambiar el tamaño' the_wire scaler/src/resize/weights.rs \
    'let x = x.abs();' 'let x = if x.abs() < 0.5 { 0.0 } else { 2.0 };' \
    'Así cada píxel nuevo es la media de los que cubre: 10 y 90. El bicúbico pesa también a los vecinos, algunos en negativo, y por eso da 1b y 85: el borde queda más marcado. protocol.md dice cuál es, y sus ejemplos lo prueban.'

broken 'Un socket solo de IPv6' http_by_hand src/net/listener.rs \
    'sys::listen_tcp(address, !any, BACKLOG)' 'sys::listen_tcp(address, true, BACKLOG)' \
    'Con IPV6_V6ONLY prendido, un socket en :: no recibe conexiones de IPv4. Es lo que hace asyncio.start_server("::", …) por su cuenta: quien lo usa atiende IPv6 y cree que atiende las dos.'

broken 'Cerrar después de cada respuesta' two_requests src/conn/connection/replying.rs \
    'After::Next => Phase::Idle { fresh: false, since: Some(now.at), due: now.at + limits.idle_time },' 'After::Next => Phase::Closed,' \
    'HTTP/1.1 deja la conexión abierta si nadie dice lo contrario. El cliente ya había enviado la segunda petición, y nadie la lee: para él no es un error del servidor, sino una respuesta que no llega.'

broken 'Los grises de la televisión nueva' netcat_mode src/pixels/gray.rs \
    '19_595 * r as u32 + 38_470 * g as u32 + 7_471 * b as u32' '13_933 * r as u32 + 46_871 * g as u32 + 4_732 * b as u32' \
    'Rec. 601 pesa el rojo 0.299, el verde 0.587 y el azul 0.114; Rec. 709, que es la de la televisión de alta definición, 0.213, 0.715 y 0.072. Las dos son grises y a simple vista parecen iguales: solo comparar números lo descubre. Pillow usa la primera.'
