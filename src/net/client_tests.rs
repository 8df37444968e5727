//! The pump over a faulty stream: short reads and writes, spurious readiness, interruptions, an end of stream
//! together with the last bytes, errors. A seeded generator drives it, so that a failure is reproducible.
use std::io;
use std::rc::Rc;
use std::time::{Instant, SystemTime};

use uuid::Uuid;

use super::*;
use crate::conn::connection::{Action, INPUT_MAX};
use crate::conn::local_address::{ListenerRole, LocalAddress};
use crate::model::admission::Admission;
use crate::model::error::WorkError;
use crate::model::server_state::{Limits, ServerState};

/// xorshift64: a repeatable pseudo-random sequence.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % bound as u64).unwrap()
    }
}

/// What the peer sends, what it has received, and how faulty the stream is.
struct Faulty {
    chance: Chance,
    input: Vec<u8>,
    read: usize,
    output: Vec<u8>,
    /// The end of stream follows the input.
    ends: bool,
    breaks_after: Option<usize>,
}

impl Faulty {
    fn mishap(&mut self) -> io::Result<()> {
        if self.breaks_after.is_some_and(|limit| self.read + self.output.len() >= limit) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        match self.chance.below(6) {
            0 => Err(io::ErrorKind::WouldBlock.into()),
            1 => Err(io::ErrorKind::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

impl Read for Faulty {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.mishap()?;
        let rest = &self.input[self.read..];
        if rest.is_empty() {
            return if self.ends { Ok(0) } else { Err(io::ErrorKind::WouldBlock.into()) };
        }
        let n = (1 + self.chance.below(5000)).min(rest.len()).min(buffer.len());
        buffer[..n].copy_from_slice(&rest[..n]);
        self.read += n;
        Ok(n)
    }
}

impl Write for Faulty {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.mishap()?;
        let n = (1 + self.chance.below(50)).min(bytes.len());
        self.output.extend_from_slice(&bytes[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn connection(now: Now) -> Connection {
    let admission = Admission::new(4, 1 << 24, 1);
    let server = ServerState::new(Limits::default(), admission, Uuid::new_v4);
    let local_address =
        LocalAddress { side: ListenerRole::Main, host: "localhost".into(), port: 80, peer: None };
    Connection::new(Rc::new(server), local_address, now)
}

/// Pumps with any readiness that epoll might report until the connection closes; answers every order with a failure.
fn converse(stream: &mut Faulty) -> Pumped {
    let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH };
    let mut connection = connection(now);
    let mut readiness = Readiness::default();
    let mut scratch = vec![0; INPUT_MAX];
    for _ in 0..100_000 {
        // An edge for each side; the kernel may announce the end of stream at any moment before it is read.
        readiness.read = true;
        readiness.write = true;
        readiness.half_closed = stream.ends;
        let pumped = pump(stream, &mut readiness, &mut connection, &mut scratch, now);
        while let Some(action) = connection.poll_action() {
            if let Action::Submit(order) = action {
                connection.handle_done(order.id, &Err(WorkError::Undecodable("prueba".into())), now);
            }
        }
        if pumped == Pumped::Gone || connection.is_closed() {
            return pumped;
        }
    }
    panic!("no end: {}", stream.output.escape_ascii());
}

fn upload(bytes: usize) -> Vec<u8> {
    let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {bytes}\r\n\r\n");
    let mut request = head.into_bytes();
    request.extend_from_slice(b"\x89PNG\r\n\x1a\n");
    request.resize(request.len() + bytes - 8, 7);
    request
}

fn statuses(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output);
    text.match_indices("HTTP/1.1 ").map(|(at, _)| text[at + 9..at + 12].to_owned()).collect()
}

#[test]
fn every_answer_survives_a_bad_way() {
    for seed in 1..200 {
        let mut input = upload(100_000);
        input.extend(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        input.extend(upload(9));
        let mut stream = Faulty {
            chance: Chance(seed),
            input,
            read: 0,
            output: Vec::new(),
            ends: true,
            breaks_after: None,
        };
        assert_eq!(converse(&mut stream), Pumped::Idle, "seed {seed}");
        assert_eq!(statuses(&stream.output), ["422", "200", "422"], "seed {seed}");
        assert_eq!(stream.read, stream.input.len());
    }
}

#[test]
fn a_reset_at_any_moment_ends_it() {
    for limit in (0..100_000).step_by(997) {
        let mut stream = Faulty {
            chance: Chance(limit as u64 + 1),
            input: upload(100_000),
            read: 0,
            output: Vec::new(),
            ends: false,
            breaks_after: Some(limit),
        };
        assert_eq!(converse(&mut stream), Pumped::Gone);
    }
}

/// A stream that never blocks.
struct Endless;

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        buffer.fill(0);
        Ok(buffer.len())
    }
}

impl Write for Endless {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn nobody_keeps_the_turn() {
    let now = Now { at: Instant::now(), wall: SystemTime::UNIX_EPOCH };
    let mut connection = connection(now);
    connection.handle_input(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 30000000\r\n\r\n", now);
    let mut readiness = Readiness { read: true, write: true, half_closed: false };
    let mut scratch = vec![0; INPUT_MAX];
    assert_eq!(pump(&mut Endless, &mut readiness, &mut connection, &mut scratch, now), Pumped::Again);
}
