//! `tp2 --salud`, and the start-up messages about the scaler.
use std::net::{Ipv4Addr, TcpListener};
use std::process::Output;
use std::time::{Duration, Instant};

use super::common::Server;
use super::common::fake_scaler::FakeScaler;
use super::common::processes::Directory;
use super::common::server::{Scaler, tp2};
use super::common::wait::until;

fn health(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    tp2().arg("--salud").args(arguments).envs(environment.iter().copied()).output().unwrap()
}

fn assert_unwell(output: &Output, words: &str) {
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.starts_with("tp2: http://") && told.contains(words) && told.lines().count() == 1, "{told}");
}

#[test]
fn health_is_an_exit_code_and_a_line() {
    let place = Directory::new();
    let key = place.0.join("clave");
    std::fs::write(&key, "0123456789abcdef").unwrap();
    let server = Server::start(&["--clave-archivo", key.to_str().unwrap()]);
    let (port, url) = (server.port.to_string(), format!("http://127.0.0.1:{}", server.port));
    for (arguments, environment) in [
        (&[url.as_str()][..], &[][..]),
        (&["-i", "::", "-p", port.as_str()], &[]),
        (&[], &[("TP2_IP", "127.0.0.1"), ("TP2_PORT", port.as_str())]),
    ] {
        let output = health(arguments, environment);
        assert_eq!(
            (output.status.code(), output.stdout.len(), output.stderr.len()),
            (Some(0), 0, 0),
            "{output:?}"
        );
    }
    drop(server);
    assert_unwell(&health(&[&url], &[]), "no responde: ");

    // A server that accepts the connection and sends nothing.
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let began_at = Instant::now();
    assert_unwell(&health(&[&format!("http://{}", silent.local_addr().unwrap())], &[]), "no responde: ");
    assert!(began_at.elapsed() < Duration::from_secs(15));
    let bad = health(&["https://127.0.0.1"], &[]);
    assert_eq!(bad.status.code(), Some(2));
}

#[test]
fn a_server_without_its_scaler_is_not_ready_and_says_why() {
    let gone = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
    let server = Server::start(&["-s", &gone.to_string()]);
    server.wait_log(&format!("No responde el escalador de {gone}: no hay conexión."));
    let url = format!("http://127.0.0.1:{}", server.port);
    let output =
        until("that it is known", || Some(health(&[&url], &[])).filter(|output| !output.status.success()));
    assert_unwell(&output, " no está listo: 503, ");
}

#[test]
fn the_scaler_is_tried_when_the_server_begins() {
    let own = Server::start(&[]);
    own.wait_log("INFO - Responde el escalador propio.");
    let elsewhere = Scaler::tcp();
    let server = Server::start(&["-s", &elsewhere.destination]);
    server.wait_log(&format!("INFO - Hay conexión con el escalador de {}.", elsewhere.destination));

    // A server of another protocol.
    let fake = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = fake.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in fake.incoming().map_while(Result::ok) {
            // The client may have left already.
            let _ = std::io::Write::write_all(&mut stream, b"SSH-2.0-OpenSSH_9.2\r\n");
        }
    });
    let server = Server::start(&["-s", &address.to_string()]);
    server.wait_log(&format!("No responde el escalador de {address}: "));
    let slow = FakeScaler::start();
    let server = Server::start(&["-s", &slow.destination()]);
    server.wait_log("Hay conexión con el escalador de ");
    drop(server);
}
