//! A server that asks for a key (`--clave-archivo`): the client sends it with every request.
use std::fs;

use super::common::Server;
use super::run::{Ended, Place};

const KEY: &str = "una-clave-de-prueba-larga";

#[test]
fn the_key_goes_with_every_request() {
    let place = Place::new();
    for (name, text) in [("clave", KEY), ("otra", "otra-clave-de-prueba-larga"), ("corta", "corta")] {
        fs::write(place.path(name), text).unwrap();
    }
    let server = Server::start(&["--clave-archivo", &place.text("clave")]);
    let refused = place.run(server.port, &["-f", "foto.pgm"]).expect(1);
    assert!(refused.trouble.contains("este servidor pide una clave"), "{}", refused.trouble);
    let refused = place.run(server.port, &["-f", "foto.pgm", "--clave-archivo", "otra"]).expect(1);
    assert!(refused.trouble.contains("la clave enviada no es la de este servidor"), "{}", refused.trouble);

    place.run(server.port, &["-f", "foto.pgm", "--clave-archivo", "clave"]).expect(0);
    assert!(place.path("imagen_procesada.pgm").exists());
    let mut command = place.command(server.port, &["-f", "foto.pgm", "--tarea", "-o", "tarea.pgm"]);
    Ended::of(&command.env("TP2_CLAVE_ARCHIVO", "clave").output().unwrap()).expect(0);
    assert!(place.path("tarea.pgm").exists());
    fs::create_dir(place.path("caras")).unwrap();
    fs::copy(place.path("foto.pgm"), place.path("caras/a.pgm")).unwrap();
    let stored = place.run(server.port, &["-f", "caras", "--clave-archivo", "clave"]).expect(0);
    assert!(stored.lines.contains("a.pgm insertada"), "{}", stored.lines);

    for (name, why) in [("corta", "al menos 16 caracteres"), ("nada", "no se puede usar la clave de «nada»")]
    {
        let ended = place.run(server.port, &["-f", "foto.pgm", "--clave-archivo", name]).expect(1);
        assert!(ended.trouble.contains(why) && ended.trouble.lines().count() == 1, "{}", ended.trouble);
    }
}

/// A key that is not the one is the same for every picture.
#[test]
fn a_folder_ends_with_the_first_refusal_of_the_key() {
    let place = Place::new();
    fs::write(place.path("otra"), "otra-clave-de-prueba-larga").unwrap();
    fs::write(place.path("clave"), KEY).unwrap();
    fs::create_dir(place.path("muchas")).unwrap();
    for number in 0..50 {
        fs::copy(place.path("foto.pgm"), place.path(format!("muchas/{number:02}.pgm"))).unwrap();
    }
    let server = Server::start(&["--clave-archivo", &place.text("clave")]);
    let ended =
        place.run(server.port, &["-f", "muchas", "-o", "salida/", "--clave-archivo", "otra"]).expect(1);
    assert!(server.log().matches(" 401 ").count() <= 4, "one for each connection: {}", server.log());
    assert_eq!(
        ended.trouble.matches("la clave enviada no es la de este servidor").count(),
        1,
        "{}",
        ended.trouble
    );
    assert_eq!(ended.last_line(), "0 guardadas, 0 ya existían, 0 omitidas, 50 con error");
    let give = "; dé la clave de este servidor con --clave-archivo\n";
    for arguments in [
        &["-f", "muchas", "-o", "salida/"][..],
        &["-f", "muchas", "-o", "salida/", "--de-nuevo", "--clave-archivo", "otra"],
        &["-f", "muchas"],
        &["-f", "muchas", "--clave-archivo", "otra"],
        &["-f", "foto.pgm"],
    ] {
        let ended = place.run(server.port, arguments).expect(1);
        assert!(ended.trouble.contains(give), "{arguments:?} {}", ended.trouble);
        assert!(!ended.trouble.contains("repita"), "{arguments:?} {}", ended.trouble);
    }
}
