//! A scripted scaler: answers late, wrongly, or not at all.
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use tp2::work::self_test::SIZES as PROBE;

use super::wait::PATIENCE;

/// Listens, reads whole requests, and hands each to the test together with its connection.
pub(crate) struct FakeScaler {
    address: SocketAddr,
    requests: Receiver<Question>,
}

/// A picture to be scaled, and the connection to answer on.
pub(crate) struct Question {
    /// Columns and rows of the answer.
    pub(crate) target: (u32, u32),
    pub(crate) stream: TcpStream,
}

impl FakeScaler {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, requests) = channel();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let sender = sender.clone();
                std::thread::spawn(move || read_requests(&stream, &sender));
            }
        });
        Self { address, requests }
    }

    /// For `-s`.
    pub(crate) fn destination(&self) -> String {
        self.address.to_string()
    }

    /// The next complete request.
    pub(crate) fn question(&self) -> Question {
        self.question_within(PATIENCE).expect("a request to the scaler")
    }

    /// The same, with a time limit.
    pub(crate) fn question_within(&self, time: Duration) -> Option<Question> {
        self.requests.recv_timeout(time).ok()
    }
}

impl Question {
    /// A gray picture of the size asked for.
    pub(crate) fn answer(&mut self) {
        let (width, height) = self.target;
        let mut reply = format!("OK\nP5\n{width} {height}\n255\n").into_bytes();
        reply.resize(reply.len() + (width * height) as usize, 128);
        self.answer_with(&reply);
    }

    /// Any bytes.
    pub(crate) fn answer_with(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("tp2 listens");
    }
}

/// `ESCALAR WxH`, then a PGM: as much of the protocol as tp2 uses for opaque pictures.
fn read_requests(mut stream: &TcpStream, sender: &Sender<Question>) {
    let sides = |text: &str, between| {
        let (width, height) = text.split_once(between)?;
        Some((width.parse().ok()?, height.parse().ok()?))
    };
    while let Some(first) = read_line(stream) {
        let target = first.strip_prefix("ESCALAR ").and_then(|text| sides(text, 'x')).expect("a size");
        assert_eq!(read_line(stream).as_deref(), Some("P5"));
        let (width, height): (u32, u32) =
            read_line(stream).and_then(|text| sides(&text, ' ')).expect("two sides");
        assert_eq!(read_line(stream).as_deref(), Some("255"));
        let mut samples = vec![0; (width * height) as usize];
        if stream.read_exact(&mut samples).is_err() {
            return;
        }
        let Ok(stream) = stream.try_clone() else { return };
        // The server's self-test picture, of a size that no test sends.
        if ((width, height), target) == (PROBE[0], PROBE[1]) {
            Question { target, stream }.answer();
            continue;
        }
        if sender.send(Question { target, stream }).is_err() {
            return;
        }
    }
}

/// A line without its end; None at the end of the stream.
fn read_line(mut stream: &TcpStream) -> Option<String> {
    let mut text = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).ok()? == 1 {
        if byte[0] == b'\n' {
            return String::from_utf8(text).ok();
        }
        text.push(byte[0]);
    }
    None
}
