//! Several servers on one PostgreSQL: what survives the fall of one of them, and of the database.
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

/// Their numbers on every Linux but those on Alpha, MIPS and SPARC.
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// The servers' lease, and time to see to what a dead one has left.
const AFTER_LEASE: Duration = Duration::from_secs(60);

/// A server of the fleet.
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

/// Tasks that a server has in its memory.
fn in_work(client: &mut Client) -> u64 {
    let page = client.ask(&get("/metrics", &[])).expect(200);
    let page = String::from_utf8(page.body).unwrap();
    let line = page.lines().find_map(|line| line.strip_prefix("tp2_tasks_in_work "));
    line.unwrap().parse().unwrap()
}

fn is_ready(client: &mut Client) -> bool {
    client.ask(&get("/readyz", &[])).status == 200
}

/// Waits until each of these has ended well, and none ended twice at one of these servers.
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

/// What the database itself says: nothing is left of tasks that have ended, and the sums are right.
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
    // Some are done before; then nothing more, until all are there.
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
    // It is one of the fleet again.
    let id = slow.client().hand_in(&picture);
    slow.client().result(&id);
    assert_sound(&database);
}

#[test]
fn one_server_is_told_at_once_what_another_has_done() {
    let Some(database) = Postgres::start() else { return };
    // The first has no scaler: what it accepts the other has to do.
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
    // Without being told it would take half a second for each of both ways.
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
    // What needs no store goes on, and nothing waits for the database.
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
    // What was under way when it hung may fail as late as now.
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
    // The second wants the same names, one step behind; then the first one's server falls.
    let second = send_folder(&home.0, other.address()).spawn().unwrap();
    before.extend(lines.by_ref().filter(is_new).take(40));
    doomed.kill();
    let after: Vec<String> = lines.filter(is_new).collect();
    assert!(!first.wait().unwrap().success(), "its server fell after {} of {}", before.len(), after.len());
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success(), "{}", said(&second));
    assert_eq!(faces(&mut other.client(), "img_to_learn"), u64::from(FACES));
    // Told by the one that inserted it that it was new; of those in work at the fall none was told.
    let of_second = said(&second);
    let new: Vec<&str> = before.iter().chain(&after).map(String::as_str).chain(of_second.lines()).collect();
    let new: Vec<&str> = new.into_iter().filter(|line| line.ends_with(" insertada")).collect();
    assert_eq!(new.iter().collect::<HashSet<_>>().len(), new.len());
    let counted = database.run("SELECT count(*) FROM tp2_imagen");
    assert_eq!(counted, FACES.to_string());
}

/// Why a server does not start there: its one line.
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
