//! Several servers on one PostgreSQL: what survives a crash of a server, or of the database.
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::process::Output;
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::faces::{count as faces, folder_of, send_folder};
use super::common::pictures::{photo, picture, size_of};
use super::common::postgres::Postgres;
use super::common::processes::{children, signal};
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post, request};

mod quiet;

/// Signal numbers on every Linux but those on Alpha, MIPS and SPARC.
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// The servers' lease, plus time to take over a dead server's tasks.
const AFTER_LEASE: Duration = Duration::from_secs(60);

fn serve(database: &Postgres) -> Server {
    serve_at(&database.uri(), &[])
}

fn serve_at(uri: &str, arguments: &[&str]) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-a", uri]).args(arguments);
    Server::launch(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

/// A server's scaler, and the children that serve its connections.
fn scalers(server: &Server) -> Vec<u32> {
    let scaler = server.scaler_pid();
    let mut family = children(scaler);
    family.push(scaler);
    family
}

/// Tasks in a server's memory.
fn in_work(client: &mut Client) -> u64 {
    let page = client.ask(&get("/metrics", &[])).expect(200);
    let page = String::from_utf8(page.body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("tp2_tasks_in_work "));
    line.unwrap().parse().unwrap()
}

fn is_ready(client: &mut Client) -> bool {
    client.ask(&get("/readyz", &[])).status == 200
}

/// Waits until each of these has succeeded, and none ended twice at one of these servers.
fn assert_all_end(ids: &[String], client: &mut Client, servers: &[&Server]) {
    let began = Instant::now();
    for id in ids {
        let status = loop {
            let status = client.ended(id);
            assert!(began.elapsed() < AFTER_LEASE, "{status}");
            if status["estado"] != "Pendiente" {
                break status;
            }
        };
        assert_eq!(status["estado"], "Completada", "{status}");
    }
    let logs: Vec<String> = servers.iter().map(|server| server.log()).collect();
    for id in ids {
        let lines = logs.iter().flat_map(|log| log.lines());
        let ends =
            lines.filter(|line| line.contains("Tarea completada") && line.contains(id.as_str())).count();
        assert!(ends <= 1, "{id} ended {ends} times");
    }
}

/// The database's own state: no rows of ended tasks are left, and the sums are right.
fn assert_sound(database: &Postgres) {
    let wrong = database.run(
        "SELECT 'upload ' || task FROM tp2_upload WHERE task NOT IN (SELECT id FROM tp2_queue)
         UNION ALL SELECT 'result ' || task FROM tp2_result WHERE task NOT IN (SELECT id FROM tp2_task WHERE state = 2)
         UNION ALL SELECT 'queue ' || id FROM tp2_queue WHERE id NOT IN (SELECT id FROM tp2_task WHERE state = 0)
         UNION ALL SELECT 'task ' || id FROM tp2_task WHERE state = 0 AND id NOT IN (SELECT id FROM tp2_queue)",
    );
    assert_eq!(wrong, "");
    let sums = database.run("SELECT sum(live), sum(done), sum(failed), sum(bytes) FROM tp2_ledger");
    let counted = database.run(
        "SELECT count(*) FILTER (WHERE state = 0), count(*) FILTER (WHERE state = 2), count(*) FILTER (WHERE state = 3),
         coalesce(sum(length) FILTER (WHERE state = 2), 0) FROM tp2_task",
    );
    assert_eq!(sums, counted);
}

#[test]
fn a_server_that_falls_with_tasks_in_work_is_taken_over() {
    let Some(database) = Postgres::start() else { return };
    let (mut doomed, heir) = (serve(&database), serve(&database));
    let picture = picture(Format::Jpeg, 320, 240);
    let mut clients = [doomed.client(), heir.client()];
    let mut hand_in = |count: usize| -> Vec<String> {
        (0..count).map(|number| clients[number % 2].hand_in(&picture)).collect()
    };
    // Some end before; then nothing more, until all are there.
    let mut ids = hand_in(40);
    let all: Vec<u32> = [&doomed, &heir].into_iter().flat_map(scalers).collect();
    all.iter().for_each(|&scaler| signal(scaler, SIGSTOP));
    ids.extend(hand_in(80));
    assert!(in_work(&mut doomed.client()) > 0);
    doomed.kill();
    all.iter().for_each(|&scaler| signal(scaler, SIGCONT));
    let [_, mut client] = clients;
    assert_all_end(&ids, &mut client, &[&doomed, &heir]);
    let result = client.result(&ids[0]);
    assert_eq!(size_of(&result), (Format::Jpeg, 160, 120));
    // The next one answers for all of them.
    let third = serve(&database);
    assert_eq!(third.client().result(&ids[1]), result);
    assert_sound(&database);
}

#[test]
fn a_server_that_stands_still_beyond_its_lease_changes_nothing_afterwards() {
    let Some(database) = Postgres::start() else { return };
    let (slow, heir) = (serve(&database), serve(&database));
    let picture = picture(Format::Jpeg, 320, 240);
    let stopped = scalers(&slow);
    stopped.iter().for_each(|&scaler| signal(scaler, SIGSTOP));
    let ids: Vec<String> = (0..12).map(|_| slow.client().hand_in(&picture)).collect();
    until("that it has some in work", || (in_work(&mut slow.client()) > 0).then_some(()));
    signal(slow.pid(), SIGSTOP);
    let mut client = heir.client();
    assert_all_end(&ids, &mut client, &[&heir]);
    assert!(heir.log().contains("Tarea completada"));
    signal(slow.pid(), SIGCONT);
    stopped.iter().for_each(|&scaler| signal(scaler, SIGCONT));
    until("that it has nothing in work any more", || (in_work(&mut slow.client()) == 0).then_some(()));
    assert_all_end(&ids, &mut slow.client(), &[&slow, &heir]);
    // It is part of the fleet again.
    let id = slow.client().hand_in(&picture);
    slow.client().result(&id);
    assert_sound(&database);
}

#[test]
fn one_server_is_told_at_once_what_another_has_done() {
    let Some(database) = Postgres::start() else { return };
    // The first has no scaler: the other one has to do the tasks that it accepts.
    let one = serve_at(&database.uri(), &["-s", "unix:/nada"]);
    let given_up = one.ask(&post("/", &photo("rocket.jpg")));
    assert!(given_up.status >= 500, "{}", given_up.status);
    let other = serve(&database);
    let small = picture(Format::Jpeg, 64, 48);
    let (mut handing, mut waiting) = (one.client(), one.client());
    let mut times: Vec<Duration> = (0..15)
        .map(|_| {
            let began = Instant::now();
            let id = handing.hand_in(&small);
            assert_eq!(waiting.ended(&id)["estado"], "Completada");
            let file = get(&format!("/tareas/{id}/imagen"), &[]);
            assert_eq!(one.ask(&file).expect(200).body, other.ask(&file).expect(200).body);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    eprintln!("accepted here, done there, told here: median {:?}", times[times.len() / 2]);
    // Without notifications each direction would take three quarters of a second.
    assert!(times[times.len() / 2] < Duration::from_millis(500), "{times:?}");
    // Deleted at one, it is gone at the other.
    let again = one.client().hand_in(&small);
    other.client().delete(&again).expect(204);
    one.client().ask(&get(&format!("/estado/{again}"), &[])).expect(404);
    assert_sound(&database);
}

#[test]
fn the_database_is_killed_and_comes_back() {
    let Some(mut database) = Postgres::start() else { return };
    let servers = [serve(&database), serve(&database)];
    let mut clients = [servers[0].client(), servers[1].client()];
    let picture = picture(Format::Jpeg, 320, 240);
    let mut ids: Vec<String> = (0..60).map(|number| clients[number % 2].hand_in(&picture)).collect();
    database.kill();
    let client = &mut clients[0];
    until("that it is noticed", || (!is_ready(client)).then_some(()));
    let reason = client.ask(&get("/readyz", &[])).expect(503).json();
    assert_eq!(reason["type"], "urn:tp2:error:almacen-ausente", "{reason}");
    let refused = client.ask(&post("/tareas", &picture)).expect(503);
    assert!(refused.field("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|n| n > 0)));
    client.ask(&request("PUT", "/carpetas/caras/a.jpg", &[], &picture)).expect(503);
    // Requests without the store go on, and none waits for the database.
    client.ask(&post("/", &picture)).expect(200);
    assert!(servers[0].is_healthy());
    database.restart();
    for client in &mut clients {
        until("that it is ready again", || is_ready(client).then_some(()));
    }
    ids.push(clients[0].hand_in(&picture));
    assert_all_end(&ids, &mut clients[1], &[&servers[0], &servers[1]]);
    for server in &servers {
        server.wait_log("El almacén funciona de nuevo.");
    }
    assert_sound(&database);
}

#[test]
fn the_standby_takes_over_from_a_primary_that_is_killed() {
    let Some(mut primary) = Postgres::start() else { return };
    let standby = primary.start_standby();
    let uri = format!(
        "postgres://tp2@127.0.0.1:{},127.0.0.1:{}/postgres?target_session_attrs=read-write",
        primary.port(),
        standby.port()
    );
    let servers = [serve_at(&uri, &[]), serve_at(&uri, &[])];
    let mut clients = [servers[0].client(), servers[1].client()];
    let picture = picture(Format::Jpeg, 320, 240);
    let mut ids: Vec<String> = (0..40).map(|number| clients[number % 2].hand_in(&picture)).collect();
    primary.kill();
    until("that it is noticed", || (!is_ready(&mut clients[0])).then_some(()));
    standby.promote();
    for client in &mut clients {
        until("that it is ready again", || is_ready(client).then_some(()));
    }
    ids.push(clients[1].hand_in(&picture));
    assert_all_end(&ids, &mut clients[0], &[&servers[0], &servers[1]]);
    assert_sound(&standby);
}

#[test]
fn a_database_that_hangs_holds_up_no_one_who_does_not_need_it() {
    let Some(database) = Postgres::start() else { return };
    let server = serve(&database);
    let mut client = server.client();
    let id = client.hand_in(&photo("rocket.jpg"));
    client.result(&id);
    let all = database.pids();
    all.iter().for_each(|&pid| signal(pid, SIGSTOP));
    let status = client.ask(&get(&format!("/tareas/{id}/imagen"), &[]));
    assert_eq!(status.status, 503, "{}", String::from_utf8_lossy(&status.body));
    server.ask(&post("/", &photo("rocket.jpg"))).expect(200);
    assert!(!is_ready(&mut server.client()));
    all.iter().for_each(|&pid| signal(pid, SIGCONT));
    // Requests that were pending when it hung may fail as late as now.
    let again = until("that it takes tasks again", || {
        let answer = server.ask(&post("/tareas", &photo("rocket.jpg")));
        (answer.status == 202).then(|| answer.task())
    });
    server.client().result(&again);
}

#[test]
fn a_folder_that_two_servers_insert_of_which_one_falls() {
    const FACES: u32 = 300;
    let Some(database) = Postgres::start() else { return };
    let (mut doomed, other) = (serve(&database), serve(&database));
    let home = folder_of(FACES);
    let mut first = send_folder(&home.0, doomed.address()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_new = |line: &String| line.ends_with(" insertada");
    let mut before: Vec<String> = lines.by_ref().filter(is_new).take(20).collect();
    // The second wants the same names, one step behind; then the first one's server crashes.
    let second = send_folder(&home.0, other.address()).spawn().unwrap();
    before.extend(lines.by_ref().filter(is_new).take(40));
    doomed.kill();
    let after: Vec<String> = lines.filter(is_new).collect();
    assert!(!first.wait().unwrap().success(), "its server fell after {} of {}", before.len(), after.len());
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success(), "{}", said(&second));
    assert_eq!(faces(&mut other.client(), "img_to_learn"), u64::from(FACES));
    // The client that inserted it was told that it was new; those pending at the crash got no answer.
    let of_second = said(&second);
    let new: Vec<&str> = before.iter().chain(&after).map(String::as_str).chain(of_second.lines()).collect();
    let new: Vec<&str> = new.into_iter().filter(|line| line.ends_with(" insertada")).collect();
    assert_eq!(new.iter().collect::<HashSet<_>>().len(), new.len());
    let counted = database.run("SELECT count(*) FROM tp2_imagen");
    assert_eq!(counted, FACES.to_string());
}

/// Adds each of these faces to the folder; whether it was new.
fn insert(client: &mut Client, folder: &str, names: &[String], face: &[u8]) -> Vec<bool> {
    let put = |name| request("PUT", &format!("/carpetas/{folder}/{name}"), &[], face);
    let mut is_new = |name| match client.ask(&put(name)) {
        answer if answer.status == 201 => true,
        answer => {
            answer.expect(200);
            false
        }
    };
    names.iter().map(&mut is_new).collect()
}

/// The folders' stored counts are those of their faces.
fn assert_sound_bank(database: &Postgres) {
    let wrong = database.run(
        "SELECT nombre, imagenes FROM tp2_carpeta c
         WHERE imagenes <> (SELECT count(*) FROM tp2_imagen WHERE carpeta = c.id)",
    );
    assert_eq!(wrong, "");
}

#[test]
fn a_bank_at_two_servers_has_each_name_once_and_is_removed_in_pieces() {
    const FACES: usize = 1000;
    let Some(database) = Postgres::start() else { return };
    let servers = [serve(&database), serve(&database)];
    let names: Vec<String> = (0..FACES).map(|number| format!("1A{number:05}.jpg")).collect();
    let face = picture(Format::Jpeg, 80, 90);
    // Two clients at each server send half of the names each, both servers' halves in the same order.
    let new: Vec<bool> = std::thread::scope(|scope| {
        let halves =
            names.chunks(FACES / 2).flat_map(|half| servers.iter().map(move |server| (half, server)));
        let face = &face;
        let threads: Vec<_> = halves
            .map(|(half, server)| (half, server.client()))
            .map(|(half, mut client)| scope.spawn(move || insert(&mut client, "caras", half, face)))
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(new.len(), 2 * FACES);
    assert_eq!(new.iter().filter(|&&is_new| is_new).count(), FACES, "each was new once");
    assert_sound_bank(&database);

    let mut clients = servers.each_ref().map(Server::client);
    // Until the connection ends: HTTP/1.0 has no chunks.
    let took = |target: &str| -> (Duration, Vec<u8>) {
        let ask = || {
            let mut client = servers[1].client();
            let began = Instant::now();
            let answer = client.send(format!("GET {target} HTTP/1.0\r\n\r\n").as_bytes()).rest();
            (began.elapsed(), answer)
        };
        (0..5).map(|_| ask()).min().unwrap()
    };
    let (of_names, page) = took("/carpetas/caras?cantidad=10000");
    let (of_lines, lines) = took("/carpetas/caras?formato=ndjson");
    eprintln!("{FACES} names in {of_names:?}, their documents in {of_lines:?}, the best of 5");
    let body = |answer: Vec<u8>| {
        let answer = String::from_utf8(answer).unwrap();
        answer.split_once("\r\n\r\n").unwrap().1.to_owned()
    };
    let page: serde_json::Value = serde_json::from_str(&body(page)).unwrap();
    assert_eq!(page["nombres"], serde_json::json!(names));
    assert_eq!(body(lines).lines().count(), FACES);
    assert!(of_names < Duration::from_millis(500) && of_lines < Duration::from_secs(20));

    // Pages of folders; one that begins at a NUL, which no text in PostgreSQL has; lists and names with one are
    // refused.
    insert(&mut clients[0], "otra", &names[..3], &face);
    let first = clients[1].ask(&get("/carpetas?cantidad=1", &[])).expect(200).json();
    assert_eq!((&first["carpetas"][0]["imagenes"], &first["siguiente"]), (&FACES.into(), &"otra".into()));
    let from_nul = clients[1].ask(&get("/carpetas?desde=caras%00", &[])).expect(200).json();
    assert_eq!(from_nul["carpetas"], serde_json::json!([{ "nombre": "otra", "imagenes": 3 }]));
    let from_nul = clients[1].ask(&get("/carpetas/otra?desde=1A00001.jpg%00", &[])).expect(200).json();
    assert_eq!(from_nul["nombres"], serde_json::json!(names[2..3]));
    for target in ["/carpetas/o%00a", "/carpetas/otra/a%00"] {
        clients[1].ask(&get(target, &[])).expect(422);
        clients[1].ask(&request("DELETE", target, &[], b"")).expect(422);
        assert!(is_ready(&mut clients[1]));
    }
    let list = br#"{"nombres": ["a\u0000"]}"#;
    clients[1].ask(&request("POST", "/carpetas/otra/faltantes", &[], list)).expect(422);

    // One removes it while the other one adds to it.
    let [remover, inserter] = &mut clients;
    std::thread::scope(|scope| {
        scope.spawn(|| remover.ask(&request("DELETE", "/carpetas/caras", &[], b"")).expect(204));
        scope.spawn(|| insert(inserter, "caras", &names[..40], &face));
    });
    assert_sound_bank(&database);
    for client in &mut clients {
        client.ask(&request("DELETE", "/carpetas/caras", &[], b""));
    }
    for client in &mut clients {
        client.ask(&request("DELETE", "/carpetas/caras", &[], b"")).expect(404);
        client.ask(&get("/carpetas/caras", &[])).expect(404);
        assert_eq!(faces(client, "otra"), 3);
    }
    clients[0].ask(&request("DELETE", "/carpetas/otra/1A00001.jpg", &[], b"")).expect(204);
    assert_eq!(faces(&mut clients[1], "otra"), 2);
    assert_sound_bank(&database);
}

/// The database reports a full disk by its error code; the disk itself is not full.
#[test]
fn a_database_whose_disk_is_full_is_told_apart_from_one_that_is_away() {
    let Some(database) = Postgres::start() else { return };
    let server = serve(&database);
    let mut client = server.client();
    let small = picture(Format::Jpeg, 64, 48);
    let before = client.hand_in(&small);
    client.result(&before);
    let insertion = request("PUT", "/carpetas/caras/a.jpg", &[], &small);
    database.run(
        "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
         $$ BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
         CREATE TRIGGER full_disk BEFORE INSERT ON tp2_upload FOR EACH ROW EXECUTE FUNCTION full_disk();
         CREATE TRIGGER full_disk BEFORE INSERT ON tp2_imagen FOR EACH ROW EXECUTE FUNCTION full_disk()",
    );
    let refused = client.ask(&post("/tareas", &small)).expect(507).json();
    assert_eq!(refused["type"], "urn:tp2:error:almacen-lleno", "{refused}");
    client.ask(&insertion).expect(507);
    client.result(&before);
    client.ask(&post("/", &small)).expect(200);
    server.wait_log("no queda espacio en el disco del almacén: a PostgreSQL no le queda espacio en el disco");
    database.run("DROP TRIGGER full_disk ON tp2_upload; DROP TRIGGER full_disk ON tp2_imagen");
    let id = until("that there is room", || {
        let answer = client.ask(&post("/tareas", &small));
        (answer.status == 202).then(|| answer.task())
    });
    client.result(&id);
    client.ask(&insertion).expect(201);
    assert_sound(&database);
}

/// The one line with which a server refuses to start.
fn refusal(uri: &str) -> String {
    let output = tp2().args(["-i", "127.0.0.1", "-p", "0", "-a", uri]).output().unwrap();
    let text = said(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.starts_with("tp2: no se puede abrir el almacén «postgres"), "{text}");
    assert!(text.lines().count() == 1 && !text.contains("s3creto"), "{text}");
    text
}

#[test]
fn without_a_database_that_can_be_trusted_it_does_not_start() {
    for (uri, why) in [
        ("postgres://root:s3creto@127.0.0.1:1/", "no responde ningún servidor de PostgreSQL"),
        ("postgresql://root:s3creto@127.0.0.1/?nada=1", "la dirección no es de la forma"),
        ("postgres://root:s3creto@127.0.0.1/?sslrootcert=/nada.pem", "sslrootcert «/nada.pem»"),
    ] {
        assert!(refusal(uri).contains(why), "{}", refusal(uri));
    }
    let Some(mut database) = Postgres::start() else { return };
    database.run("ALTER USER tp2 PASSWORD 'otra'");
    database.ask_for_password();
    let uri = database.uri().replace("tp2@", "tp2:s3creto@");
    assert!(refusal(&uri).contains("PostgreSQL no acepta ese usuario o esa contraseña"), "{}", refusal(&uri));
    let uri = database.uri().replace("tp2@", "tp2:otra@");
    assert!(refusal(&uri.replace("/postgres", "/nada")).contains("no tiene esa base de datos"));
    let off = format!("{uri}?options=-csynchronous_commit%3Doff");
    assert!(refusal(&off).contains("synchronous_commit = off"), "{}", refusal(&off));
    serve_at(&uri, &[]).client().ask(&get("/readyz", &[])).expect(200);
    database.stop();
    database.start_with("fsync=off");
    assert!(refusal(&uri).contains("fsync = off"), "{}", refusal(&uri));
}
