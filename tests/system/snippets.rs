//! The programs of docs/snippets, each in its language: they submit a picture, retry when told to, wait for the task,
//! and save its result.
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::pictures::{photo, size_of};
use super::common::processes::Directory;
use super::common::{Server, tools};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const BUSY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// A proxy for `server` that answers the first request with 503, and passes on everything from the second on; the
/// thread returns how long the client waited before its retry.
fn busy_at_first(server: SocketAddr) -> (u16, thread::JoinHandle<Duration>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let client = thread::spawn(move || {
        let mut refused = listener.accept().unwrap().0;
        swallow(&mut refused);
        let refused_at = Instant::now();
        refused.write_all(BUSY).unwrap();
        drop(refused);
        let next = listener.accept().unwrap().0;
        let came_back_after = refused_at.elapsed();
        pass_on(next, server);
        // The rest, for as long as the test runs.
        thread::spawn(move || listener.incoming().for_each(|client| pass_on(client.unwrap(), server)));
        came_back_after
    });
    (port, client)
}

/// Reads one request with a length, and nothing more.
fn swallow(client: &mut TcpStream) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap().to_lowercase();
    let length = head.split("content-length: ").nth(1).expect("a length").split("\r\n").next().unwrap();
    client.read_exact(&mut vec![0; length.parse().unwrap()]).unwrap();
}

fn pass_on(client: TcpStream, server: SocketAddr) {
    let server = TcpStream::connect(server).unwrap();
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let copy = |from: &mut TcpStream, to: &mut TcpStream| {
        // A closed side ends the copy; nothing else has to be done.
        let _ = std::io::copy(from, to);
        let _ = to.shutdown(Shutdown::Write);
    };
    thread::spawn(move || copy(&mut from_server, &mut to_client));
    let (mut client, mut server) = (client, server);
    thread::spawn(move || copy(&mut client, &mut server));
}

/// Runs a snippet with a picture, and with a file that is no picture.
fn run(program: &Path, arguments: &[&str], file: &str) {
    let server = Server::start(&[]);
    let place = Directory::new();
    std::fs::write(place.0.join("foto.jpg"), photo("rocket.jpg")).unwrap();
    std::fs::write(place.0.join("nada.jpg"), "nada").unwrap();
    let snippet = |port: u16, picture: &str| {
        let mut command = Command::new(program);
        command.args(arguments).arg(format!("{ROOT}/docs/snippets/{file}"));
        command.args([&format!("http://127.0.0.1:{port}"), picture, "gris.jpg"]);
        command.current_dir(&place.0).output().unwrap()
    };
    let refused = snippet(server.port, "nada.jpg");
    assert!(!refused.status.success() && !place.0.join("gris.jpg").exists(), "{file}: {refused:?}");

    let (port, client) = busy_at_first(server.address());
    let output = snippet(port, "foto.jpg");
    assert!(output.status.success(), "{file}: {}", String::from_utf8_lossy(&output.stderr));
    let result = std::fs::read(place.0.join("gris.jpg")).unwrap();
    assert_eq!(size_of(&result), (Format::Jpeg, 320, 213), "{file}");
    let came_back_after = client.join().unwrap();
    assert!(
        came_back_after >= Duration::from_millis(990),
        "{file}: {came_back_after:?} after «Retry-After: 1»"
    );
}

#[test]
fn python() {
    let Some(python) = tools::find("python3") else { return };
    run(&python, &[], "python_stdlib.py");
    let requests = Command::new(&python).args(["-c", "import requests"]).output().unwrap();
    if requests.status.success() {
        run(&python, &[], "python_requests.py");
    } else {
        tools::skip("no está requests, de Python");
    }
}

#[test]
fn javascript() {
    let Some(node) = tools::find("node") else { return };
    run(&node, &[], "javascript.mjs");
}

#[test]
fn php() {
    let Some(php) = tools::find("php") else { return };
    run(&php, &[], "php.php");
}

#[test]
fn go() {
    if let Some(go) = tools::look_for("go") {
        run(&go, &["run"], "go.go");
    }
}

#[test]
fn java() {
    // The compiler's package has the tool that runs a source file.
    if tools::look_for("javac").is_some()
        && let Some(java) = tools::look_for("java")
    {
        run(&java, &[], "Java.java");
    }
}
