//! What is stored of tasks, for how long, where, and what happens if it can't be stored.
use std::fs;
use std::path::Path;
use std::process::Command;

use super::common::fake_scaler::FakeScaler;
use super::common::pictures::{pgm, picture};
use super::common::server::{Process, tp2};
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, Server, post, tools};
use serde_json::json;
use tp2::http::format::Format;

fn is_expired(client: &mut Client, id: &str) -> bool {
    client.status(id)["estado"] == "Vencida"
}

fn assert_expired(client: &mut Client, id: &str) {
    until("that it expires", || is_expired(client, id).then_some(()));
    let status = client.status(id);
    assert_eq!(status["detalle"], "el resultado ya no se guarda");
    assert!(status["imagen"].is_null(), "{status}");
    let gone = client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(410);
    assert_eq!(gone.problem_of(id)["type"], "urn:tp2:error:tarea-vencida");
    assert!(gone.is_kept());
}

#[test]
fn results_are_kept_for_their_time() {
    let store = Store::new();
    let mut server = store.serve(&["--retencion", "0.0006"]);
    let mut client = server.client();
    let first = client.hand_in(&pgm(20, 20));
    client.result(&first);
    assert_expired(&mut client, &first);
    // An expired task is deleted like any other.
    client.delete(&first).expect(204);
    client.ask(&get(&format!("/estado/{first}"), &[])).expect(404);
    let second = client.hand_in(&pgm(20, 20));
    let broken = picture(Format::Png, 64, 64);
    let third = client.hand_in(&broken[..broken.len() / 2]);
    client.ended(&second);
    client.ended(&third);
    server.terminate();
    server.wait();

    // Swept at the start.
    let mut server = store.serve(&["--retencion", "0"]);
    let mut client = server.client();
    assert_expired(&mut client, &second);
    assert_expired(&mut client, &third);
    let at_once = client.hand_in(&pgm(20, 20));
    client.ended(&at_once);
    assert_expired(&mut client, &at_once);
    server.terminate();
    server.wait();
    // And still known as expired.
    let server = store.serve(&[]);
    assert_expired(&mut server.client(), &second);
}

#[test]
fn the_oldest_results_make_room_for_the_newest() {
    let server = Server::start(&["--retencion-espacio", "5"]);
    let mut client = server.client();
    // Each result has a little over half a mebibyte: nine of them fit.
    let ids: Vec<String> = (0..12)
        .map(|_| {
            let id = client.hand_in(&pgm(1450, 1450));
            assert_eq!(client.result(&id).len(), 725 * 725 + 15);
            id
        })
        .collect();
    let expired: Vec<bool> = ids.iter().map(|id| is_expired(&mut client, id)).collect();
    assert_eq!(expired, [[true; 3].as_slice(), &[false; 9]].concat());
    assert_expired(&mut client, &ids[0]);
}

#[test]
fn no_result_takes_more_than_an_eighth_of_the_room() {
    let server = Server::start(&["--retencion-espacio", "5"]);
    let mut client = server.client();
    let id = client.hand_in(&pgm(20, 20));
    client.result(&id);
    // Known before it is made: nothing of it is stored.
    for format in ["", "&formato=bmp", "&formato=tiff"] {
        let target = format!("/tareas?escala=1{format}");
        let problem = client.ask(&post(&target, &pgm(1450, 1450))).expect(422).problem();
        assert_eq!(problem["type"], "urn:tp2:error:resultado-demasiado-largo");
        assert_eq!((&problem["valor"], &problem["opcion"]), (&json!(5 << 17), &json!("--retencion-espacio")));
    }
    // Known only afterwards: noise, which does not compress.
    let mut dice = 1_u32;
    let noise = (0..1000 * 1000).map(|_| {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        dice.to_be_bytes()[0]
    });
    let picture = [&b"P5 1000 1000 255\n"[..], &noise.collect::<Vec<u8>>()].concat();
    let failed = client.ask(&post("/tareas?escala=1&formato=png", &picture)).expect(202).task();
    let status = client.ended(&failed);
    assert_eq!(status["estado"], "Error", "{status}");
    client.ask(&get(&format!("/tareas/{failed}/imagen"), &[])).expect(422);
    assert!(!is_expired(&mut client, &id), "what others have is still there");
}

/// The output of a server that does not start.
fn refusal(uri: &str) -> String {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-a", uri]);
    let mut process = Process::spawn(command);
    assert_eq!(process.wait().code(), Some(1));
    until("a line", || process.log().ends_with('\n').then_some(()));
    process.log()
}

/// The server does not start, and prints this one line as the reason.
fn assert_refused(uri: &str, why: &str) {
    assert_eq!(refusal(uri), format!("tp2: {why}\n"));
}

#[test]
fn a_second_server_on_the_same_file_does_not_start() {
    let store = Store::new();
    let mut server = store.serve(&[]);
    let why = format!(
        "el almacén «{}» ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA",
        store.path().display()
    );
    assert_refused(&store.uri(), &why);
    // By another name it is the same file.
    let link = store.path().with_file_name("enlace.sqlite3");
    std::os::unix::fs::symlink(store.path(), &link).unwrap();
    assert_refused(
        &format!("sqlite:{}", link.display()),
        &format!(
            "el almacén «{}» ya lo usa otro servidor (tp2): elija otro con -a sqlite:RUTA",
            link.display()
        ),
    );
    server.ask(&post("/tareas", &pgm(20, 20))).expect(202);
    server.kill();
    // A crashed server's lock does not keep others out.
    store.serve(&[]).ask(&post("/tareas", &pgm(20, 20))).expect(202);
}

#[test]
fn a_store_that_can_not_be_opened_is_told_in_one_line() {
    let store = Store::new();
    let directory = store.path().parent().unwrap().to_owned();
    let refuse = |path: &Path, why: &str| {
        let text = format!("no se puede abrir el almacén «{}»: {why}", path.display());
        assert_refused(&format!("sqlite:{}", path.display()), &text);
    };
    let nowhere = directory.join("no/hay.sqlite3");
    let parent = nowhere.parent().unwrap().display();
    refuse(&nowhere, &format!("su directorio «{parent}»: no existe"));
    refuse(&directory, "no es un archivo");

    let text = directory.join("texto.sqlite3");
    fs::write(&text, "esto no es una base de datos, aunque es largo\n".repeat(50)).unwrap();
    refuse(&text, "no es una base de datos de SQLite (SQLite 26)");
    let foreign = directory.join("ajena.sqlite3");
    let conn = rusqlite::Connection::open(&foreign).unwrap();
    conn.execute_batch("CREATE TABLE t (x); INSERT INTO t VALUES (1)").unwrap();
    refuse(&foreign, "es de otro programa");
    let count: u32 = conn.query_row("SELECT count(*) FROM t", (), |row| row.get(0)).unwrap();
    assert_eq!(count, 1, "what is another's is left as it is");

    drop(store.serve(&[]));
    let conn = rusqlite::Connection::open(store.path()).unwrap();
    conn.pragma_update(None, "user_version", 7).unwrap();
    let newer = "es de una versión más nueva de tp2 (su esquema es el 7; esta versión conoce hasta el 4)";
    refuse(&store.path(), newer);
}

#[test]
fn a_directory_that_may_not_be_written_to_is_told_in_one_line() {
    // No user, whatever the privileges, can create files there.
    let text = refusal("sqlite:/sys/tp2.sqlite3");
    let start = "tp2: no se puede abrir el almacén «/sys/tp2.sqlite3»: ";
    assert!(text.starts_with(start) && text.trim_end().len() > start.len(), "{text}");
    assert_eq!(text.lines().count(), 1, "{text}");
}

/// The longest file that a process may write.
fn limit_file_size(prlimit: &Path, server: &Server, bytes: Option<u64>) {
    let bytes = bytes.map_or("unlimited".to_owned(), |bytes| bytes.to_string());
    let mut command = Command::new(prlimit);
    command.arg(format!("--pid={}", server.pid())).arg(format!("--fsize={bytes}:unlimited"));
    assert!(command.status().unwrap().success());
}

#[test]
fn a_full_disk_refuses_tasks_and_nothing_else_and_is_forgotten_when_there_is_room() {
    let Some(prlimit) = tools::find("prlimit") else { return };
    let store = Store::new();
    let mut server = store.serve(&["-v"]);
    let mut client = server.client();
    let small = pgm(30, 20);
    let kept = client.hand_in(&small);
    let alone = client.result(&kept);
    let length = |name: &str| fs::metadata(store.path().with_file_name(name)).map_or(0, |file| file.len());
    limit_file_size(
        &prlimit,
        &server,
        Some(length("tareas.sqlite3-wal").max(length("tareas.sqlite3")) + 100_000),
    );

    let large = pgm(1024, 1024);
    let field = "Idempotency-Key: grande";
    let sent = super::common::request("POST", "/tareas", &[field], &large);
    let refused = until("that the disk is full", || {
        let answer = client.ask(&sent);
        (answer.status == 507).then_some(answer)
    });
    let problem = refused.problem();
    assert_eq!(problem["type"], "urn:tp2:error:almacen-lleno");
    assert!(problem["detail"].as_str().unwrap().contains("no queda espacio"), "{problem}");
    assert!(refused.is_kept());
    client.ask(&get(&format!("/estado/{}", refused.id()), &[])).expect(404);
    // A client that waits for its picture needs no disk, and stored results can be read.
    assert!(client.ask(&post("/", &small)).expect(200).body == alone);
    assert!(client.result(&kept) == alone);
    server.wait_log("no queda espacio en el disco del almacén: ");

    limit_file_size(&prlimit, &server, None);
    let id = until("that there is room", || {
        // Once known to be full, nothing is sent to it.
        let answer = server.client().attempt(&sent).expect("an answer");
        if answer.status == 202 {
            Some(answer.task())
        } else {
            answer.expect(507);
            None
        }
    });
    assert_eq!(client.ended(&id)["estado"], "Completada");
    server.wait_log("El almacén funciona de nuevo.");
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    let (check, states) = store.inspect();
    assert_eq!((&*check, states), ("ok", vec![("Completada".to_owned(), 2)]), "nothing was kept by halves");
}

#[test]
fn a_result_that_finds_no_room_is_kept_until_there_is() {
    let Some(prlimit) = tools::find("prlimit") else { return };
    let (scaler, store) = (FakeScaler::start(), Store::new());
    let server = store.serve(&["-s", &scaler.destination(), "-t", "1"]);
    let mut client = server.client();
    let first = client.hand_in(&pgm(30, 20));
    let mut question = scaler.question();
    let others = [client.hand_in(&pgm(30, 20)), client.hand_in(&pgm(30, 20))];
    // Nothing at all can be written.
    limit_file_size(&prlimit, &server, Some(1));
    question.answer();
    server.wait_log("no queda espacio en el disco del almacén: ");
    assert_eq!(client.status(&first)["estado"], "En progreso");
    limit_file_size(&prlimit, &server, None);
    assert_eq!(client.ended(&first)["estado"], "Completada");
    for _ in &others {
        scaler.question().answer();
    }
    for id in &others {
        assert_eq!(client.ended(id)["estado"], "Completada");
    }
    assert!(scaler.question_within(std::time::Duration::ZERO).is_none(), "no work was done twice");
}
