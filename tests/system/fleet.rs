//! Several servers on one MongoDB: what survives the fall of one of them, and of the database.
use std::collections::HashSet;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tp2::http::format::Format;

use super::common::mongodb::FerretDb;
use super::common::pictures::{photo, picture, size_of};
use super::common::processes::{Directory, children, signal};
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post, request, tools};

/// Their numbers on every Linux but those on Alpha, MIPS and SPARC.
const SIGCONT: i32 = 18;
const SIGSTOP: i32 = 19;

/// A server of the fleet.
fn serve(database: &FerretDb) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-a", &database.uri()]);
    Server::launch(command)
}

fn send_folder(home: &Path, address: SocketAddr) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tp2-cliente"));
    command.current_dir(home).args(["-i", "127.0.0.1", "-f", "img_to_learn", "-p"]);
    command.arg(address.port().to_string());
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn folder_of(count: u32) -> Directory {
    let home = Directory::new();
    std::fs::create_dir(home.0.join("img_to_learn")).unwrap();
    let face = picture(Format::Jpeg, 100, 120);
    for number in 0..count {
        std::fs::write(home.0.join(format!("img_to_learn/1A5{number:04}.jpg")), &face).unwrap();
    }
    home
}

/// How many faces a folder has, told by this server.
fn faces(client: &mut Client, folder: &str) -> u64 {
    let folders = client.ask(&get("/carpetas", &[])).expect(200).json();
    let folders = folders["carpetas"].as_array().unwrap();
    let found = folders.iter().find(|entry| entry["nombre"] == folder);
    found.map_or(0, |entry| entry["imagenes"].as_u64().unwrap())
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

#[test]
fn a_folder_of_faces_as_other_programs_read_it() {
    let Some(database) = FerretDb::start_with_root() else { return };
    let server = serve(&database);
    let home = folder_of(20);
    let output = send_folder(&home.0, server.address()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).ends_with("20 insertadas, 0 ya existían, 0 con error\n"), "{}", said(&output));
    let document = server.ask(&get("/carpetas/img_to_learn/1A50007.jpg", &["Accept: application/json"]));
    let document = document.expect(200).json();

    let Some(python) = tools::find("python3") else { return };
    let reads = "
import json, sys
from pymongo import MongoClient
collection = MongoClient(sys.argv[1])['BancoImagenes']['img_to_learn']
found = collection.find_one({'nombre': '1A50007.jpg'})
del found['_id']
unique = [index for index in collection.list_indexes() if index.get('unique') and index['key'] == {'nombre': 1}]
print(json.dumps([list(found), found, collection.count_documents({}), len(unique)]))
";
    let output = Command::new(&python).args(["-c", reads, &database.uri()]).output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("No module named") {
        return tools::skip("no está pymongo");
    }
    let read: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(read[0], serde_json::json!(["nombre", "imagen_str", "vector"]));
    assert_eq!(read[1], document);
    assert_eq!((&read[2], &read[3]), (&20.into(), &1.into()));
}

#[test]
fn a_folder_that_two_servers_insert_of_which_one_falls() {
    const FACES: u32 = 1000;
    let Some(database) = FerretDb::start() else { return };
    let (mut doomed, other) = (serve(&database), serve(&database));
    let home = folder_of(FACES);
    let mut first = send_folder(&home.0, doomed.address()).spawn().unwrap();
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines().map(Result::unwrap);
    let is_new = |line: &String| line.ends_with(" insertada");
    let mut before: Vec<String> = lines.by_ref().filter(is_new).take(50).collect();
    // The second wants the same names, one step behind; then the first one's server falls.
    let second = send_folder(&home.0, other.address()).spawn().unwrap();
    before.extend(lines.by_ref().filter(is_new).take(100));
    doomed.kill();
    let after: Vec<String> = lines.filter(is_new).collect();
    assert!(!first.wait().unwrap().success(), "its server fell after {} of {}", before.len(), after.len());
    let second = second.wait_with_output().unwrap();
    assert!(second.status.success(), "{}", said(&second));
    let mut client = other.client();
    // The index of the folder lets no name in twice.
    assert_eq!(faces(&mut client, "img_to_learn"), u64::from(FACES));
    // Told by whoever inserted it that it was new, and by nobody else; of those in work at the fall nobody was told.
    let of_second = said(&second);
    let new: Vec<&str> = before.iter().chain(&after).map(String::as_str).chain(of_second.lines()).collect();
    let new: Vec<&str> = new.into_iter().filter(|line| line.ends_with(" insertada")).collect();
    assert_eq!(new.iter().collect::<HashSet<_>>().len(), new.len());
    assert!(new.len() <= FACES as usize);
}

#[test]
fn three_hundred_tasks_at_two_servers_of_which_one_falls() {
    const TASKS: usize = 300;
    let Some(database) = FerretDb::start() else { return };
    let (mut doomed, heir) = (serve(&database), serve(&database));
    let picture = picture(Format::Jpeg, 320, 240);
    let mut clients = [doomed.client(), heir.client()];
    // A third of them is done before; then nothing more, until all are there.
    let mut hand_in = |count: usize| -> Vec<String> {
        (0..count).map(|number| clients[number % 2].hand_in(&picture)).collect()
    };
    let mut ids = hand_in(TASKS / 3);
    let scalers: Vec<u32> = [&doomed, &heir].into_iter().flat_map(scalers).collect();
    scalers.iter().for_each(|&scaler| signal(scaler, SIGSTOP));
    ids.extend(hand_in(TASKS - TASKS / 3));
    let [_, mut client] = clients;
    let count = |client: &mut Client, words: [&str; 2]| {
        let is_one = |id: &&String| words.iter().any(|word| client.status(id)["estado"] == *word);
        ids.iter().filter(is_one).count()
    };
    // It falls with tasks in work, which the other one takes over.
    assert!(in_work(&mut doomed.client()) > 0);
    doomed.kill();
    scalers.iter().for_each(|&scaler| signal(scaler, SIGCONT));
    let killed = Instant::now();
    for id in &ids {
        let left = Duration::from_secs(120).saturating_sub(killed.elapsed());
        assert!(
            left > Duration::ZERO,
            "after two minutes {} wait",
            count(&mut client, ["Pendiente", "En progreso"])
        );
        let status = client.ended(id);
        assert_eq!(status["estado"], "Completada", "{status}");
    }
    let result = client.result(&ids[0]);
    assert_eq!(size_of(&result), (Format::Jpeg, 160, 120));
    let log = heir.log();
    let ended: Vec<&str> = log.lines().filter(|line| line.contains("Tarea completada")).collect();
    let by_id = |id: &String| ended.iter().filter(|line| line.contains(id.as_str())).count();
    assert!(ids.iter().all(|id| by_id(id) <= 1), "none ends twice");
    assert!(ended.len() < TASKS, "some ended at the one that fell");
    // Whoever comes next answers for all of them.
    let third = serve(&database);
    let mut client = third.client();
    assert_eq!(count(&mut client, ["Completada", "Completada"]), TASKS);
    assert_eq!(client.result(&ids[1]), result);
}

#[test]
fn one_server_tells_what_another_has_done() {
    let Some(database) = FerretDb::start() else { return };
    // The first has no scaler: what it accepts the other has to do.
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-s", "unix:/nada", "-a", &database.uri()]);
    let one = Server::launch(command);
    let given_up = one.ask(&post("/", &photo("rocket.jpg")));
    assert!(given_up.status >= 500, "{}", given_up.status);
    let ids: Vec<String> = (0..5).map(|_| one.client().hand_in(&photo("rocket.jpg"))).collect();
    let other = serve(&database);
    for id in &ids {
        let told = one.client().ended(id);
        assert_eq!(told["estado"], "Completada", "{told}");
        let file = get(&format!("/tareas/{id}/imagen"), &[]);
        assert_eq!(one.client().ask(&file).expect(200).body, other.client().ask(&file).expect(200).body);
    }
    assert_eq!(other.log().matches("Tarea completada").count(), ids.len());
    // Deleted at one, it is gone at the other.
    let again = one.client().hand_in(&photo("rocket.jpg"));
    other.client().delete(&again).expect(204);
    one.client().ask(&get(&format!("/estado/{again}"), &[])).expect(404);
}

#[test]
fn the_database_falls_for_ten_seconds_and_comes_back() {
    let Some(mut database) = FerretDb::start() else { return };
    let servers = [serve(&database), serve(&database)];
    let mut clients = [servers[0].client(), servers[1].client()];
    let picture = picture(Format::Jpeg, 320, 240);
    let mut ids: Vec<String> = (0..60).map(|number| clients[number % 2].hand_in(&picture)).collect();
    database.stop();
    let stopped = Instant::now();
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
    std::thread::sleep(Duration::from_secs(10).saturating_sub(stopped.elapsed()));
    database.restart();
    for client in &mut clients {
        until("that it is ready again", || is_ready(client).then_some(()));
    }
    ids.push(clients[0].hand_in(&picture));
    for id in &ids {
        let status = clients[1].ended(id);
        assert_eq!(status["estado"], "Completada", "{status}");
    }
    let figures = String::from_utf8(clients[1].ask(&get("/metrics", &[])).expect(200).body).unwrap();
    for server in &servers {
        let log = server.log();
        let twice = |id: &String| {
            log.lines().filter(|line| line.contains("Tarea completada") && line.contains(id.as_str())).count()
                > 1
        };
        assert!(!ids.iter().any(twice), "{figures}");
        assert!(log.contains("El almacén funciona de nuevo."), "{log}");
    }
}

#[test]
fn a_database_that_hangs_holds_up_nobody_who_does_not_need_it() {
    let Some(database) = FerretDb::start() else { return };
    let server = serve(&database);
    let mut client = server.client();
    let id = client.hand_in(&photo("rocket.jpg"));
    client.result(&id);
    signal(database.pid(), SIGSTOP);
    let status = client.ask(&get(&format!("/estado/{id}"), &[]));
    assert_eq!(status.status, 503, "{}", String::from_utf8_lossy(&status.body));
    server.ask(&post("/", &photo("rocket.jpg"))).expect(200);
    assert!(!is_ready(&mut server.client()));
    signal(database.pid(), SIGCONT);
    // What was under way when it hung may fail as late as now.
    let again = until("that it takes tasks again", || {
        let answer = server.ask(&post("/tareas", &photo("rocket.jpg")));
        (answer.status == 202).then(|| answer.task())
    });
    server.client().result(&again);
}

#[test]
fn without_a_database_it_does_not_start() {
    for (uri, why) in [
        ("mongodb://root:s3creto@127.0.0.1:1/", "no responde ningún servidor de MongoDB"),
        ("mongodb://127.0.0.1/?nada=1", "la dirección no es de la forma"),
    ] {
        let output = tp2().args(["-i", "127.0.0.1", "-p", "0", "-a", uri]).output().unwrap();
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{text}");
        assert!(text.starts_with("tp2: no se puede abrir el almacén «mongodb://127.0.0.1"), "{text}");
        assert!(text.contains(why) && !text.contains("s3creto") && text.lines().count() == 1, "{text}");
    }
    let Some(database) = FerretDb::start_with_root() else { return };
    let uri = database.uri().replace("root:root", "root:otra");
    let output = tp2().args(["-i", "127.0.0.1", "-p", "0", "-a", &uri]).output().unwrap();
    let text = said(&output);
    assert!(text.contains("MongoDB no acepta ese usuario o esa contraseña"), "{text}");
    assert!(!text.contains("otra@") && text.lines().count() == 1, "{text}");
}
