//! The commands of the class's own guides, in the order in which they taught them, and our equivalents: what a reader
//! of those guides types, and the result.
//!
//! The kernel chooses the port where the guide lets it be chosen; fixed default ports are tested in
//! [`the_ports_that_nobody_names`].
use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use tp2::http::format::Format;

use super::common::pictures::{photo, picture, size_of};
use super::common::processes::Directory;
use super::common::server::{Process, Scaler, program, tp2, tp2_scaler};
use super::common::wait::until;
use super::common::{Server, post, request, tools};

/// Runs `tp2-cliente` here with this input, asserts success, and returns its output.
fn client(home: &Path, arguments: &[&str], input: &str) -> String {
    let mut command = Command::new(program("tp2-cliente"));
    command.current_dir(home).args(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && trouble.is_empty(), "{arguments:?}: {trouble}");
    String::from_utf8(output.stdout).unwrap()
}

fn size_in(home: &Path, name: &str) -> (Format, u32, u32) {
    size_of(&std::fs::read(home.join(name)).unwrap())
}

/// The rest of a line of this text that begins with `start`; the line has to be complete.
fn after<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    text.split_inclusive('\n')
        .find_map(|line| line.strip_suffix('\n')?.split_once(start))
        .map(|(_, rest)| rest)
}

#[test]
fn the_assignment() {
    let output = tp2().arg("-h").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && help.starts_with("usage: tp2 [-h] -i IP -p PORT"), "{help}");
    let lines = "\n\nTp2 - procesa imágenes\n\nOpciones:\n\
        \x20 -h, --help            Muestra este mensaje de ayuda y sale\n\
        \x20 -i IP, --ip IP        Dirección de escucha\n\
        \x20 -p PORT, --port PORT  Puerto de escucha\n";
    assert!(help.contains(lines), "{help}");

    let mut addresses = vec!["127.0.0.1"];
    if tools::has_ipv6() {
        addresses.extend(["::1", "::"]);
    }
    for address in addresses {
        let server = Server::start(&["-i", address]);
        let ip = if address == "::" { "127.0.0.1" } else { address };
        let mut client = super::common::Client::connect(server.at(ip.parse::<std::net::IpAddr>().unwrap()));
        let answer = client.ask(&post("/", &photo("rocket.jpg"))).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Jpeg, 320, 213));
    }
}

#[test]
fn a_scaling_server_a_main_server_and_links() {
    let scaler = Scaler::tcp();
    assert!(scaler.destination.starts_with("127.0.0.1:"));
    let mut command = tp2();
    command.args(["--ip", "127.0.0.1", "--port", "0", "-s", &scaler.destination, "-l", "0"]);
    let server = Server::launch(command);
    let line = server.line();
    let files = line
        .strip_prefix("Servidor de archivos escalados escuchando en ")
        .unwrap_or_else(|| panic!("{line}"));
    assert!(files.starts_with("http://127.0.0.1:"));

    let home = Directory::new();
    let sent = picture(Format::Jpeg, 350, 418);
    std::fs::write(home.0.join("Imagen.jpg"), &sent).unwrap();
    let port = server.port.to_string();
    let to = ["--ip", "127.0.0.1", "--port", &port, "--image", "Imagen.jpg"];
    let said = client(&home.0, &[&to[..], &["-o", "imagen_escalada.jpg"]].concat(), "");
    let expected = format!(
        "Conectando al servidor en 127.0.0.1:{port}...\nConexión establecida.\n\
         Enviando imagen de tamaño {} bytes...\nImagen enviada, esperando respuesta del servidor...\n\
         Imagen escalada recibida y guardada como imagen_escalada.jpg.\n",
        sent.len()
    );
    assert_eq!(said, expected);
    assert_eq!(size_in(&home.0, "imagen_escalada.jpg"), (Format::Jpeg, 175, 209));

    // The scaling server's output, in its own terminal.
    let mut told = Vec::new();
    while told.last().is_none_or(|line: &String| !line.starts_with("Escalado completado")) {
        told.push(scaler.process.line());
    }
    let told = told.join("\n");
    let bytes = after(&told, "Tamaño de la imagen a recibir: ")
        .and_then(|rest| rest.strip_suffix(" bytes."))
        .unwrap();
    assert!(bytes.parse::<u64>().unwrap() >= 350 * 418, "{told}");
    for line in [
        "Recibiendo imagen desde: ('127.0.0.1', ",
        &format!("Recibido {bytes} bytes de imagen."),
        "Imagen recibida con dimensiones originales: 350x418",
        "Imagen escalada a 175x209.",
        "Escalado completado, imagen escalada enviada al cliente.",
    ] {
        assert!(told.contains(line), "{line}: {told}");
    }

    // The link instead of the picture.
    let said = client(&home.0, &[&to[..], &["--enlace"]].concat(), "");
    let link = said.lines().last().unwrap();
    let name = link.strip_prefix(&format!("{files}/")).unwrap_or_else(|| panic!("{said}"));
    assert!(name.starts_with("scaled_image_") && name.ends_with(".jpg"), "{name}");
    server.wait_log(&format!("Enlace de imagen escalada enviado al cliente: {link}\n"));
    let address = files.strip_prefix("http://").unwrap().parse().unwrap();
    let mut fetching = super::common::Client::connect(address);
    let fetched = fetching.ask(&request("GET", &format!("/{name}"), &[], b"")).expect(200);
    assert_eq!(size_of(&fetched.body), (Format::Jpeg, 175, 209));
    assert_eq!(std::fs::read(server.home.0.join("scaled_images").join(name)).unwrap(), fetched.body);
}

#[test]
fn two_servers_and_a_client_with_a_file_for_the_result() {
    let scaler = Scaler::tcp();
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-s", &scaler.destination]);
    let server = Server::launch(command);
    let home = Directory::new();
    std::fs::write(home.0.join("image_path.jpg"), photo("rocket.jpg")).unwrap();
    let port = server.port.to_string();
    let said = client(
        &home.0,
        &["-i", "127.0.0.1", "-p", &port, "-f", "image_path.jpg", "-o", "processed_image.jpg"],
        "",
    );
    assert!(said.ends_with("Imagen escalada recibida y guardada como processed_image.jpg.\n"), "{said}");
    assert_eq!(size_in(&home.0, "processed_image.jpg"), (Format::Jpeg, 320, 213));
}

#[test]
fn three_answers_a_picture_of_the_directory_and_the_state_of_a_task() {
    let mut addresses = vec![("127.0.0.1", "127.0.0.1")];
    if tools::has_ipv6() {
        addresses.push(("::1", "[::1]"));
    }
    for (address, shown) in addresses {
        let home = Directory::new();
        std::fs::write(home.0.join("imagen.jpg"), photo("rocket.jpg")).unwrap();
        let mut command = tp2();
        command.args(["-i", address, "-p", "0", "-e", "1.5", "-d", "."]).current_dir(&home.0);
        let server = Server::launch(command);
        let at = server.at(address.parse::<std::net::IpAddr>().unwrap());

        let said = client(&home.0, &[], &format!("{address}\n{}\nimagen.jpg\n", server.port));
        let asked = "Ingrese la IP del servidor: \nIngrese el puerto del servidor: \n\
            Ingrese la ruta de la imagen a procesar: \n";
        let expected = format!("{asked}Conectando al servidor en {shown}:{}...\n", server.port);
        assert!(said.starts_with(&expected), "{said}");
        assert_eq!(size_in(&home.0, "imagen_procesada.jpg"), (Format::Jpeg, 960, 640));

        // The first terminal shows the id, which the next command asks for.
        let id = until("an id in the terminal", || {
            after(&server.log(), "Tarea recibida: /estado/").map(str::to_owned)
        });
        assert_eq!(uuid::Uuid::parse_str(&id).unwrap().get_version_num(), 4);
        let mut browser = super::common::Client::connect(at);
        let answer = browser.ask(&request("GET", &format!("/estado/{id}"), &[], b"")).expect(200);
        let state: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!((&state["id_tarea"], &state["estado"]), (&id.as_str().into(), &"Completada".into()));

        let answer = browser.ask(&request("GET", "/imagen.jpg", &[], b"")).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Jpeg, 960, 640));
    }
}

fn faces_in(home: &Path) {
    std::fs::create_dir(home.join("img_to_learn")).unwrap();
    for number in 0..20 {
        let picture = picture(Format::Jpeg, 100 + number, 120);
        std::fs::write(home.join(format!("img_to_learn/1A580{number:02}.jpg")), picture).unwrap();
    }
}

#[test]
fn a_folder_of_faces_into_the_bank() {
    // As typed: tp2 chooses the store's default place.
    let home = Directory::new();
    faces_in(&home.0);
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0"]).current_dir(&home.0).env("XDG_RUNTIME_DIR", &home.0);
    let server = Process::spawn(command);
    let line = server.line();
    let port =
        line.strip_prefix("Servidor escuchando en http://127.0.0.1:").unwrap_or_else(|| panic!("{line}"));
    let arguments = ["-i", "127.0.0.1", "-p", port, "-f", "img_to_learn"];

    let said = client(&home.0, &arguments, "");
    assert!(said.contains("imagen 1A58003.jpg insertada\n"), "{said}");
    assert!(said.ends_with("20 insertadas, 0 ya existían, 0 con error\n"), "{said}");
    let said = client(&home.0, &arguments, "");
    assert!(said.contains("imagen 1A58003.jpg ya existe\n"), "{said}");
    assert!(said.ends_with("0 insertadas, 20 ya existían, 0 con error\n"), "{said}");
    assert!(home.names().contains(&"tp2.sqlite3".to_owned()), "{:?}", home.names());
}

fn are_free(ports: &[u16]) -> bool {
    let is_free = |&port: &u16| {
        let free = TcpListener::bind(("127.0.0.1", port)).is_ok();
        if !free {
            tools::skip(&format!("el puerto {port} está en uso"));
        }
        free
    };
    ports.iter().all(is_free)
}

#[test]
fn the_ports_that_nobody_names() {
    if are_free(&[8889]) {
        let scaler = Process::spawn(tp2_scaler());
        assert_eq!(scaler.line(), "Iniciando el servidor de escalado en 127.0.0.1:8889");
        let server = Server::start(&["-s", "127.0.0.1:8889"]);
        server.ask(&post("/", &photo("rocket.jpg"))).expect(200);
    }
    if are_free(&[1234]) {
        let home = Directory::new();
        faces_in(&home.0);
        let mut command = tp2();
        command.args(["-i", "127.0.0.1", "-p", "1234"]);
        let _server = Server::launch(command);
        let said = client(&home.0, &["-f", "img_to_learn"], "");
        assert!(said.starts_with("Conectando al servidor en 127.0.0.1:1234...\n"), "{said}");
        assert!(said.ends_with("20 insertadas, 0 ya existían, 0 con error\n"), "{said}");
    }
}
