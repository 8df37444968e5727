# The servers that several steps of scripts/walkthrough share: a step that needs one asks for it (need_…), so that each step
# can be run alone.
#
# Every file here is sourced by scripts/walkthrough, in the order of their names; a step is a title and a function, written with
# the words say, type_in, start, must, comes, open that are found there.

readonly tree='ps --forest -o pid,ppid,nlwp,stat,comm'

need_scaler() {
    [[ ${scaler:-} ]] && alive "$scaler" && return
    start escalador "tp2-scaler -p 0"
    scaler=$pid
    comes 'el escalador escucha' has_port escalador
    scaler_port=$(port_in escalador)
}
need_front() {
    need_scaler
    [[ ${front:-} ]] && alive "$front" && return
    start tp2 "tp2 -i :: -p 0 -s 127.0.0.1:$scaler_port -v"
    front=$pid
    comes 'tp2 escucha' has_port tp2
    port=$(port_in tp2)
    url=http://127.0.0.1:$port
}
need_whole() {
    [[ ${whole:-} ]] && alive "$whole" && return
    start entero "tp2 -i :: -p 0 -a sqlite:entero.sqlite3"
    whole=$pid
    comes 'tp2 escucha' has_port entero
    whole_port=$(port_in entero)
    here=http://127.0.0.1:$whole_port
    comes 'y tiene su escalador' has_children "$whole"
}
# A grey picture of 4x2 that fits on the blackboard.
need_tiny() { printf 'P5\n4 2\n255\n\020\020\220\220\020\020\220\220' >cuatro.pgm; }

# hold NAME PORT: a client that connects and says no more than what is written to its pipe, by `tell`.
hold() {
    rm -f "$1.pipe"
    mkfifo "$1.pipe"
    timeout --foreground 60 nc -N 127.0.0.1 "$2" <"$1.pipe" >"$1.answer" 2>&1 &
    pids+=($!)
    held=$!
    command exec {held_fd}>"$1.pipe"
}
release() { command exec {held_fd}>&-; }
