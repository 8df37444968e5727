//! `--plazo` ends the work itself and not only the waiting for it; so do a client that leaves, and the deletion of a
//! task.
use super::common::pictures::pgm;
use super::common::processes::signal;
use super::common::tasks::{Store, get};
use super::common::wait::until;
use super::common::{Client, Server, post};

const SIGKILL: i32 = 9;
const SIGTERM: i32 = 15;

/// Bits from the lowest of each byte up (RFC 1951, 3.1.1).
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    value: u32,
    count: u32,
}

impl Bits {
    fn put(&mut self, width: u32, bits: u32) {
        self.value |= bits << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push(self.value.to_le_bytes()[0]);
            self.value >>= 8;
            self.count -= 8;
        }
    }
}

/// So many zeros as a zlib stream: one block of the fixed codes (RFC 1951, 3.2.6), a run of matches at distance 1.
fn zeros(count: usize) -> Vec<u8> {
    let mut bits = Bits::default();
    bits.put(3, 0b011);
    // The literal 0 has the code 00110000, the length 258 the code 11000101, distance 1 five zeros; codes begin with their highest bit.
    for _ in 0..1 + (count - 1) % 258 {
        bits.put(8, 0b0000_1100);
    }
    for _ in 0..(count - 1) / 258 {
        bits.put(13, 0b1010_0011);
    }
    bits.put(7, 0);
    bits.put(7, 0);
    let mut stream = b"\x78\x01".to_vec();
    stream.append(&mut bits.bytes);
    // Adler-32 of zeros.
    let sum = u32::try_from(count % 65_521).unwrap() << 16 | 1;
    stream.extend(sum.to_be_bytes());
    stream
}

/// ISO 3309, as PNG has it.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 & (sum & 1).wrapping_neg()))
    })
}

/// 100 megapixels of 8 bytes each, all zero: a valid file that takes seconds in a build like this one.
fn expensive() -> Vec<u8> {
    let side = 10_000_u32;
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8], body: &[u8]| {
        file.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
        let begins_at = file.len();
        file.extend([kind, body].concat());
        let sum = crc32(&file[begins_at..]);
        file.extend(sum.to_be_bytes());
    };
    let sides = [side.to_be_bytes(), side.to_be_bytes()].concat();
    chunk(b"IHDR", &[&sides[..], &[16, 6, 0, 0, 0]].concat());
    chunk(b"IDAT", &zeros((side * (side * 8 + 1)) as usize));
    chunk(b"IEND", b"");
    file
}

fn value(client: &mut Client, sample: &str) -> f64 {
    let page = client.ask(&get("/metrics", &[])).expect(200);
    let page = String::from_utf8(page.body).unwrap();
    page.lines().find_map(|line| line.strip_prefix(sample)?.strip_prefix(' ')).unwrap().parse().unwrap()
}

/// No worker has a job, nothing is charged, and the server is ready.
fn wait_for_rest(server: &Server) {
    let mut client = server.client();
    until("that the work has ended", || {
        let idle = ["tp2_workers_busy", "tp2_memory_bytes", "tp2_tasks_in_work"]
            .iter()
            .all(|sample| value(&mut client, sample) == 0.0);
        idle.then_some(())
    });
    // No result: it was not just finished.
    assert_eq!(value(&mut client, "tp2_stage_seconds_count{stage=\"decode\"}"), 0.0);
    assert_eq!(value(&mut client, "tp2_workers_replaced_total"), 0.0);
    until("that all is well", || (server.ask(&get("/readyz", &[])).status == 200).then_some(()));
    server.ask(&post("/", &pgm(40, 30))).expect(200);
}

/// Waits until work on the picture has begun.
fn wait_for_work(client: &mut Client) {
    until("that a worker has it", || (value(client, "tp2_workers_busy") == 1.0).then_some(()));
}

#[test]
fn the_deadline_ends_a_decoder_that_is_running() {
    let server = Server::start(&["-t", "1", "--plazo", "1"]);
    let answer = server.ask(&post("/", &expensive())).expect(504);
    assert_eq!(answer.problem()["type"], "urn:tp2:error:plazo-vencido");
    wait_for_rest(&server);
}

#[test]
fn a_client_that_leaves_ends_the_decoder_too() {
    let server = Server::start(&["-t", "1"]);
    let mut leaving = server.client();
    // With an unread answer its close resets the connection; a mere half-close would be netcat's.
    leaving.send(&get("/healthz", &[]));
    leaving.send(&post("/", &expensive()));
    let mut client = server.client();
    wait_for_work(&mut client);
    drop(leaving);
    wait_for_rest(&server);
}

#[test]
fn a_task_that_is_late_fails_once_and_ends_its_decoder() {
    let server = Server::start(&["-t", "1", "--plazo", "1"]);
    let mut client = server.client();
    let late = client.hand_in(&expensive());
    let next = client.hand_in(&pgm(40, 30));
    let status = client.ended(&late);
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &504.into()), "{status}");
    assert!(status["detalle"].as_str().unwrap().contains("--plazo"), "{status}");
    client.result(&next);
    until("that its end is told", || server.log().contains("Tarea terminada con error 504").then_some(()));
    assert_eq!(server.log().matches("Tarea terminada con error 504").count(), 1);
}

#[test]
fn a_task_that_is_deleted_ends_its_decoder() {
    let server = Server::start(&["-t", "1"]);
    let mut client = server.client();
    let id = client.hand_in(&expensive());
    wait_for_work(&mut client);
    client.delete(&id).expect(204);
    wait_for_rest(&server);
}

#[test]
fn a_late_task_fails_once_also_over_restarts() {
    let store = Store::new();
    let mut log = String::new();
    let mut id = None;
    for signalled in [SIGTERM, SIGKILL] {
        let mut server = store.serve(&["-t", "1", "--plazo", "10"]);
        let mut client = server.client();
        if id.is_none() {
            id = Some(client.hand_in(&expensive()));
        }
        wait_for_work(&mut client);
        signal(server.pid(), signalled);
        server.wait();
        log += &server.log();
    }
    let server = store.serve(&["-t", "1", "--plazo", "1"]);
    let mut client = server.client();
    let status = client.ended(&id.unwrap());
    assert_eq!((&status["estado"], &status["codigo"]), (&"Error".into(), &504.into()), "{status}");
    until("that its end is told", || server.log().contains("Tarea terminada con error").then_some(()));
    log += &server.log();
    assert_eq!(log.matches("Tarea terminada con error").count(), 1, "{log}");
    until("that no worker has it", || (value(&mut client, "tp2_workers_busy") == 0.0).then_some(()));
}
