//! One picture: the output, the request and the saved file; with the real server.
use std::net::Ipv6Addr;

use super::common::Server;
use super::common::pictures::{photo, picture, size_of};
use super::fake::{Answer, Fake};
use super::run::{PICTURE, Place};
use tp2::http::format::Format;

#[test]
fn the_texts_and_the_result() {
    let server = Server::start(&[]);
    let place = Place::new();
    let sent = picture(Format::Jpeg, 60, 40);
    std::fs::write(place.path("imagen.jpg"), &sent).unwrap();
    let ended = place.run(server.port, &["--image", "imagen.jpg", "-o", "imagen_escalada.jpg"]).expect(0);
    let expected = format!(
        "Conectando al servidor en 127.0.0.1:{}...\n\
         Conexión establecida.\n\
         Enviando imagen de tamaño {} bytes...\n\
         Imagen enviada, esperando respuesta del servidor...\n\
         Imagen escalada recibida y guardada como imagen_escalada.jpg.\n",
        server.port,
        sent.len()
    );
    assert_eq!((ended.lines, ended.trouble.as_str()), (expected, ""));
    assert_eq!(size_of(&std::fs::read(place.path("imagen_escalada.jpg")).unwrap()), (Format::Jpeg, 30, 20));
    assert_eq!(place.directory.names(), ["foto.pgm", "imagen.jpg", "imagen_escalada.jpg"]);
}

#[test]
fn results_are_named_after_their_format_unless_told() {
    let server = Server::start(&[]);
    let place = Place::new();
    std::fs::write(place.path("foto.png"), photo("chelsea.png")).unwrap();
    std::fs::create_dir(place.path("salida")).unwrap();
    for (arguments, file, format) in [
        (&["-f", "foto.png"][..], "imagen_procesada.png", Format::Png),
        (&["-f", "foto.png", "--formato", "webp"], "imagen_procesada.webp", Format::WebP),
        (
            &["-f", "foto.png", "-o", "salida", "--formato", "jpeg"],
            "salida/imagen_procesada.jpg",
            Format::Jpeg,
        ),
        (&["-f", "foto.png", "-e", "0.5", "--salida", "x"], "x", Format::Png),
    ] {
        let ended = place.run(server.port, arguments).expect(0);
        assert_eq!(ended.last_line(), format!("Imagen escalada recibida y guardada como {file}."));
        assert_eq!(size_of(&std::fs::read(place.path(file)).unwrap()).0, format);
    }
}

#[test]
fn ipv6_with_and_without_brackets_and_names() {
    if std::net::TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_err() {
        return super::common::tools::skip("no hay IPv6");
    }
    let server = Server::start(&["-i", "::1"]);
    let place = Place::new();
    let port = server.port.to_string();
    for (host, shown) in [("::1", "[::1]"), ("[::1]", "[::1]")] {
        let ended = place.answer(&["-i", host, "-p", &port, "-f", "foto.pgm"], "").expect(0);
        assert!(ended.lines.starts_with(&format!("Conectando al servidor en {shown}:{port}...\n")));
    }
    // Localhost may resolve to 127.0.0.1, where no server listens: the client tries the next address.
    let ended = place.answer(&["-i", "localhost", "-p", &port, "-f", "foto.pgm"], "");
    if std::fs::read_to_string("/etc/hosts").is_ok_and(|hosts| {
        hosts
            .lines()
            .any(|line| line.starts_with("::1") && line.split_whitespace().any(|name| name == "localhost"))
    }) {
        ended.expect(0);
    }
}

#[test]
fn the_request_is_plain_http() {
    let fake = Fake::start(|_, _| Answer::new(200, "", PICTURE));
    let place = Place::new();
    place.run(fake.port, &["-f", "foto.pgm", "-e", "1.5", "--formato", "JPG"]).expect(0);
    let asked = fake.asked();
    assert_eq!(asked.len(), 1);
    assert_eq!(
        (asked[0].line().as_str(), asked[0].body.as_slice()),
        ("PUT /?escala=1.5&formato=jpg", PICTURE)
    );
    assert_eq!(asked[0].field("host"), Some(format!("127.0.0.1:{}", fake.port).as_str()));
    assert_eq!(asked[0].field("content-length"), Some("12"));
}

#[test]
fn what_the_server_refuses_is_told_in_its_words_and_saves_nothing() {
    let server = Server::start(&["--max-cuerpo", "1"]);
    let place = Place::new();
    std::fs::write(place.path("texto.jpg"), "no soy una imagen").unwrap();
    std::fs::write(place.path("larga.jpg"), vec![0xff; 40 << 20]).unwrap();
    for (file, status) in [("texto.jpg", 415), ("larga.jpg", 413)] {
        let ended = place.run(server.port, &["-f", file]).expect(1);
        let start = format!("tp2-cliente: el servidor respondió {status}: ");
        assert!(ended.trouble.starts_with(&start) && ended.trouble.lines().count() == 1, "{}", ended.trouble);
    }
    assert_eq!(place.directory.names(), ["foto.pgm", "larga.jpg", "texto.jpg"]);
}

#[test]
fn what_can_not_be_read_or_saved_is_told_before_anybody_is_asked() {
    let fake = Fake::start(|_, _| Answer::new(200, "", PICTURE));
    let place = Place::new();
    std::fs::write(place.path("vacia.jpg"), "").unwrap();
    let empty = "tp2-cliente: no se puede enviar vacia.jpg: está vacío\n";
    for (arguments, trouble) in [
        (&["-f", "no.jpg"][..], "tp2-cliente: no se puede leer no.jpg: no existe\n"),
        (&["-f", "vacia.jpg"], empty),
        (&["-f", "vacia.jpg", "--tarea"], empty),
        (&["-f", "vacia.jpg", "--enlace"], empty),
        (&["-f", "/dev/null"], "tp2-cliente: no se puede enviar /dev/null: está vacío\n"),
        (&["-f", "foto.pgm", "-o", "no/x.jpg"], "tp2-cliente: no se puede guardar no/x.jpg: no existe\n"),
    ] {
        let ended = place.run(fake.port, arguments).expect(1);
        assert_eq!((ended.lines.as_str(), ended.trouble.as_str()), ("", trouble));
    }
    assert!(fake.lines().is_empty());
}

#[test]
fn a_server_can_not_steer_the_terminal() {
    let fake = Fake::start(|_, _| Answer::new(400, "", "\u{1b}]0;hola\u{7}"));
    let ended = Place::new().run(fake.port, &["-f", "foto.pgm"]).expect(1);
    assert_eq!(ended.trouble, "tp2-cliente: el servidor respondió 400: \\u{1b}]0;hola\\u{7}\n");
}

#[test]
fn a_closed_standard_output_is_no_failure() {
    let server = Server::start(&[]);
    let place = Place::new();
    let mut command = place.command(server.port, &["-f", "foto.pgm"]);
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(place.directory.names(), ["foto.pgm", "imagen_procesada.pgm"]);
}
