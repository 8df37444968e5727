//! Where the server listens, its start-up messages, and its refusals to start.
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::process::Output;

use super::common::processes::Directory;
use super::common::server::tp2;
use super::common::{Client, Server, tools};

const HEALTH: &[u8] = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

fn run(arguments: &[&str]) -> Output {
    // In another directory: what fails late has opened its store by then.
    let home = Directory::new();
    tp2().args(arguments).current_dir(&home.0).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn any_address_serves_both_families_on_one_port() {
    if !tools::has_ipv6() {
        return;
    }
    let server = Server::start(&["-i", "::"]);
    for address in [server.at(Ipv6Addr::LOCALHOST), server.at(Ipv4Addr::LOCALHOST)] {
        assert_eq!(Client::connect(address).ask(HEALTH).status, 200, "{address}");
    }
}

#[test]
fn several_addresses_share_a_port_and_each_is_printed() {
    if !tools::has_ipv6() {
        return;
    }
    let server = Server::start(&["-i", "127.0.0.1", "-i", "::1"]);
    assert_eq!(server.line(), format!("Servidor escuchando en http://[::1]:{}", server.port));
    for address in [server.at(Ipv6Addr::LOCALHOST), server.at(Ipv4Addr::LOCALHOST)] {
        assert_eq!(Client::connect(address).ask(HEALTH).status, 200, "{address}");
    }
}

#[test]
fn one_address_is_that_address_alone() {
    let server = Server::start(&["-i", "127.0.0.2"]);
    assert_eq!(Client::connect(server.at([127, 0, 0, 2])).ask(HEALTH).status, 200);
    assert!(std::net::TcpStream::connect(server.at([127, 0, 0, 1])).is_err());
}

#[test]
fn names_are_resolved() {
    let server = Server::start(&["--ip", "localhost"]);
    let reached = [server.at(Ipv4Addr::LOCALHOST), server.at(Ipv6Addr::LOCALHOST)]
        .into_iter()
        .filter(|&address| std::net::TcpStream::connect(address).is_ok())
        .count();
    assert!(reached >= 1);
}

#[test]
fn a_port_in_use_is_one_line_and_exit_1() {
    let taken = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = run(&["-i", "127.0.0.1", "-p", &port]);
    assert_eq!(output.status.code(), Some(1));
    let error = text(&output.stderr);
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(error.contains(&port) && error.contains("ya está en uso"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn what_can_not_be_had_is_one_line_and_exit_1() {
    for (arguments, named, why) in [
        (&["-i", "192.0.2.1", "-p", "0"][..], "192.0.2.1", "esa dirección no es de esta máquina"),
        (&["-i", "no-existe.invalid", "-p", "0"], "no-existe.invalid", "ese nombre no se encuentra"),
        (&["-i", "127.0.0.1", "-p", "0", "-o", "/no/existe/tp2.log"], "/no/existe/tp2.log", "no existe"),
        (
            &["-i", "127.0.0.1", "-p", "0", "-s", "no-existe.invalid:8889"],
            "no-existe.invalid:8889",
            "ese nombre no se encuentra",
        ),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let error = text(&output.stderr);
        assert_eq!(error.lines().count(), 1, "{error}");
        assert!(error.contains(named) && error.ends_with(&format!(": {why}\n")), "{error}");
    }
}

#[test]
fn bad_usage_is_a_line_that_names_it_the_usage_and_exit_2() {
    for (arguments, named) in [
        (&["-p", "8080"][..], "-i"),
        (&["-i", "::"], "-p"),
        (&["-i", "::", "-p", "ocho"], "«ocho»"),
        (&["-i", "::", "-p", "65536"], "«65536»"),
        (&["-i", "::", "-p", "0", "-e", "11"], "«11»"),
        (&["-i", "::", "-p", "0", "--max-cuerpo", "-3"], "--max-cuerpo"),
        (&["-i", "::", "-p", "0", "--inventada"], "--inventada"),
        (&["-i", "::", "-p", "0", "sobra"], "«sobra»"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        let error: Vec<&str> = text(&output.stderr).lines().collect();
        assert_eq!(error.len(), 2, "{error:?}");
        assert!(error[0].contains(named), "{error:?}");
        assert!(error[1].starts_with("usage: tp2 [-h] -i IP -p PORT"), "{error:?}");
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn help_has_the_lines_of_the_assignment() {
    for option in ["-h", "--help"] {
        let output = run(&[option]);
        assert!(output.status.success() && output.stderr.is_empty());
        let help = text(&output.stdout);
        assert!(help.starts_with("usage: tp2 [-h] -i IP -p PORT"), "{help}");
        let lines: Vec<&str> = help.lines().collect();
        let at = lines.iter().position(|line| *line == "Tp2 - procesa imágenes").unwrap();
        assert_eq!(
            lines[at..at + 6],
            [
                "Tp2 - procesa imágenes",
                "",
                "Opciones:",
                "  -h, --help            Muestra este mensaje de ayuda y sale",
                "  -i IP, --ip IP        Dirección de escucha",
                "  -p PORT, --port PORT  Puerto de escucha",
            ]
        );
    }
}

#[test]
fn version() {
    for option in ["-V", "--version"] {
        let output = run(&[option]);
        assert_eq!(text(&output.stdout), format!("tp2 {}\n", env!("CARGO_PKG_VERSION")));
        assert!(output.status.success());
    }
}

#[test]
fn the_environment_stands_in_for_options_and_the_flag_wins() {
    let mut command = tp2();
    command.env("TP2_IP", "127.0.0.1").env("TP2_PORT", "0").env("TP2_MAX_CUERPO", "1").env("TP2_ESCALA", "2");
    command.args(["-e", "0.25"]);
    let server = Server::launch(command);
    let answer = server.ask(&super::common::post("/", &super::common::pictures::pgm(40, 20))).expect(200);
    assert_eq!((answer.field("x-ancho"), answer.field("x-alto")), (Some("10"), Some("5")));
    let refused = server.ask(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1048577\r\n\r\n").expect(413);
    assert_eq!(refused.problem()["valor"], 1 << 20);

    let output = tp2().args(["-i", "::", "-p", "0"]).env("TP2_COLA", "muchas").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("«muchas»"));
}

#[test]
fn puerto_is_a_synonym() {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "--puerto", "0"]);
    assert!(Server::launch(command).is_healthy());
}
