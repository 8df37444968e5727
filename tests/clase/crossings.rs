//! Each server and client of one language with each of the other.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::{Command, Stdio};

use tp2::http::format::Format;

use super::common::pictures::{photo, picture, size_of};
use super::common::processes::Directory;
use super::common::server::{Scaler, tp2};
use super::common::{Server, post, tools};
use super::python::{front, is_there, juez, serve, shown};

/// Checks whether pictures come back right, without the slow checks.
const PICTURES: &str =
    "sube,gris,gris-601,tamano,contenido,formatos,muchos,subida-lenta,dos-servidores,procesos";

fn assert_passes(port: u16, profile: &str, only: &str) {
    let address = format!("127.0.0.1:{port}");
    let output = juez(&["http", &address, "--perfil", profile, "--solo", only]);
    let text = shown(&output);
    assert!(output.status.success() && !text.contains('·'), "{text}");
}

/// `tp2` with a scaler that is running already.
fn tp2_with(scaler: &str) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-s", scaler]);
    Server::launch(command)
}

#[test]
fn front_in_python_with_the_scaler_in_rust() {
    if !is_there() {
        return;
    }
    let scaler = Scaler::tcp();
    let front = front(&["-s", &scaler.destination]);
    assert_passes(front.port, "clase", PICTURES);
}

#[test]
fn tp2_with_the_scaler_in_python() {
    if !is_there() {
        return;
    }
    let scaler = serve("tests/clase/escalador.py", &[]);
    let server = tp2_with(&format!("127.0.0.1:{}", scaler.port));
    assert_passes(server.port, "tp2", PICTURES);
}

#[test]
fn transparency_is_scaled_alike_in_both_languages() {
    if !is_there() {
        return;
    }
    // Three white columns with alpha 255, 0, 128, for either scaler.
    let mut file = b"P7\nWIDTH 3\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n".to_vec();
    file.extend([200, 255, 90, 0, 30, 128].repeat(2));
    let (python, rust) = (serve("tests/clase/escalador.py", &[]), Scaler::tcp());
    let ask = |destination: &str| {
        let server = tp2_with(destination);
        let answer = server.ask(&post("/?formato=png&escala=1.5", &file)).expect(200);
        super::common::pictures::decoded(&answer.body).1
    };
    let (one, other) = (ask(&format!("127.0.0.1:{}", python.port)), ask(&rust.destination));
    assert_eq!((one.width, one.height, one.channels), (4, 3, other.channels));
    let differences = one.samples.iter().zip(&other.samples).map(|(a, b)| a.abs_diff(*b));
    assert!(differences.max().unwrap() <= 2, "{:?} {:?}", one.samples, other.samples);
}

#[test]
fn tp2_cliente_with_the_front_in_python() {
    if !is_there() {
        return;
    }
    let front = front(&[]);
    let home = Directory::new();
    std::fs::write(home.0.join("foto.jpg"), photo("rocket.jpg")).unwrap();
    let port = front.port.to_string();
    let addresses: &[&str] = if tools::has_ipv6() { &["127.0.0.1", "::1"] } else { &["127.0.0.1"] };
    for address in addresses {
        for (more, sides) in
            [(&[][..], (320, 213)), (&["--tarea"][..], (320, 213)), (&["-e", "0.25"][..], (160, 106))]
        {
            let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-cliente"));
            command.args(["-i", address, "-p", &port, "-f", "foto.jpg", "-o", "gris.jpg"]).args(more);
            let output = command.current_dir(&home.0).output().unwrap();
            assert!(output.status.success(), "{address} {more:?}: {}", shown(&output));
            let result = std::fs::read(home.0.join("gris.jpg")).unwrap();
            assert_eq!(size_of(&result), (Format::Jpeg, sides.0, sides.1));
            std::fs::remove_file(home.0.join("gris.jpg")).unwrap();
        }
    }
    // The server's own text reports what is not a picture.
    std::fs::write(home.0.join("foto.jpg"), &photo("rocket.jpg")[..20_000]).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-cliente"));
    command.args(["-i", "127.0.0.1", "-p", &port, "-f", "foto.jpg"]).current_dir(&home.0);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output).contains("422: no es una imagen, o está rota"), "{}", shown(&output));
}

#[test]
fn nc_with_the_front_in_python() {
    if !is_there() || tools::find("nc").is_none() {
        return;
    }
    let front = front(&[]);
    let ask = |sent: &[u8]| {
        let mut command = Command::new("nc");
        command.args(["-N", "-w", "30", "127.0.0.1", &front.port.to_string()]);
        let mut nc = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        nc.stdin.take().unwrap().write_all(sent).unwrap();
        nc.wait_with_output().unwrap().stdout
    };
    assert_eq!(size_of(&ask(&photo("rocket.jpg"))), (Format::Jpeg, 320, 213));
    assert_eq!(size_of(&ask(&picture(Format::Png, 40, 30))), (Format::Png, 20, 15));
    let refused = ask(&photo("rocket.jpg")[..20_000]);
    assert!(refused.starts_with(b"ERROR 422 ") && refused.ends_with(b"\n"), "{}", refused.escape_ascii());
}

#[test]
fn nothing_of_the_small_version_holds_its_port_when_it_has_ended() {
    if !is_there() {
        return;
    }
    let mut front = front(&[]);
    let mut client = TcpStream::connect(("127.0.0.1", front.port)).unwrap();
    client.write_all(&photo("rocket.jpg")).unwrap();
    client.shutdown(Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).unwrap();
    assert_eq!(size_of(&answer), (Format::Jpeg, 320, 213));
    front.process.terminate();
    assert!(front.process.wait().success());
    assert!(TcpStream::connect(("127.0.0.1", front.port)).is_err());
}
