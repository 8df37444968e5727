//! The grader's verdicts on correct servers, and on those of `mal/`.
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Mutex;

use serde_json::Value;

use super::common::processes::Directory;
use super::common::server::{Scaler, tp2};
use super::common::{Server, tools};
use super::python::{ROOT, Served, front, is_there, juez, serve, shown};

/// How many servers are judged at once: the grader measures waiting times.
const AT_ONCE: usize = 2;

/// The criteria with this state, and whether they are essential.
fn found(document: &Value, state: &str) -> Vec<(String, bool)> {
    let all = document["criterios"].as_array().unwrap().iter();
    let file_request = all.filter(|one| one["estado"] == state);
    let key =
        |one: &Value| (one["criterio"].as_str().unwrap().to_owned(), one["esencial"].as_bool().unwrap());
    file_request.map(key).collect()
}

/// The findings about criteria that are not right, one per line.
fn told(document: &Value) -> String {
    let others = document["criterios"].as_array().unwrap().iter().filter(|one| one["estado"] != "bien");
    others.map(|one| format!("{} {}: {}\n", one["estado"], one["criterio"], one["visto"])).collect()
}

/// The grader's findings on the server here: its exit code, what is not right, all of it.
fn findings(arguments: &[&str]) -> (Option<i32>, String, Value) {
    let output = juez(&[arguments, &["--json"]].concat());
    let text = shown(&output);
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{arguments:?}: {error}\n{text}"));
    (output.status.code(), told(&document), document)
}

fn assert_all_right(arguments: &[&str]) {
    let (code, text, document) = findings(arguments);
    assert_eq!((code, &document["puntos"]), (Some(0), &document["maximo"]), "{text}");
    // Nothing passes only because it could not be checked.
    let not_seen = found(&document, "no visto");
    assert!(tools::has_ipv6() || not_seen.len() == 1, "{not_seen:?}");
    assert!(!tools::has_ipv6() || not_seen.is_empty(), "{not_seen:?}");
}

#[test]
fn tp2_passes_in_full() {
    if !is_there() {
        return;
    }
    // Without optimization, and beside other tests, the large pictures are slow.
    let ip = if tools::has_ipv6() { "::" } else { "127.0.0.1" };
    let server = Server::start(&["-i", ip, "--plazo", "120"]);
    assert_all_right(&["http", &format!("127.0.0.1:{}", server.port), "--perfil", "tp2"]);
}

#[test]
fn the_small_version_passes_in_full() {
    if !is_there() {
        return;
    }
    let front = front(&[]);
    assert_all_right(&["http", &format!("127.0.0.1:{}", front.port), "--perfil", "clase"]);
    assert!(!front.process.log().contains("Traceback"), "{}", front.process.log());
}

#[test]
fn both_scalers_pass_in_full() {
    if !is_there() {
        return;
    }
    let (rust, python) = (Scaler::tcp(), serve("tests/clase/escalador.py", &[]));
    assert_all_right(&["escalador", &rust.destination]);
    assert_all_right(&["escalador", &format!("127.0.0.1:{}", python.port)]);
    assert!(!python.process.log().contains("Traceback"), "{}", python.process.log());
}

#[test]
fn the_profiles_of_the_course_fit_what_they_describe() {
    if !is_there() {
        return;
    }
    let only = ["--solo", "sube,ipv4,gris,gris-601,tamano,contenido,muchos,texto,cortadas"];
    for (profile, arguments) in
        [("001", &[][..]), ("002", &["-l", "0"][..]), ("003", &[][..]), ("004", &["-e", "1.5"][..])]
    {
        let mut command = tp2();
        command.args(["-i", "127.0.0.1", "-p", "0"]).args(arguments);
        let server = Server::launch(command);
        let address = format!("127.0.0.1:{}", server.port);
        assert_all_right_but_families(&[&["http", &address, "--perfil", profile], &only[..]].concat());
    }
}

fn assert_all_right_but_families(arguments: &[&str]) {
    let (code, text, document) = findings(arguments);
    assert_eq!((code, found(&document, "no visto")), (Some(0), vec![]), "{text}");
}

/// The docstring of a wrong server says after `Juez:` what is judged, and the criteria; the first has to fail, and no
/// unnamed essential one may.
fn expected(text: &str) -> (String, Vec<String>) {
    let line = text.split_once("Juez: ").expect("Juez:").1.split("\"\"\"").next().unwrap();
    let mut words = line.split_whitespace().map(str::to_owned);
    (words.next().unwrap(), words.collect())
}

fn check(file: &str) {
    let text = std::fs::read_to_string(Path::new(ROOT).join(file)).unwrap();
    let (what, named) = expected(&text);
    let ip = if tools::has_ipv6() { "::" } else { "127.0.0.1" };
    let arguments = ["-i", ip];
    let Served { process, port } = serve(file, if what == "http" { &arguments } else { &[] });
    let address = format!("127.0.0.1:{port}");
    let profile: &[&str] = if what == "http" { &["--perfil", "clase"] } else { &[] };
    let (code, told, document) = findings(&[&[&what, &address[..]], profile].concat());
    let wrong = found(&document, "mal");
    let failed: BTreeSet<_> = wrong.iter().map(|(key, _)| key.as_str()).collect();
    assert_eq!(code, Some(1), "{file}: {told}");
    assert!(failed.contains(named[0].as_str()), "{file}: {named:?}, not {failed:?}\n{told}");
    // Several are judged at once here, which may affect the criterion of waiting times.
    let others =
        wrong.iter().filter(|(key, is_essential)| *is_essential && !named.contains(key) && key != "grande");
    assert_eq!(others.count(), 0, "{file}: {failed:?}\n{told}\n{}", process.log());
}

#[test]
fn each_wrong_server_fails_for_what_is_wrong_with_it() {
    if !is_there() || !tools::has_ipv6() {
        return;
    }
    let entries = std::fs::read_dir(Path::new(ROOT).join("tests/clase/mal")).unwrap().flatten();
    let files: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".py") && name != "variante.py")
        .map(|name| format!("tests/clase/mal/{name}"))
        .collect();
    assert!(files.len() >= 20);
    let files = Mutex::new(files);
    std::thread::scope(|scope| {
        let judges: Vec<_> = (0..AT_ONCE)
            .map(|_| {
                scope.spawn(|| {
                    loop {
                        let Some(file) = files.lock().unwrap().pop() else { break };
                        check(&file);
                    }
                })
            })
            .collect();
        judges.into_iter().for_each(|judge| judge.join().unwrap());
    });
}

#[test]
fn the_small_version_stays_small() {
    let code = |file: &str| {
        let text = std::fs::read_to_string(Path::new(ROOT).join("tests/clase").join(file)).unwrap();
        let mut in_docstring = false;
        let mut lines = 0;
        for line in text.lines().map(str::trim) {
            let quotes = line.matches("\"\"\"").count();
            if in_docstring || line.starts_with("\"\"\"") {
                in_docstring = quotes % 2 == usize::from(!in_docstring);
            } else if !line.is_empty() && !line.starts_with('#') {
                lines += 1;
            }
        }
        lines
    };
    let (front, scaler) = (code("tp2.py"), code("escalador.py"));
    assert!(front > 50 && scaler > 50 && front + scaler <= 200, "{front} + {scaler} lines of code");
}

#[test]
fn points_are_the_teachers_to_give() {
    if !is_there() {
        return;
    }
    let scaler = Scaler::tcp();
    let place = Directory::new();
    let points = place.0.join("puntos");
    let judge = |text: &str| {
        std::fs::write(&points, text).unwrap();
        let named = points.to_str().unwrap();
        juez(&["escalador", &scaler.destination, "--solo", "trozos,sigue", "--puntos", named])
    };
    let output = judge("# lo que vale cada uno\ntrozos = 7\nsigue 13\n");
    assert!(output.status.success() && shown(&output).contains("20 de 20 puntos"), "{}", shown(&output));
    let output = judge("trozo = 7\n");
    assert_eq!(output.status.code(), Some(1));
    assert!(shown(&output).contains("línea 1: se espera «criterio puntos»"), "{}", shown(&output));
}

#[test]
fn bad_usage_and_a_server_that_is_not_there() {
    if !is_there() {
        return;
    }
    for arguments in
        [&[][..], &["http"], &["http", "127.0.0.1"], &["http", "::1:80"], &["http", "h:1", "--perfil", "9"]]
    {
        assert_eq!(juez(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = free.local_addr().unwrap().to_string();
    drop(free);
    let output = juez(&["escalador", &address]);
    assert_eq!(output.status.code(), Some(2));
    assert!(shown(&output).contains("nadie acepta conexiones"), "{}", shown(&output));
    let list = shown(&juez(&["--lista"]));
    for key in ["gris-601", "subida-lenta", "tarea-id", "hijos-sin-escucha"] {
        assert!(list.contains(key), "{list}");
    }
}
