//! Tasks across the end of servers: killed, stopped, crashed by a picture.
//!
//! `TP2_RONDAS=20 cargo test --test system tasks_crashes` kills as often as that, with 500 tasks waiting.
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tp2::http::format::Format;

use super::common::fake_scaler::{FakeScaler, Question};
use super::common::pictures::{pgm, photo, picture};
use super::common::processes::{children, kill_9};
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, Server, post};

fn rounds() -> usize {
    std::env::var("TP2_RONDAS").map_or(3, |text| text.parse().expect("a number"))
}

/// Different pictures, one in four of them large, so that they are submitted faster than they are processed, and a
/// server's direct answer to each.
fn mixed() -> Vec<(Vec<u8>, Vec<u8>)> {
    let server = Server::start(&[]);
    let mut client = server.client();
    let formats = [Format::Jpeg, Format::Png, Format::Bmp, Format::Pnm, Format::Gif];
    let small = (0..12).map(|number| picture(formats[number as usize % 5], 40 + number, 60));
    let large = (0..4).map(|number| picture(Format::Png, 1600 + number, 1200));
    small
        .chain(large)
        .map(|file| {
            let alone = client.ask(&post("/", &file)).expect(200).body;
            (file, alone)
        })
        .collect()
}

/// Pseudo-random numbers: a linear congruential generator's.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    /// Waits for a random time up to this.
    fn moment(&mut self, within: Duration) {
        let time = Duration::from_micros(self.below(u64::try_from(within.as_micros()).unwrap()));
        let start = Instant::now();
        until("a moment", || (start.elapsed() >= time).then_some(()));
    }
}

/// Submits pictures one after the other until the server stops or is gone; records each accepted task and its
/// picture.
fn keep_handing_in(
    address: SocketAddr,
    pictures: &[(Vec<u8>, Vec<u8>)],
    next: &AtomicUsize,
    accepted: &Mutex<Vec<(String, usize)>>,
) {
    let mut client = Client::connect(address);
    loop {
        let number = next.fetch_add(1, Relaxed) % pictures.len();
        match client.attempt(&post("/tareas", &pictures[number].0)) {
            Ok(answer) if answer.status == 503 => return,
            Ok(answer) => accepted.lock().unwrap().push((answer.expect(202).task(), number)),
            Err(_) => return,
        }
    }
}

/// Every task succeeds, with the same picture as a direct upload.
fn assert_all_completed(server: &Server, pictures: &[(Vec<u8>, Vec<u8>)], accepted: &[(String, usize)]) {
    let mut client = server.client();
    for (id, number) in accepted {
        let status = client.ended(id);
        assert_eq!(status["estado"], "Completada", "{status}");
        let file = client.ask(&get(&format!("/tareas/{id}/imagen"), &[])).expect(200).body;
        assert!(file == pictures[*number].1, "{id}, picture {number}");
    }
}

/// How often each task was completed, according to the logs.
fn completions(logs: &[String]) -> HashMap<&str, usize> {
    let mut times = HashMap::new();
    for line in logs.iter().flat_map(|log| log.lines()) {
        if let Some((before, _)) = line.split_once(" - Tarea completada: ") {
            *times.entry(before.rsplit(' ').next().unwrap()).or_default() += 1;
        }
    }
    times
}

#[test]
fn what_was_accepted_survives_kill_9_and_is_done_once() {
    let rounds = rounds();
    let waiting = if rounds > 10 { 500 } else { 60 };
    let (store, pictures, mut chance) = (Store::new(), mixed(), Chance(0x7470_3200 + rounds as u64));
    let (accepted, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    let mut logs = Vec::new();
    for round in 0..rounds {
        let mut server = store.serve(&["-t", "2"]);
        let address = server.address();
        std::thread::scope(|scope| {
            for _ in 0..3 {
                scope.spawn(|| keep_handing_in(address, &pictures, &next, &accepted));
            }
            until("that many wait", || {
                let handed_in = accepted.lock().unwrap().len();
                let done =
                    logs.iter().map(String::as_str).chain([&*server.log()]).map(completed).sum::<usize>();
                (handed_in >= done + waiting).then_some(())
            });
            if round % 3 == 2 {
                let scaler = server.scaler_pid();
                children(scaler).into_iter().chain([scaler]).for_each(kill_9);
            }
            chance.moment(Duration::from_millis(400));
            server.kill();
        });
        logs.push(server.log());
    }
    let mut server = store.serve(&["-t", "2"]);
    let accepted = accepted.into_inner().unwrap();
    assert_all_completed(&server, &pictures, &accepted);
    server.terminate();
    assert_eq!(server.wait().code(), Some(0));
    logs.push(server.log());
    let twice: Vec<_> = completions(&logs).into_iter().filter(|(_, times)| *times > 1).collect();
    assert!(twice.is_empty(), "{twice:?}");
    let (check, states) = store.inspect();
    assert_eq!(check, "ok");
    println!("{} accepted, {rounds} kills, {states:?}", accepted.len());
}

fn completed(log: &str) -> usize {
    log.matches(" - Tarea completada: ").count()
}

#[test]
fn sigterm_loses_no_answer_and_no_task() {
    let (store, pictures, mut chance) = (Store::new(), mixed(), Chance(7));
    let (accepted, next) = (Mutex::new(Vec::new()), AtomicUsize::new(0));
    for _ in 0..rounds() {
        let mut server = store.serve(&["-t", "2"]);
        let (address, answered) = (server.address(), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for first in 0..3 {
                let (pictures, answered) = (&pictures, &answered);
                scope.spawn(move || {
                    let mut client = Client::connect(address);
                    for number in (0..pictures.len()).cycle().skip(first) {
                        match client.attempt(&post("/", &pictures[number].0)) {
                            Ok(answer) if answer.status == 200 => {
                                assert!(answer.body == pictures[number].1);
                                answered.fetch_add(1, Relaxed);
                            }
                            Ok(answer) => assert_eq!(answer.status, 503),
                            Err(received) => return assert_eq!(received, 0, "an answer that was cut off"),
                        }
                    }
                });
            }
            scope.spawn(|| keep_handing_in(address, &pictures, &next, &accepted));
            until("some answers", || (answered.load(Relaxed) > 5).then_some(()));
            chance.moment(Duration::from_millis(300));
            server.terminate();
        });
        assert_eq!(server.wait().code(), Some(0));
        // Every completely read request got a complete answer.
        let log = server.log();
        for line in log.lines().filter(|line| line.contains("Tarea recibida")) {
            let id = line.rsplit('/').next().unwrap();
            let answers =
                |line: &&str| line.contains(id) && line.contains(" - POST /") && !line.contains("cortada");
            assert_eq!(log.lines().filter(answers).count(), 1, "{line}");
        }
    }
    let server = store.serve(&["-t", "2"]);
    assert_all_completed(&server, &pictures, &accepted.into_inner().unwrap());
    let (check, states) = store.inspect();
    assert_eq!((&*check, states.len()), ("ok", 1), "{states:?}");
}

#[test]
fn a_picture_that_fells_the_server_three_times_is_given_up_and_its_neighbours_are_not() {
    let (scaler, store) = (FakeScaler::start(), Store::new());
    let arguments = ["-s", &scaler.destination(), "-t", "1"];
    let of_culprit = |question: &Question| question.target == (50, 40);
    let mut server = store.serve(&arguments);
    let mut client = server.client();
    let neighbour = client.hand_in(&pgm(30, 20));
    let culprit = client.hand_in(&pgm(100, 80));
    let others: Vec<String> = (0..3).map(|_| client.hand_in(&pgm(30, 20))).collect();
    // The culprit crashes the server once with its neighbour in work too, and then twice alone.
    for fall in 0..3 {
        loop {
            let mut question = scaler.question();
            if of_culprit(&question) {
                let beside = scaler.question_within(Duration::from_millis(50));
                assert!(fall == 0 || beside.is_none(), "a suspect is alone");
                break;
            }
            if fall > 0 {
                question.answer();
            }
        }
        assert_eq!(server.client().status(&culprit)["estado"], "En progreso");
        server.kill();
        server = store.serve(&arguments);
    }
    let mut client = server.client();
    let status = client.status(&culprit);
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &500.into()), "{status}");
    assert_eq!(status["detalle"], "la imagen hizo caer el servidor");
    let answer = client.ask(&get(&format!("/tareas/{culprit}/imagen"), &[])).expect(500);
    assert_eq!(answer.problem_of(&culprit)["detail"], "la imagen hizo caer el servidor");
    for id in others.iter().chain([&neighbour]) {
        until("the end of a neighbour", || {
            if let Some(mut question) = scaler.question_within(Duration::from_millis(5)) {
                assert!(!of_culprit(&question));
                question.answer();
            }
            (client.status(id)["estado"] == "Completada").then_some(())
        });
    }
}

#[test]
fn a_server_takes_up_what_waits_although_nobody_asks() {
    let (scaler, store) = (FakeScaler::start(), Store::new());
    let mut first = store.serve(&["-s", &scaler.destination()]);
    first.client().hand_in(&pgm(30, 20));
    drop(scaler.question());
    first.terminate();
    first.wait();
    let _second = store.serve(&["-s", &scaler.destination()]);
    scaler.question();
}

#[test]
fn an_orderly_stop_blames_no_task() {
    let (scaler, store) = (FakeScaler::start(), Store::new());
    let mut id = None;
    for _ in 0..4 {
        let mut server = store.serve(&["-s", &scaler.destination()]);
        id.get_or_insert_with(|| server.client().hand_in(&pgm(30, 20)));
        let _held = scaler.question();
        server.terminate();
        assert_eq!(server.wait().code(), Some(0));
    }
    let server = store.serve(&[]);
    assert_eq!(server.client().ended(&id.unwrap())["estado"], "Completada");
}

#[test]
fn a_scaler_that_is_killed_again_and_again_fails_no_task() {
    let server = Server::start(&["-t", "2"]);
    let mut client = server.client();
    let picture = photo("rocket.jpg");
    let alone = client.ask(&post("/", &picture)).expect(200).body;
    let ids: Vec<String> = (0..30).map(|_| client.hand_in(&picture)).collect();
    let kill = || {
        let scaler = server.scaler_pid();
        children(scaler).into_iter().chain([scaler]).for_each(kill_9);
    };
    for (number, id) in ids.iter().enumerate() {
        if number % 10 == 0 {
            kill();
        }
        assert!(client.result(id) == alone);
    }
}
