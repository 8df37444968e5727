//! How the server ends: told to, killed, and with another beside it.
use std::os::unix::process::ExitStatusExt;

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, size_of};
use super::common::processes::{Directory, children, is_alive, kill_9, signal, wait_gone};
use super::common::server::tp2;
use super::common::wait::until;
use super::common::{Server, post};

const SIGINT: i32 = 2;
const PREFIX: &str = "tp2-escalador-";

/// The scaler and its children.
fn scaler_processes(server: &Server) -> Vec<u32> {
    let scaler = server.scaler_pid();
    let mut pids = children(scaler);
    pids.push(scaler);
    pids
}

#[test]
fn sigterm_and_sigint_end_an_idle_server_leaving_nothing() {
    for signal_number in [scaler::sys::SIGTERM, SIGINT] {
        let mut server = Server::start(&[]);
        server.ask(&post("/", &pgm(10, 10))).expect(200);
        let mut idle = server.client();
        idle.assert_kept();
        let processes = scaler_processes(&server);
        assert_eq!(server.runtime.names().len(), 1);
        signal(server.pid(), signal_number);
        assert_eq!(server.wait().code(), Some(0));
        idle.assert_closed();
        wait_gone(&processes);
        assert_eq!(server.runtime.names(), [""; 0]);
        assert!(server.log().trim_end().ends_with("Servidor detenido."), "{}", server.log());
    }
}

#[test]
fn sigterm_answers_what_is_in_progress_and_takes_nothing_new() {
    let scaler = FakeScaler::start();
    let mut server = Server::start(&["-s", &scaler.destination()]);
    let mut working = server.client();
    working.send(&post("/", &pgm(30, 20)));
    let mut question = scaler.question();
    let (mut uploading, sent) = (server.client(), post("/", &pgm(30, 20)));
    let (first, second) = sent.split_at(sent.len() - 100);
    uploading.assert_kept();
    uploading.send(first);

    server.terminate();
    server.wait_log("Deteniendo el servidor.");
    until("that new connections are refused", || std::net::TcpStream::connect(server.address()).err());
    assert!(is_alive(server.pid()));

    uploading.send(second);
    question.answer();
    scaler.question().answer();
    for mut client in [working, uploading] {
        let answer = client.response().expect(200);
        assert_eq!(size_of(&answer.body).1, 15);
        assert!(!answer.is_kept());
        client.assert_closed();
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_signal_does_not_wait() {
    let scaler = FakeScaler::start();
    let mut server = Server::start(&["-s", &scaler.destination()]);
    let mut client = server.client();
    client.send(&post("/", &pgm(30, 20)));
    let _question = scaler.question();
    server.terminate();
    server.wait_log("Deteniendo el servidor.");
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_killed_server_takes_its_scaler_along_and_the_next_one_sweeps() {
    let mut server = Server::start(&[]);
    server.ask(&post("/", &pgm(10, 10))).expect(200);
    let processes = scaler_processes(&server);
    kill_9(server.pid());
    assert_eq!(server.wait().signal(), Some(9));
    wait_gone(&processes);
    let left = server.runtime.names();
    assert_eq!(left.len(), 1, "a killed server can't clean up: {left:?}");

    let runtime = std::mem::replace(&mut server.runtime, Directory::new());
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]);
    let next = Server::launch_in(command, runtime);
    next.ask(&post("/", &pgm(10, 10))).expect(200);
    let names = next.runtime.names();
    assert!(names.len() == 1 && names[0].starts_with(PREFIX) && names != left, "{left:?}, {names:?}");
}

#[test]
fn two_servers_do_not_disturb_each_other() {
    let mut first = Server::start(&[]);
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]);
    let shared = std::mem::replace(&mut first.runtime, Directory::new());
    let path = shared.0.clone();
    let second = Server::launch_in(command, shared);
    let count = || std::fs::read_dir(&path).unwrap().count();
    assert_eq!(count(), 2);
    for server in [&first, &second] {
        server.ask(&post("/", &pgm(10, 10))).expect(200);
    }
    first.terminate();
    assert_eq!(first.wait().code(), Some(0));
    assert_eq!(count(), 1);
    second.ask(&post("/", &pgm(10, 10))).expect(200);
}
