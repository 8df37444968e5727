//! The image bank over real sockets: adding faces, reading documents and pictures, and the state after a kill.
use std::io::Read;
use std::net::Shutdown;
use std::process::Command;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use tp2::http::format::Format;

use super::common::pictures::{decoded, pgm, photo, picture, size_of};
use super::common::processes::Directory;
use super::common::wait::until;
use super::common::{Client, Part, Response, Server, form, request, tools};

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

fn put(folder: &str, name: &str, picture: &[u8]) -> Vec<u8> {
    request("PUT", &format!("/carpetas/{}/{}", encoded(folder), encoded(name)), &[], picture)
}

fn get(target: &str) -> Vec<u8> {
    request("GET", target, &[], b"")
}

fn json_of(response: &Response) -> Value {
    assert_eq!(response.field("content-type"), Some("application/json"));
    serde_json::from_slice(&response.body).unwrap()
}

/// Adds faces of these names to a folder, over several connections.
fn fill(server: &Server, folder: &str, names: &[String]) {
    let face = pgm(80, 90);
    std::thread::scope(|scope| {
        for names in names.chunks(names.len().div_ceil(8)) {
            let (mut client, face) = (server.client(), &face);
            scope.spawn(move || {
                for name in names {
                    client.ask(&put(folder, name, face)).expect(201);
                }
            });
        }
    });
}

fn numbered(numbers: std::ops::Range<usize>) -> Vec<String> {
    numbers.map(|number| format!("1A{number:05}.jpg")).collect()
}

fn missing(client: &mut Client, folder: &str, names: &[String]) -> Vec<String> {
    let list = json!({ "nombres": names }).to_string();
    let target = format!("/carpetas/{}/faltantes", encoded(folder));
    let answer = json_of(&client.ask(&request("POST", &target, &[], list.as_bytes())).expect(200));
    serde_json::from_value(answer["faltantes"].clone()).unwrap()
}

/// The samples of a document, from its vector; checks the members that every document has.
fn samples_of(document: &Value) -> Vec<u8> {
    let members: Vec<&String> = document.as_object().unwrap().keys().collect();
    assert_eq!(members, ["nombre", "imagen_str", "vector"]);
    let vector = document["vector"].as_array().unwrap();
    assert_eq!(vector.len(), 7200);
    let sample = |number: &Value| {
        let number = number.as_f64().unwrap();
        let sample = (0..=255_u8).find(|&sample| f64::from(sample) / 1000.0 == number);
        sample.unwrap_or_else(|| panic!("{number} is no sample"))
    };
    let jpeg = STANDARD.decode(document["imagen_str"].as_str().unwrap()).unwrap();
    assert_eq!(size_of(&jpeg), (Format::Jpeg, 80, 90));
    vector.iter().map(sample).collect()
}

/// Adds a picture and returns its face.
fn face_of(client: &mut Client, picture: &[u8]) -> Vec<u8> {
    let name = format!("{}.jpg", uuid::Uuid::new_v4());
    client.ask(&put("c", &name, picture)).expect(201);
    samples_of(&json_of(&client.ask(&get(&format!("/carpetas/c/{name}"))).expect(200)))
}

/// Head and body of an answer that ends with the connection; chunks are joined.
fn whole(bytes: &[u8]) -> (String, Vec<u8>) {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let mut rest = &bytes[end..];
    if !head.contains("\r\nTransfer-Encoding: chunked\r\n") {
        return (head, rest.to_vec());
    }
    let mut body = Vec::new();
    loop {
        let end = rest.windows(2).position(|pair| pair == b"\r\n").expect("a chunk's size");
        let size = usize::from_str_radix(std::str::from_utf8(&rest[..end]).unwrap(), 16).unwrap();
        let (data, after) = rest[end + 2..].split_at(size);
        body.extend_from_slice(data);
        rest = after.strip_prefix(b"\r\n").expect("a chunk's end");
        if size == 0 {
            assert!(rest.is_empty(), "{}", String::from_utf8_lossy(rest));
            return (head, body);
        }
    }
}

/// The documents of a folder, with all samples checked.
fn documents(body: &[u8]) -> Vec<Value> {
    let lines = std::str::from_utf8(body).unwrap().lines();
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"))).collect()
}

#[test]
fn a_face_is_inserted_once_and_never_replaced() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let answer = client.ask(&put("img_to_learn", "1A58003.jpg", &photo("rocket.jpg"))).expect(201);
    assert_eq!(
        String::from_utf8_lossy(&answer.body),
        "{\"nombre\":\"1A58003.jpg\",\"resultado\":\"insertada\",\"mensaje\":\"imagen 1A58003.jpg insertada\"}\n"
    );
    let location = answer.field("location").unwrap().to_owned();
    assert_eq!(location, "/carpetas/img_to_learn/1A58003.jpg");
    let document = client.ask(&get(&location)).expect(200).body;
    for picture in ["rocket.jpg", "chelsea.png"] {
        let answer = client.ask(&put("img_to_learn", "1A58003.jpg", &photo(picture))).expect(200);
        assert_eq!(
            String::from_utf8_lossy(&answer.body),
            "{\"nombre\":\"1A58003.jpg\",\"resultado\":\"ya existe\",\"mensaje\":\"imagen 1A58003.jpg ya existe\"}\n"
        );
        assert_eq!(client.ask(&get(&location)).expect(200).body, document);
    }
    // In another folder the name is free.
    client.ask(&put("otra", "1A58003.jpg", &photo("chelsea.png"))).expect(201);
    let folders = json!({ "carpetas": [
        { "nombre": "img_to_learn", "imagenes": 1 }, { "nombre": "otra", "imagenes": 1 },
    ]});
    assert_eq!(json_of(&client.ask(&get("/carpetas")).expect(200)), folders);
}

#[test]
fn of_eight_that_race_for_a_name_one_wins() {
    let server = Server::start(&[]);
    let pictures: Vec<_> = (0..8).map(|number| pgm(80 + number, 90)).collect();
    for round in 0..10 {
        let name = format!("{round}.jpg");
        let mut clients: Vec<_> = (0..8).map(|_| server.client()).collect();
        for (client, picture) in clients.iter_mut().zip(&pictures) {
            client.send(&put("c", &name, picture));
        }
        let mut statuses: Vec<_> = clients.iter_mut().map(|client| client.response().status).collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 200, 200, 200, 200, 200, 200, 201]);
    }
    assert_eq!(json_of(&server.ask(&get("/carpetas/c")))["imagenes"], 10);
}

#[test]
fn names_are_data() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let longest = "é".repeat(127) + "x";
    let names = [
        "a b.jpg",
        " a ",
        "ñandú 文.jpg",
        "😀",
        ".",
        "..",
        "...",
        "..\\..\\x",
        "%41",
        "?x=1#y",
        "a\r\nb",
        "faltantes",
        "'; DROP TABLE imagen; --",
        "system.x",
        "$set",
        "+",
        "A.JPG",
        "a.jpg",
        "\u{1}",
        &longest,
    ];
    for name in names {
        let answer = json_of(&client.ask(&put("mis caras ñ", name, &pgm(2, 2))).expect(201));
        assert_eq!(
            (&answer["nombre"], &answer["mensaje"]),
            (&json!(name), &json!(format!("imagen {name} insertada")))
        );
    }
    for name in names {
        let target = format!("/carpetas/{}/{}", encoded("mis caras ñ"), encoded(name));
        assert_eq!(json_of(&client.ask(&get(&target)).expect(200))["nombre"], name);
    }
    let mut sorted = names.to_vec();
    sorted.sort_unstable();
    assert_eq!(json_of(&client.ask(&get("/carpetas/mis%20caras%20%C3%B1")))["nombres"], json!(sorted));
    assert_eq!(
        server.home.names(),
        ["tp2.sqlite3", "tp2.sqlite3-shm", "tp2.sqlite3-wal", "tp2.sqlite3.lock"]
    );
    // Literal dots, without escapes: the path is not a file's.
    client.ask(&get("/carpetas/mis%20caras%20%C3%B1/..")).expect(200);

    for (folder, name) in [
        ("c", "a%2Fb"),
        ("c", "%00"),
        ("c", "%FF"),
        ("c", &"x".repeat(256)),
        (".c", "a"),
        ("..", "a"),
        ("a%24b", "a"),
        ("a%2fb", "a"),
        ("system.x", "a"),
        ("", "a"),
        ("%ff", "a"),
        (&"x".repeat(121), "a"),
    ] {
        let target = format!("/carpetas/{folder}/{name}");
        for method in ["PUT", "GET"] {
            let body = if method == "PUT" { pgm(2, 2) } else { Vec::new() };
            let answer = client.ask(&request(method, &target, &[], &body)).expect(422);
            assert_eq!(answer.problem()["type"], "urn:tp2:error:parametro-fuera-de-rango", "{target}");
        }
    }
    // Without a name nothing is stored or forgotten; read, a slash behind a folder says nothing.
    client.ask(&request("PUT", "/carpetas/c/", &[], &pgm(2, 2))).expect(422);
    let nameless = client.ask(&request("DELETE", "/carpetas/mis%20caras%20%C3%B1/", &[], b"")).expect(404);
    assert!(nameless.problem()["detail"].as_str().unwrap().starts_with("falta el nombre"), "{nameless:?}");
    let page = json_of(&client.ask(&get("/carpetas/mis%20caras%20%C3%B1/?cantidad=2")).expect(200));
    assert_eq!(page["nombres"].as_array().unwrap().len(), 2);
    let face = client.ask(&get("/carpetas/mis%20caras%20%C3%B1/A.JPG/")).expect(200);
    assert_eq!(json_of(&face)["nombre"], "A.JPG");
    client.ask(&get("/carpetas/c/")).expect(404);
    assert_eq!(json_of(&client.ask(&get("/carpetas")))["carpetas"].as_array().unwrap().len(), 1);
    client.ask(&put(&"x".repeat(120), "a", &pgm(2, 2))).expect(201);
}

#[test]
fn what_is_not_there_is_404() {
    let server = Server::start(&[]);
    let mut client = server.client();
    assert_eq!(json_of(&client.ask(&get("/carpetas")).expect(200)), json!({ "carpetas": [] }));
    client.ask(&put("c", "a.jpg", &pgm(2, 2))).expect(201);
    for target in [
        "/carpetas/nada",
        "/carpetas/nada?formato=ndjson",
        "/carpetas/nada/a.jpg",
        "/carpetas/c/b.jpg",
        "/carpetas/C/a.jpg",
    ] {
        let problem = client.ask(&get(target)).expect(404).problem();
        assert!(problem["detail"].as_str().unwrap().contains('«'), "{problem}");
    }
    client.ask(&get("/carpetas/c/a.jpg/x")).expect(404);
    let answer = client.ask(&request("PATCH", "/carpetas/c/a.jpg", &[], b"")).expect(405);
    assert_eq!(answer.field("allow"), Some("GET, HEAD, PUT, DELETE, OPTIONS"));
}

#[test]
fn a_face_is_80_by_90_whatever_the_picture_was() {
    let server = Server::start(&[]);
    let mut client = server.client();
    // One sample everywhere, one gray everywhere.
    let dot = face_of(&mut client, b"P5\n1 1\n255\n\x80");
    assert_eq!(dot, [128; 7200]);
    assert_eq!(
        face_of(&mut client, &pgm(80, 90)),
        super::common::pictures::slope(80, 90).samples,
        "nothing to do"
    );
    for (width, height) in [(1, 3000), (3000, 1), (4000, 3000)] {
        let face = face_of(&mut client, &picture(Format::Jpeg, width, height));
        assert!(face.iter().any(|&sample| sample != face[0]), "{width}x{height}");
    }
    for format in Format::ALL {
        face_of(&mut client, &picture(format, 50, 31));
    }
    // Fully transparent: white.
    let clear = server.ask(&super::common::post("/?escala=1&formato=png", &clear_png())).expect(200).body;
    assert_eq!(face_of(&mut client, &clear), [255; 7200]);
    for fixture in
        ["jpeg_cmyk.jpg", "jpeg_ycck.jpg", "png_gray_16.png", "png_rgb_trns.png", "jpeg_exif_6.jpg"]
    {
        face_of(&mut client, &fixture_of(fixture));
    }
}

fn fixture_of(name: &str) -> Vec<u8> {
    std::fs::read(format!("{}/tests/data/pixels/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

/// 2x2 transparent black samples.
fn clear_png() -> Vec<u8> {
    b"P7\nWIDTH 2\nHEIGHT 2\nDEPTH 2\nMAXVAL 255\nTUPLTYPE GRAYSCALE_ALPHA\nENDHDR\n\0\0\0\0\0\0\0\0".to_vec()
}

#[test]
fn one_face_as_document_as_picture_and_by_head() {
    let server = Server::start(&[]);
    let mut client = server.client();
    client.ask(&put("c", "a.png", &photo("chelsea.png"))).expect(201);
    let document = client.ask(&get("/carpetas/c/a.png")).expect(200);
    let value = json_of(&document);
    assert_eq!(value["nombre"], "a.png");
    let samples = samples_of(&value);
    let stored = STANDARD.decode(value["imagen_str"].as_str().unwrap()).unwrap();
    for accept in ["image/*", "image/jpeg", "image/jpeg, application/json;q=0.5"] {
        let answer = client
            .ask(&request("GET", "/carpetas/c/a.png", &[&format!("Accept: {accept}")], b""))
            .expect(200);
        assert_eq!(
            (answer.field("content-type"), answer.field("vary")),
            (Some("image/jpeg"), Some("Accept"))
        );
        assert_eq!(answer.body, stored);
    }
    // The vector is computed before the JPEG encoding, and the JPEG shows the same.
    let (_, seen) = decoded(&stored);
    let far = seen.samples.iter().zip(&samples).map(|(a, b)| a.abs_diff(*b)).max().unwrap();
    assert!((1..=60).contains(&far), "{far}");
    for accept in ["*/*", "application/json", "text/html, image/webp, */*;q=0.8"] {
        let answer = client
            .ask(&request("GET", "/carpetas/c/a.png", &[&format!("Accept: {accept}")], b""))
            .expect(200);
        assert_eq!(answer.body, document.body, "{accept}");
    }
    client.send(&request("HEAD", "/carpetas/c/a.png", &[], b""));
    let head = client.response_to_head().expect(200);
    assert_eq!(head.field("content-length"), Some(&*document.body.len().to_string()));
    client.assert_kept();
}

/// Python's reading of a document: its members, its numbers, and its distance from Pillow's own face.
const LOOK: &str = r#"
import base64, io, json, sys
from PIL import Image
for photo, path in zip(sys.argv[1::2], sys.argv[2::2]):
    document = json.load(open(path))
    assert list(document) == ["nombre", "imagen_str", "vector"], list(document)
    samples = [round(number * 1000) for number in document["vector"]]
    assert document["vector"] == [sample / 1000 for sample in samples]
    stored = Image.open(io.BytesIO(base64.b64decode(document["imagen_str"], validate=True)))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "L", (80, 90)), stored
    image = Image.open(photo)
    if image.format == "JPEG":
        image.draft("L", image.size)
    face = image.convert("L").resize((80, 90), Image.BICUBIC)
    apart = [abs(a - b) for a, b in zip(samples, face.tobytes(), strict=True)]
    print(sum(apart) / len(apart), max(apart))
"#;

#[test]
fn the_face_is_pillows() {
    if !Command::new("python3")
        .args(["-c", "import PIL"])
        .output()
        .is_ok_and(|output| output.status.success())
    {
        return tools::skip("no hay python3 con Pillow");
    }
    let server = Server::start(&[]);
    let directory = Directory::new();
    let photos = ["rocket.jpg", "hubble_deep_field.jpg", "chelsea.png", "coffee.png", "astronaut.png"];
    let mut python = Command::new("python3");
    python.args(["-c", LOOK]);
    for name in photos {
        server.ask(&put("c", name, &photo(name))).expect(201);
        let document = server.ask(&get(&format!("/carpetas/c/{name}"))).expect(200).body;
        let path = directory.0.join(name);
        std::fs::write(&path, document).unwrap();
        python.arg(format!("{}/tests/data/fotos/{name}", env!("CARGO_MANIFEST_DIR"))).arg(path);
    }
    let output = python.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.lines().count(), photos.len());
    for (line, name) in text.lines().zip(photos) {
        let (mean, max) = line.split_once(' ').unwrap();
        let (mean, max): (f64, u32) = (mean.parse().unwrap(), max.parse().unwrap());
        println!("{name}: mean {mean:.3}, max {max}");
        assert!(mean <= 0.35 && max <= 12, "{name}: mean {mean}, max {max}");
    }
}

#[test]
fn a_form_a_broken_picture_and_none() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let parts = [Part::Field("nota", "hola"), Part::File("imagen", "otra.png", &photo("chelsea.png"))];
    let sent = form("/carpetas/c/a.png", &parts);
    client.ask(&[b"PUT", &sent[4..]].concat()).expect(201);
    client.ask(&put("c", "b.png", &photo("chelsea.png"))).expect(201);
    let mut document = |name: &str| json_of(&client.ask(&get(&format!("/carpetas/c/{name}"))).expect(200));
    assert_eq!(document("a.png")["vector"], document("b.png")["vector"]);

    let whole = photo("rocket.jpg");
    client.ask(&put("c", "rota.jpg", &whole[..whole.len() / 2])).expect(422);
    client.ask(&put("c", "texto.jpg", b"no soy una imagen")).expect(415);
    client.ask(&put("c", "vacia.jpg", b"")).expect(411);
    let empty = form("/carpetas/c/vacia.jpg", &[Part::Field("nota", "hola")]);
    client.ask(&[b"PUT", &empty[4..]].concat()).expect(422);
    assert_eq!(json_of(&client.ask(&get("/carpetas/c")))["nombres"], json!(["a.png", "b.png"]));
    let failed = put("nueva", "rota.jpg", &whole[..whole.len() / 2]);
    client.ask(&failed).expect(422);
    client.ask(&get("/carpetas/nueva")).expect(404);
}

#[test]
fn pages_follow_each_other() {
    let server = Server::start(&[]);
    let mut names = numbered(0..30);
    // White space belongs to a name, also at its ends.
    names.extend([" a", " b ", "b", "b ", "b  ", "+", "%"].map(Into::into));
    fill(&server, "c", &names);
    names.sort_unstable();
    let mut client = server.client();
    for count in [1, 7, 30, 37, 1000] {
        let (mut seen, mut from) = (Vec::new(), String::new());
        loop {
            let target = format!("/carpetas/c?cantidad={count}{from}");
            let page = json_of(&client.ask(&get(&target)).expect(200));
            let members: Vec<&String> = page.as_object().unwrap().keys().collect();
            assert_eq!(members, ["carpeta", "imagenes", "nombres", "siguiente"]);
            assert_eq!((&page["carpeta"], &page["imagenes"]), (&json!("c"), &json!(names.len())));
            let part: Vec<String> = serde_json::from_value(page["nombres"].clone()).unwrap();
            assert!(part.len() == count || page["siguiente"].is_null());
            seen.extend(part);
            assert!(seen.len() <= names.len(), "{target}");
            let Some(next) = page["siguiente"].as_str() else { break };
            from = format!("&desde={}", encoded(next));
        }
        assert_eq!(seen, names, "{count} at a time");
    }
    let mut page = |query: &str| json_of(&client.ask(&get(&format!("/carpetas/c?{query}"))).expect(200));
    let from = page("desde=1A00005.jpg&cantidad=2");
    assert_eq!(from["nombres"], json!(["1A00005.jpg", "1A00006.jpg"]), "that name and those after it");
    assert_eq!(from["siguiente"], "1A00007.jpg", "the first of the next page");
    assert_eq!(page("desde=1A00005.&cantidad=1")["nombres"], json!(["1A00005.jpg"]), "it need not exist");
    assert_eq!(page("desde=zzz")["nombres"], json!([]));
    for query in ["cantidad=0", "cantidad=10001", "cantidad=x", "formato=xml"] {
        client.ask(&get(&format!("/carpetas/c?{query}"))).expect(422);
    }
}

#[test]
fn five_hundred_documents_in_a_stream() {
    let server = Server::start(&[]);
    let names = numbered(0..500);
    fill(&server, "c", &names);
    let target = "/carpetas/c?formato=ndjson";
    let close = ["Connection: close"];

    // A pipelined request is answered afterwards; the other client never sends more than that.
    let mut client = server.client();
    client.send(&[get(target), request("GET", "/carpetas", &close, b"")].concat());
    let bytes = client.rest();
    let last = bytes.windows(13).rposition(|window| window == b"HTTP/1.1 200 ").unwrap();
    assert!(bytes[last..].ends_with(b"{\"carpetas\":[{\"nombre\":\"c\",\"imagenes\":500}]}\n"));
    let (head, body) = whole(&bytes[..last]);
    assert!(
        head.contains("Content-Type: application/x-ndjson\r\n")
            && head.contains("Connection: keep-alive\r\n")
    );
    let documents = documents(&body);
    let seen: Vec<_> = documents.iter().map(|document| document["nombre"].as_str().unwrap()).collect();
    assert_eq!(seen, names);
    assert_eq!(samples_of(&documents[499]), super::common::pictures::slope(80, 90).samples);

    let mut old = server.client();
    old.send(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes());
    let (head, until_close) = whole(&old.rest());
    assert!(!head.contains("Transfer-Encoding") && !head.contains("Content-Length"), "{head}");
    assert!(until_close == body);

    let mut head = server.client();
    head.send(&request("HEAD", target, &close, b""));
    let head = String::from_utf8(head.rest()).unwrap();
    assert!(head.contains("Transfer-Encoding: chunked\r\n") && head.ends_with("\r\n\r\n"), "{head}");
}

#[test]
fn who_leaves_in_the_middle_of_a_stream_hurts_nobody() {
    let server = Server::start(&["-v"]);
    // Together more than the kernel's buffers on both sides hold.
    fill(&server, "c", &numbered(0..200));
    for _ in 0..5 {
        let mut client = server.client();
        client.send(&get("/carpetas/c?formato=ndjson"));
        let mut some = [0; 1000];
        client.stream.read_exact(&mut some).unwrap();
        client.stream.shutdown(Shutdown::Both).unwrap();
    }
    until("five answers that were cut", || (server.log().matches("cortada").count() >= 5).then_some(()));
    assert!(server.is_healthy());
}

#[test]
fn what_is_missing_is_told_in_time() {
    let server = Server::start(&[]);
    let mut client = server.client();
    let names = numbered(0..20_000);
    assert_eq!(missing(&mut client, "c", &names), names, "all, of a folder that is not there");
    client.ask(&get("/carpetas/c")).expect(404);
    fill(&server, "c", &names[..100]);
    let begun_at = Instant::now();
    assert_eq!(missing(&mut client, "c", &names), names[100..]);
    assert!(begun_at.elapsed() < Duration::from_secs(5), "{:?}", begun_at.elapsed());
    let mixed = ["x", "1A00003.jpg", "x", "A"].map(String::from);
    assert_eq!(missing(&mut client, "c", &mixed), ["x", "x", "A"], "in the order given");
    for (list, status) in [("hola", 400), ("", 400), ("[]", 422), ("{\"nombres\": [\"a/b\"]}", 422)] {
        client.ask(&request("POST", "/carpetas/c/faltantes", &[], list.as_bytes())).expect(status).problem();
    }
    let long = vec![b' '; (1 << 20) + 1];
    let mut client = server.client();
    client.try_send(&request("POST", "/carpetas/c/faltantes", &[], &long));
    let problem = client.response().expect(413).problem();
    assert_eq!((&problem["valor"], &problem["recibido"]), (&json!(1 << 20), &json!((1 << 20) + 1)));
}

#[test]
fn what_was_answered_survives_a_kill_and_a_restart() {
    let directory = Directory::new();
    let store = format!("sqlite:{}", directory.0.join("banco.sqlite3").display());
    let mut kept = Vec::new();
    for round in 0..3 {
        let mut server = Server::start(&["-a", &store]);
        for number in 0..5 {
            let name = format!("{round}-{number}.jpg");
            server.ask(&put("c", &name, &pgm(10 + number, 9 + round))).expect(201);
            kept.push(name);
        }
        server.kill();
    }
    let mut server = Server::start(&["-a", &store]);
    let documents_of = |server: &Server| {
        let mut client = server.client();
        client.send(&request("GET", "/carpetas/c?formato=ndjson", &["Connection: close"], b""));
        whole(&client.rest()).1
    };
    let body = documents_of(&server);
    let documents = documents(&body);
    let names: Vec<_> = documents.iter().map(|document| document["nombre"].as_str().unwrap()).collect();
    assert_eq!(names, kept);
    documents.iter().for_each(|document| assert_eq!(samples_of(document).len(), 7200));
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let server = Server::start(&["-a", &store]);
    assert!(documents_of(&server) == body);
    server.ask(&put("c", "0-0.jpg", &pgm(2, 2))).expect(200);
}

/// The code blocks of this language in the bank's documentation.
fn recipes(language: &str) -> Vec<String> {
    let told = std::fs::read_to_string(format!("{}/docs/requests.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let (_, chapter) = told.split_once("\n## The image bank\n").expect("a chapter on the bank");
    let chapter = chapter.split("\n## ").next().unwrap();
    let blocks = chapter.split("\n```").skip(1).step_by(2);
    blocks.filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n').map(str::to_owned)).collect()
}

/// Runs a program on the server's store, asserts success, and returns its output.
fn run_beside(server: &Server, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(&server.home.0).output().unwrap();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {trouble}");
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn other_programs_read_the_bank_while_the_server_runs() {
    if tools::find("sqlite3").is_none() {
        return;
    }
    let server = Server::start(&[]);
    let mut client = server.client();
    let names = numbered(0..7);
    fill(&server, "img_to_learn", &names);
    let commands: Vec<_> = recipes("").join("\n").lines().map(str::to_owned).collect();
    let mut commands = commands.iter().filter_map(|line| line.strip_prefix("sqlite3 "));
    let mut next =
        || run_beside(&server, "sh", &["-c", &format!("sqlite3 {}", commands.next().expect("a recipe"))]);
    assert_eq!(next(), "img_to_learn|7\n");
    let listed = next();
    let document = json_of(&client.ask(&get("/carpetas/img_to_learn/1A00000.jpg")));
    let first = format!("1A00000.jpg|{}\n", document["imagen_str"].as_str().unwrap());
    assert!(listed.starts_with(&first) && listed.lines().count() == 5);
    // The file is still written to afterwards.
    client.ask(&put("img_to_learn", "otra.jpg", &pgm(2, 2))).expect(201);
}

#[test]
fn a_folder_becomes_vectors_in_python() {
    let has_numpy = Command::new("python3").args(["-c", "import numpy"]).output();
    if !has_numpy.is_ok_and(|output| output.status.success()) {
        return tools::skip("no hay python3 con numpy");
    }
    let server = Server::start(&[]);
    let names = ["b.jpg", "a.jpg", "ñ.png", "c.png"];
    for (name, picture) in
        names.into_iter().zip(["rocket.jpg", "hubble_deep_field.jpg", "coffee.png", "chelsea.png"])
    {
        server.ask(&put("img_to_learn", name, &photo(picture))).expect(201);
    }
    let recipes = recipes("python");
    assert_eq!(recipes.len(), 2);
    let seen: Vec<_> = recipes
        .iter()
        .map(|recipe| {
            let recipe = recipe.replace("127.0.0.1:8080", &server.address().to_string());
            let look = "import hashlib\nprint(names, vectors.shape, vectors.dtype, vectors.max() <= 0.255)\n\
                        print(hashlib.sha256(vectors.tobytes()).hexdigest())\n";
            run_beside(&server, "python3", &["-c", &format!("{recipe}\n{look}")])
        })
        .collect();
    assert_eq!(seen[0], seen[1], "the same doubles, bit by bit");
    let expected = "['a.jpg', 'b.jpg', 'c.png', 'ñ.png'] (4, 7200) float64 True\n";
    assert!(seen[0].starts_with(expected), "{}", seen[0]);
}

fn remove(target: &str) -> Vec<u8> {
    request("DELETE", target, &[], b"")
}

#[test]
fn faces_and_folders_are_removed() {
    let directory = Directory::new();
    let store = format!("sqlite:{}", directory.0.join("banco.sqlite3").display());
    let mut server = Server::start(&["-a", &store]);
    fill(&server, "c", &numbered(0..20));
    fill(&server, "otra", &numbered(0..1));
    let mut client = server.client();
    client.ask(&remove("/carpetas/c/1A00003.jpg")).expect(204);
    client.ask(&remove("/carpetas/c/1A00003.jpg")).expect(404);
    client.ask(&get("/carpetas/c/1A00003.jpg")).expect(404);
    assert_eq!(json_of(&client.ask(&get("/carpetas/c")))["imagenes"], 19);
    client.ask(&put("c", "1A00003.jpg", &pgm(80, 90))).expect(201);
    client.ask(&remove("/carpetas/c")).expect(204);
    client.ask(&remove("/carpetas/c")).expect(404);
    client.ask(&remove("/carpetas/nadie/a.jpg")).expect(404);
    client.ask(&get("/carpetas/c")).expect(404);
    client.ask(&get("/carpetas/c?formato=ndjson")).expect(404);
    let folders = json_of(&client.ask(&get("/carpetas")).expect(200));
    assert_eq!(folders, json!({ "carpetas": [{ "nombre": "otra", "imagenes": 1 }] }));
    client.ask(&put("c", "1A00003.jpg", &pgm(80, 90))).expect(201);
    // Answered writes survive a kill.
    client.ask(&remove("/carpetas/otra")).expect(204);
    server.kill();
    let server = Server::start(&["-a", &store]);
    let mut client = server.client();
    client.ask(&get("/carpetas/otra")).expect(404);
    assert_eq!(json_of(&client.ask(&get("/carpetas/c")))["imagenes"], 1);
    let refused = client.ask(&request("POST", "/carpetas/c", &[], b"x")).expect(405);
    assert_eq!(refused.field("allow"), Some("GET, HEAD, DELETE, OPTIONS"));
}

#[test]
fn folders_come_in_pages() {
    let server = Server::start(&[]);
    let names = ["a", "b b", "ñ", "z"];
    names.iter().for_each(|folder| fill(&server, folder, &numbered(0..1)));
    let mut client = server.client();
    let (mut seen, mut from) = (Vec::new(), String::new());
    loop {
        let page = json_of(&client.ask(&get(&format!("/carpetas?cantidad=2{from}"))).expect(200));
        let part = page["carpetas"].as_array().unwrap().iter();
        seen.extend(part.map(|folder| folder["nombre"].as_str().unwrap().to_owned()));
        let Some(next) = page["siguiente"].as_str() else { break };
        from = format!("&desde={}", encoded(next));
    }
    // Ordered by bytes.
    assert_eq!(seen, ["a", "b b", "z", "ñ"]);
    client.ask(&get("/carpetas?cantidad=0")).expect(422);
}

/// Clients that ask for the longest pages and streams and read nothing: `--memoria` limits the bytes that wait for
/// them, and requests without room are refused.
#[test]
fn who_does_not_read_is_charged_for_what_waits() {
    let server = Server::start(&["--memoria", "16"]);
    let mut client = server.client();
    let long = |number: usize| format!("{number:05}{}", "x".repeat(230));
    let names: Vec<String> = (0..1500).map(long).collect();
    fill(&server, "c", &names);
    let mut readers: Vec<Client> = (0..40).map(|_| server.client()).collect();
    for (reader, number) in readers.iter_mut().zip(0..) {
        let query = if number % 2 == 0 { "?cantidad=10000" } else { "?formato=ndjson" };
        // A dozen requests each, so that the kernel's buffers are full.
        reader.send(&get(&format!("/carpetas/c{query}")).repeat(12));
    }
    let held = || -> u64 {
        let page = String::from_utf8(server.ask(&get("/metrics")).expect(200).body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("tp2_memory_bytes ")).unwrap();
        line.parse().unwrap()
    };
    until("something waits", || (held() > 1 << 20).then_some(()));
    for _ in 0..20 {
        assert!(held() <= 16 << 20);
        client.ask(&get("/healthz")).expect(200);
    }
    let page = json_of(&client.ask(&get("/carpetas/c?cantidad=10000")).expect(200));
    let part = page["nombres"].as_array().unwrap().len();
    assert!(part < 1500 && page["siguiente"] == names[part].as_str(), "{part}");
    drop(readers);
    until("what waited is given back", || (held() == 0).then_some(()));
}
