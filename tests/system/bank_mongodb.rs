//! The bank in MongoDB, as the class's own programs read it, with the tasks in another store.
use std::process::{Command, Output};

use serde_json::Value;
use tp2::http::format::Format;

use super::common::faces::{count as faces, folder_of, send_folder};
use super::common::mongodb::FerretDb;
use super::common::pictures::picture;
use super::common::server::tp2;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post, request, tools};

/// A server with its bank there, and its tasks in the tests' usual store.
fn serve(database: &FerretDb) -> Server {
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "--banco", &database.uri()]);
    Server::launch(command)
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr].concat()).into_owned()
}

fn is_ready(client: &mut Client) -> bool {
    client.ask(&get("/readyz", &[])).status == 200
}

#[test]
fn a_folder_of_faces_as_other_programs_read_it() {
    let Some(database) = FerretDb::start_with_root() else { return };
    // As the seed's command has it: the bank there, the tasks in the SQLite file of the working directory.
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-a", &database.uri()]);
    let server = Server::launch(command);
    let home = folder_of(20);
    let output = send_folder(&home.0, server.address()).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).ends_with("20 insertadas, 0 ya existían, 0 con error\n"), "{}", said(&output));
    let document = server.ask(&get("/carpetas/img_to_learn/1A50007.jpg", &["Accept: application/json"]));
    let document = document.expect(200).json();
    let id = server.client().hand_in(&picture(Format::Jpeg, 64, 48));
    server.client().result(&id);
    assert!(server.home.0.join("tp2.sqlite3").is_file());

    let Some(python) = tools::find("python3") else { return };
    let reads = "
import json, sys
from pymongo import MongoClient
client = MongoClient(sys.argv[1])
collection = client['BancoImagenes']['img_to_learn']
found = collection.find_one({'nombre': '1A50007.jpg'})
del found['_id']
unique = [index for index in collection.list_indexes() if index.get('unique') and index['key'] == {'nombre': 1}]
print(json.dumps([list(found), found, collection.count_documents({}), len(unique), 'Tp2' in client.list_database_names()]))
";
    let output = Command::new(&python).args(["-c", reads, &database.uri()]).output().unwrap();
    if String::from_utf8_lossy(&output.stderr).contains("No module named") {
        return tools::skip("no está pymongo");
    }
    let read: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)));
    assert_eq!(read[0], serde_json::json!(["nombre", "imagen_str", "vector"]));
    assert_eq!(read[1], document);
    assert_eq!((&read[2], &read[3], &read[4]), (&20.into(), &1.into(), &false.into()));
}

#[test]
fn two_servers_have_one_bank() {
    const FACES: u32 = 100;
    let Some(database) = FerretDb::start() else { return };
    let servers = [serve(&database), serve(&database)];
    let home = folder_of(FACES);
    let senders: Vec<_> =
        servers.iter().map(|server| send_folder(&home.0, server.address()).spawn().unwrap()).collect();
    let mut new = 0;
    for sender in senders {
        let output = sender.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        new += said(&output).lines().filter(|line| line.ends_with(" insertada")).count();
    }
    // The folder's index refuses repeated names.
    assert_eq!(new, FACES as usize);
    assert!(servers.iter().all(|server| faces(&mut server.client(), "img_to_learn") == u64::from(FACES)));
}

#[test]
fn a_bank_that_is_away_holds_up_no_task() {
    let Some(mut database) = FerretDb::start() else { return };
    let server = serve(&database);
    let picture = picture(Format::Jpeg, 320, 240);
    let mut client = server.client();
    let face = request("PUT", "/carpetas/caras/a.jpg", &[], &picture);
    client.ask(&face).expect(201);
    database.stop();
    let refused = client.ask(&face).expect(503);
    assert!(refused.field("retry-after").is_some_and(|seconds| seconds.parse::<u32>().is_ok_and(|n| n > 0)));
    let reason = client.ask(&get("/readyz", &[])).expect(503).json();
    assert_eq!(reason["type"], "urn:tp2:error:almacen-ausente", "{reason}");
    let id = client.hand_in(&picture);
    client.result(&id);
    client.ask(&post("/", &picture)).expect(200);
    database.restart();
    until("that it is ready again", || is_ready(&mut client).then_some(()));
    client.ask(&face).expect(200);
    server.wait_log("El banco de imágenes funciona de nuevo.");
}

#[test]
fn without_a_bank_it_does_not_start() {
    for (uri, why) in [
        ("mongodb://root:s3creto@127.0.0.1:1/", "no responde ningún servidor de MongoDB"),
        ("mongodb://127.0.0.1/?nada=1", "la dirección no es de la forma"),
    ] {
        for option in ["-a", "--banco"] {
            let home = super::common::processes::Directory::new();
            let mut command = tp2();
            command.current_dir(&home.0).args(["-i", "127.0.0.1", "-p", "0", option, uri]);
            let output = command.output().unwrap();
            let text = said(&output);
            assert_eq!(output.status.code(), Some(1), "{text}");
            assert!(text.starts_with("tp2: no se puede abrir el almacén «mongodb://127.0.0.1"), "{text}");
            assert!(text.contains(why) && !text.contains("s3creto") && text.lines().count() == 1, "{text}");
        }
    }
    let Some(database) = FerretDb::start_with_root() else { return };
    let home = super::common::processes::Directory::new();
    let uri = database.uri().replace("root:root", "root:otra");
    let mut command = tp2();
    command.current_dir(&home.0).args(["-i", "127.0.0.1", "-p", "0", "--banco", &uri]);
    let text = said(&command.output().unwrap());
    assert!(text.contains("MongoDB no acepta ese usuario o esa contraseña"), "{text}");
    assert!(!text.contains("otra@") && text.lines().count() == 1, "{text}");
}
