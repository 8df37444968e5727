//! Waiting for a task's end: `?espera`, `Prefer`, a server that stops meanwhile, and a thousand clients that wait at
//! once.
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::pgm;
use super::common::processes::{resident_bytes, threads};
use super::common::tasks::{Store, get};
use super::common::wait::{PATIENCE, until};
use super::common::{Client, Server, post, request};

fn prefer(target: &str, preference: &str) -> Vec<u8> {
    request("POST", target, &[&format!("Prefer: {preference}")], &pgm(30, 20))
}

/// Nothing has come.
fn assert_silent(client: &Client) {
    client.stream.set_nonblocking(true).unwrap();
    let error = client.stream.peek(&mut [0]).expect_err("an answer before its time");
    assert_eq!(error.kind(), ErrorKind::WouldBlock);
    client.stream.set_nonblocking(false).unwrap();
}

#[test]
fn a_wait_is_answered_at_the_end_or_when_its_time_is_over() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination()]);
    let mut client = server.client();
    let id = client.hand_in(&pgm(30, 20));
    let mut question = scaler.question();

    let asked_at = Instant::now();
    let still = client.ask(&get(&format!("/estado/{id}?espera=1"), &[])).expect(200);
    assert!(asked_at.elapsed() >= Duration::from_secs(1));
    assert_eq!(still.json()["estado"], "En progreso");
    let mut patient = server.client();
    // The next request waits behind the one that waits for the task.
    patient.send(&get(&format!("/estado/{id}?espera=60"), &[])).send(&get("/healthz", &[]));
    client.assert_kept();
    assert_silent(&patient);
    question.answer();
    assert_eq!(patient.response().expect(200).json()["estado"], "Completada");
    assert_eq!(patient.response().expect(200).body, b"ok\n");
    let at_once = client.ask(&get(&format!("/estado/{id}?espera=60"), &[])).expect(200);
    assert_eq!(at_once.json()["estado"], "Completada");
    for value in ["61", "-1", "x"] {
        client.ask(&get(&format!("/estado/{id}?espera={value}"), &[])).expect(422);
    }
}

#[test]
fn preferences_are_honoured_and_said_so() {
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination()]);
    let mut client = server.client();
    for target in ["/", "/tareas"] {
        let accepted = client.ask(&prefer(target, "respond-async")).expect(202);
        assert_eq!(accepted.field("preference-applied"), Some("respond-async"));
        let id = accepted.task();
        let mut question = scaler.question();
        question.answer();
        assert_eq!(client.ended(&id)["estado"], "Completada");

        let mut in_time = server.client();
        in_time.send(&prefer(target, "wait=30"));
        scaler.question().answer();
        let picture = in_time.response().expect(200);
        assert_eq!(picture.field("preference-applied"), Some("wait=30"));
        assert_eq!((picture.field("x-ancho"), picture.field("x-alto")), (Some("15"), Some("10")));
        assert_eq!(client.result(picture.id()), picture.body, "it is a task, and kept");

        let late = client.ask(&prefer(target, "respond-async, wait=1")).expect(202);
        assert_eq!(late.field("preference-applied"), Some("respond-async, wait=1"));
        assert_eq!(late.json()["estado"], "En progreso");
        let id = late.task();
        scaler.question().answer();
        assert_eq!(client.ended(&id)["estado"], "Completada");
    }
    client.send(&prefer("/", "handling=lenient"));
    scaler.question().answer();
    assert_eq!(client.response().expect(200).field("preference-applied"), None);
}

#[test]
fn a_stopping_server_answers_all_who_wait_and_keeps_the_tasks() {
    let (scaler, store) = (FakeScaler::start(), Store::new());
    let mut server = store.serve(&["-s", &scaler.destination()]);
    let mut client = server.client();
    let id = client.hand_in(&pgm(30, 20));
    let _held = scaler.question();
    let mut watcher = server.client();
    watcher.send(&get(&format!("/estado/{id}?espera=60"), &[]));
    let mut sender = server.client();
    sender.send(&prefer("/", "wait=60"));
    let _held_too = scaler.question();
    // Two clients that have sent part of a request.
    let (question, upload) = (get(&format!("/estado/{id}?espera=60"), &[]), prefer("/tareas", "wait=60"));
    let mut asking = server.client();
    asking.send(&question[..20]);
    let mut uploading = server.client();
    uploading.send(&upload[..upload.len() - 100]);
    client.assert_kept();

    server.terminate();
    let stopped_at = Instant::now();
    let told = watcher.response().expect(200);
    assert_eq!((&told.json()["estado"], told.is_kept()), (&"En progreso".into(), false));
    let kept = [sender.response().expect(202).task()];
    asking.send(&question[20..]);
    assert_eq!(asking.response().expect(200).json()["estado"], "En progreso");
    uploading.send(&upload[upload.len() - 100..]);
    let late = uploading.response().expect(202);
    assert_eq!(late.json()["estado"], "Pendiente");
    let kept = [&kept[..], &[late.task(), id]].concat();
    assert_eq!(server.wait().code(), Some(0));
    assert!(stopped_at.elapsed() < Duration::from_secs(15), "nobody was waited for");

    let server = store.serve(&[]);
    for id in &kept {
        assert_eq!(server.client().ended(id)["estado"], "Completada");
    }
}

/// A waiting client with minimal cost in the test's own process.
fn wait_for(server: &Server, id: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(&get(&format!("/estado/{id}?espera=60"), &[])).unwrap();
    stream
}

#[test]
fn a_thousand_who_wait_take_no_thread_and_little_memory() {
    const CLIENTS: usize = 1000;
    const EACH_MAX: u64 = 20 << 10;
    let scaler = FakeScaler::start();
    let server = Server::start(&["-s", &scaler.destination(), "-t", "2", "--plazo", "120"]);
    let mut client = server.client();
    let ids: Vec<String> = (0..4).map(|_| client.hand_in(&pgm(30, 20))).collect();
    let mut held: Vec<_> = (0..3).map(|_| scaler.question()).collect();
    // Memory that every first connection allocates is there already.
    let first = wait_for(&server, &ids[0]);
    client.assert_kept();
    drop(first);
    let before = (threads(server.pid()), resident_bytes(server.pid()));

    let waiting: Vec<TcpStream> =
        (0..CLIENTS).map(|number| wait_for(&server, &ids[number % ids.len()])).collect();
    until("that all are connected", || {
        (super::common::processes::open_descriptors(server.pid()) >= CLIENTS).then_some(())
    });
    client.assert_kept();
    let after = (threads(server.pid()), resident_bytes(server.pid()));
    assert_eq!(after.0, before.0);
    let each = after.1.saturating_sub(before.1) / CLIENTS as u64;
    println!("{each} bytes for each who waits");
    assert!(each < EACH_MAX, "{each} bytes for each who waits");

    for question in &mut held {
        question.answer();
    }
    scaler.question().answer();
    for mut stream in waiting {
        let mut answer = [0; 2048];
        let n = stream.read(&mut answer).unwrap();
        let text = String::from_utf8_lossy(&answer[..n]);
        assert!(text.starts_with("HTTP/1.1 200 ") && text.contains("Completada"), "{text}");
    }
    client.ask(&post("/?escala=x", &pgm(2, 2))).expect(422);
}
