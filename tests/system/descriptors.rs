//! Running out of file descriptors: the server waits, and serves.
use std::process::Command;
use std::time::{Duration, Instant};

use super::common::pictures::pgm;
use super::common::processes::open_descriptors;
use super::common::server::tp2;
use super::common::wait::until;
use super::common::{Client, Server, post, tools};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// 100 connections at once to a server that has room for few: admitted clients are answered although others wait, and
/// each that leaves makes room for another.
fn assert_survives_a_flood(server: &Server) {
    let mut flood: Vec<Client> = (0..100).map(|_| server.client()).collect();
    for client in &mut flood {
        client.send(HEALTH);
    }
    for mut client in flood {
        client.response().expect(200);
    }
    until("a connection that is answered", || {
        server.ask(&post("/", &pgm(20, 20))).expect(200);
        Some(())
    });
}

#[test]
fn a_low_limit_at_the_start_leaves_room_for_the_servers_own() {
    let mut command = Command::new("sh");
    let program = tp2().get_program().to_owned();
    command.args(["-c", "ulimit -n 51; exec \"$0\" -i 127.0.0.1 -p 0 -t 2"]).arg(program);
    let server = Server::launch(command);
    server.wait_log(" - WARNING - --conexiones baja de 10000 a ");
    let mut held: Vec<Client> = (0..8).map(|_| server.client()).collect();
    for client in &mut held {
        client.assert_kept();
        client.ask(&post("/", &pgm(20, 20))).expect(200);
    }
    drop(held);
    assert_survives_a_flood(&server);
}

#[test]
fn a_limit_that_is_lowered_under_way_is_survived() {
    let Some(prlimit) = tools::find("prlimit") else { return };
    let server = Server::start(&["-t", "2"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let few = (open_descriptors(server.pid()) + 4).to_string();
    let mut lower = Command::new(prlimit);
    lower.args([format!("--pid={}", server.pid()), format!("--nofile={few}:{few}")]);
    assert!(lower.status().unwrap().success());
    assert_survives_a_flood(&server);
    server.wait_log("No se puede aceptar otra conexión: ");
    let complaints = server.log().matches("No se puede aceptar").count();
    assert!(complaints < 10, "{complaints} complaints: it does not wait between attempts");
}

#[test]
fn connections_over_the_limit_wait_in_the_kernel() {
    let server = Server::start(&["--conexiones", "3"]);
    assert_survives_a_flood(&server);
    let mut held: Vec<Client> = (0..3).map(|_| server.client()).collect();
    let (begun, end) = HEALTH.split_at(HEALTH.len() - 2);
    for client in &mut held {
        client.assert_kept();
        client.send(begun);
    }
    let mut fourth = server.client();
    fourth.send(HEALTH);
    // A client in the middle of a request is never closed to make room.
    for client in &mut held {
        client.send(&[end, begun].concat());
        client.response().expect(200);
    }
    drop(held);
    fourth.response().expect(200);
}

#[test]
fn the_longest_idle_is_closed_for_a_new_client() {
    let server = Server::start(&["--conexiones", "3"]);
    let mut held: Vec<Client> = (0..3).map(|_| server.client()).collect();
    for client in &mut held {
        client.assert_kept();
    }
    // The first is in the middle of a request, and so the second has been idle longest.
    let (begun, end) = HEALTH.split_at(HEALTH.len() - 2);
    held[0].send(begun);
    let mut fourth = server.client();
    fourth.ask(HEALTH).expect(200);
    held[1].assert_closed();
    held[0].send(end);
    held[0].response().expect(200);
    held[2].assert_kept();
    // Clients that have sent nothing are kept for the time limit of a head.
    drop(held);
    drop(fourth);
    let mut silent: Vec<Client> = (0..3).map(|_| server.client()).collect();
    let began_at = Instant::now();
    server.ask(HEALTH).expect(200);
    assert!(began_at.elapsed() < Duration::from_secs(11), "{:?}", began_at.elapsed());
    for client in &mut silent {
        client.assert_closed();
    }
}

#[test]
fn one_address_has_so_many_connections() {
    let server = Server::start(&["--conexiones-por-ip", "2"]);
    let mut held: Vec<Client> = (0..2).map(|_| server.client()).collect();
    for client in &mut held {
        client.assert_kept();
    }
    let refused = server.client().response().expect(503);
    let problem = refused.problem();
    assert_eq!((&problem["opcion"], &problem["valor"]), (&"--conexiones-por-ip".into(), &2.into()));
    assert_eq!((refused.field("retry-after"), refused.is_kept()), (Some("1"), false));
    assert!(refused.field("date").is_some() && !refused.id().is_empty());
    server.wait_log(&format!("{} - Conexión rechazada: 503 ", refused.id()));
    drop(held.pop());
    until("room", || server.client().attempt(HEALTH).is_ok_and(|answer| answer.status == 200).then_some(()));
}

#[test]
fn nothing_leaks() {
    // Room for the pictures of all the clients that leave.
    let server = Server::start(&["-t", "1", "--cola", "300"]);
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    let before = open_descriptors(server.pid());
    for step in 0..200 {
        let mut client = server.client();
        let sent = post("/", &pgm(20, 20));
        client.try_send(&sent[..sent.len() * (step % 5) / 4]);
    }
    server.ask(&post("/", &pgm(20, 20))).expect(200);
    // One more for each scaler connection that was not open yet.
    until("that all are closed", || (open_descriptors(server.pid()) <= before + 2).then_some(()));
}
