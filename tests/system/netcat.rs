//! The same port without HTTP: a picture in, a picture out, as `nc` sends it.
use tp2::http::format::Format;

use super::common::pictures::{pgm, photo, picture, size_of};
use super::common::{Server, post};

/// Formats whose end the server can find.
const SELF_ENDING: [Format; 5] = [Format::Jpeg, Format::Png, Format::Gif, Format::WebP, Format::Bmp];

#[test]
fn with_half_close_every_format() {
    let server = Server::start(&[]);
    for format in Format::ALL {
        let mut client = server.client();
        client.send(&picture(format, 50, 31)).half_close();
        assert_eq!(size_of(&client.rest()), (format, 25, 15), "{format:?}");
    }
}

#[test]
fn without_half_close_formats_that_know_their_end() {
    let server = Server::start(&[]);
    for format in SELF_ENDING {
        let mut client = server.client();
        client.send(&picture(format, 50, 31));
        // The server answers and closes, although the client does not.
        assert_eq!(size_of(&client.rest()), (format, 25, 15), "{format:?}");
    }
    for name in ["rocket.jpg", "chelsea.png"] {
        let file = photo(name);
        let mut client = server.client();
        client.send(&file);
        assert!(client.rest() == server.ask(&post("/", &file)).expect(200).body, "{name}");
    }
}

#[test]
fn in_single_bytes() {
    let server = Server::start(&[]);
    for format in SELF_ENDING {
        let mut client = server.client();
        for byte in picture(format, 9, 5) {
            client.send(&[byte]);
        }
        assert_eq!(size_of(&client.rest()), (format, 4, 2), "{format:?}");
    }
}

#[test]
fn bytes_behind_the_picture_are_read_and_ignored() {
    let server = Server::start(&[]);
    for format in SELF_ENDING {
        let mut file = picture(format, 50, 31);
        // A phone appends a video of some megabytes.
        file.resize(file.len() + (3 << 20), 0x5a);
        let mut client = server.client();
        client.try_send(&file);
        assert_eq!(size_of(&client.rest()), (format, 25, 15), "{format:?}");
    }
}

#[test]
fn a_failure_is_one_line() {
    let server = Server::start(&["--max-pixeles", "1"]);
    let mut truncated = photo("chelsea.png");
    truncated.truncate(10_000);
    for (file, beginning) in [
        (&truncated[..], "ERROR 422 "),
        (b"P5\n2000 1000\n255\n", "ERROR 422 "),
        (b"\xff\xd8\xff\xd9", "ERROR 422 "),
        (b"GIF89a\0\0\0\0\0\0\0;", "ERROR 422 "),
        (b"P5\n9 9\n255\nabc", "ERROR 422 "),
    ] {
        let mut client = server.client();
        client.send(file).half_close();
        let answer = String::from_utf8(client.rest()).unwrap();
        assert!(answer.starts_with(beginning), "{answer:?}");
        assert!(answer.ends_with('\n') && answer.lines().count() == 1, "{answer:?}");
    }
}

#[test]
fn a_picture_over_the_bodys_limit() {
    let server = Server::start(&["--max-cuerpo", "1"]);
    let mut client = server.client();
    client.try_send(&pgm(2000, 1000));
    assert!(client.rest().starts_with(b"ERROR 413 "));
}

#[test]
fn what_is_neither_http_nor_a_picture_gets_an_answer_in_http() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let answer = client.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n").expect(400);
    assert_eq!(answer.problem()["type"], "urn:tp2:error:tls");
    client.assert_closed();
}

#[test]
fn a_method_that_begins_like_a_picture_is_http() {
    let server = Server::start(&[]);
    for method in ["BMP", "GIF8", "P5X", "RIFF", "II", "MM"] {
        let sent = format!("{method} /nada HTTP/1.1\r\nHost: x\r\n\r\n");
        server.ask(sent.as_bytes()).expect(404);
    }
}
