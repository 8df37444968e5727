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
