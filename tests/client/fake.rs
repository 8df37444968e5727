//! A scripted server: answers late, wrongly, in pieces, or not at all.
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Listens on a port of its own, until the test's process ends.
pub(crate) struct Fake {
    pub(crate) port: u16,
    asked: Arc<Mutex<Vec<Asked>>>,
}

#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// Which connection it came on, from 0.
    pub(crate) connection: usize,
    pub(crate) method: String,
    pub(crate) target: String,
    /// Name in lower case, value.
    pub(crate) fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

/// The reply to a request.
pub(crate) enum Answer {
    /// A whole answer.
    Whole(String, Vec<u8>),
    /// These bytes, then the connection is closed.
    Cut(Vec<u8>),
}

impl Asked {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// Method and target.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.target)
    }
}

impl Answer {
    /// An answer with these fields, each ended by CR LF, and this body.
    pub(crate) fn new(status: u16, fields: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Whole(format!("HTTP/1.1 {status} X\r\n{fields}"), body.into())
    }

    pub(crate) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::new(status, "Content-Type: application/json\r\n", body.to_string())
    }
}

impl Fake {
    /// `answer` is called with every request, and how many came before it.
    pub(crate) fn start(answer: impl Fn(&Asked, usize) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let (log, answer) = (Arc::clone(&asked), Arc::new(answer));
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let (log, answer) = (Arc::clone(&log), Arc::clone(&answer));
                std::thread::spawn(move || serve(&stream, number, &log, &*answer));
            }
        });
        Self { port, asked }
    }

    /// All requests so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// Method and target of all requests so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.asked().iter().map(Asked::line).collect()
    }
}

fn serve(
    mut stream: &TcpStream,
    connection: usize,
    log: &Mutex<Vec<Asked>>,
    answer: &dyn Fn(&Asked, usize) -> Answer,
) {
    stream.set_nodelay(true).unwrap();
    let mut input = BufReader::new(stream);
    while let Some(asked) = read_request(&mut input, connection) {
        let before = {
            let mut log = log.lock().unwrap();
            log.push(asked.clone());
            log.len() - 1
        };
        let written = match answer(&asked, before) {
            Answer::Whole(head, body) => {
                let head = format!("{head}Content-Length: {}\r\n\r\n", body.len());
                stream.write_all(&[head.as_bytes(), &body].concat())
            }
            Answer::Cut(bytes) => {
                // The client may have left already.
                let _ = stream.write_all(&bytes);
                return;
            }
        };
        if written.is_err() {
            return;
        }
    }
}

fn read_request(input: &mut impl BufRead, connection: usize) -> Option<Asked> {
    let mut line = || {
        let mut line = String::new();
        let whole = input.read_line(&mut line).is_ok_and(|n| n > 0);
        whole.then(|| line.trim_end().to_owned())
    };
    let first = line()?;
    let (method, rest) = first.split_once(' ')?;
    let target = rest.strip_suffix(" HTTP/1.1")?;
    let mut fields = Vec::new();
    loop {
        let line = line()?;
        if line.is_empty() {
            break;
        }
        let (name, value) = line.split_once(": ")?;
        fields.push((name.to_ascii_lowercase(), value.to_owned()));
    }
    let mut asked =
        Asked { connection, method: method.into(), target: target.into(), fields, body: Vec::new() };
    let length = asked.field("content-length").map_or(0, |length| length.parse().unwrap());
    asked.body.resize(length, 0);
    input.read_exact(&mut asked.body).ok()?;
    Some(asked)
}
