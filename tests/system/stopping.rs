//! How the server ends: stopped, killed, and with another one beside it.
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::os::unix::process::ExitStatusExt;
use std::time::{Duration, Instant};

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, size_of};
use super::common::processes::{Directory, children, is_alive, kill_9, signal, wait_gone};
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::wait::{PATIENCE, until};
use super::common::{Server, post};

const SIGINT: i32 = 2;
const PREFIX: &str = "tp2-escalador-";

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

/// As a proxy with open connections sees it: none of them closes while a request is in transit.
#[test]
fn a_request_on_a_connection_that_stands_is_answered_while_the_server_stops() {
    let scaler = FakeScaler::start();
    let mut server = Server::start(&["-s", &scaler.destination()]);
    let mut working = server.client();
    working.send(&post("/", &pgm(30, 20)));
    let mut question = scaler.question();
    let (mut probing, mut late, mut waiting) = (server.client(), server.client(), server.client());
    for client in [&mut probing, &mut late] {
        client.assert_kept();
    }
    server.terminate();
    server.wait_log("Deteniendo el servidor.");
    let answer = probing.ask(&get("/readyz", &[])).expect(503);
    assert_eq!(answer.problem()["type"], "urn:tp2:error:servidor-deteniendose");
    assert!(!answer.is_kept());
    late.send(&post("/", &pgm(10, 10)));
    let mut second = scaler.question();
    // A connection in the kernel's backlog, accepted by the server or not, that sends nothing.
    waiting.assert_closed();
    question.answer();
    second.answer();
    for client in [&mut working, &mut late] {
        assert!(!client.response().expect(200).is_kept());
        client.assert_closed();
    }
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn nobody_whom_the_kernel_has_let_in_is_turned_away() {
    for _ in 0..5 {
        let mut server = Server::start(&[]);
        assert!(server.is_healthy());
        let mut clients: Vec<_> = (0..100).map(|_| server.client()).collect();
        server.terminate();
        for client in &mut clients {
            client.send(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        }
        for mut client in clients {
            client.response().expect(200);
        }
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[test]
fn the_service_manager_is_told_of_beginning_life_and_end() {
    let name = format!("tp2-test-{}", uuid::Uuid::new_v4());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(name.as_bytes()).unwrap()).unwrap();
    manager.set_read_timeout(Some(PATIENCE)).unwrap();
    let next = || {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]);
    command.env("NOTIFY_SOCKET", format!("@{name}")).env("WATCHDOG_USEC", "200000");
    let mut server = Server::launch(command);
    assert_eq!(next(), "READY=1\nSTATUS=Atendiendo.");
    assert!(server.is_healthy());
    let began_at = Instant::now();
    for _ in 0..5 {
        assert_eq!(next(), "WATCHDOG=1");
    }
    assert!(began_at.elapsed() >= Duration::from_millis(300), "{:?}", began_at.elapsed());
    // The scaler does not notify in its owner's name.
    let environment = std::fs::read(format!("/proc/{}/environ", server.scaler_pid())).unwrap();
    assert!(!String::from_utf8_lossy(&environment).contains("NOTIFY_SOCKET"));
    server.terminate();
    until("the last words", || {
        let state = next();
        assert!(state == "WATCHDOG=1" || state.starts_with("STOPPING=1\n"), "{state}");
        (state != "WATCHDOG=1").then_some(())
    });
    assert_eq!(server.wait().code(), Some(0));
}
