//! Many pictures, and their results below one folder.
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::bank::Bank;
use super::common::Server;
use super::common::pictures::{photo, picture, size_of};
use super::common::tools;
use super::fake::{Answer, Fake};
use super::run::{Ended, PICTURE, Place};
use super::signals::interruptible;
use scaler::sys::SIGINT;
use tp2::http::format::Format;

/// A name so long that a few lines with it fill the pipe of the client's output: the client blocks while the pipe is
/// not read.
fn long(number: usize) -> String {
    format!("{number:0200}")
}

fn put(place: &Place, path: impl AsRef<Path>, bytes: &[u8]) {
    let path = place.path(path.as_ref());
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, bytes).unwrap();
}

/// The files below a folder, by relative path.
fn tree(root: &Path) -> BTreeSet<PathBuf> {
    let (mut files, mut waiting) = (BTreeSet::new(), vec![root.to_owned()]);
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                waiting.push(entry.path());
            } else {
                files.insert(entry.path().strip_prefix(root).unwrap().to_owned());
            }
        }
    }
    files
}

/// A port without a listener: whatever is sent there fails.
fn nobody() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Reads until so many pictures were reported as saved.
fn await_saved(lines: &mut impl Iterator<Item = String>, count: usize) {
    assert_eq!(lines.filter(|line| line.contains(" guardada como ")).take(count).count(), count);
}

fn lines_of(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap)
}

/// 200 pictures in nested folders, among other files; the pictures' paths.
fn holidays(place: &Place) -> BTreeSet<PathBuf> {
    let whole = picture(Format::Jpeg, 24, 18);
    let (one, other) = (long(1), long(2));
    let directories = ["", &one, &format!("{one}/{other}"), &other];
    let mut paths = BTreeSet::new();
    for number in 0..196 {
        let directory = Path::new(directories[number % directories.len()]);
        // Four pictures share each name, in four folders.
        let path = directory.join(format!("{}.jpg", long(number / 4)));
        put(place, Path::new("fotos").join(&path), &whole);
        paths.insert(path);
    }
    let odd = [b"mal\xff.jpg".as_slice(), b"dos\nlineas.jpg", b" ?x=1#%41 'y\".jpg", b"-e.jpg"];
    for name in odd.map(OsStr::from_bytes) {
        put(place, Path::new("fotos").join(name), &whole);
        paths.insert(name.into());
    }
    put(place, "fotos/video.mp4", b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom");
    put(place, format!("fotos/{one}/.DS_Store"), b"\0\0\0\x01Bud1");
    put(place, "fotos/._foto.jpg", b"\0\x05\x16\x07");
    put(place, format!("fotos/{other}/rota.jpg"), &whole[..whole.len() / 2]);
    assert_eq!(paths.len(), 200);
    paths
}

#[test]
fn two_hundred_pictures_whose_client_is_killed_twice() {
    let server = Server::start(&[]);
    let place = Place::new();
    let paths = holidays(&place);
    let arguments = ["-r", "-o", "grises/", "fotos"];
    let mut saved = BTreeSet::new();
    for _ in 0..2 {
        let before = saved.len();
        let mut child = place.command(server.port, &arguments).spawn().unwrap();
        await_saved(&mut lines_of(&mut child), 30);
        child.kill().unwrap();
        child.wait().unwrap();
        // Every file with a final name is complete.
        saved = tree(&place.path("grises")).intersection(&paths).cloned().collect();
        assert!((before + 30..200).contains(&saved.len()), "{before} {}", saved.len());
        for path in &saved {
            let result = std::fs::read(place.path("grises").join(path)).unwrap();
            assert_eq!(size_of(&result), (Format::Jpeg, 12, 9), "{}", path.display());
        }
        // As a client killed in the middle of writing leaves it.
        put(&place, "grises/.tp2-cliente-0.tmp", b"medio");
    }
    let ended = place.run(server.port, &arguments).expect(1);
    let existing = ended.lines.lines().filter(|line| line.ends_with(" ya existe")).count();
    assert!((60..200).contains(&existing), "{existing}");
    let summary = format!("{} guardadas, {existing} ya existían, 1 omitida, 1 con error", 200 - existing);
    assert_eq!(ended.last_line(), summary);
    let skipped = "fotos/video.mp4 omitida: no es una imagen que se lea: parece un video\n";
    assert!(ended.lines.contains(skipped), "{}", ended.lines);
    let broken = format!("fotos/{}/rota.jpg: el servidor respondió 422: ", long(2));
    assert!(ended.trouble.starts_with(&broken) && ended.trouble.lines().count() == 1, "{}", ended.trouble);
    assert!(
        ended.lines.contains("imagen fotos/dos\\nlineas.jpg guardada como grises/dos\\nlineas.jpg\n")
            || ended.lines.contains("imagen grises/dos\\nlineas.jpg ya existe\n")
    );
    assert!(tree(&place.path("grises")) == paths, "{:?}", place.directory.names());
    for path in &paths {
        let result = std::fs::read(place.path("grises").join(path)).unwrap();
        assert_eq!(size_of(&result), (Format::Jpeg, 12, 9), "{}", path.display());
    }

    // Nothing is left to send, so no server is needed.
    std::fs::remove_file(place.path("fotos").join(long(2)).join("rota.jpg")).unwrap();
    let ended = place.run(nobody(), &arguments).expect(0);
    assert_eq!(ended.last_line(), "0 guardadas, 200 ya existían, 1 omitida, 0 con error");
    assert_eq!(ended.trouble, "");
}

#[test]
fn a_server_that_is_killed_and_started_again_is_waited_for() {
    let mut bank = Bank::start();
    let place = Place::new();
    let paths = holidays(&place);
    std::fs::remove_file(place.path("fotos").join(long(2)).join("rota.jpg")).unwrap();
    let mut child = place.command(bank.port, &["-r", "-o", "grises", "fotos"]).spawn().unwrap();
    let mut lines = lines_of(&mut child);
    await_saved(&mut lines, 30);
    bank.fall_and_rise();
    let last = lines.last().unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(last, "200 guardadas, 0 ya existían, 1 omitida, 0 con error");
    assert!(tree(&place.path("grises")) == paths);
}

#[test]
fn an_interrupted_run_says_what_is_done_and_goes_on() {
    let server = Server::start(&[]);
    let place = Place::new();
    holidays(&place);
    let command = place.command(server.port, &["-r", "-o", "grises", "fotos"]);
    let mut child = interruptible(&command).spawn().unwrap();
    let mut lines = lines_of(&mut child);
    await_saved(&mut lines, 30);
    super::common::processes::signal(child.id(), SIGINT);
    let rest = child.wait_with_output().unwrap();
    drop(lines);
    let trouble = String::from_utf8(rest.stderr).unwrap();
    assert_eq!(rest.status.code(), Some(130), "{trouble}");
    let saved = tree(&place.path("grises"));
    assert!(saved.iter().all(|path| !path.to_string_lossy().contains(".tmp")), "{saved:?}");
    let told = trouble.trim().strip_prefix("Interrumpido: ").unwrap();
    let (count, rest) = told.split_once(' ').unwrap();
    assert_eq!(
        rest,
        "de 201 imágenes guardadas. Para seguir, repita la misma orden: lo que ya está no se envía otra vez."
    );
    // A result may have got its name without being counted yet.
    let count: usize = count.parse().unwrap();
    assert!(
        (30..200).contains(&count) && (count..=count + 4).contains(&saved.len()),
        "{count} {}",
        saved.len()
    );
    let ended = place.run(server.port, &["-r", "-o", "grises", "fotos"]).expect(1);
    assert!(ended.last_line().ends_with(&format!(", {} ya existían, 1 omitida, 1 con error", saved.len())));
}

#[test]
fn names_that_would_be_one_stay_two() {
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "fotos/a.jpg", &picture(Format::Jpeg, 40, 40));
    put(&place, "fotos/a.png", &picture(Format::Png, 20, 20));
    put(&place, "fotos/b.jpg", &picture(Format::Jpeg, 8, 8));
    put(&place, "otras/b.jpg", &picture(Format::Jpeg, 4, 4));
    put(&place, "mas/otras/b.jpg", PICTURE);
    let side = |path: &str| size_of(&std::fs::read(place.path(path)).unwrap());
    place.run(server.port, &["-o", "s", "--formato", "webp", "fotos"]).expect(0);
    let names = ["a.jpg.webp", "a.png.webp", "b.webp"].map(PathBuf::from);
    assert_eq!(tree(&place.path("s")), BTreeSet::from(names));
    assert_eq!(side("s/a.jpg.webp"), (Format::WebP, 20, 20));
    assert_eq!(side("s/a.png.webp"), (Format::WebP, 10, 10));
    // Several folders keep their names; if two names are equal, and for files, the whole path is kept. Duplicate
    // arguments are sent once.
    let roots = ["fotos", "otras", "mas/otras", "./otras", "fotos/b.jpg", "otras/b.jpg"];
    let ended = place.run(server.port, &[&["-o", "t"], &roots[..]].concat()).expect(0);
    assert_eq!(ended.last_line(), "5 guardadas, 0 ya existían, 0 omitidas, 0 con error");
    assert_eq!((side("t/fotos/b.jpg").1, side("t/otras/b.jpg").1), (4, 2));
    let ended = place.run(server.port, &["-o", "u", "fotos/b.jpg", "otras/b.jpg", "fotos/a.jpg"]).expect(0);
    assert_eq!(ended.last_line(), "3 guardadas, 0 ya existían, 0 omitidas, 0 con error");
    let names = ["a.jpg", "fotos/b.jpg", "otras/b.jpg"].map(PathBuf::from);
    assert_eq!(tree(&place.path("u")), BTreeSet::from(names));
    let up = format!("../{}/otras/b.jpg", place.directory.0.file_name().unwrap().display());
    let ended = place.run(server.port, &["-o", "v", "otras/b.jpg", &up, "mas/otras/b.jpg"]).expect(0);
    assert_eq!(ended.last_line(), "2 guardadas, 0 ya existían, 0 omitidas, 0 con error");
}

#[test]
fn an_input_is_never_overwritten() {
    let server = Server::start(&[]);
    let place = Place::new();
    let whole = picture(Format::Jpeg, 40, 40);
    put(&place, "fotos/a.jpg", &whole);
    put(&place, "imagen_procesada.jpg", &whole);
    std::fs::create_dir(place.path("s")).unwrap();
    symlink("../fotos/a.jpg", place.path("s/a.jpg")).unwrap();
    std::fs::hard_link(place.path("fotos/a.jpg"), place.path("duro.jpg")).unwrap();
    for (arguments, code) in [
        (&["-o", "fotos", "fotos"][..], 2),
        (&["-o", "./fotos/", "--formato", "webp", "fotos"], 2),
        (&["-o", "s", "fotos"], 1),
        (&["-o", "s", "--de-nuevo", "fotos"], 1),
        (&["-o", "fotos", "fotos/a.jpg"], 1),
        (&["-o", ".", "fotos/a.jpg", "imagen_procesada.jpg"], 1),
        (&["-f", "fotos/a.jpg", "-o", "fotos/a.jpg"], 1),
        (&["-f", "fotos/a.jpg", "-o", "s/a.jpg"], 1),
        (&["-f", "fotos/a.jpg", "-o", "duro.jpg"], 1),
        (&["-f", "imagen_procesada.jpg"], 1),
    ] {
        let ended = place.run(server.port, arguments).expect(code);
        assert!(ended.trouble.contains("reemplaza"), "{arguments:?} {}", ended.trouble);
        for path in ["fotos/a.jpg", "imagen_procesada.jpg", "s/a.jpg", "duro.jpg"] {
            assert!(std::fs::read(place.path(path)).unwrap() == whole, "{arguments:?} {path}");
        }
    }
    assert_eq!(tree(&place.path("fotos")).len(), 1);
}

#[test]
fn results_inside_the_folder_of_pictures_are_no_pictures() {
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "fotos/a.pgm", PICTURE);
    put(&place, "fotos/sub/b.pgm", PICTURE);
    for expected in ["2 guardadas, 0 ya existían", "0 guardadas, 2 ya existían"] {
        let ended = place.run(server.port, &["-r", "-o", "fotos/grises", "fotos"]).expect(0);
        assert!(ended.last_line().starts_with(expected), "{}", ended.lines);
    }
    let ended = place.run(server.port, &["-o", "otra", "fotos"]).expect(0);
    assert_eq!(
        ended.trouble,
        "directorio fotos/grises omitido: sin -r no se entra en subdirectorios\n\
         directorio fotos/sub omitido: sin -r no se entra en subdirectorios\n"
    );
}

#[test]
fn wishes_travel_and_connections_are_few_and_kept() {
    let fake = Fake::start(|_, _| Answer::new(200, "X-Ancho: 1\r\nX-Alto: 1\r\n", PICTURE));
    let place = Place::new();
    for number in 0..100 {
        put(&place, format!("fotos/{number}.pgm"), PICTURE);
    }
    let wishes = ["--ancho", "80", "--alto", "60", "--calidad", "9", "--fondo", "#a0B1c2"];
    place.run(fake.port, &[&["-o", "s", "fotos"], &wishes[..]].concat()).expect(0);
    let asked = fake.asked();
    assert_eq!(asked.len(), 100);
    assert!(asked.iter().all(|asked| asked.line() == "PUT /?ancho=80&alto=60&calidad=9&fondo=a0B1c2"));
    let connections: BTreeSet<_> = asked.iter().map(|asked| asked.connection).collect();
    assert!((1..=4).contains(&connections.len()), "{connections:?}");
    // A second run sends nothing, and a forced one everything.
    place.run(fake.port, &["-o", "s", "fotos"]).expect(0);
    assert_eq!(fake.asked().len(), 100);
    place.run(fake.port, &["-o", "s", "--de-nuevo", "fotos"]).expect(0);
    assert_eq!(fake.asked().len(), 200);
}

#[test]
fn a_server_that_is_full_or_breaks_is_asked_again_and_a_lost_one_ends_the_run() {
    let place = Place::new();
    for number in 0..60 {
        put(&place, format!("fotos/{number:02}.pgm"), PICTURE);
    }
    let stumbling = Fake::start(|_, before| match before {
        _ if before % 7 == 3 => Answer::Cut(Vec::new()),
        _ if before % 5 == 0 => Answer::new(503, "Retry-After: 0\r\n", ""),
        _ => Answer::new(200, "", PICTURE),
    });
    let ended = place.run_quickly(stumbling.port, "fotos", &["-o", &place.text("s")]).expect(0);
    assert_eq!(ended.last_line(), "60 guardadas, 0 ya existían, 0 omitidas, 0 con error");
    let falling = Fake::start(|_, before| match before {
        ..20 => Answer::new(200, "", PICTURE),
        _ => Answer::Cut(Vec::new()),
    });
    let ended = place.run_quickly(falling.port, "fotos", &["-o", &place.text("t")]).expect(1);
    assert_eq!(ended.last_line(), "20 guardadas, 0 ya existían, 0 omitidas, 40 con error");
    let lost = "tp2-cliente: se interrumpió y quedan 40 imágenes sin enviar; para seguir, repita la orden: \
                la conversación con el servidor falló: la conexión terminó antes de tiempo (tras 8 intentos)\n\
                sin enviar: 40\n";
    assert!(ended.trouble.ends_with(lost), "{}", ended.trouble);
    assert_eq!(tree(&place.path("t")).len(), 20);
    let refusing = Fake::start(|asked, _| match asked.body.len() {
        12 => Answer::new(200, "", PICTURE),
        _ => Answer::new(422, "", "está rota"),
    });
    put(&place, "fotos/07.pgm", b"P5\nrota");
    let ended = place.run(refusing.port, &["-o", "u", "fotos"]).expect(1);
    assert_eq!(ended.last_line(), "59 guardadas, 0 ya existían, 0 omitidas, 1 con error");
    assert_eq!(ended.trouble, "fotos/07.pgm: el servidor respondió 422: está rota\n");
    assert!(ended.lines.contains("imagen fotos/07.pgm: error: el servidor respondió 422: está rota\n"));
}

#[test]
fn what_would_be_done_is_told_and_not_done() {
    let place = Place::new();
    put(&place, "fotos/a.pgm", PICTURE);
    put(&place, "fotos/b.pgm", PICTURE);
    put(&place, "s/a.png", b"hecha");
    put(&place, "fotos/notas.txt", b"hola");
    let ended = place.run(nobody(), &["--simular", "--formato", "png", "-o", "s", "fotos"]).expect(0);
    assert_eq!(
        ended.lines,
        "fotos/notas.txt omitida: no es una imagen que se lea: parece texto\n\
         imagen s/a.png ya existe\nimagen fotos/b.pgm se guardaría como s/b.png\n\
         1 por hacer, 1 ya existían, 1 omitida, 0 con error\n"
    );
    place.run(nobody(), &["--simular", "--tarea", "-f", "fotos/a.pgm"]).expect(0);
    let ended = place.run(nobody(), &["--simular", "--enlace", "-f", "fotos/a.pgm"]).expect(0);
    assert_eq!(ended.lines, "imagen fotos/a.pgm se enviaría, y su enlace se mostraría\n");
    let ended = place.run(nobody(), &["--simular", "-f", "fotos/a.pgm"]).expect(0);
    assert_eq!(ended.lines, "imagen fotos/a.pgm se guardaría como imagen_procesada.pgm\n");
    assert_eq!(tree(&place.path("s")).len(), 1);
    place.run(nobody(), &["--simular", "-o", "nueva/", "fotos"]).expect(0);
    assert!(!place.path("nueva").exists() && !place.path("imagen_procesada.pgm").exists());
}

#[test]
fn json_is_an_object_a_picture_that_jq_reads() {
    let Some(jq) = tools::find("jq") else { return };
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "fotos/a\nb.png", &photo("chelsea.png"));
    put(&place, "fotos/rota.jpg", b"\xff\xd8\xff\xe0");
    put(&place, "fotos/notas.txt", b"hola\nhola\n");
    put(&place, "fotos/vieja.pgm", PICTURE);
    put(&place, "s/vieja.pgm", PICTURE);
    let mut child = place.command(server.port, &["--json", "-o", "s", "fotos"]).spawn().unwrap();
    let mut command = Command::new(jq);
    command.args(["-c", "-S", "[.estado, .origen, .destino, .bytes != null, .ancho, .alto, .error != null]"]);
    let output = command.stdin(child.stdout.take().unwrap()).stdout(Stdio::piped()).output().unwrap();
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    let mut lines: Vec<_> = text.lines().collect();
    lines.sort_unstable();
    assert_eq!(
        lines,
        [
            r#"["error","fotos/rota.jpg",null,false,null,null,true]"#,
            r#"["guardada","fotos/a\nb.png","s/a\nb.png",true,225,150,false]"#,
            r#"["omitida","fotos/notas.txt",null,false,null,null,false]"#,
            r#"["ya existe","fotos/vieja.pgm","s/vieja.pgm",true,null,null,false]"#,
        ]
    );
    let ended = Ended::of(&child.wait_with_output().unwrap()).expect(1);
    assert!(
        ended.trouble.starts_with("1 guardadas, 1 ya existían, 1 omitida, 1 con error\n"),
        "{}",
        ended.trouble
    );
}

#[test]
fn json_of_one_picture_and_of_the_bank() {
    let bank = Bank::start();
    let place = Place::new();
    put(&place, "caras/a.pgm", PICTURE);
    put(&place, "rota.jpg", b"\xff\xd8\xff\xe0");
    for (arguments, code, expected) in [
        (&["foto.pgm", "-e", "2", "-o", "x.png"][..], 0, ("guardada", "foto.pgm", Some("x.png"), Some(2))),
        (&["rota.jpg"], 1, ("error", "rota.jpg", None, None)),
        (&["caras"], 0, ("insertada", "caras/a.pgm", Some("caras/a.pgm"), Some(80))),
        (&["caras"], 0, ("ya existe", "caras/a.pgm", Some("caras/a.pgm"), Some(80))),
    ] {
        let ended = place.run(bank.port, &[&["--json"], arguments].concat()).expect(code);
        let value: Value = serde_json::from_str(&ended.lines).unwrap_or_else(|_| panic!("{}", ended.lines));
        let text = |name: &str| value[name].as_str();
        let found =
            (text("estado").unwrap(), text("origen").unwrap(), text("destino"), value["ancho"].as_u64());
        assert_eq!(found, expected);
        assert_eq!(text("error").is_some(), code == 1);
    }
}

#[test]
fn quiet_runs_print_results_alone() {
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "fotos/a.pgm", PICTURE);
    put(&place, "fotos/notas.txt", b"hola");
    let lines = |arguments: &[&str]| {
        let ended = place.run(server.port, &[&["-q"], arguments].concat()).expect(0);
        assert_eq!(ended.trouble, "");
        ended.lines
    };
    assert_eq!(lines(&["-f", "foto.pgm", "-o", "x.png"]), "x.png\n");
    assert_eq!(lines(&["-o", "s/", "fotos"]), "s/a.pgm\n");
    assert_eq!(lines(&["-o", "s/", "fotos"]), "");
    let link = lines(&["-f", "foto.pgm", "--enlace"]);
    assert!(link.starts_with("http://127.0.0.1:") && link.lines().count() == 1, "{link}");
    assert_eq!(lines(&["-f", "foto.pgm", "--tarea", "-o", "y.pgm"]), "y.pgm\n");
}

/// What ends in a slash is a directory, which is made, also for a picture that has no folder.
#[test]
fn a_directory_is_made_for_one_picture_too() {
    let server = Server::start(&[]);
    let place = Place::new();
    place.run(server.port, &["-f", "foto.pgm", "--tarea", "-o", "tareas/nuevo/"]).expect(0);
    assert!(place.path("tareas/nuevo/foto.pgm").exists());
    let mut command = place.command(server.port, &["-f", "-", "-o", "entrada/"]);
    let mut child = command.stdin(std::process::Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), PICTURE).unwrap();
    Ended::of(&child.wait_with_output().unwrap()).expect(0);
    assert!(place.path("entrada/imagen_procesada.pgm").exists());
    place.run(server.port, &["-f", "foto.pgm", "--tarea", "--simular", "-o", "simulado/"]).expect(0);
    assert!(!place.path("simulado").exists());
}

/// Without a server there is nothing to put into a directory; of one picture, without a result neither.
#[test]
fn no_directory_is_made_for_nothing() {
    let place = Place::new();
    put(&place, "rota.jpg", b"\xff\xd8\xff\xe0");
    let server = Server::start(&[]);
    let nobody = nobody();
    let piped = ["-f", "-", "-o", "vac/"];
    for (port, arguments, input) in [
        (nobody, &piped[..], PICTURE),
        (server.port, &piped, b"no soy una imagen"),
        (nobody, &["rota.jpg", "--tarea", "-o", "vac/"], b""),
        (server.port, &["rota.jpg", "--tarea", "-o", "vac/"], b""),
        (nobody, &["-f", "foto.pgm", "-o", "vac/"], b""),
        (nobody, &["-o", "vac", "foto.pgm", "rota.jpg"], b""),
    ] {
        let mut child = place.command(port, arguments).stdin(Stdio::piped()).spawn().unwrap();
        // A client that does not read its input may have ended.
        let _ = child.stdin.take().unwrap().write_all(input);
        Ended::of(&child.wait_with_output().unwrap()).expect(1);
        assert!(!place.path("vac").exists(), "{arguments:?}");
    }
}

#[test]
fn standard_input_and_output_are_a_filter() {
    let server = Server::start(&[]);
    let place = Place::new();
    let sent = picture(Format::Jpeg, 60, 40);
    let mut command =
        place.command(server.port, &["-f", "-", "-o", "-", "--ancho", "15", "--formato", "png"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(&sent).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
    assert_eq!(size_of(&output.stdout), (Format::Png, 15, 10));
    // Prompts avoid the streams that carry a picture: answers are not read from its input, nor prompts written to its
    // output.
    put(&place, "foto.jpg", &sent);
    let ended = place.answer(&["-f", "foto.jpg", "-o", "-"], "");
    assert_eq!(ended.code, Some(2));
    assert_eq!(ended.lines, "");
    assert!(ended.trouble.starts_with("Ingrese la IP del servidor: "), "{}", ended.trouble);
    let ended = place.run(server.port, &["-f", "-", "-o", "x.jpg"]).expect(1);
    assert_eq!(ended.trouble, "tp2-cliente: no se puede enviar -: está vacío\n");
}

#[test]
fn the_ending_of_the_output_chooses_the_format() {
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "foto.jpg", &picture(Format::Jpeg, 60, 40));
    for (arguments, file, format) in [
        (&["-o", "x.png"][..], "x.png", Format::Png),
        (&["-o", "x.TIF"], "x.TIF", Format::Tiff),
        (&["-o", "x.png", "--formato", "webp"], "x.png", Format::WebP),
        (&["-o", "x.dat"], "x.dat", Format::Jpeg),
        (&["-o", "y.gif", "--tarea"], "y.gif", Format::Gif),
    ] {
        place.run(server.port, &[&["-f", "foto.jpg"], arguments].concat()).expect(0);
        assert_eq!(size_of(&std::fs::read(place.path(file)).unwrap()).0, format, "{arguments:?}");
    }
}

#[test]
fn a_path_that_does_not_exist_is_told_before_anything_is_asked() {
    let place = Place::new();
    for (arguments, trouble) in [
        (&["-f", "no.jpg"][..], "tp2-cliente: no se puede leer no.jpg: no existe\n"),
        (&["-p", "1", "no.jpg", "--enlace"], "tp2-cliente: no se puede leer no.jpg: no existe\n"),
        (
            &["-o", "s", "uno.jpg", "foto.pgm", "dos.jpg"],
            "tp2-cliente: no se puede leer uno.jpg: no existe\ntp2-cliente: no se puede leer dos.jpg: no existe\n",
        ),
    ] {
        let ended = place.answer(arguments, "").expect(1);
        assert_eq!((ended.lines.as_str(), ended.trouble.as_str()), ("", trouble));
    }
    assert!(!place.path("s").exists());
    put(&place, "archivo", b"");
    let ended = place.run(nobody(), &["-o", "archivo", "foto.pgm", "foto.pgm"]).expect(1);
    let why = "tp2-cliente: no se puede guardar archivo: una parte de la ruta no es un directorio\n";
    assert_eq!((ended.trouble.as_str(), ended.lines.as_str()), (why, ""));
}

#[test]
fn answers_may_be_quoted_and_addresses_may_hold_the_port() {
    let server = Server::start(&[]);
    let place = Place::new();
    put(&place, "mi foto.pgm", PICTURE);
    put(&place, "caras/mi cara.pgm", PICTURE);
    let port = server.port;
    for answers in [
        format!("127.0.0.1:{port}\n'mi foto.pgm'\n"),
        format!("http://127.0.0.1:{port}/\nmi\\ foto.pgm \n"),
        format!("127.0.0.1\n{port}\n~/mi foto.pgm\n"),
    ] {
        let mut command = super::run::program();
        command.current_dir(&place.directory.0).env("HOME", &place.directory.0).stdin(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(answers.as_bytes()).unwrap();
        let ended = Ended::of(&child.wait_with_output().unwrap()).expect(0);
        assert_eq!(ended.last_line(), "Imagen escalada recibida y guardada como imagen_procesada.pgm.");
    }
    let ended = place.answer(&["-o", "s/"], &format!("127.0.0.1:{port}\n\"caras\"\n")).expect(0);
    assert_eq!(ended.last_line(), "1 guardadas, 0 ya existían, 0 omitidas, 0 con error");
}
