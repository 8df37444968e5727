//! Tasks beside clients that wait: which of them get places, memory and turns.
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use super::common::pictures::{pgm, picture};
use super::common::processes::{Directory, resident_bytes_max};
use super::common::server::{Process, tp2_scaler};
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, Server, post};
use tp2::http::format::Format;

const MIB: usize = 1 << 20;

/// A small picture in a long file: phones append data after the end of a JPEG.
fn long_file(length: usize) -> Vec<u8> {
    let mut file = picture(Format::Jpeg, 60, 40);
    file.resize(length, 0);
    file
}

/// A server whose scaler is not there yet, and the scaler's address.
fn without_scaler(store: &Store, arguments: &[&str]) -> (Server, Directory) {
    let place = Directory::new();
    let destination = format!("unix:{}/escalador", place.0.display());
    (store.serve(&[&["-s", &destination], arguments].concat()), place)
}

fn start_scaler(place: &Directory) -> Process {
    let mut command = tp2_scaler();
    command.arg("-q").arg("-u").arg(place.0.join("escalador"));
    Process::spawn(command)
}

#[test]
fn hundreds_wait_on_disk_whatever_the_queue_and_the_memory_and_while_there_is_no_scaler() {
    const TASKS: usize = 300;
    let store = Store::new();
    let (server, place) = without_scaler(&store, &["--cola", "1", "--memoria", "64", "-t", "2"]);
    let mut client = server.client();
    let picture = long_file(MIB);
    let ids: Vec<String> = (0..TASKS).map(|_| client.hand_in(&picture)).collect();
    until("that the scaler is missed", || {
        let answer = client.ask(&get("/readyz", &[]));
        (answer.status == 503 && answer.problem()["type"] == "urn:tp2:error:escalador-ausente").then_some(())
    });
    client.ask(&post("/", &pgm(20, 20))).expect(503);
    // The tasks in work were requeued: the failure is not theirs.
    until("that all wait", || (store.inspect().1 == [("Pendiente".to_owned(), TASKS as u64)]).then_some(()));

    let _scaler = start_scaler(&place);
    let alone = until("the first answer", || {
        let answer = client.ask(&post("/", &picture));
        (answer.status == 200).then_some(answer.body)
    });
    for id in &ids {
        assert!(client.result(id) == alone);
    }
    let peak = resident_bytes_max(server.pid());
    assert!(peak < 160 << 20, "{peak}");
}

/// Successful tasks, according to the log.
fn completed(server: &Server) -> usize {
    server.log().matches("Tarea completada: ").count()
}

#[test]
fn a_client_does_not_stand_in_line_behind_the_tasks() {
    const TASKS: usize = 200;
    let store = Store::new();
    let (server, place) = without_scaler(&store, &["-t", "1"]);
    let mut client = server.client();
    let picture = pgm(320, 240);
    let ids: Vec<String> = (0..TASKS).map(|_| client.hand_in(&picture)).collect();
    let _scaler = start_scaler(&place);
    until("that work on the tasks has begun", || (completed(&server) > 0).then_some(()));
    for _ in 0..10 {
        let before = completed(&server);
        client.ask(&post("/", &picture)).expect(200);
        let passed = completed(&server) - before;
        assert!(passed < 20, "{passed} tasks were done while a client waited");
    }
    assert!(completed(&server) < TASKS, "there were tasks to stand behind");
    client.ended(&ids[TASKS - 1]);
    until("that all are done", || (completed(&server) == TASKS).then_some(()));
}

#[test]
fn clients_without_end_do_not_starve_the_tasks() {
    const TASKS: usize = 30;
    let server = Server::start(&["-t", "1"]);
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let picture = pgm(320, 240);
    let address = server.address();
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !is_over.load(Relaxed) {
                    client.ask(&post("/", &picture)).expect(200);
                    answered.fetch_add(1, Relaxed);
                }
            });
        }
        until("some load", || (answered.load(Relaxed) > 20).then_some(()));
        let mut client = Client::connect(address);
        let before = answered.load(Relaxed);
        let ids: Vec<String> = (0..TASKS).map(|_| client.hand_in(&picture)).collect();
        for id in &ids {
            assert_eq!(client.ended(id)["estado"], "Completada");
        }
        let meanwhile = answered.load(Relaxed) - before;
        is_over.store(true, Relaxed);
        // The number depends on the disk, which tasks wait for and clients do not.
        assert!(meanwhile > 0, "the clients were starved");
    });
}

#[test]
fn tasks_do_not_stand_in_each_others_way_for_memory() {
    let store = Store::new();
    let (mut server, _place) = without_scaler(&store, &[]);
    let mut client = server.client();
    // With four of these in memory there is no room to work on one.
    let picture = pgm(1600, 1600);
    let ids: Vec<String> = (0..5).map(|_| client.hand_in(&picture)).collect();
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let server = store.serve(&["-t", "2", "--memoria", "16", "--plazo", "3"]);
    let mut client = server.client();
    for id in &ids {
        let status = client.ended(id);
        assert_eq!(status["estado"], "Completada", "{status}");
    }
}

#[test]
fn a_task_that_no_longer_fits_the_memory_ends_and_lets_the_others_pass() {
    let store = Store::new();
    let (mut server, _place) = without_scaler(&store, &["--memoria", "64"]);
    let mut client = server.client();
    let large = client.hand_in(&long_file(20 * MIB));
    let small = client.hand_in(&pgm(20, 20));
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let server = store.serve(&["--memoria", "16"]);
    let mut client = server.client();
    assert_eq!(client.ended(&small)["estado"], "Completada");
    let status = client.ended(&large);
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &422.into()), "{status}");
    assert!(status["detalle"].as_str().unwrap().contains("--memoria"), "{status}");
}
