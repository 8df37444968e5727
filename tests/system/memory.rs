//! Memory: `--memoria` limits the memory of all processes together, and it is returned afterwards.
use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use super::common::pictures::{decoded, pgm, picture, slope};
use super::common::processes::resident_bytes_of_all;
use super::common::tasks::get;
use super::common::wait::until;
use super::common::{Client, Server, post};
use tp2::http::format::Format;

/// MiB that all processes may use beyond `--memoria`.
const BESIDE: u64 = 80;
/// MiB that idle processes may keep after work.
const KEPT: u64 = 16;

/// MiB of a process and its children.
fn resident(server: &Server) -> u64 {
    resident_bytes_of_all(server.pid()) >> 20
}

/// Each client sends each of the requests, all at the same time; returns how many pictures were made.
fn send_at_once(server: &Server, requests: &[Vec<u8>], clients: usize, mut watch: impl FnMut()) -> usize {
    let address = server.address();
    std::thread::scope(|scope| {
        let client = |number: usize| {
            let upload = |turn: usize| {
                let request = &requests[(number + turn) % requests.len()];
                match Client::connect(address).attempt(request).map(|answer| answer.status) {
                    Ok(200) => true,
                    // The memory is full, or the deadline passed on a busy machine.
                    Ok(503 | 504) => false,
                    other => panic!("{other:?}"),
                }
            };
            (0..requests.len()).filter(|&turn| upload(turn)).count()
        };
        let clients: Vec<_> = (0..clients).map(|number| scope.spawn(move || client(number))).collect();
        until("that all have an answer", || {
            watch();
            clients.iter().all(std::thread::ScopedJoinHandle::is_finished).then_some(())
        });
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    })
}

#[test]
fn uploads_at_once_take_no_more_than_they_may_and_give_it_back() {
    const MEMORY: u64 = 48;
    let server = Server::start(&["-t", "2", "--memoria", &MEMORY.to_string()]);
    let requests = [
        post("/?escala=1", &picture(Format::Jpeg, 2000, 1600)),
        post("/?escala=1&formato=jpeg", &pgm(1600, 1200)),
        post("/?escala=1&formato=jpeg", &pgm(900, 800)),
    ];
    server.ask(&requests[2]).expect(200);
    let (resting, mut most) = (resident(&server), 0);
    let answered = send_at_once(&server, &requests, 12, || most = most.max(resident(&server)));
    println!("{answered} of 36 pictures, {most} MiB at most, {resting} at rest");
    assert!(answered > 0);
    assert!(most <= MEMORY + BESIDE, "{most} MiB");
    until("that the memory comes back", || (resident(&server) <= resting + KEPT).then_some(()));
}

/// A server under constant load has no idle second for cleaning up: a picture's memory is returned at once.
#[test]
fn memory_comes_back_while_there_is_work() {
    let server = Server::start(&["-t", "2"]);
    server.ask(&post("/", &pgm(900, 800))).expect(200);
    let resting = resident(&server);
    let (mut uploading, upload) = (server.client(), post("/", &pgm(3000, 2000)));
    let mut sent = 0;
    // A little at a time, so that there is always a job in progress.
    let mut go_on = || {
        let next = upload.len().min(sent + 500);
        uploading.send(&upload[sent..next]);
        sent = next;
    };
    let requests = [
        post("/?escala=1&formato=jpeg", &pgm(4000, 3000)),
        post("/?escala=1", &picture(Format::Jpeg, 4000, 3000)),
    ];
    let answered = send_at_once(&server, &requests, 4, &mut go_on);
    assert!(answered > 0);
    until("that the memory comes back", || {
        go_on();
        (resident(&server) <= resting + KEPT).then_some(())
    });
    assert!(sent < upload.len());
    uploading.send(&upload[sent..]);
    uploading.response().expect(200);
}

/// Blocks too small for mmap, and others that stay between them.
#[test]
fn memory_of_many_small_uploads_comes_back_although_others_stay() {
    let server = Server::start(&["-t", "2"]);
    server.ask(&post("/", &pgm(900, 800))).expect(200);
    let resting = resident(&server);
    let upload = post("/", &pgm(900, 800));
    let mut clients: Vec<_> = (0..200).map(|_| server.client()).collect();
    // In turns, so that the blocks of both are interleaved.
    for piece in upload[..600_000].chunks(60_000) {
        for client in &mut clients {
            client.send(piece);
        }
    }
    let held = || {
        let page = String::from_utf8(server.ask(&get("/metrics", &[])).body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("tp2_memory_bytes ")).unwrap();
        line.parse::<u64>().unwrap() >> 20
    };
    until("that all are held", || (held() >= 110).then_some(()));
    assert!(resident(&server) >= resting + 100);
    let mut number = 0;
    clients.retain(|_| {
        number += 1;
        number % 20 == 0
    });
    // Fast enough to stay above the minimum rate, however long this takes.
    let (mut sent, mut sent_at) = (600_000, Instant::now());
    let mut go_on = |clients: &mut [Client]| {
        if sent_at.elapsed() >= Duration::from_secs(1) {
            let next = upload.len().min(sent + 1500);
            for client in clients {
                client.send(&upload[sent..next]);
            }
            (sent, sent_at) = (next, Instant::now());
        }
        sent
    };
    until("that most are gone", || {
        go_on(&mut clients);
        (held() <= 8).then_some(())
    });
    until("that their memory comes back", || {
        go_on(&mut clients);
        (resident(&server) <= resting + KEPT).then_some(())
    });
    let sent = go_on(&mut clients);
    assert!(sent < upload.len());
    for mut client in clients {
        client.send(&upload[sent..]);
        client.response().expect(200);
    }
}

#[test]
fn what_a_reader_has_taken_of_a_large_answer_is_charged_no_more() {
    const SIDE: u32 = 6000;
    let (whole, length) = (u64::from(SIDE * SIDE), usize::try_from(SIDE * SIDE).unwrap());
    let server = Server::start(&["-t", "1", "--memoria", "800"]);
    let mut stream = TcpStream::connect(server.address()).unwrap();
    stream.write_all(&post("/?escala=1&formato=bmp", &picture(Format::Png, SIDE, SIDE))).unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let charged = || -> u64 {
        let page = String::from_utf8(server.ask(&get("/metrics", &[])).expect(200).body).unwrap();
        let line = page.lines().find_map(|line| line.strip_prefix("tp2_memory_bytes ")).unwrap();
        line.parse().unwrap()
    };
    // The kernel takes some megabytes before anything is read.
    let held = until("that the answer is charged", || Some(charged()).filter(|&bytes| bytes <= whole + 1078));
    assert!(held > whole / 2, "{held}");
    let mut half = vec![0; length / 2];
    stream.read_exact(&mut half).unwrap();
    until("that the half is not charged", || (charged() <= whole / 2).then_some(()));
    let mut rest = Vec::new();
    stream.shutdown(Shutdown::Write).unwrap();
    stream.read_to_end(&mut rest).unwrap();
    assert!(half.len() + rest.len() + first.len() > length, "{} bytes", rest.len());
    // Every byte is the picture's: nothing was given back too early.
    let sent = [&first[..], &half, &rest].concat();
    let body = sent.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
    let (_, raster) = decoded(&sent[body..]);
    let expected = slope(SIDE, SIDE);
    assert_eq!((raster.width, raster.height), (SIDE, SIDE));
    assert!(raster.samples == expected.samples, "another picture");
    until("that nothing is charged", || (charged() == 0).then_some(()));
}
