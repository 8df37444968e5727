//! `-d`: pictures below a directory, made on request.
use std::fs::{self, FileTimes, OpenOptions};
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tp2::http::format::Format;

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{photo, picture, size_of};
use super::common::processes::Directory;
use super::common::server::{Process, tp2};
use super::common::wait::until;
use super::common::{Client, Response, Server, post, request};

/// A directory with a photograph of 640x427 as `imagen.jpg`, and more below it.
fn pictures() -> Directory {
    let directory = Directory::new();
    let write = |path: &str, bytes: &[u8]| {
        let path = directory.0.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    write("imagen.jpg", &photo("rocket.jpg"));
    write("fotos/a b/ñandú.png", &picture(Format::Png, 40, 30));
    write("notas.txt", b"no es una imagen");
    write("roto.png", b"\x89PNG\r\n\x1a\nxxxxxxxxxxxxxxxxxxxxxx");
    write("healthz", &picture(Format::Png, 8, 8));
    directory
}

fn serve(directory: &Directory, more: &[&str]) -> Server {
    let path = directory.0.to_str().unwrap();
    Server::start(&[&["-d", path], more].concat())
}

fn get(client: &mut Client, target: &str, fields: &[&str]) -> Response {
    client.ask(&request("GET", target, fields, b""))
}

/// The fields of an answer that caches use.
fn validators(answer: &Response) -> [Option<String>; 4] {
    ["etag", "last-modified", "cache-control", "vary"].map(|name| answer.field(name).map(str::to_owned))
}

/// Sets the time of the last modification, in seconds since 1970.
fn date(path: &Path, seconds: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap();
    let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
    file.set_times(FileTimes::new().set_modified(time)).unwrap();
}

#[test]
fn a_picture_is_gray_scaled_and_what_an_upload_of_it_would_have_been() {
    let directory = pictures();
    let server = serve(&directory, &[]);
    let mut client = server.client();
    let file = photo("rocket.jpg");
    let (_, width, height) = size_of(&file);
    for (query, format) in [
        ("", Format::Jpeg),
        ("?escala=0.25", Format::Jpeg),
        ("?escala=1.5&calidad=40", Format::Jpeg),
        ("?formato=png", Format::Png),
    ] {
        let answer = get(&mut client, &format!("/imagen.jpg{query}"), &[]).expect(200);
        assert_eq!(answer.field("content-type"), Some(format.media_type()));
        let uploaded = client.ask(&post(&format!("/{query}"), &file)).expect(200);
        assert!(answer.body == uploaded.body, "{query}");
        assert_eq!(answer.field("x-ancho"), uploaded.field("x-ancho"));
        assert!(answer.is_kept());
    }
    let answer = get(&mut client, "/imagen.jpg?escala=0.25", &[]).expect(200);
    assert_eq!(size_of(&answer.body), (Format::Jpeg, width / 4, height / 4));
}

#[test]
fn names_are_bytes_that_were_escaped() {
    let directory = pictures();
    let server = serve(&directory, &["-e", "1"]);
    let mut client = server.client();
    for target in [
        "/fotos/a%20b/%C3%B1and%C3%BA.png",
        "/fotos/a%20b/ñandú.png",
        "/f%6ftos/a%20b/%c3%b1and%c3%ba.png?",
        "http://alguien@host.ejemplo/fotos/a%20b/%C3%B1and%C3%BA.png",
    ] {
        let answer = get(&mut client, target, &[]).expect(200);
        assert_eq!(size_of(&answer.body), (Format::Png, 40, 30), "{target}");
    }
}

#[test]
fn the_directory_may_be_named_in_any_way() {
    let directory = pictures();
    fs::create_dir(directory.0.join("día 1")).unwrap();
    fs::rename(directory.0.join("imagen.jpg"), directory.0.join("día 1/imagen.jpg")).unwrap();
    let absolute = directory.0.join("día 1");
    for (here, named) in [
        (&*absolute, "."),
        (&*absolute, "./"),
        (&*directory.0, "día 1"),
        (&*directory.0, "día 1/"),
        (&*directory.0, "fotos/../día 1"),
        (Path::new("/"), absolute.to_str().unwrap()),
    ] {
        let mut command = tp2();
        command.current_dir(here).args(["-i", "127.0.0.1", "-p", "0", "-e", "1.5", "-d", named]);
        let server = Server::launch(command);
        let answer = get(&mut server.client(), "/imagen.jpg", &[]).expect(200);
        let (_, width, _) = size_of(&answer.body);
        assert_eq!(width, size_of(&photo("rocket.jpg")).1 * 3 / 2, "{named}");
    }
}

#[test]
fn head_has_the_fields_of_get() {
    let directory = pictures();
    let server = serve(&directory, &[]);
    let mut client = server.client();
    let mut head = || {
        client.send(&request("HEAD", "/imagen.jpg", &[], b""));
        client.response_to_head().expect(200)
    };
    let made = head();
    let kept = head();
    let got = get(&mut client, "/imagen.jpg", &[]).expect(200);
    assert_eq!(got.field("content-length"), Some(&*got.body.len().to_string()));
    for answer in [made, kept] {
        assert_eq!(validators(&answer), validators(&got));
        for name in ["content-length", "content-type", "x-ancho", "x-alto"] {
            assert_eq!(answer.field(name), got.field(name), "{name}");
        }
    }
    assert_eq!(got.field("vary"), Some("Accept"));
    assert!(!got.field("cache-control").unwrap().contains("no-store"));
    client.assert_kept();
}

#[test]
fn what_the_client_has_is_not_sent_again() {
    let directory = pictures();
    date(&directory.0.join("imagen.jpg"), 1_000_000_000);
    let server = serve(&directory, &[]);
    let mut client = server.client();
    let first = get(&mut client, "/imagen.jpg", &[]).expect(200);
    let tag = first.field("etag").unwrap().to_owned();
    assert!(tag.starts_with('"'), "strong: {tag}");
    assert_eq!(first.field("last-modified"), Some("Sun, 09 Sep 2001 01:46:40 GMT"));
    let other_day = "If-Modified-Since: Sun, 09 Sep 2001 01:46:39 GMT".to_owned();
    for (fields, status) in [
        (vec![format!("If-None-Match: {tag}")], 304),
        (vec![format!("If-None-Match: \"x\", W/{tag}")], 304),
        (vec!["If-None-Match: \"x\"".into(), format!("If-None-Match: {tag}")], 304),
        (vec!["If-None-Match: *".into()], 304),
        (vec!["If-None-Match: \"x\"".into()], 200),
        (vec!["If-Modified-Since: Sun, 09 Sep 2001 01:46:40 GMT".into()], 304),
        (vec![other_day.clone()], 200),
        (vec!["If-Modified-Since: ayer".into()], 200),
        // The tag takes precedence over the date.
        (vec![format!("If-None-Match: {tag}"), other_day], 304),
        (vec!["If-None-Match: \"x\"".into(), "If-Modified-Since: Sun, 09 Sep 2031 01:46:40 GMT".into()], 200),
    ] {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let answer = get(&mut client, "/imagen.jpg", &fields).expect(status);
        assert_eq!(validators(&answer), validators(&first), "{fields:?}");
        assert_eq!(answer.field("content-length").is_none(), status == 304);
        client.send(&request("HEAD", "/imagen.jpg", &fields, b""));
        client.response_to_head().expect(status);
    }
    // A condition compares only what would be sent.
    get(&mut client, "/nada.jpg", &["If-None-Match: *"]).expect(404);
    get(&mut client, "/notas.txt", &["If-None-Match: *"]).expect(415);
    get(&mut client, "/imagen.jpg?escala=99", &["If-None-Match: *"]).expect(422);
    client.assert_kept();
}

#[test]
fn another_file_and_another_wish_are_another_answer() {
    let directory = pictures();
    let path = directory.0.join("imagen.jpg");
    let server = serve(&directory, &[]);
    let mut client = server.client();
    let mut tags = Vec::new();
    let targets = ["", "?escala=0.25", "?calidad=50", "?formato=png", "?fondo=000000"];
    for target in targets {
        let answer = get(&mut client, &format!("/imagen.jpg{target}"), &[]).expect(200);
        tags.push(answer.field("etag").unwrap().to_owned());
    }
    // Accept selects the same as formato.
    let webp = get(&mut client, "/imagen.jpg", &["Accept: image/webp"]).expect(200);
    assert_eq!((size_of(&webp.body).0, webp.field("vary")), (Format::WebP, Some("Accept")));
    let named = get(&mut client, "/imagen.jpg?formato=webp", &[]).expect(200);
    assert_eq!(named.field("etag"), webp.field("etag"));
    tags.push(webp.field("etag").unwrap().to_owned());
    let browser = get(&mut client, "/imagen.jpg", &["Accept: text/html,image/webp,*/*;q=0.8"]).expect(200);
    assert_eq!(size_of(&browser.body).0, Format::Jpeg);
    let refused = get(&mut client, "/imagen.jpg", &["Accept: text/plain"]).expect(406);
    assert_eq!(refused.field("vary"), Some("Accept"));

    // Rewritten in place, and replaced as an editor does.
    fs::write(&path, picture(Format::Jpeg, 64, 48)).unwrap();
    let rewritten = get(&mut client, "/imagen.jpg", &[&format!("If-None-Match: {}", tags[0])]).expect(200);
    assert_eq!(size_of(&rewritten.body), (Format::Jpeg, 32, 24));
    tags.push(rewritten.field("etag").unwrap().to_owned());
    fs::write(directory.0.join("nueva"), picture(Format::Png, 20, 10)).unwrap();
    fs::rename(directory.0.join("nueva"), &path).unwrap();
    let replaced = get(&mut client, "/imagen.jpg", &[]).expect(200);
    assert_eq!(size_of(&replaced.body), (Format::Png, 10, 5), "the bytes decide, not the name");
    tags.push(replaced.field("etag").unwrap().to_owned());
    fs::remove_file(&path).unwrap();
    get(&mut client, "/imagen.jpg", &[]).expect(404);

    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count, "{tags:?}");
}

#[test]
fn a_result_is_kept_for_the_next_who_asks() {
    let directory = pictures();
    let scaler = FakeScaler::start();
    let server = serve(&directory, &["-s", &scaler.destination()]);
    let mut client = server.client();
    client.send(&request("GET", "/imagen.jpg", &[], b""));
    scaler.question().answer();
    let made = client.response().expect(200);
    // The fake scaler gives no further answer: the result must come from the cache.
    let kept = get(&mut client, "/imagen.jpg", &[]).expect(200);
    assert!(kept.body == made.body);
    assert_eq!(validators(&kept), validators(&made));
    let steps = |answer: &Response| {
        let field = answer.field("server-timing").unwrap().to_owned();
        field.split(", ").map(|step| step.split_once(';').unwrap().0.to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(steps(&made), ["queue", "open", "decode", "scale", "encode"]);
    assert_eq!(steps(&kept), ["queue", "open"]);
    assert!(scaler.question_within(Duration::ZERO).is_none());
    // Other parameters make another variant.
    client.send(&request("GET", "/imagen.jpg?escala=0.1", &[], b""));
    scaler.question().answer();
    client.response().expect(200);
}

#[test]
fn own_routes_win() {
    let directory = pictures();
    fs::write(directory.0.join("index.html"), "x").unwrap();
    let server = serve(&directory, &[]);
    let mut client = server.client();
    assert_eq!(get(&mut client, "/healthz", &[]).expect(200).body, b"ok\n");
    assert_eq!(
        get(&mut client, "/", &[]).expect(200).field("content-type"),
        Some("text/html; charset=utf-8")
    );
    let answer = client.ask(&request("PUT", "/imagen.jpg", &[], &photo("rocket.jpg"))).expect(200);
    assert_eq!(answer.field("cache-control"), Some("no-store"));
    let refused = client.ask(&request("DELETE", "/imagen.jpg", &[], b"")).expect(405);
    assert_eq!(refused.field("allow"), Some("GET, HEAD, OPTIONS"));
    assert_eq!(fs::read(directory.0.join("imagen.jpg")).unwrap(), photo("rocket.jpg"), "nothing is written");
}

#[test]
fn without_the_option_there_are_no_files() {
    let server = Server::start(&[]);
    let mut client = server.client();
    for target in ["/imagen.jpg", "/etc/passwd", "/Cargo.toml", "/src"] {
        get(&mut client, target, &[]).expect(404).problem();
    }
}

#[test]
fn nothing_outside_the_directory_is_ever_opened() {
    let directory = pictures();
    let inside = directory.0.join("fotos");
    fs::write(directory.0.join("secreto.png"), picture(Format::Png, 8, 8)).unwrap();
    fs::write(inside.join("aquí.png"), picture(Format::Png, 8, 8)).unwrap();
    symlink("../secreto.png", inside.join("fuera.png")).unwrap();
    symlink("aquí.png", inside.join("dentro.png")).unwrap();
    symlink("..", inside.join("arriba")).unwrap();
    symlink("a b", inside.join("abajo")).unwrap();
    symlink("/", inside.join("raíz")).unwrap();
    let made = std::process::Command::new("mkfifo").arg(inside.join("fifo")).status().unwrap();
    assert!(made.success());
    let server = Server::start(&["-d", inside.to_str().unwrap()]);
    let mut client = server.client();
    get(&mut client, "/aqu%C3%AD.png", &[]).expect(200);
    let absolute = format!("/{}/secreto.png", directory.0.display());
    let escaped = format!("/{}", absolute[1..].replace('/', "%2f"));
    for target in [
        "/../secreto.png",
        "/..%2fsecreto.png",
        "/%2e%2e/secreto.png",
        "/%2E./secreto.png",
        "/.%2e/secreto.png",
        "/..%5csecreto.png",
        "/..\\secreto.png",
        "/%2e%2e%2fsecreto.png",
        "/%252e%252e/secreto.png",
        "/..;/secreto.png",
        "/a%20b/../../secreto.png",
        "/a%20b/..%2f..%2fsecreto.png",
        "/./aqu%C3%AD.png",
        "/a%20b/../aqu%C3%AD.png",
        "//aqu%C3%AD.png",
        "/aqu%C3%AD.png//",
        "/aqu%C3%AD.png%00",
        "/aqu%C3%AD.png%00.jpg",
        "/fuera.png",
        "/dentro.png",
        "/arriba/secreto.png",
        "/arriba/fotos/aqu%C3%AD.png",
        "/abajo/%C3%B1and%C3%BA.png",
        "/ra%C3%ADz/etc/passwd",
        "//etc/passwd",
        "/etc/passwd",
        "/fifo",
        "/a%20b",
        "/a%20b/",
        "/%zz",
        "/%",
        "http://x/../secreto.png",
        &absolute,
        &escaped,
    ] {
        let answer = get(&mut client, target, &[]);
        assert_eq!(answer.status, 404, "{target}");
        assert!(answer.is_kept());
        assert_eq!(answer.problem()["type"], "urn:tp2:error:no-encontrado", "{target}");
    }
    client.assert_kept();
    // One slash too many names the same file.
    assert_eq!(get(&mut client, "/aqu%C3%AD.png/", &[]).status, 200);
}

#[test]
fn what_is_no_picture_is_refused_as_an_upload_would_be() {
    let directory = pictures();
    fs::write(directory.0.join("vacía.png"), b"").unwrap();
    fs::write(directory.0.join("larga.pgm"), [b"P5\n1024 1024\n255\n", &[9; 1 << 20][..]].concat()).unwrap();
    let server = serve(&directory, &["--max-cuerpo", "1", "--max-pixeles", "1"]);
    let mut client = server.client();
    for target in ["/notas.txt", "/vac%C3%ADa.png"] {
        let answer = get(&mut client, target, &[]).expect(415);
        assert_eq!(answer.problem()["type"], "urn:tp2:error:formato-desconocido");
    }
    get(&mut client, "/roto.png", &[]).expect(422);
    let long = get(&mut client, "/larga.pgm", &[]).expect(422).problem();
    assert_eq!((&long["limite"], &long["opcion"]), (&"archivo".into(), &"--max-cuerpo".into()));
    assert_eq!((&long["valor"], &long["recibido"]), (&(1 << 20).into(), &((1 << 20) + 17).into()));
    let large = get(&mut client, "/imagen.jpg?escala=10", &[]).expect(422).problem();
    assert_eq!(large["opcion"], "--max-pixeles");
    for query in ["escala=0", "escala=x", "calidad=101", "formato=heic", "fondo=verde"] {
        let answer = get(&mut client, &format!("/imagen.jpg?{query}"), &[]).expect(422);
        assert!(answer.problem()["detail"].as_str().unwrap().contains(query.split_once('=').unwrap().0));
    }
    client.assert_kept();
}

#[test]
fn a_full_queue_is_503_for_files_too() {
    let directory = pictures();
    let scaler = FakeScaler::start();
    let server = serve(&directory, &["-s", &scaler.destination(), "--cola", "1"]);
    let mut first = server.client();
    first.send(&request("GET", "/imagen.jpg", &[], b""));
    let mut question = scaler.question();
    let answer = get(&mut server.client(), "/imagen.jpg?escala=0.1", &[]).expect(503);
    assert!(answer.field("retry-after").is_some() && answer.is_kept());
    assert_eq!(answer.problem()["limite"], "cola");
    question.answer();
    first.response().expect(200);
}

#[test]
fn what_is_kept_needs_no_place_of_the_queue() {
    let directory = pictures();
    let scaler = FakeScaler::start();
    let server = serve(&directory, &["-s", &scaler.destination(), "--cola", "1"]);
    let mut client = server.client();
    client.send(&request("GET", "/imagen.jpg", &[], b""));
    scaler.question().answer();
    let made = client.response().expect(200);
    let mut busy = server.client();
    busy.send(&request("GET", "/imagen.jpg?escala=0.1", &[], b""));
    let mut question = scaler.question();
    get(&mut client, "/imagen.jpg?escala=0.2", &[]).expect(503);
    // Also for pipelined requests.
    let ask = request("GET", "/imagen.jpg", &[], b"");
    client.send(&[&ask[..]; 50].concat());
    for _ in 0..50 {
        assert!(client.response().expect(200).body == made.body);
    }
    let tag = format!("If-None-Match: {}", made.field("etag").unwrap());
    get(&mut client, "/imagen.jpg", &[&tag]).expect(304);
    // Another file under the name is noticed at once, and takes a place.
    fs::write(directory.0.join("imagen.jpg"), picture(Format::Jpeg, 64, 48)).unwrap();
    get(&mut client, "/imagen.jpg", &[&tag]).expect(503);
    question.answer();
    busy.response().expect(200);
}

#[test]
fn what_was_made_for_one_who_left_is_there_for_the_next() {
    let directory = pictures();
    let scaler = FakeScaler::start();
    let server = serve(&directory, &["-s", &scaler.destination(), "--cola", "1"]);
    let mut gone = server.client();
    gone.send(&request("GET", "/imagen.jpg", &[], b""));
    let mut question = scaler.question();
    drop(gone);
    question.answer();
    let mut client = server.client();
    until("the place of the one who left", || (get(&mut client, "/readyz", &[]).status == 200).then_some(()));
    let kept = get(&mut client, "/imagen.jpg", &[]).expect(200);
    assert!(!kept.field("server-timing").unwrap().contains("decode"));
}

#[test]
fn pipelined_files_come_in_order() {
    let directory = pictures();
    let server = serve(&directory, &["-e", "1"]);
    let mut client = server.client();
    let bird = "/fotos/a%20b/%C3%B1and%C3%BA.png";
    let asked = [
        request("GET", "/imagen.jpg?escala=2", &[], b""),
        request("GET", bird, &[], b""),
        request("GET", "/nada", &[], b"cuerpo que nadie quiere"),
        request("GET", bird, &[], b"y otro"),
    ];
    client.send(&asked.concat());
    assert_eq!(size_of(&client.response().expect(200).body).0, Format::Jpeg);
    assert_eq!(size_of(&client.response().expect(200).body), (Format::Png, 40, 30));
    client.response().expect(404);
    assert_eq!(size_of(&client.response().expect(200).body), (Format::Png, 40, 30));
    client.assert_kept();
}

#[test]
fn a_directory_that_is_none_ends_the_program_with_one_line() {
    let directory = pictures();
    let file = directory.0.join("imagen.jpg");
    let missing = directory.0.join("nada");
    for (path, words) in [(&file, "no es un directorio"), (&missing, "no existe")] {
        for in_environment in [false, true] {
            let mut command = tp2();
            command.args(["-i", "127.0.0.1", "-p", "0"]);
            if in_environment {
                command.env("TP2_DIRECTORIO", path);
            } else {
                command.arg("--directorio").arg(path);
            }
            let mut process = Process::spawn(command);
            assert_eq!(process.wait().code(), Some(1));
            process.wait_log("\n");
            let expected = format!("tp2: no se puede leer el directorio «{}»: {words}\n", path.display());
            assert_eq!(process.log(), expected);
        }
    }
}
