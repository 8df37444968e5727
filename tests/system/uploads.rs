//! Every way to send a picture, and the answers.
use tp2::http::format::Format;

use super::common::http::chunked;
use super::common::pictures::{decoded, pgm, photo, picture, size_of};
use super::common::{Client, Part, Response, Server, form, post, request};

/// The answer is a picture of this kind and size, and its head says so.
fn assert_picture(answer: Response, format: Format, width: u32, height: u32) {
    let answer = answer.expect(200);
    assert_eq!(size_of(&answer.body), (format, width, height));
    assert_eq!(answer.field("content-type"), Some(format.media_type()));
    assert_eq!(answer.field("x-ancho"), Some(&*width.to_string()));
    assert_eq!(answer.field("x-alto"), Some(&*height.to_string()));
    assert_eq!(answer.field("vary"), Some("Accept"));
    assert_eq!(answer.field("x-content-type-options"), Some("nosniff"));
    let timing = answer.field("server-timing").unwrap();
    for stage in ["read", "queue", "decode", "scale", "encode"] {
        let figure = timing.split(", ").find_map(|entry| entry.strip_prefix(stage)?.strip_prefix(";dur="));
        assert!(figure.and_then(|text| text.parse::<f64>().ok()).is_some(), "{stage}: {timing}");
    }
}

#[test]
fn photographs_as_a_form_and_as_a_bare_body() {
    let server = Server::start(&[]);
    for (name, format, width, height) in [
        ("rocket.jpg", Format::Jpeg, 320, 213),
        ("chelsea.png", Format::Png, 225, 150),
        ("coffee.png", Format::Png, 300, 200),
        ("astronaut.png", Format::Png, 256, 256),
        ("hubble_deep_field.jpg", Format::Jpeg, 500, 436),
    ] {
        let file = photo(name);
        let from_form = server.ask(&form("/", &[Part::File("imagen", name, &file)])).expect(200);
        let from_body = server.ask(&post("/", &file)).expect(200);
        assert!(from_form.body == from_body.body, "{name}");
        assert_picture(from_form, format, width, height);
    }
}

#[test]
fn every_format_goes_in_and_every_format_comes_out() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for input in Format::ALL {
        let file = picture(input, 61, 40);
        for output in Format::ALL {
            let target = format!("/?formato={}&escala=0.5", output.extension());
            assert_picture(client.ask(&post(&target, &file)), output, 30, 20);
        }
        assert_picture(client.ask(&post("/", &file)), input, 30, 20);
    }
}

#[test]
fn the_part_is_found_by_its_name_then_by_having_a_file_name() {
    let server = Server::start(&[]);
    let (file_request, other) = (pgm(20, 10), pgm(44, 44));
    for name in ["imagen", "image", "file", "media"] {
        let parts = [Part::File("otra", "o.pgm", &other), Part::File(name, "a.pgm", &file_request)];
        assert_picture(server.ask(&form("/", &parts)), Format::Pnm, 10, 5);
    }
    let parts = [Part::Field("nota", "hola"), Part::File("cualquiera", "a.pgm", &file_request)];
    assert_picture(server.ask(&form("/", &parts)), Format::Pnm, 10, 5);
    // A browser sends an empty file for a field that was left empty.
    let parts = [Part::File("imagen", "", b""), Part::File("foto", "a.pgm", &file_request)];
    assert_picture(server.ask(&form("/", &parts)), Format::Pnm, 10, 5);
}

#[test]
fn the_clients_word_for_the_type_is_not_believed() {
    let server = Server::start(&[]);
    let file = picture(Format::Png, 20, 10);
    let sent = request("POST", "/", &["Content-Type: image/jpeg"], &file);
    assert_picture(server.ask(&sent), Format::Png, 10, 5);
    let parts = [Part::File("imagen", "foto.gif", &file)];
    assert_picture(server.ask(&form("/", &parts)), Format::Png, 10, 5);
    assert_picture(server.ask(&request("POST", "/", &[], &file)), Format::Png, 10, 5);
}

#[test]
fn chunked_put_http_1_0_and_absolute_form() {
    let server = Server::start(&[]);
    let file = pgm(64, 32);
    for size in [1, 7, 1000, 100_000] {
        assert_picture(server.ask(&chunked("/", &file, size)), Format::Pnm, 32, 16);
    }
    for target in ["/", "/gato.pgm", "/?escala=0.5", "http://yo:clave@localhost/"] {
        assert_picture(server.ask(&request("PUT", target, &[], &file)), Format::Pnm, 32, 16);
    }
    let head = format!("POST / HTTP/1.0\r\nContent-Length: {}\r\n\r\n", file.len());
    let mut client = server.client();
    let answer = client.ask(&[head.as_bytes(), &file].concat());
    assert!(!answer.is_kept());
    assert_picture(answer, Format::Pnm, 32, 16);
    client.assert_closed();
}

#[test]
fn chunk_extensions_and_trailers_are_borne() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Suma\r\n\r\n");
    client.send(b"7;nombre=\"v;a\\\"lor\"\r\nP5\n4 2\n\r\n");
    client.send(b"0000000c\r\n255\n\x00\x20\x40\x60\x80\xa0\xc0\xe0\r\n0\r\nX-Suma: 7\r\n\r\n");
    assert_picture(client.response(), Format::Pnm, 2, 1);
    client.assert_kept();
}

#[test]
fn a_request_in_single_bytes() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for byte in form("/", &[Part::Field("escala", "2"), Part::File("imagen", "a.pgm", &pgm(4, 3))]) {
        client.send(&[byte]);
    }
    assert_picture(client.response(), Format::Pnm, 8, 6);
}

#[test]
fn expect_100_continue_is_asked_for() {
    let server = Server::start(&[]);
    let file = pgm(20, 20);
    let mut client = server.client();
    let sent = request("POST", "/", &["Expect: 100-continue"], &file);
    client.send(&sent[..sent.len() - file.len()]);
    assert_eq!(client.response().status, 100);
    client.send(&file);
    assert_picture(client.response(), Format::Pnm, 10, 10);
    client.assert_kept();
}

#[test]
fn factor_1_keeps_every_gray_pixel() {
    let server = Server::start(&["-e", "1"]);
    let file = pgm(97, 31);
    let answer = server.ask(&post("/", &file)).expect(200);
    assert_eq!(answer.body, file);
    let answer = server.ask(&post("/?formato=png", &file)).expect(200);
    assert_eq!(decoded(&answer.body).1.samples, decoded(&file).1.samples);
}

#[test]
fn transparency_is_kept_where_it_can_be_and_laid_over_a_colour_where_not() {
    let server = Server::start(&["-e", "1"]);
    let pam =
        b"P7\nWIDTH 2\nHEIGHT 1\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\x64\x00\xc8\xff";
    for format in ["png", "webp", "tiff"] {
        let answer = server.ask(&post(&format!("/?formato={format}"), pam)).expect(200);
        let raster = decoded(&answer.body).1;
        assert_eq!(raster.samples.len(), 4, "{format}");
        assert_eq!((raster.samples[1], raster.samples[2], raster.samples[3]), (0, 200, 255), "{format}");
    }
    for (colour, gray) in [("", 255), ("000000", 0), ("FF0000", 76), ("00ff00", 150)] {
        let answer = server.ask(&post(&format!("/?formato=pgm&fondo={colour}"), pam)).expect(200);
        assert_eq!(decoded(&answer.body).1.samples, [gray, 200], "{colour}");
    }
}

#[test]
fn the_smallest_pictures() {
    let server = Server::start(&[]);
    for (width, height) in [(1, 1), (1, 300), (300, 1), (2, 3)] {
        let answer = server.ask(&post("/?escala=0.001", &pgm(width, height)));
        assert_picture(answer, Format::Pnm, 1, 1);
    }
}

#[test]
fn many_clients_at_once_get_their_own_pictures() {
    let server = Server::start(&[]);
    let address = server.address();
    std::thread::scope(|scope| {
        for side in 1..=16_u32 {
            scope.spawn(move || {
                let mut client = Client::connect(address);
                for height in 1..=8 {
                    let answer = client.ask(&post("/?escala=2", &pgm(side, height)));
                    assert_picture(answer, Format::Pnm, side * 2, height * 2);
                }
            });
        }
    });
}
