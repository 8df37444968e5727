# Hecho de las tablas de opciones por «cargo run --example manuals»: no se edita.
complete -c tp2-scaler -f
complete -c tp2-scaler -s h -l help -d 'Muestra este mensaje de ayuda y sale'
complete -c tp2-scaler -s i -l ip -x -d 'Dirección o nombre de escucha (127.0.0.1)'
complete -c tp2-scaler -s p -l port -x -d 'Puerto de escucha; 0: lo elige el sistema (8889)'
complete -c tp2-scaler -s u -l unix -r -F -d 'Socket Unix de escucha, en lugar de IP y PORT si no se dan también'
complete -c tp2-scaler -s c -l hijos -x -d 'Máximo de procesos hijos a la vez (64)'
complete -c tp2-scaler -l plazo -x -d 'Tiempo máximo para una imagen, y de espera por la siguiente (30)'
complete -c tp2-scaler -l max-pixeles -x -d 'Máximo de píxeles de una imagen, antes y después (100)'
complete -c tp2-scaler -l nice-grandes -x -d 'Cuánto ceden el paso (nice, de 0 a 19) los hijos que escalan una imagen de más de un megapíxel (10)'
complete -c tp2-scaler -l exigir-aislamiento -d 'No arranca si falta algún paso del aislamiento'
complete -c tp2-scaler -l stdio -d 'Atiende una conexión por la entrada y salida estándar'
complete -c tp2-scaler -s q -l silencio -l quiet -d 'Solo muestra los errores'
complete -c tp2-scaler -s V -l version -d 'Muestra la versión y sale'
