//! Uploads whole folders to the bank.
use super::bank::Bank;
use super::common::pictures::picture;
use super::fake::{Answer, Asked, Fake};
use super::run::{Ended, Place};
use serde_json::json;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;
use tp2::http::format::Format;

/// Makes `folder` with so many pictures, named by `name`.
fn fill(place: &Place, folder: &str, numbers: std::ops::Range<usize>, name: impl Fn(usize) -> String) {
    let picture = picture(Format::Jpeg, 16, 18);
    std::fs::create_dir_all(place.path(folder)).unwrap();
    for number in numbers {
        std::fs::write(place.path(format!("{folder}/{}", name(number))), &picture).unwrap();
    }
}

fn plain(number: usize) -> String {
    format!("1A5{number:04}.jpg")
}

/// How many lines of the output end with this.
fn count(ended: &Ended, end: &str) -> usize {
    ended.lines.lines().filter(|line| line.starts_with("imagen ") && line.ends_with(end)).count()
}

/// Long names: together they fill the pipe of the client's output more than once, and the client blocks while the
/// pipe is not read.
fn long(number: usize) -> String {
    format!("{number:0200}.jpg")
}

/// Starts the client, and kills it (-9) when it has reported a hundred insertions.
fn run_and_kill(place: &Place, port: u16, folder: &str) {
    let mut child = place.command(port, &["-f", folder]).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let told = lines.by_ref().filter(|line| line.ends_with(" insertada")).take(100).count();
    assert_eq!(told, 100);
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_thousand_files_of_which_some_are_broken_and_some_are_there() {
    let bank = Bank::start();
    let place = Place::new();
    fill(&place, "antes/img_to_learn", 0..30, long);
    let ended = place.run(bank.port, &["-f", "antes/img_to_learn"]).expect(0);
    assert_eq!(ended.last_line(), "30 insertadas, 0 ya existían, 0 con error");

    fill(&place, "img_to_learn", 0..980, long);
    let at = |name: &str| place.path(format!("img_to_learn/{name}"));
    let whole = picture(Format::Jpeg, 16, 18);
    for number in 0..5 {
        std::fs::write(at(&format!("texto{number}.jpg")), "no soy una imagen").unwrap();
        std::fs::write(at(&format!("cortada{number}.jpg")), &whole[..whole.len() / 2]).unwrap();
        std::fs::write(at(&format!("vacia{number}.jpg")), "").unwrap();
    }
    for number in 0..2_u8 {
        let name = [b"mal", &[0xff, b'0' + number][..], b".jpg"].concat();
        std::fs::write(place.path("img_to_learn").join(OsStr::from_bytes(&name)), &whole).unwrap();
    }
    std::fs::write(at("notas.txt"), "unas notas\n").unwrap();
    symlink("no_existe", at("rota.jpg")).unwrap();
    symlink("/dev/zero", at("sin_fin.jpg")).unwrap();
    let _socket = UnixListener::bind(at("zocalo.jpg")).unwrap();
    std::fs::create_dir(at("sub")).unwrap();
    std::fs::write(at("sub/otra.jpg"), &whole).unwrap();

    let ended = place.run(bank.port, &["-f", "img_to_learn"]).expect(1);
    assert_eq!(ended.last_line(), "950 insertadas, 30 ya existían, 11 omitidas, 10 con error");
    for skipped in [
        "notas.txt omitida: no es una imagen que se lea: parece texto\n",
        "texto0.jpg omitida: no es una imagen que se lea: parece texto\n",
        "vacia0.jpg omitida: está vacía\n",
    ] {
        assert!(ended.lines.contains(skipped), "{}", ended.lines);
    }
    assert_eq!((count(&ended, " insertada"), count(&ended, " ya existe")), (950, 30));
    assert_eq!(ended.lines.lines().filter(|line| line.contains(": error: ")).count(), 10);
    assert!(
        ended.lines.contains(&format!("imagen {} insertada\n", long(979)))
            && ended.lines.contains(&format!("imagen {} ya existe\n", long(0)))
    );
    assert!(ended.trouble.starts_with("directorio sub omitido: no se entra en subdirectorios\n"));
    assert_eq!(ended.trouble.lines().count(), 11, "{}", ended.trouble);
    for line in [
        "cortada0.jpg: el servidor respondió 422: ",
        "mal\u{fffd}0.jpg: el nombre no es UTF-8",
        "sin_fin.jpg: no es un archivo regular",
    ] {
        assert!(ended.trouble.contains(line), "{}", ended.trouble);
    }
    assert_eq!(bank.names("img_to_learn"), (0..980).map(long).collect::<Vec<_>>());
    assert_eq!(bank.names("sub"), [""; 0]);
}

#[test]
fn a_thousand_files_whose_client_is_killed_twice() {
    let bank = Bank::start();
    let place = Place::new();
    fill(&place, "antes/caras", 0..30, long);
    place.run(bank.port, &["-f", "antes/caras"]).expect(0);
    fill(&place, "caras", 0..980, long);
    let whole = picture(Format::Jpeg, 16, 18);
    for number in 0..20 {
        let broken = if number % 2 == 0 { &whole[..whole.len() / 2] } else { b"no soy una imagen" };
        std::fs::write(place.path(format!("caras/rota{number}.jpg")), broken).unwrap();
    }
    let mut stored = 30;
    for _ in 0..2 {
        run_and_kill(&place, bank.port, "caras");
        let now = bank.names("caras").len();
        assert!((stored + 100..980).contains(&now), "{stored}, {now}");
        stored = now;
    }
    let ended = place.run(bank.port, &["-f", "caras"]).expect(1);
    // A picture in transit when the client was killed may still have arrived.
    let existing = count(&ended, " ya existe");
    assert!((stored..=stored + 4).contains(&existing), "{existing}, {stored}");
    let inserted = 980 - existing;
    assert_eq!(
        ended.last_line(),
        format!("{inserted} insertadas, {existing} ya existían, 10 omitidas, 10 con error")
    );
    assert_eq!(bank.names("caras"), (0..980).map(long).collect::<Vec<_>>());

    for number in 0..20 {
        std::fs::remove_file(place.path(format!("caras/rota{number}.jpg"))).unwrap();
    }
    let ended = place.run(bank.port, &["-f", "caras"]).expect(0);
    assert!(ended.lines.contains("Carpeta caras: 980 imágenes, 0 por enviar.\n"), "{}", ended.lines);
    assert_eq!(ended.last_line(), "0 insertadas, 980 ya existían, 0 con error");
}

#[test]
fn a_server_that_is_killed_and_started_again_goes_on_where_it_was() {
    let mut bank = Bank::start();
    let place = Place::new();
    fill(&place, "caras", 0..600, long);
    let mut child = place.command(bank.port, &["-f", "caras"]).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines().map(Result::unwrap);
    let told = lines.by_ref().filter(|line| line.ends_with(" insertada")).take(100).count();
    bank.fall_and_rise();
    let stored = bank.names("caras").len();
    assert!((100..600).contains(&stored), "what was told is there: {stored}");
    let last = lines.last().unwrap();
    assert_eq!((told, child.wait().unwrap().code()), (100, Some(0)));
    // A picture stored just before the crash, but not reported, is found when it is sent again.
    let counts: Vec<usize> =
        last.split(|char: char| !char.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect();
    assert!(matches!(counts[..], [inserted, existing @ 0..=4, 0] if inserted + existing == 600), "{last}");
    assert_eq!(bank.names("caras").len(), 600);
}

/// What is no picture by its first bytes, whatever its name, is not asked about, not sent, and no failure.
#[test]
fn what_is_only_named_like_a_picture_is_left_out() {
    let fake = lacks_all(|_, _| Answer::new(201, "", ""));
    let place = Place::new();
    fill(&place, "caras", 0..1, plain);
    std::fs::write(place.path("caras/falsa.jpg"), "no soy una imagen\n").unwrap();
    let ended = place.run(fake.port, &["-f", "caras"]).expect(0);
    assert_eq!(
        (ended.last_line(), ended.trouble.as_str()),
        ("1 insertadas, 0 ya existían, 1 omitida, 0 con error", "")
    );
    assert_eq!(fake.lines(), ["POST /carpetas/caras/faltantes", "PUT /carpetas/caras/1A50000.jpg"]);
}

#[test]
fn a_rerun_sends_nothing() {
    let bank = Bank::start();
    let place = Place::new();
    fill(&place, "caras", 0..50, plain);
    place.run(bank.port, &["-f", "caras"]).expect(0);
    let ended = place.run(bank.port, &["--carpeta", "./caras/../caras/"]).expect(0);
    assert!(ended.lines.contains("Carpeta caras: 50 imágenes, 0 por enviar.\n"), "{}", ended.lines);
    assert_eq!(ended.last_line(), "0 insertadas, 50 ya existían, 0 con error");
    assert_eq!(count(&ended, " ya existe"), 50);
}

#[test]
fn four_clients_at_once_insert_every_picture_once() {
    let bank = Bank::start();
    let place = Place::new();
    fill(&place, "caras", 0..200, plain);
    let clients: Vec<_> =
        (0..4).map(|_| place.command(bank.port, &["-f", "caras"]).spawn().unwrap()).collect();
    let mut inserted = 0;
    for client in clients {
        let ended = Ended::of(&client.wait_with_output().unwrap()).expect(0);
        let (new, old) = (count(&ended, " insertada"), count(&ended, " ya existe"));
        assert_eq!(ended.last_line(), format!("{new} insertadas, {old} ya existían, 0 con error"));
        assert_eq!(new + old, 200);
        inserted += new;
    }
    assert_eq!((inserted, bank.names("caras").len()), (200, 200));
}

#[test]
fn names_are_data() {
    let bank = Bank::start();
    let place = Place::new();
    let names =
        ["a b.jpg", "%41.jpg", "?x=1#y.jpg", "ñandú 文.jpg", "..jpg", "a\nb.jpg", "'\"\\.jpg", "+&;=.jpg"];
    fill(&place, "mis caras ñ", 0..names.len(), |number| names[number].to_owned());
    let ended = place.run(bank.port, &["-f", "mis caras ñ"]).expect(0);
    assert_eq!(ended.last_line(), format!("{} insertadas, 0 ya existían, 0 con error", names.len()));
    assert!(ended.lines.contains("imagen a\\nb.jpg insertada\n"), "{}", ended.lines);
    let stored: BTreeSet<_> = bank.names("mis caras ñ").into_iter().collect();
    assert_eq!(stored, names.iter().map(|&name| name.to_owned()).collect());
}

#[test]
fn a_directory_asks_nobody_and_has_defaults() {
    let place = Place::new();
    std::fs::create_dir(place.path("caras")).unwrap();
    // The client sends nothing for an empty folder.
    let ended = place.answer(&["-f", "caras"], "");
    assert!(ended.lines.starts_with("Conectando al servidor en 127.0.0.1:1234...\n"), "{}", ended.lines);
}

#[test]
fn a_folder_that_the_server_refuses_is_one_complaint() {
    let fake =
        Fake::start(|_, _| Answer::json(422, &json!({"detail": "la carpeta no puede empezar con punto"})));
    let place = Place::new();
    fill(&place, ".caras", 0..3, plain);
    let ended = place.run(fake.port, &["-f", ".caras"]).expect(1);
    assert_eq!(
        ended.trouble,
        "tp2-cliente: el servidor respondió 422: la carpeta no puede empezar con punto\n"
    );
    assert_eq!(fake.lines(), ["POST /carpetas/.caras/faltantes"]);

    let ended = place.run(Bank::start().port, &["-f", ".caras"]).expect(1);
    let start = "tp2-cliente: el servidor respondió 422: el parámetro «carpeta» ";
    assert!(ended.trouble.starts_with(start) && ended.trouble.lines().count() == 1, "{}", ended.trouble);
}

/// A server that lacks every name, and handles each picture by this function, given the number of earlier requests.
fn lacks_all(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Fake {
    Fake::start(move |asked, before| match asked.method.as_str() {
        "POST" => {
            let question: serde_json::Value = serde_json::from_slice(&asked.body).unwrap();
            Answer::json(200, &json!({"faltantes": question["nombres"]}))
        }
        _ => answer(asked, before),
    })
}

#[test]
fn a_server_that_stumbles_is_waited_for() {
    let fake = lacks_all(|_, before| match before {
        _ if before % 7 == 0 => Answer::Cut(Vec::new()),
        _ if before % 5 == 0 => Answer::new(503, "Retry-After: 0\r\n", ""),
        _ => Answer::new(201, "", ""),
    });
    let place = Place::new();
    fill(&place, "caras", 0..100, plain);
    let ended = place.run_quickly(fake.port, "caras", &[]).expect(0);
    assert_eq!(ended.last_line(), "100 insertadas, 0 ya existían, 0 con error");
    let sent: BTreeSet<_> = fake.lines().into_iter().filter(|line| line.starts_with("PUT ")).collect();
    assert_eq!(sent.len(), 100);
}

#[test]
fn a_server_that_is_lost_ends_the_run_with_one_line() {
    let fake = lacks_all(|_, before| match before {
        ..=20 => Answer::new(201, "", ""),
        _ => Answer::Cut(Vec::new()),
    });
    let place = Place::new();
    fill(&place, "caras", 0..100, plain);
    let ended = place.run_quickly(fake.port, "caras", &[]).expect(1);
    assert_eq!(ended.last_line(), "20 insertadas, 0 ya existían, 80 con error");
    let lost = "tp2-cliente: se perdió el servidor y quedan 80 imágenes sin enviar: \
                la conversación con el servidor falló: la conexión terminó antes de tiempo (tras 8 intentos)\n\
                sin enviar: 80\n";
    assert!(ended.trouble.ends_with(lost), "{}", ended.trouble);
    assert_eq!(count(&ended, " insertada"), 20);
}

#[test]
fn a_picture_that_breaks_every_connection_stops_nobody_else() {
    let fake = lacks_all(|asked, _| match asked.target.as_str() {
        "/carpetas/caras/1A50003.jpg" => Answer::Cut(Vec::new()),
        "/carpetas/caras/1A50004.jpg" => Answer::new(504, "", ""),
        "/healthz" => Answer::new(200, "", ""),
        _ => Answer::new(201, "", ""),
    });
    let place = Place::new();
    fill(&place, "caras", 0..20, plain);
    let ended = place.run_quickly(fake.port, "caras", &[]).expect(1);
    assert_eq!(ended.last_line(), "18 insertadas, 0 ya existían, 2 con error");
    let tries = |number| fake.lines().iter().filter(|line| line.ends_with(&plain(number))).count();
    // A kept connection that breaks may have been closed before: that does not count as a try.
    assert!((8..=9).contains(&tries(3)), "{}", tries(3));
    assert_eq!(tries(4), 8);
}

#[test]
fn a_full_disk_is_no_use_to_any_picture() {
    let fake = lacks_all(|_, _| Answer::json(507, &json!({"detail": "no queda espacio"})));
    let place = Place::new();
    fill(&place, "caras", 0..100, plain);
    let ended = place.run(fake.port, &["-f", "caras"]).expect(1);
    assert_eq!(ended.last_line(), "0 insertadas, 0 ya existían, 100 con error");
    assert!(fake.lines().len() <= 1 + 4, "{:?}", fake.lines());
}

/// To repeat the order is told where it may help; else the server's words stand alone. With results below a folder, at
/// the bank's first answer, and at its answers to pictures.
#[test]
fn a_refusal_says_what_can_be_done() {
    let later = "; para seguir, repita la orden más tarde";
    for (status, next, wait) in [
        (403, "", ""),
        (421, "", ""),
        (503, later, "; pide esperar 3600 s, que es demasiado"),
        (507, later, ""),
    ] {
        let refused = move || {
            let fields = "Content-Type: application/json\r\nRetry-After: 3600\r\n";
            Answer::new(status, fields, json!({"detail": "por esto"}).to_string())
        };
        let place = Place::new();
        fill(&place, "caras", 0..3, plain);
        let words = format!("el servidor respondió {status}: por esto{wait}\n");
        let stopped = format!(
            "tp2-cliente: se interrumpió y quedan 3 imágenes sin enviar{next}: {words}sin enviar: 3\n"
        );
        let all = Fake::start(move |_, _| refused());
        let pictures = lacks_all(move |_, _| refused());
        let ended = place.run(all.port, &["-o", "s/", "caras"]).expect(1);
        assert_eq!(ended.trouble, stopped);
        let ended = place.run(pictures.port, &["caras"]).expect(1);
        assert_eq!(ended.trouble, stopped);
        let ended = place.run(all.port, &["caras", "caras"]).expect(1);
        let nothing = if next.is_empty() { String::new() } else { format!("no se envió nada{next}: ") };
        assert_eq!(ended.trouble, format!("tp2-cliente: {nothing}{words}"));
    }
}

#[test]
fn connections_are_few_and_kept() {
    let fake = lacks_all(|_, _| Answer::new(201, "", ""));
    let place = Place::new();
    fill(&place, "caras", 0..300, plain);
    place.run(fake.port, &["-f", "caras"]).expect(0);
    let connections: BTreeSet<_> = fake.asked().iter().map(|asked| asked.connection).collect();
    assert!((1..=4).contains(&connections.len()), "{connections:?}");
}
