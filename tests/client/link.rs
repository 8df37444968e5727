//! `--enlace`: the server's line, and the link alone.
use super::common::pictures::{pgm, size_of};
use super::common::{Server, request};
use super::fake::{Answer, Fake};
use super::run::Place;
use tp2::http::format::Format;

const LINK: &str = "http://127.0.0.1:8082/scaled_image_1697058295.jpg";

#[test]
fn the_line_and_the_link_are_told() {
    let fake = Fake::start(|_, _| {
        Answer::new(201, &format!("Location: {LINK}\r\n"), format!("Imagen escalada disponible en: {LINK}\n"))
    });
    let place = Place::new();
    let ended = place.run(fake.port, &["-f", "foto.pgm", "-e", "0.25", "--enlace"]).expect(0);
    assert!(
        ended.lines.ends_with(&format!("Imagen escalada disponible en: {LINK}\n{LINK}\n")),
        "{}",
        ended.lines
    );
    assert_eq!(fake.lines(), ["POST /enlaces?escala=0.25"]);
    assert_eq!(place.directory.names(), ["foto.pgm"]);
}

#[test]
fn the_link_leads_to_the_picture() {
    let server = Server::start(&[]);
    let place = Place::new();
    std::fs::write(place.path("grande.pgm"), pgm(40, 20)).unwrap();
    let ended = place.run(server.port, &["-f", "grande.pgm", "-e", "0.25", "--enlace"]).expect(0);
    let link = ended.last_line();
    assert!(
        ended.lines.ends_with(&format!("Imagen escalada disponible en: {link}\n{link}\n")),
        "{}",
        ended.lines
    );
    let path =
        link.strip_prefix(&format!("http://127.0.0.1:{}", server.port)).unwrap_or_else(|| panic!("{link}"));
    let answer = server.ask(&request("GET", path, &[], b"")).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Jpeg, 10, 5));
}

#[test]
fn without_a_link_it_failed() {
    for (status, why) in [
        (201, "tp2-cliente: la respuesta del servidor no trae el enlace\n"),
        (507, "tp2-cliente: el servidor respondió 507\n"),
        (200, "tp2-cliente: el servidor respondió 200\n"),
    ] {
        let fake = Fake::start(move |_, _| Answer::new(status, "", ""));
        let ended = Place::new().run(fake.port, &["-f", "foto.pgm", "--enlace"]).expect(1);
        assert_eq!(ended.trouble, why);
    }
}
