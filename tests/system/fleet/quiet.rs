//! What whole servers on one PostgreSQL ask of it, and what they do where its disk is full or a clock is days off.
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::{assert_sound, serve, serve_at};
use crate::common::http::CLOCK_IS_OFF;
use crate::common::pictures::{pgm, picture};
use crate::common::postgres::Postgres;
use crate::common::processes::Directory;
use crate::common::server::tp2;
use crate::common::tasks::get;
use crate::common::wait::until;
use crate::common::{Client, Server, post, request, tools};

/// Waits until so many servers have found nothing to do.
fn until_idle(database: &Postgres, count: usize) {
    let text = "SELECT count(*) FROM tp2_server WHERE idle";
    until("that they are idle", || (database.run(text) == count.to_string()).then_some(()));
}

#[test]
fn an_idle_server_asks_at_most_once_a_second() {
    const TIME: Duration = Duration::from_secs(20);
    let Some(mut database) = Postgres::start() else { return };
    database.stop();
    database.start_with("log_statement=all");
    let server = serve(&database);
    let id = server.client().hand_in(&picture(Format::Jpeg, 64, 48));
    server.client().result(&id);
    until_idle(&database, 1);
    // What a statement goes on with in further lines has no such words.
    let asked = || {
        let log = database.log();
        log.lines().filter(|line| line.contains("LOG:  execute") || line.contains("LOG:  statement:")).count()
    };
    // What its work has changed is counted once more.
    until("that it has counted", || database.log().contains("sum(live)").then_some(()));
    let before = asked();
    // The time itself is measured: it is no wait for something to happen.
    let began = Instant::now();
    std::thread::sleep(TIME);
    let (asked, took) = (asked() - before, began.elapsed());
    eprintln!("an idle server: {asked} statements in {took:?}");
    assert!(asked > 5, "it does not even look");
    // With one sweep, of up to nine statements.
    assert!(asked as u64 <= took.as_secs() + 9, "{asked} in {took:?}");
}

#[test]
fn of_eight_servers_one_does_a_task_and_few_look_for_it() {
    const SERVERS: usize = 8;
    const TASKS: usize = 20;
    let Some(mut database) = Postgres::start() else { return };
    database.stop();
    database.start_with("log_statement=all");
    let servers: Vec<Server> = (0..SERVERS).map(|_| serve(&database)).collect();
    let small = picture(Format::Jpeg, 64, 48);
    let claims = || database.log().matches(": WITH next AS MATERIALIZED").count();
    until_idle(&database, SERVERS);
    let (began, before) = (Instant::now(), claims());
    let ids: Vec<String> = (0..TASKS)
        .map(|number| {
            let mut client = servers[number % SERVERS].client();
            let id = client.hand_in(&small);
            assert_eq!(client.ended(&id)["estado"], "Completada");
            id
        })
        .collect();
    let (asked, took) = (claims() - before, began.elapsed());
    let logs: Vec<String> = servers.iter().map(|server| server.log()).collect();
    for id in &ids {
        let ends = logs.iter().flat_map(|log| log.lines());
        let ends = ends.filter(|line| line.contains("Tarea completada") && line.contains(id.as_str()));
        assert_eq!(ends.count(), 1, "{id}");
    }
    // Each server looks every second and a half anyway.
    let polls = SERVERS * usize::try_from(took.as_millis() / 1500 + 1).unwrap();
    eprintln!(
        "{TASKS} tasks one by one at {SERVERS} idle servers: {asked} claims in {took:?}, up to {polls} by the clock"
    );
    // Its own server, the one that is woken, and for each that gets it one more: no other.
    assert!(asked <= 5 * TASKS + polls, "{asked} claims, {polls} by the clock");
    assert_sound(&database);
}

/// A server whose wall clock is off by so much, like `+25h`; None, with a message, without libfaketime.
fn serve_with_clock(database: &Postgres, off: &str) -> Option<Server> {
    let Some(library) = libfaketime() else {
        tools::skip("no está libfaketime (apt-get install faketime)");
        return None;
    };
    let mut command = tp2();
    command.args(["-i", "127.0.0.1", "-p", "0", "-a", &database.uri()]);
    command.env("LD_PRELOAD", library).env("FAKETIME", off).env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    Some(Server::launch(command))
}

fn libfaketime() -> Option<PathBuf> {
    let places = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    let mut libraries = places.map(|place| place.join("faketime/libfaketimeMT.so.1"));
    libraries.find(|library| library.is_file())
}

/// The day in the `Date` of its answers.
fn day(client: &mut Client) -> String {
    let answer = client.ask(&get("/healthz", &[])).expect(200);
    answer.field("date").unwrap()[..16].to_owned()
}

#[test]
fn a_server_whose_clock_is_a_day_off_loses_nothing_and_refuses_nothing() {
    let Some(database) = Postgres::start() else { return };
    let right = serve(&database);
    let small = picture(Format::Jpeg, 64, 48);
    let before = right.client().hand_in(&small);
    let result = right.client().result(&before);
    CLOCK_IS_OFF.set(true);
    for off in ["+25h", "-25h"] {
        let Some(wrong) = serve_with_clock(&database, off) else { return };
        assert_ne!(day(&mut wrong.client()), day(&mut right.client()), "the clock is right");
        // It has looked for what has expired before it looked for tasks.
        until_idle(&database, 2);
        let clients = [wrong.client(), right.client()];
        let ids = clients.map(|mut client| client.hand_in(&small));
        for id in ids.iter().chain([&before]) {
            for server in [&wrong, &right] {
                assert_eq!(server.client().ended(id)["estado"], "Completada", "{off}");
                assert_eq!(server.client().result(id), result, "{off}");
            }
        }
        assert_eq!(database.run("SELECT count(*) FROM tp2_task WHERE state = 4"), "0", "{off}");
        // All times are the database's.
        let off_by = "SELECT count(*) FROM tp2_task WHERE abs(extract(epoch FROM now() - ended_at)) > 3600";
        assert_eq!(database.run(off_by), "0", "{off}");
    }
    assert_sound(&database);
}

/// A file system in memory of a few mebibytes; gone when it is dropped.
struct Small(Directory);

impl Small {
    /// None, with a message, where nothing may be mounted.
    fn new() -> Option<Self> {
        let directory = Directory::new();
        let mounted = mount(&["-t", "tmpfs", "-o", "size=12m", "tmpfs"], &directory.0);
        if !mounted {
            // A machine that was prepared may not allow it either.
            eprintln!("SALTADO: aquí no se puede montar un tmpfs (hay que ser root)");
        }
        mounted.then_some(Self(directory))
    }

    fn grow(&self) {
        assert!(mount(&["-o", "remount,size=64m"], &self.0.0));
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0.0).status();
    }
}

fn mount(options: &[&str], at: &Path) -> bool {
    Command::new("mount").args(options).arg(at).output().is_ok_and(|output| output.status.success())
}

#[test]
fn a_disk_that_is_really_full_refuses_and_goes_on_when_it_has_grown() {
    // Dropped after the database.
    let Some(disk) = Small::new() else { return };
    let Some(database) = Postgres::start() else { return };
    let place = disk.0.0.join("tablas");
    database.make_directory(&place);
    database.run(&format!("CREATE TABLESPACE chico LOCATION '{}'", place.display()));
    let server = serve_at(&format!("{}?options=-cdefault_tablespace%3Dchico", database.uri()), &[]);
    // What is refused early ends its connection.
    let first = server.client().hand_in(&picture(Format::Jpeg, 64, 48));
    server.client().result(&first);
    let large = pgm(1000, 800);
    let mut ids = Vec::new();
    let refused = until("that the disk is full", || {
        let answer = server.ask(&post("/tareas", &large));
        if answer.status == 202 {
            ids.push(answer.task());
        }
        (answer.status != 202).then_some(answer)
    });
    assert_eq!(refused.expect(507).json()["type"], "urn:tp2:error:almacen-lleno");
    // Small ones may still fit into pages that are there.
    let face = picture(Format::Jpeg, 80, 90);
    let refused = (0..1000).find_map(|number| {
        let answer = server.ask(&request("PUT", &format!("/carpetas/caras/{number}.jpg"), &[], &face));
        (answer.status != 201).then_some(answer)
    });
    refused.expect("room for no end of faces").expect(507);
    server.ask(&post("/", &large)).expect(200);
    server.wait_log("a PostgreSQL no le queda espacio en el disco");
    disk.grow();
    let last = until("that there is room", || {
        let answer = server.ask(&post("/tareas", &large));
        (answer.status == 202).then(|| answer.task())
    });
    for id in ids.iter().chain([&last]) {
        assert_eq!(server.client().ended(id)["estado"], "Completada");
    }
    server.client().result(&first);
    server.ask(&request("PUT", "/carpetas/caras/otra.jpg", &[], &face)).expect(201);
    assert_sound(&database);
}
