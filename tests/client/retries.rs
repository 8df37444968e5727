//! A server that is full, goes away, or does not exist.
//!
//! Uses the program's own pauses where one or two of them are needed, and shorter ones, through the library, where
//! the tries must end.
use std::net::TcpListener;
use std::time::{Duration, Instant};

use super::fake::{Answer, Fake};
use super::run::{PICTURE, Place};

#[test]
fn a_full_server_is_asked_again_when_it_says() {
    let fake = Fake::start(|_, before| match before {
        0 => Answer::new(503, "Retry-After: 1\r\n", r#"{"detail": "la cola está llena"}"#),
        _ => Answer::new(200, "", PICTURE),
    });
    let place = Place::new();
    let begun_at = Instant::now();
    let ended = place.run(fake.port, &["-f", "foto.pgm"]).expect(0);
    assert!(begun_at.elapsed() >= Duration::from_secs(1));
    assert_eq!(fake.lines(), ["PUT /", "PUT /"]);
    assert_eq!(ended.lines.matches("Imagen enviada").count(), 1);
    let start = "el servidor respondió 503: la cola está llena; nuevo intento en 1.";
    assert!(
        ended.trouble.starts_with(start) && ended.trouble.ends_with(" s (2 de 8)\n"),
        "{}",
        ended.trouble
    );
}

#[test]
fn a_broken_conversation_is_taken_up_again() {
    let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", PICTURE.len());
    let cuts = [0, 5, whole.len(), whole.len() + 3];
    let bytes = [whole.as_bytes(), PICTURE].concat();
    let fake = Fake::start(move |_, before| match cuts.get(before) {
        Some(&cut) => Answer::Cut(bytes[..cut].to_vec()),
        None => Answer::new(200, "", PICTURE),
    });
    let place = Place::new();
    place.run_quickly(fake.port, "foto.pgm", &["-o", &place.text("salida.pgm")]).expect(0);
    assert_eq!(fake.lines().len(), 5);
    assert_eq!(std::fs::read(place.path("salida.pgm")).unwrap(), PICTURE);
}

#[test]
fn tries_end() {
    for status in [502, 503, 504] {
        let fake = Fake::start(move |_, _| Answer::new(status, "", ""));
        let place = Place::new();
        let ended = place.run_quickly(fake.port, "foto.pgm", &[]).expect(1);
        let last = format!("tp2-cliente: el servidor respondió {status} (tras 8 intentos)\n");
        assert!(ended.trouble.ends_with(&last), "{}", ended.trouble);
        assert_eq!(fake.lines().len(), 8);
        assert_eq!(place.directory.names(), ["foto.pgm"]);
    }
}

#[test]
fn a_wait_beyond_the_time_for_all_tries_is_not_begun() {
    let fake = Fake::start(|_, _| Answer::new(503, "Retry-After: 3600\r\n", ""));
    let ended = Place::new().run(fake.port, &["-f", "foto.pgm"]).expect(1);
    assert_eq!(
        ended.trouble,
        "tp2-cliente: el servidor respondió 503; pide esperar 3600 s, que es demasiado\n"
    );
    assert_eq!(fake.lines().len(), 1);
}

#[test]
fn what_is_wrong_with_the_request_is_final() {
    for status in [400, 404, 413, 415, 422, 500, 501, 507] {
        let fake = Fake::start(move |_, _| Answer::new(status, "Retry-After: 1\r\n", ""));
        let ended = Place::new().run(fake.port, &["-f", "foto.pgm"]).expect(1);
        assert_eq!(ended.trouble, format!("tp2-cliente: el servidor respondió {status}\n"));
        assert_eq!(fake.lines().len(), 1);
    }
}

#[test]
fn a_first_connection_that_is_refused_ends_it_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let place = Place::new();
    std::fs::create_dir(place.path("caras")).unwrap();
    for path in ["foto.pgm", "caras"] {
        let ended = place.run(port, &["-f", path]).expect(1);
        assert_eq!(ended.lines, format!("Conectando al servidor en 127.0.0.1:{port}...\n"));
        assert_eq!(
            ended.trouble,
            "tp2-cliente: no se puede conectar al servidor: nadie escucha en esa dirección y ese puerto\n"
        );
    }
}

#[test]
fn who_speaks_something_else_is_asked_once() {
    let fake = Fake::start(|_, _| Answer::Cut(b"SSH-2.0-OpenSSH_9.2\r\n".to_vec()));
    let ended = Place::new().run(fake.port, &["-f", "foto.pgm"]).expect(1);
    assert!(ended.trouble.contains("no habla el protocolo esperado"), "{}", ended.trouble);
    assert_eq!(fake.lines().len(), 1);
}
