//! The real binary on real sockets: which clients are served, which are refused, and that no client blocks it.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by a panic")]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use common::{
    PATIENCE, Server, children, exchange, expected, is_alive, pgm, proc_field, request, scratch_path,
    send_signal, skip, wait_for,
};

#[test]
fn it_prints_what_the_first_server_of_this_kind_printed() {
    let server = Server::start(&["-p", "0"]);
    let stream = server.connect();
    let port = stream.local_addr().unwrap().port();
    let image = pgm(350, 418);
    assert_eq!(exchange(stream, &request("ESCALAR 0.5", &image)), expected(350, 418, (175, 209)));
    server.out.expect("Escalado completado");
    let lines = server.out.all();
    assert_eq!(
        lines,
        [
            format!("Iniciando el servidor de escalado en 127.0.0.1:{}", server.port()),
            "Aislamiento de los hijos: señales, descriptores, padre, límites, privilegios, filtro."
                .to_owned(),
            format!("Recibiendo imagen desde: ('127.0.0.1', {port})"),
            format!("Tamaño de la imagen a recibir: {} bytes.", image.len()),
            format!("Recibido {} bytes de imagen.", image.len()),
            "Imagen recibida con dimensiones originales: 350x418".to_owned(),
            "Imagen escalada a 175x209.".to_owned(),
            "Escalado completado, imagen escalada enviada al cliente.".to_owned(),
        ]
    );
    assert_eq!(server.err.all(), [""; 0]);
}

#[test]
fn quiet_is_quiet() {
    let path = scratch_path("quiet.sock");
    let mut server = Server::spawn(command(&["-q", "-u", path.to_str().unwrap()]));
    let mut stream = wait_for("the socket", || UnixStream::connect(&path).ok());
    stream.write_all(&request("ESCALAR 3x3", &pgm(9, 9))).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, expected(9, 9, (3, 3)));
    server.signal("TERM");
    assert!(server.ended().success());
    assert_eq!((server.out.all(), server.err.all()), (vec![], vec![]));
}

#[test]
fn several_requests_on_one_connection_even_all_at_once() {
    let server = Server::start(&["-p", "0"]);
    let sizes = [(90, 70, (45, 35)), (1, 1, (1, 1)), (300, 200, (30, 400)), (90, 70, (90, 70))];
    let mut all = Vec::new();
    let mut replies = Vec::new();
    for (width, height, to) in sizes {
        all.extend(request(&format!("ESCALAR {}x{}", to.0, to.1), &pgm(width, height)));
        replies.extend(expected(width, height, to));
    }
    assert_eq!(exchange(server.connect(), &all), replies);

    // One after the other, each when the last is answered: the same child.
    let mut stream = server.connect();
    for (width, height, to) in sizes {
        stream.write_all(&request(&format!("ESCALAR {}x{}", to.0, to.1), &pgm(width, height))).unwrap();
        let wanted = expected(width, height, to);
        let mut reply = vec![0; wanted.len()];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply, wanted);
    }
    assert_eq!(children(server.pid()).len(), 1);
}

/// The memory of a waiting child is not counted, so it has to be small.
#[test]
fn a_child_that_has_scaled_a_large_picture_is_small_again() {
    let server = Server::start(&["-p", "0"]);
    let mut stream = server.connect();
    let (request, wanted) = (request("ESCALAR 0.5", &pgm(6000, 4000)), expected(6000, 4000, (3000, 2000)));
    let resident = |pid| {
        let line = proc_field(pid, "status", "RssAnon:");
        line.trim_end_matches(" kB").parse::<u64>().unwrap() << 10
    };
    for _ in 0..3 {
        let mut sender = stream.try_clone().unwrap();
        let reply = thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&request).unwrap());
            let mut reply = vec![0; wanted.len()];
            stream.read_exact(&mut reply).unwrap();
            reply
        });
        assert!(reply == wanted);
        let (child, _) = children(server.pid())[0];
        wait_for("a small child", || (resident(child) < 8 << 20).then_some(()));
    }
}

#[test]
fn large_pictures_come_through_however_slowly_they_are_sent() {
    let server = Server::start(&["-p", "0"]);
    let image = request("ESCALAR 0.5", &pgm(3000, 1000));
    let mut stream = server.connect();
    let reader = stream.try_clone().unwrap();
    let collected = thread::spawn(move || {
        let mut reply = Vec::new();
        let mut reader = reader;
        reader.read_to_end(&mut reply).map(|_| reply)
    });
    for (index, piece) in image.chunks(70_001).enumerate() {
        stream.write_all(piece).unwrap();
        if index % 9 == 0 {
            thread::yield_now();
        }
    }
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(collected.join().unwrap().unwrap(), expected(3000, 1000, (1500, 500)));
}

/// The answers do not fit the socket's buffers, and the client reads only after sending all: unsent bytes have to be
/// held.
#[test]
fn a_client_that_sends_all_before_it_reads_is_served_at_any_size() {
    let server = Server::start(&["-p", "0"]);
    for ((width, height), to) in [
        ((6000, 4000), (5400, 3600)),
        ((4000, 4000), (4000, 4000)),
        ((1500, 1000), (7500, 5000)),
        ((6000, 300), (6000, 2400)),
        ((4000, 6000), (4000, 3000)),
    ] {
        let request = request(&format!("ESCALAR {}x{}", to.0, to.1), &pgm(width, height));
        assert!(
            exchange(server.connect(), &request) == expected(width, height, to),
            "{width}x{height} to {to:?}"
        );
    }
}

/// An answer may begin before its request has ended, and then the request may break off.
#[test]
fn a_request_that_breaks_off_behind_the_beginning_of_its_answer_ends_the_connection() {
    let server = Server::start(&["-p", "0"]);
    let whole = request("ESCALAR 0.5", &pgm(4000, 3000));
    let wanted = expected(4000, 3000, (2000, 1500));
    let mut stream = server.connect();
    stream.write_all(&whole[..whole.len() / 2]).unwrap();
    // It comes while the client is silent.
    let mut begun = vec![0; 400_000];
    stream.read_exact(&mut begun).unwrap();
    assert!(begun == wanted[..begun.len()]);
    stream.shutdown(Shutdown::Write).unwrap();
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest); // by an end or by a reset
    assert!(
        begun.len() + rest.len() < wanted.len() && wanted[begun.len()..].starts_with(&rest),
        "no ERROR within samples"
    );
    server.out.expect("interrumpida: la conexión terminó antes de tiempo");
    wait_for("the child's end", || children(server.pid()).is_empty().then_some(()));
    assert_eq!(server.err.all(), [""; 0], "it was the peer's fault");
}

/// A child never holds more than some rows, for a client that reads while it sends.
#[test]
fn a_large_picture_takes_little_memory() {
    let server = Server::start(&["-p", "0"]);
    let most =
        |pid| proc_field(pid, "status", "VmHWM:").trim_end_matches(" kB").parse::<u64>().unwrap() << 10;
    for ((width, height), to) in
        [((3640, 2472), (1820, 1236)), ((3640, 2472), (36, 24)), ((1200, 900), (3600, 2700))]
    {
        let mut stream = server.connect();
        let request = request(&format!("ESCALAR {}x{}", to.0, to.1), &pgm(width, height));
        let mut reply = vec![0; expected(width, height, to).len()];
        let (child, _) = wait_for("the child", || children(server.pid()).pop());
        wait_for("its confinement", || (proc_field(child, "status", "Seccomp:") == "2").then_some(()));
        let before = most(child);
        let mut sender = stream.try_clone().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| sender.write_all(&request).unwrap());
            stream.read_exact(&mut reply).unwrap();
        });
        let taken = most(child) - before;
        println!("{width}x{height} to {to:?}: {} KiB", taken >> 10);
        assert!(taken <= 4 << 20, "{width}x{height} to {to:?} took {taken} bytes");
        drop((sender, stream));
        wait_for("the child's end", || children(server.pid()).is_empty().then_some(()));
    }
}

#[test]
fn netcat_is_the_whole_client() {
    if Command::new("nc").arg("-h").stderr(Stdio::null()).status().is_err() {
        return skip("no hay nc");
    }
    let server = Server::start(&["-p", "0"]);
    let image = scratch_path("foto.pgm");
    fs::write(&image, pgm(64, 48)).unwrap();
    let script =
        format!("{{ echo 'ESCALAR 0.5'; cat {}; }} | nc -N 127.0.0.1 {}", image.display(), server.port());
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    fs::remove_file(&image).unwrap();
    assert_eq!(output.stdout, expected(64, 48, (32, 24)));
}

#[test]
fn garbage_is_answered_and_the_answer_can_be_read() {
    let server = Server::start(&["-p", "0"]);
    for (sent, answer) in [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "ERROR 400 "),
        (b"\0\0\0".to_vec(), "ERROR 400 "),
        (b"ESCALAR".to_vec(), "ERROR 400 "),
        (b"ESCALAR 11\n".to_vec(), "ERROR 422 "),
        (b"ESCALAR 0.5\n\xff\xd8\xff\xe0".to_vec(), "ERROR 415 "),
        (b"ESCALAR 10\nP5 60000 60000 255\n".to_vec(), "ERROR 422 "),
        (request("ESCALAR 0.5", &pgm(100, 100)[..5000]), "ERROR 400 "),
        // Far more than the socket's buffers hold: it has to be discarded, or a reset destroys the answer.
        ([b"nada\n".to_vec(), vec![b'x'; 8 << 20]].concat(), "ERROR 400 "),
    ] {
        let reply = exchange(server.connect(), &sent);
        let reply = String::from_utf8(reply).unwrap();
        assert!(
            reply.starts_with(answer) && reply.ends_with('\n') && reply.lines().count() == 1,
            "{reply:?}"
        );
    }
}

#[test]
fn after_an_error_a_peer_that_stays_is_left_after_two_seconds() {
    let server = Server::start(&["-p", "0"]);
    let mut stream = server.connect();
    let start = Instant::now();
    stream.write_all(b"nada\n").unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    assert!(start.elapsed() < Duration::from_secs(2), "the answer and the half-close come at once");
    wait_for("the child's end", || children(server.pid()).is_empty().then_some(()));
    assert!(start.elapsed() >= Duration::from_secs(2), "the peer had its time");
}

#[test]
fn silence_half_a_picture_and_an_unread_answer_hold_one_child_until_the_deadline() {
    let server = Server::start(&["-p", "0", "--plazo", "1", "-c", "4"]);
    let start = Instant::now();
    let silent = server.connect();
    let mut half = server.connect();
    half.write_all(&request("ESCALAR 0.5", &pgm(100, 100)[..5000])).unwrap();
    let mut deaf = server.connect();
    deaf.write_all(&request("ESCALAR 5000x5000", &pgm(10, 10))).unwrap();
    wait_for("three children", || (children(server.pid()).len() == 3).then_some(()));

    // Others are served meanwhile.
    assert_eq!(exchange(server.connect(), &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
    wait_for("their end", || children(server.pid()).is_empty().then_some(()));
    assert!(start.elapsed() < Duration::from_secs(10));
    let deadlines = || server.err.all().iter().filter(|line| line.contains("SIGALRM: plazo agotado")).count();
    wait_for("two deadlines in the log", || (deadlines() == 2).then_some(()));
    assert_eq!(server.err.all().len(), 2, "who never spoke is no accident: {:?}", server.err.all());
    drop((silent, half, deaf));
}

#[test]
fn without_descriptors_it_pauses_and_goes_on_when_there_are_some() {
    if Command::new("prlimit").arg("--version").output().is_err() {
        return skip("no hay prlimit");
    }
    // 0-2, signals, the log's pipe, the listener: no room for a connection.
    let mut command = Command::new("prlimit");
    command.args(["--nofile=7:100", env!("CARGO_BIN_EXE_tp2-scaler"), "-p", "0"]);
    let server = Server::spawn(command);
    let client = server.connect();
    server.err.expect("No se puede aceptar otra conexión: no quedan descriptores de archivo; ");
    server.err.expect("se deja de aceptar durante 1 s.");
    let raised =
        Command::new("prlimit").args(["--pid", &server.pid().to_string(), "--nofile=100:100"]).status();
    assert!(raised.unwrap().success());
    assert_eq!(exchange(client, &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
    let ticks = fs::read_to_string(format!("/proc/{}/stat", server.pid())).unwrap();
    let used: u64 = ticks[ticks.rfind(')').unwrap()..]
        .split(' ')
        .skip(12)
        .take(2)
        .map(|n| n.parse::<u64>().unwrap())
        .sum();
    assert!(used < 50, "it waited, it did not spin: {used} ticks of processor time");
}

#[test]
fn at_the_maximum_of_children_the_backlog_is_the_queue() {
    let server = Server::start(&["-p", "0", "-c", "2"]);
    let held = [server.connect(), server.connect()];
    wait_for("two children", || (children(server.pid()).len() == 2).then_some(()));
    let mut third = server.connect();
    third.write_all(&request("ESCALAR 2", &pgm(4, 4))).unwrap();
    third.shutdown(Shutdown::Write).unwrap();
    third.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    assert!(third.read(&mut [0; 1]).is_err(), "no third child answers");
    assert_eq!(children(server.pid()).len(), 2);
    drop(held);
    third.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut reply = Vec::new();
    third.read_to_end(&mut reply).unwrap();
    assert_eq!(reply, expected(4, 4, (8, 8)));
}

#[test]
fn two_hundred_clients_at_once_leave_no_zombie_and_no_descriptor() {
    let server = Server::start(&["-p", "0"]);
    let descriptors = || fs::read_dir(format!("/proc/{}/fd", server.pid())).unwrap().count();
    let before = descriptors();
    let clients: Vec<_> = (0..200)
        .map(|index| {
            let stream = server.connect();
            thread::spawn(move || {
                let side = 20 + index % 50;
                let reply = exchange(stream, &request("ESCALAR 0.5", &pgm(side, side)));
                assert_eq!(reply, expected(side, side, (side / 2, side / 2)));
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    wait_for("no child, no zombie", || children(server.pid()).is_empty().then_some(()));
    wait_for("no descriptor", || (descriptors() == before).then_some(()));
}

#[test]
fn a_child_has_its_connection_and_its_log_and_nothing_else() {
    let server = Server::start(&["-p", "0"]);
    let stream = server.connect();
    let child = wait_for("the child", || children(server.pid()).first().map(|&(pid, _)| pid));
    wait_for("its confinement", || (proc_field(child, "status", "Seccomp:") == "2").then_some(()));
    let mut numbers: Vec<String> = fs::read_dir(format!("/proc/{child}/fd"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    numbers.sort();
    assert_eq!(numbers, ["0", "1", "2"]);
    let target =
        |number: &str| fs::read_link(format!("/proc/{child}/fd/{number}")).unwrap().display().to_string();
    assert!(target("0").starts_with("socket:") && target("0") == target("1"));
    assert!(target("2").starts_with("pipe:"));

    assert_eq!(proc_field(child, "status", "NoNewPrivs:"), "1");
    assert_eq!(proc_field(child, "status", "Threads:"), "1");
    assert_eq!(u64::from_str_radix(&proc_field(child, "status", "SigBlk:"), 16), Ok(0));
    let limit = |name: &str| {
        let line = proc_field(child, "limits", name);
        let fields: Vec<String> = line.split_whitespace().take(2).map(str::to_owned).collect();
        fields.join(" ")
    };
    assert_eq!(limit("Max file size"), "0 0");
    assert_eq!(limit("Max core file size"), "0 0");
    assert_eq!(limit("Max open files"), "0 0");
    assert_eq!(limit("Max processes"), "0 0");
    assert_eq!(limit("Max cpu time"), "3600 3600");
    let space: u64 = limit("Max address space").split(' ').next().unwrap().parse().unwrap();
    // One picture of 100 million pixels with alpha, and the process itself.
    assert!((200_000_000..400 << 20).contains(&space), "{space}");
    drop(stream);
}

#[test]
fn term_lets_a_job_finish_ends_who_waits_and_exits_0() {
    let mut server = Server::start(&["-p", "0"]);
    let idle = server.connect();
    let mut busy = server.connect();
    let whole = request("ESCALAR 0.5", &pgm(200, 200));
    busy.write_all(&whole[..whole.len() / 2]).unwrap();
    server.out.expect("Tamaño de la imagen a recibir");
    wait_for("two children", || (children(server.pid()).len() == 2).then_some(()));
    server.signal("TERM");
    wait_for("the idle one's end", || (children(server.pid()).len() == 1).then_some(()));
    assert!(TcpStream::connect(("127.0.0.1", server.port())).is_err(), "nobody new");
    busy.write_all(&whole[whole.len() / 2..]).unwrap();
    let wanted = expected(200, 200, (100, 100));
    let mut reply = vec![0; wanted.len()];
    busy.read_exact(&mut reply).unwrap();
    assert_eq!(reply, wanted);
    assert_eq!(server.ended().code(), Some(0));
    assert_eq!(server.err.all(), [""; 0]);
    drop(idle);
}

#[test]
fn a_second_term_waits_for_nobody() {
    let mut server = Server::start(&["-p", "0"]);
    let mut busy = server.connect();
    busy.write_all(b"ESCALAR 0.5\nP5 100 100 255\n").unwrap();
    server.out.expect("Tamaño de la imagen a recibir");
    server.signal("INT");
    wait_for("draining", || TcpStream::connect(("127.0.0.1", server.port())).is_err().then_some(()));
    server.signal("TERM");
    assert_eq!(server.ended().code(), Some(0));
    server.err.expect("se matan");
}

#[test]
fn kill_9_of_the_parent_leaves_no_orphan() {
    let mut server = Server::start(&["-p", "0"]);
    let mut streams = [server.connect(), server.connect(), server.connect()];
    streams[0].write_all(b"ESCALAR 0.5\nP5 100 100 255\n").unwrap();
    wait_for("three children", || (children(server.pid()).len() == 3).then_some(()));
    let orphans = children(server.pid());
    server.process.kill().unwrap();
    server.ended();
    wait_for("their end", || orphans.iter().all(|&(pid, _)| !is_alive(pid)).then_some(()));
}

#[test]
fn a_killed_child_costs_its_client_and_nobody_else() {
    let server = Server::start(&["-p", "0"]);
    for _ in 0..12 {
        let mut stream = server.connect();
        stream.write_all(b"ESCALAR 0.5\nP5 100 100 255\n").unwrap();
        let child = wait_for("the child", || children(server.pid()).first().map(|&(pid, _)| pid));
        send_signal(child, "KILL");
        assert!(matches!(stream.read(&mut [0; 1]), Ok(0) | Err(_)));
        wait_for("its burial", || children(server.pid()).is_empty().then_some(()));
    }
    server.err.expect("SIGKILL: matado desde fuera");
    assert!(!server.err.all().iter().any(|line| line.contains("se deja de aceptar")), "no pause for that");
    assert_eq!(exchange(server.connect(), &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
}

#[test]
fn a_unix_socket_is_private_and_goes_with_its_server() {
    let path = scratch_path("s.sock");
    let name = path.to_str().unwrap();
    let mut server = Server::start(&["-u", name]);
    assert_eq!(server.out.all()[0], format!("Iniciando el servidor de escalado en unix:{name}"));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(&request("ESCALAR 0.5", &pgm(1000, 800))).unwrap();
    let wanted = expected(1000, 800, (500, 400));
    let mut reply = vec![0; wanted.len()];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(reply, wanted);
    server.out.expect(&format!("unix (proceso {}", std::process::id()));

    let second = command(&["-u", name]).output().unwrap();
    assert_eq!(second.status.code(), Some(1));
    assert_eq!(
        String::from_utf8(second.stderr).unwrap(),
        format!("tp2-scaler: ya hay un servidor en unix:{name}\n")
    );
    assert!(path.exists());

    // A killed server leaves the file; the next one replaces it.
    server.process.kill().unwrap();
    server.ended();
    assert!(path.exists());
    let mut third = Server::start(&["-u", name]);
    UnixStream::connect(&path).unwrap();
    third.signal("TERM");
    assert_eq!(third.ended().code(), Some(0));
    assert!(!path.exists());
}

#[test]
fn tcp_and_unix_together_ipv6_and_a_port_that_is_taken() {
    let path = scratch_path("both.sock");
    let server = Server::start(&["-u", path.to_str().unwrap(), "-i", "localhost", "-p", "0"]);
    UnixStream::connect(&path).unwrap();
    assert_eq!(exchange(server.connect(), &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
    let taken = command(&["-p", &server.port().to_string()]).output().unwrap();
    assert_eq!(taken.status.code(), Some(1));
    let error = String::from_utf8(taken.stderr).unwrap();
    assert_eq!(error, format!("tp2-scaler: el puerto {} de 127.0.0.1 ya está en uso\n", server.port()));

    if TcpStream::connect("[::1]:1").is_err_and(|error| error.kind() != std::io::ErrorKind::ConnectionRefused)
    {
        return skip("no hay IPv6");
    }
    let server = Server::start(&["-i", "::", "-p", "0"]);
    assert!(server.out.all()[0].starts_with("Iniciando el servidor de escalado en [::]:"));
    assert_eq!(exchange(server.connect(), &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
    let stream = TcpStream::connect(("::1", server.port())).unwrap();
    let port = stream.local_addr().unwrap().port();
    assert_eq!(exchange(stream, &request("ESCALAR 2", &pgm(4, 4))), expected(4, 4, (8, 8)));
    server.out.expect(&format!("('::1', {port}, 0, 0)"));
}

#[test]
fn what_can_not_be_had_is_one_spanish_line_and_exit_1_or_2() {
    for (arguments, code, line) in [
        (
            &["-i", "no-existe.invalid"][..],
            2,
            "no se puede escuchar en «no-existe.invalid»: ese nombre no se encuentra",
        ),
        (
            &["-i", "192.0.2.1", "-p", "9"],
            1,
            "no se puede escuchar en 192.0.2.1:9: esa dirección no es de esta máquina",
        ),
        (&["-u", "/no/existe/s"], 1, "no se puede escuchar en unix:/no/existe/s: no existe su directorio"),
    ] {
        let output = command(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(error.lines().next(), Some(format!("tp2-scaler: {line}").as_str()));
    }
}

#[test]
fn help_version_and_bad_usage() {
    let help = command(&["-h"]).output().unwrap();
    assert!(help.status.success() && help.stderr.is_empty());
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(text.starts_with("usage: tp2-scaler [-h]"));
    for line in [
        "  -h, --help            Muestra este mensaje de ayuda y sale",
        "  -p PORT, --port PORT  Puerto de escucha; 0: lo elige el sistema (8889)",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}");
    }
    let version = command(&["--version"]).output().unwrap();
    assert_eq!(
        String::from_utf8(version.stdout).unwrap(),
        concat!("tp2-scaler ", env!("CARGO_PKG_VERSION"), "\n")
    );
    let bad = command(&["-p", "x"]).output().unwrap();
    assert_eq!((bad.status.code(), bad.stdout.len()), (Some(2), 0));
    assert_eq!(String::from_utf8(bad.stderr).unwrap().lines().count(), 2);
}

#[test]
fn a_log_that_nobody_reads_does_not_stop_the_server() {
    let mut process = command(&["-p", "0"]).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut out = process.stdout.take().unwrap();
    let mut first = Vec::new();
    while !first.ends_with(b"\n") {
        let mut byte = [0];
        out.read_exact(&mut byte).unwrap();
        first.push(byte[0]);
    }
    let port: u16 = String::from_utf8(first).unwrap().trim().rsplit(':').next().unwrap().parse().unwrap();
    // A pipe holds 64 KiB; a request is about 300 bytes of log. The pipe is not read.
    let image = request("ESCALAR 2", &pgm(4, 4));
    let stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let reply = exchange(stream, &image.repeat(600));
    assert_eq!(reply, expected(4, 4, (8, 8)).repeat(600));
    process.kill().unwrap();
    process.wait().unwrap();
}

#[test]
fn stdio_serves_files_and_closed_descriptors_do_no_harm() {
    let (input, output) = (scratch_path("in.bin"), scratch_path("out.bin"));
    fs::write(&input, request("ESCALAR 0.5", &pgm(64, 48)).repeat(2)).unwrap();
    let run = |redirections: &str| {
        let script = format!("{} --stdio {redirections}", env!("CARGO_BIN_EXE_tp2-scaler"));
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let status = run(&format!("< {} > {}", input.display(), output.display())).status;
    assert_eq!(status.code(), Some(0));
    assert_eq!(fs::read(&output).unwrap(), expected(64, 48, (32, 24)).repeat(2));
    let piped = run(&format!("2>&- < {}", input.display()));
    assert_eq!(piped.stdout, expected(64, 48, (32, 24)).repeat(2));
    assert_eq!(run("<&- >&- 2>&-").status.code(), Some(0));
    let refused = run("< /dev/zero");
    assert_eq!(refused.status.code(), Some(64));
    assert!(refused.stdout.starts_with(b"ERROR 400 "));
    fs::remove_file(input).unwrap();
    fs::remove_file(output).unwrap();
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-scaler"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// 64 silent peers do not keep others out for long: those that have a child are told to end when others have waited
/// for their first byte, and a client that has sent data comes before one that has not.
#[test]
fn silent_peers_keep_nobody_out() {
    let server = Server::start(&["-p", "0"]);
    let mut silent: Vec<TcpStream> = (0..64).map(|_| server.connect()).collect();
    // As many as one address may have.
    wait_for("their children", || (children(server.pid()).len() == 16).then_some(()));
    let began_at = Instant::now();
    let reply = exchange(server.connect(), &request("ESCALAR 0.5", &pgm(64, 48)));
    assert!(reply.starts_with(b"OK\nP5\n32 24\n"), "{}", String::from_utf8_lossy(&reply));
    assert!(began_at.elapsed() < Duration::from_secs(6), "{:?}", began_at.elapsed());
    for stream in &mut silent {
        assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0, "let go without a word");
    }
    assert!(server.err.all().iter().all(|line| !line.contains("SIGTERM")), "{:?}", server.err.all());
}

/// A busy child is not cut off when others wait: it ends after its answer.
#[test]
fn who_is_at_work_is_answered_before_it_makes_way() {
    let server = Server::start(&["-p", "0", "-c", "1"]);
    let mut first = server.connect();
    let job = request("ESCALAR 0.5", &pgm(64, 48));
    let (begun, end) = job.split_at(job.len() - 1);
    first.write_all(begun).unwrap();
    wait_for("its child", || (children(server.pid()).len() == 1).then_some(()));
    let second = server.connect();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| exchange(second, &job));
        // Long enough to be told to end.
        std::thread::sleep(Duration::from_millis(5500));
        assert!(!second.is_finished());
        first.write_all(end).unwrap();
        let mut reply = Vec::new();
        first.read_to_end(&mut reply).unwrap();
        assert!(reply.starts_with(b"OK\nP5\n32 24\n"));
        assert!(second.join().unwrap().starts_with(b"OK\n"));
    });
}
