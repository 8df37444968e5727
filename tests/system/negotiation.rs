//! How factor, format and quality are chosen: the query, the form, `Accept`, the defaults.
use tp2::http::format::Format;

use super::common::pictures::{pgm, photo, picture, size_of};
use super::common::{Part, Server, form, post, request};

#[test]
fn factors_truncate_as_python_does() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // int(w * f) in double precision: 0.29 * 100 is 28.999999999999996.
    for (factor, width, height) in [
        ("0.5", 50, 37),
        ("0.29", 28, 21),
        ("1", 100, 75),
        ("1.5", 150, 112),
        ("0.001", 1, 1),
        ("10", 1000, 750),
        ("", 50, 37),
    ] {
        let in_query = client.ask(&post(&format!("/?escala={factor}"), &pgm(100, 75))).expect(200);
        assert_eq!(size_of(&in_query.body), (Format::Pnm, width, height), "{factor}");
        let parts = [Part::Field("escala", factor), Part::File("imagen", "a.pgm", &pgm(100, 75))];
        let in_form = client.ask(&form("/", &parts)).expect(200);
        assert!(in_form.body == in_query.body, "{factor}");
    }
}

#[test]
fn the_form_wins_over_the_query_and_its_order_does_not_matter() {
    let server = Server::start(&[]);
    let file = pgm(100, 60);
    let parts = [Part::File("imagen", "a.pgm", &file), Part::Field("escala", "0.1")];
    let answer = server.ask(&form("/?escala=0.2&formato=png", &parts)).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Png, 10, 6));
    // An empty value means the default, not the query's.
    let parts = [Part::Field("escala", ""), Part::File("imagen", "a.pgm", &file)];
    let answer = server.ask(&form("/?escala=0.2", &parts)).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Pnm, 50, 30));
}

#[test]
fn a_largest_size_is_asked_for_in_place_of_a_factor() {
    let server = Server::start(&["-d", concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/pixels")]);
    let mut client = server.client();
    for (query, width, height) in [
        ("ancho=50", 50, 38),
        ("alto=30", 40, 30),
        ("Width=50&HEIGHT=30", 40, 30),
        ("ancho=500&alto=500", 100, 75),
        ("ancho=1", 1, 1),
        ("ancho=&escala=0.1", 10, 7),
    ] {
        let answer = client.ask(&post(&format!("/?{query}"), &pgm(100, 75))).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Pnm, width, height), "{query}");
    }
    let parts = [Part::Field("alto", "30"), Part::File("imagen", "a.pgm", &pgm(100, 75))];
    let answer = client.ask(&form("/?ancho=7", &parts)).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Pnm, 7, 5), "the form and the query together");
    // A picture with an orientation: the sides as displayed.
    for target in ["/jpeg_exif_1.jpg?ancho=30", "/jpeg_exif_6.jpg?ancho=30"] {
        let answer = client.ask(&request("GET", target, &[], b"")).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Jpeg, 30, 21), "{target}");
    }
    for query in ["escala=0.5&ancho=10", "ancho=0", "alto=65536", "ancho=abc", "anchos=10"] {
        client.ask(&post(&format!("/?{query}"), &pgm(100, 75))).expect(422);
    }
    let id = client.ask(&post("/tareas?alto=30", &pgm(100, 75))).expect(202).task();
    client.ended(&id);
    assert_eq!(size_of(&client.result(&id)), (Format::Pnm, 40, 30));
}

#[test]
fn the_default_factor_is_an_option() {
    let server = Server::start(&["-e", "1.5"]);
    let answer = server.ask(&post("/", &pgm(10, 4))).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Pnm, 15, 6));
}

#[test]
fn accept_chooses_the_format_where_no_parameter_does() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let file = picture(Format::Png, 20, 20);
    for (accept, format) in [
        ("image/webp", Format::WebP),
        ("image/jpeg, image/webp;q=0.9", Format::Jpeg),
        ("image/jpeg;q=0.3, image/gif;q=0.8", Format::Gif),
        ("image/*", Format::Png),
        ("*/*", Format::Png),
        ("image/jpeg;q=0, */*;q=0.1", Format::Png),
        ("image/bmp", Format::Bmp),
        ("image/tiff", Format::Tiff),
        ("IMAGE/JPEG", Format::Jpeg),
        // A browser that follows a form: it gets a format that it displays.
        ("text/html,application/xhtml+xml,application/xml;q=0.9,image/webp,*/*;q=0.8", Format::Png),
    ] {
        let accept_field = format!("Accept: {accept}");
        let answer = client.ask(&request("POST", "/", &[&accept_field], &file)).expect(200);
        assert_eq!(size_of(&answer.body).0, format, "{accept}");
        let answer = client.ask(&request("POST", "/?formato=pgm", &[&accept_field], &file)).expect(200);
        assert_eq!(size_of(&answer.body).0, Format::Pnm, "{accept}");
    }
    let two_fields = request("POST", "/", &["Accept: image/gif;q=0.5", "Accept: image/jpeg"], &file);
    assert_eq!(size_of(&client.ask(&two_fields).expect(200).body).0, Format::Jpeg);
}

#[test]
fn nothing_acceptable_is_406_and_keeps_the_connection() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for accept in ["Accept: application/json", "Accept: image/avif", "Accept: */*;q=0"] {
        let answer = client.ask(&request("POST", "/", &[accept], &pgm(4, 4))).expect(406);
        assert!(answer.is_kept());
        assert_eq!(answer.field("vary"), Some("Accept"));
        assert_eq!(answer.problem()["type"], "urn:tp2:error:formato-no-aceptable");
    }
    client.assert_kept();
}

#[test]
fn quality_changes_the_size_of_a_jpeg() {
    let server = Server::start(&[]);
    let file = photo("rocket.jpg");
    let length = |target: &str| server.ask(&post(target, &file)).expect(200).body.len();
    let lengths = ["/?calidad=10", "/?calidad=50", "/?calidad=85", "/?calidad=100"].map(length);
    assert!(lengths.is_sorted_by(|a, b| a < b), "{lengths:?}");
    assert_eq!(length("/"), lengths[2]);
    assert_eq!(length("/?calidad="), lengths[2]);
}
