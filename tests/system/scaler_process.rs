//! The second process: one that runs elsewhere (`-s`), tp2's own, and every way in which it can fail.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, photo, picture, size_of};
use super::common::processes::{children, kill_9, niceness, niceness_of_threads, wait_gone};
use super::common::server::{Process, Scaler, tp2_scaler};
use super::common::wait::until;
use super::common::{Client, Server, post};

/// A mix of formats and sizes, and the server's answer to each when it is idle.
fn mixed(server: &Server) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut files: Vec<Vec<u8>> = ["rocket.jpg", "chelsea.png"].map(photo).into();
    files.extend(Format::ALL.map(|format| picture(format, 150, 100)));
    files.push(pgm(640, 480));
    let answer = |file: Vec<u8>| {
        let alone = server.ask(&post("/?escala=0.7", &file)).expect(200).body;
        (file, alone)
    };
    files.into_iter().map(answer).collect()
}

/// Sends `count` of these at once over 20 connections; each answer must equal the one from the idle server. `disturb`
/// runs meanwhile, with the number of answers.
fn upload_all(
    server: &Server,
    pictures: &[(Vec<u8>, Vec<u8>)],
    count: usize,
    disturb: impl FnOnce(&dyn Fn() -> usize),
) {
    const CONNECTIONS: usize = 20;
    let address = server.address();
    let (next, answered, failed) = (AtomicUsize::new(0), AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                loop {
                    let number = next.fetch_add(1, Relaxed);
                    if number >= count || failed.load(Relaxed) {
                        return;
                    }
                    let (file, alone) = &pictures[number % pictures.len()];
                    let answer = client.ask(&post("/?escala=0.7", file));
                    let right = answer.status == 200 && answer.body == *alone;
                    failed.fetch_or(!right, Relaxed);
                    assert!(right, "number {number}: {} {:?}", answer.status, answer.body.len());
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        disturb(&|| if failed.load(Relaxed) { count } else { answered.load(Relaxed) });
    });
    assert_eq!(answered.load(Relaxed), count);
}

#[test]
fn a_scaler_elsewhere_over_tcp_and_over_a_unix_socket_gives_the_same() {
    let own = Server::start(&[]);
    let expected = own.ask(&post("/", &photo("rocket.jpg"))).expect(200).body;
    for scaler in [Scaler::tcp(), Scaler::unix()] {
        let server = Server::start(&["-s", &scaler.destination]);
        let answer = server.ask(&post("/", &photo("rocket.jpg"))).expect(200);
        assert!(answer.body == expected, "{}", scaler.destination);
        assert!(children(server.pid()).is_empty(), "a server with -s starts no scaler of its own");
        scaler.process.wait_line("Imagen recibida con dimensiones originales: 640x427");
        scaler.process.wait_line("Escalado completado, imagen escalada enviada al cliente.");
    }
}

#[test]
fn the_work_of_large_pictures_makes_way_and_that_of_small_ones_does_not() {
    for above in [0, 3] {
        let server = Server::start(&["-t", "1", "--nice-grandes", &above.to_string()]);
        let before = niceness(server.pid());
        let large = pgm(1300, 1000);
        server.ask(&post("/", &pgm(40, 40))).expect(200);
        server.ask(&post("/", &large)).expect(200);
        server.ask(&post("/", &pgm(40, 40))).expect(200);
        let threads = niceness_of_threads(server.pid());
        for (kind, expected) in [("quick-", before), ("pixels-", before + above), ("tp2", before)] {
            let found: Vec<i32> =
                threads.iter().filter(|(name, _)| name.starts_with(kind)).map(|(_, nice)| *nice).collect();
            assert!(!found.is_empty() && found.iter().all(|nice| *nice == expected), "{threads:?}");
        }
        let children: Vec<i32> = children(server.scaler_pid()).into_iter().map(niceness).collect();
        let nicer = children.iter().filter(|nice| **nice == before + 3).count();
        let others = children.iter().filter(|nice| **nice == before).count();
        assert_eq!(nicer, usize::from(above == 3), "{children:?}");
        assert!(others >= 1 && nicer + others == children.len(), "{children:?}");
    }
}

#[test]
fn a_killed_child_costs_nobody_an_answer() {
    let server = Server::start(&["-t", "2"]);
    let pictures = mixed(&server);
    let scaler = server.scaler_pid();
    upload_all(&server, &pictures, 200, |answered| {
        for threshold in [20, 60, 100, 140] {
            until("some answers", || (answered() >= threshold).then_some(()));
            for child in children(scaler) {
                kill_9(child);
            }
        }
    });
    assert_eq!(server.scaler_pid(), scaler, "the scaler itself lives on");
}

#[test]
fn a_killed_scaler_is_back_within_a_second_and_costs_nobody_an_answer() {
    let server = Server::start(&["-t", "2"]);
    let pictures = mixed(&server);
    upload_all(&server, &pictures, 200, |answered| {
        for threshold in [30, 90] {
            until("some answers", || (answered() >= threshold).then_some(()));
            let scaler = server.scaler_pid();
            kill_9(scaler);
            let killed_at = Instant::now();
            until("another scaler", || children(server.pid()).into_iter().find(|&pid| pid != scaler));
            assert!(killed_at.elapsed() < Duration::from_secs(1), "{:?}", killed_at.elapsed());
        }
    });
    server.wait_log("El escalador (pid ");
    server.wait_log("señal 9");
}

#[test]
fn the_children_of_a_killed_scaler_end_too() {
    let server = Server::start(&[]);
    server.ask(&post("/", &pgm(40, 40))).expect(200);
    let scaler = server.scaler_pid();
    let grandchildren = until("a forked child", || {
        let found = children(scaler);
        (!found.is_empty()).then_some(found)
    });
    kill_9(scaler);
    wait_gone(&[scaler]);
    wait_gone(&grandchildren);
    server.ask(&post("/", &pgm(40, 40))).expect(200);
}

#[test]
fn a_scaler_elsewhere_that_comes_back_is_found_again() {
    let scaler = Scaler::tcp();
    let destination = scaler.destination.clone();
    let server = Server::start(&["-s", &destination]);
    server.ask(&post("/", &pgm(40, 40))).expect(200);
    drop(scaler);

    // A scaler that stays away is reported to clients and in /readyz, and costs no more time.
    let answer = server.ask(&post("/", &pgm(40, 40))).expect(503);
    assert_eq!(answer.problem()["type"], "urn:tp2:error:escalador-ausente");
    assert!(answer.field("retry-after").is_some() && answer.is_kept());
    assert_eq!(server.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status, 503);
    assert!(server.is_healthy());
    let asked_at = Instant::now();
    server.ask(&post("/", &pgm(40, 40))).expect(503);
    assert!(asked_at.elapsed() < Duration::from_secs(2), "{:?}", asked_at.elapsed());

    let mut command = super::common::server::tp2_scaler();
    command.args(["-p", destination.rsplit_once(':').unwrap().1]);
    let _scaler = super::common::server::Process::spawn(command);
    until("that it is ready", || {
        (server.ask(b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n").status == 200).then_some(())
    });
    assert_eq!(size_of(&server.ask(&post("/", &pgm(40, 40))).expect(200).body), (Format::Pnm, 20, 20));
}

#[test]
fn a_connection_that_breaks_is_replaced_up_to_five_times() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination()]);
    let mut client = server.client();

    client.send(&post("/", &pgm(8, 8)));
    for _ in 0..5 {
        let question = scaler.question();
        question.stream.shutdown(std::net::Shutdown::Both).unwrap();
    }
    scaler.question().answer();
    client.response().expect(200);

    client.send(&post("/", &pgm(8, 8)));
    let mut breaks = 0;
    while breaks < 6 {
        scaler.question().stream.shutdown(std::net::Shutdown::Both).unwrap();
        breaks += 1;
    }
    let answer = client.response().expect(502);
    assert_eq!(answer.problem()["type"], "urn:tp2:error:escalador-perdido");
    assert!(answer.is_kept());
}

#[test]
fn a_scaler_that_answers_nonsense_or_refuses_is_502() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination()]);
    let mut client = server.client();
    for (reply, status) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], 502),
        (b"OK\nP5\n3 4\n255\n            ", 502),
        (b"OK\nP6\n4 4\n255\n", 502),
        (b"ERROR 500 roto\n", 502),
        (b"ERROR 422 no\n", 422),
        (b"ERROR 504 tarde\n", 504),
    ] {
        client.send(&post("/", &pgm(8, 8)));
        let mut question = scaler.question();
        question.answer_with(reply);
        let text = String::from_utf8_lossy(reply).into_owned();
        let answer = client.response();
        assert_eq!(answer.status, status, "{text}");
        answer.problem();
    }
}

#[test]
fn a_private_directory_that_somebody_removes_is_made_anew() {
    let server = Server::start(&["-t", "1"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let names = server.runtime.names();
    let [name] = names.as_slice() else { panic!("{names:?}") };
    std::fs::remove_dir_all(server.runtime.0.join(name)).unwrap();
    kill_9(server.scaler_pid());
    // A child of the killed scaler may still answer this.
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    until("the directory", || (server.runtime.names() == names).then_some(()));
    server.ask(&post("/", &pgm(20, 20))).expect(200);
}

#[test]
fn readiness_knows_of_a_scaler_that_is_away_although_nobody_asks_for_a_picture() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nobody.local_addr().unwrap();
    drop(nobody);
    let server = Server::start(&["-s", &address.to_string()]);
    let ready = || server.ask(b"GET /readyz HTTP/1.1\r\nHost: a\r\n\r\n").status;
    until("that it is missed", || (ready() == 503).then_some(()));
    let mut command = tp2_scaler();
    command.args(["-p", &address.port().to_string()]);
    let _scaler = Process::spawn(command);
    until("that it is found", || (ready() == 200).then_some(()));
    server.ask(&post("/", &pgm(20, 20))).expect(200);
}

#[test]
fn what_the_scaler_says_is_in_the_log() {
    let server = Server::start(&["-t", "1"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let child = until("a child", || children(server.scaler_pid()).first().copied());
    kill_9(child);
    server.wait_log(" - INFO - tp2-scaler: Hijo ");
    server.ask(&post("/", &pgm(20, 20))).expect(200);
}
