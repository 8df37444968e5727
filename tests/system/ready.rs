//! `/healthz` under overload, and `/readyz` when something hangs: both must be correct.
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::common::pictures::picture;
use super::common::processes::{children, signal};
use super::common::server::Scaler;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post};
use tp2::http::format::Format;

const SIGSTOP: i32 = 19;
const SIGCONT: i32 = 18;
/// Time limit for noticing that something hangs: 10 s between self-test pictures, 4 s of patience, and some for a
/// machine that is busy with other tests.
const NOTICED: Duration = Duration::from_secs(19);

/// The reason in `/readyz`; None if it is 200.
fn trouble(server: &Server) -> Option<String> {
    let answer = server.ask(&get("/readyz", &[]));
    match answer.status {
        200 => None,
        503 => Some(answer.problem()["type"].as_str().unwrap().to_owned()),
        status => panic!("{status}"),
    }
}

/// A process and its children.
fn family(parent: u32) -> Vec<u32> {
    let mut pids = children(parent);
    pids.push(parent);
    pids
}

#[test]
fn an_own_scaler_that_is_stopped_is_noticed_and_replaced() {
    let server = Server::start(&["-t", "1"]);
    server.ask(&post("/", &picture(Format::Png, 20, 20))).expect(200);
    let scaler = server.scaler_pid();
    family(scaler).into_iter().for_each(|pid| signal(pid, SIGSTOP));
    let stopped_at = Instant::now();
    let reason = until("that it is noticed", || trouble(&server));
    assert_eq!(reason, "urn:tp2:error:escalador-detenido");
    assert!(stopped_at.elapsed() < NOTICED, "{:?}", stopped_at.elapsed());
    assert!(server.is_healthy());
    server.wait_log("No responde el escalador");
    until("another scaler", || children(server.pid()).into_iter().find(|&pid| pid != scaler));
    until("that it is well again", || trouble(&server).is_none().then_some(()));
    server.wait_log("Responde el escalador de nuevo.");
    server.ask(&post("/", &picture(Format::Png, 20, 20))).expect(200);
}

#[test]
fn a_scaler_elsewhere_that_is_stopped_is_noticed_and_found_again() {
    let scaler = Scaler::tcp();
    let server = Server::start(&["-s", &scaler.destination]);
    server.ask(&post("/", &picture(Format::Png, 20, 20))).expect(200);
    // The children go on, and so do open connections.
    signal(scaler.process.pid(), SIGSTOP);
    let stopped_at = Instant::now();
    let reason = until("that it is noticed", || trouble(&server));
    assert_eq!(reason, "urn:tp2:error:escalador-detenido");
    assert!(stopped_at.elapsed() < NOTICED, "{:?}", stopped_at.elapsed());
    signal(scaler.process.pid(), SIGCONT);
    until("that it is well again", || trouble(&server).is_none().then_some(()));
    server.ask(&post("/", &picture(Format::Png, 20, 20))).expect(200);
}

#[test]
fn health_is_told_at_once_while_the_queue_is_full() {
    let server = Server::start(&["-t", "2", "--cola", "8"]);
    let large = post("/?formato=png", &picture(Format::Png, 3000, 2000));
    let address = server.address();
    let (stop, full) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..12 {
            scope.spawn(|| {
                let mut client = Client::connect(address);
                while !stop.load(Relaxed) {
                    let answer = client.ask(&large);
                    assert!(matches!(answer.status, 200 | 503), "{}", answer.status);
                    full.fetch_or(answer.status == 503, Relaxed);
                    if !answer.is_kept() {
                        client = Client::connect(address);
                    }
                }
            });
        }
        until("that the queue is full", || full.load(Relaxed).then_some(()));
        let mut client = server.client();
        let mut took: Vec<Duration> = (0..200)
            .map(|_| {
                let asked_at = Instant::now();
                client.ask(&get("/healthz", &[])).expect(200);
                asked_at.elapsed()
            })
            .collect();
        stop.store(true, Relaxed);
        took.sort_unstable();
        // On a machine that runs other tests too; on a quiet one the slowest of a hundred is below 10 ms.
        assert!(took[took.len() / 2] < Duration::from_millis(100), "{took:?}");
    });
}
