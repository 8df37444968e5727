//! The log: its contents, its destination, and that the server never waits for the log's reader.
use std::fs::{self, OpenOptions};
use std::process::Command;

use super::common::pictures::pgm;
use super::common::processes::{Directory, signal};
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Server, post, request};

/// Lines of a text that contain this.
fn lines<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part)).collect()
}

#[test]
fn the_lines_of_a_connection_name_its_descriptor_and_the_request() {
    let server = Server::start(&["-v"]);
    let mut client = server.client();
    let picture = pgm(30, 20);
    let id = client.ask(&post("/", &picture)).expect(200).id().to_owned();
    client.ask(&request("POST", "/", &["Authorization: Bearer secreto"], b"clave=secreto")).expect(415);
    drop(client);
    server.wait_log("Conexión cerrada.");
    let log = server.log();
    let first = lines(&log, "Cliente conectado.")[0];
    let fd = first.split_whitespace().find(|word| word.starts_with("fd=")).unwrap();
    let story: Vec<&str> =
        lines(&log, &format!(" - {fd} ")).iter().map(|line| line.rsplit_once(" - ").unwrap().1).collect();
    assert_eq!(story[0], "Cliente conectado.");
    assert_eq!(story[1], format!("Recibido {} bytes de la imagen del cliente.", picture.len()));
    assert_eq!(story[2], format!("Tarea recibida: /estado/{id}"));
    assert!(story[3].starts_with(&format!("POST / 200 {} → ", picture.len())) && story[3].ends_with(" ms"));
    assert!(story[4].starts_with("POST / 415 13 → "));
    assert_eq!(story[5..], ["Conexión cerrada."]);
    assert_eq!(lines(&log, &id).len(), 3, "{log}");
    assert!(lines(&log, &id).iter().all(|line| line.contains(fd)));
    assert!(!log.contains("secreto"), "{log}");
}

#[test]
fn a_variable_of_no_option_is_a_warning() {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]).env("TP2_MAX_CUERP", "secreto");
    let server = Server::launch(command);
    server.wait_log("TP2_MAX_CUERPO");
    let log = server.log();
    let told = "WARNING - Ninguna opción tiene la variable TP2_MAX_CUERP; la más parecida es TP2_MAX_CUERPO.";
    assert_eq!(lines(&log, told).len(), 1, "{log}");
    assert!(!log.contains("secreto"), "{log}");
}

#[test]
fn probes_are_told_of_with_v_alone_and_q_leaves_what_is_wrong() {
    for (arguments, probes, requests) in [(&["-v"][..], 3, 1), (&[], 0, 1), (&["-q"], 0, 0)] {
        let mut server = Server::start(arguments);
        let mut client = server.client();
        for path in ["/healthz", "/readyz", "/metrics", "/"] {
            client.ask(&get(path, &[])).expect(200);
        }
        drop(client);
        server.terminate();
        assert_eq!(server.wait().code(), Some(0));
        let log = server.log();
        let probed = ["GET /healthz 200", "GET /readyz 200", "GET /metrics 200"];
        let found: usize = probed.iter().map(|line| lines(&log, line).len()).sum();
        assert_eq!((found, lines(&log, "GET / 200").len()), (probes, requests), "{arguments:?}\n{log}");
    }
}

#[test]
fn the_file_is_opened_anew_on_sighup_and_can_go_away() {
    let place = Directory::new();
    let (path, old) = (place.0.join("tp2.log"), place.0.join("tp2.log.1"));
    let server = Server::start(&["-o", path.to_str().unwrap()]);
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    let told = |path, line: &str| until(line, || read(path).contains(line).then_some(()));
    server.ask(&get("/?primera", &[])).expect(200);
    told(&path, "GET /?primera 200");
    fs::rename(&path, &old).unwrap();
    server.ask(&get("/?segunda", &[])).expect(200);
    told(&old, "GET /?segunda 200");
    signal(server.pid(), scaler::sys::SIGHUP);
    until("a new file", || path.exists().then_some(()));
    server.ask(&get("/?tercera", &[])).expect(200);
    told(&path, "GET /?tercera 200");
    assert!(!read(&old).contains("tercera") && !read(&path).contains("segunda"));

    // It can't be opened again: the old one stays in use.
    fs::remove_file(&old).unwrap();
    fs::rename(&path, &old).unwrap();
    fs::create_dir(&path).unwrap();
    signal(server.pid(), scaler::sys::SIGHUP);
    server.ask(&get("/?cuarta", &[])).expect(200);
    told(&old, "GET /?cuarta 200");
    server.wait_log("GET /?cuarta 200");
}

#[test]
fn a_full_disk_costs_the_log_and_nothing_else() {
    let server = Server::start(&["-v", "-o", "/dev/full"]);
    for _ in 0..50 {
        server.ask(&post("/", &pgm(20, 20))).expect(200);
    }
    server.wait_log("POST / 200");
}

/// Standard error is a pipe that is never read: it takes 64 KiB, and then nothing more.
#[test]
fn a_reader_that_does_not_read_holds_up_neither_the_loop_nor_the_file() {
    let place = Directory::new();
    let (fifo, file) = (place.0.join("stderr"), place.0.join("tp2.log"));
    assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
    // Both ends, so that neither side waits for the other to open it.
    let _reader = OpenOptions::new().read(true).write(true).open(&fifo).unwrap();
    let mut command = Command::new("sh");
    command.args(["-c", "exec \"$0\" -i 127.0.0.1 -p 0 -t 1 -v -o \"$1\" 2>\"$2\""]);
    command.arg(tp2().get_program()).args([&file, &fifo]);
    let mut server = Server::launch(command);
    let mut client = server.client();
    // Each line has some 90 bytes: many times the pipe's size.
    for number in 0..3000 {
        client.ask(&get(&format!("/healthz?{number}"), &[])).expect(200);
    }
    client.ask(&post("/", &pgm(20, 20))).expect(200);
    until("the last line in the file", || {
        fs::read_to_string(&file).unwrap_or_default().contains("POST / 200").then_some(())
    });
    assert_eq!(lines(&fs::read_to_string(&file).unwrap(), "GET /healthz?").len(), 3000);
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}
