//! HTTP on a bare socket: sends exactly the test's bytes, and checks every answer's syntax, and that it is described.
use std::cell::Cell;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::asked::Asked;
use super::described::assert_described;
use super::wait::PATIENCE;

thread_local! {
    /// In a test whose server has a wrong clock: the dates of answers are not checked.
    pub(crate) static CLOCK_IS_OFF: Cell<bool> = const { Cell::new(false) };
}

pub(crate) struct Client {
    pub(crate) stream: TcpStream,
    received: Vec<u8>,
    asked: Asked,
}

#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap_or_else(|error| panic!("{address}: {error}"));
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { stream, received: Vec::new(), asked: Asked::default() }
    }

    /// A connection to the listener of `-l`, which has at `/` what the main one has below `/scaled_images/`.
    pub(crate) fn connect_to_links(address: SocketAddr) -> Self {
        let mut client = Self::connect(address);
        client.asked.base = "/scaled_images";
        client
    }

    /// The same connection for another thread, to send on while this one reads.
    pub(crate) fn another_end(&self) -> Self {
        Self { stream: self.stream.try_clone().unwrap(), received: Vec::new(), asked: Asked::default() }
    }

    /// Sends all of it.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> &mut Self {
        self.asked.sent(bytes);
        self.stream.write_all(bytes).expect("the server takes what we send");
        self
    }

    /// Sends as much of it as the server takes; whether that was all.
    pub(crate) fn try_send(&mut self, bytes: &[u8]) -> bool {
        self.asked.sent(bytes);
        match self.stream.write_all(bytes) {
            Ok(()) => true,
            Err(error) => {
                let closed = matches!(error.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset);
                assert!(closed, "{error}");
                false
            }
        }
    }

    /// Closes the sending side.
    pub(crate) fn half_close(&mut self) -> &mut Self {
        self.stream.shutdown(Shutdown::Write).expect("a connection to half-close");
        self
    }

    /// Sends a request and reads its answer.
    pub(crate) fn ask(&mut self, request: &[u8]) -> Response {
        self.send(request);
        self.response()
    }

    /// The next answer, an interim one (1xx) included.
    pub(crate) fn response(&mut self) -> Response {
        self.read_response(false)
    }

    /// The answer to a HEAD request: no body, whatever its length says.
    pub(crate) fn response_to_head(&mut self) -> Response {
        self.read_response(true)
    }

    fn read_response(&mut self, head_only: bool) -> Response {
        let end = loop {
            if let Some(at) = self.received.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            assert!(self.read(), "no answer, but {:?}", String::from_utf8_lossy(&self.received));
        };
        let head: Vec<u8> = self.received.drain(..end).collect();
        let mut response = Response::parse(std::str::from_utf8(&head).expect("an ASCII head"));
        if response.status >= 200 && !matches!(response.status, 204 | 304) {
            let length: usize = response.field("content-length").expect("a length").parse().unwrap();
            while !head_only && self.received.len() < length {
                assert!(self.read(), "{} of {length} bytes of the body", self.received.len());
            }
            response.body = self.received.drain(..if head_only { 0 } else { length }).collect();
        }
        if response.status >= 200 {
            assert_described(self.asked.answered().as_ref(), &response, head_only);
        }
        response
    }

    /// Asks a server that may end at any moment: its answer, or how many bytes of one came.
    pub(crate) fn attempt(&mut self, request: &[u8]) -> Result<Response, usize> {
        // An answer sent before the server closed can be read although not all was sent.
        self.asked.sent(request);
        let _ = self.stream.write_all(request);
        let mut buffer = vec![0; 64 << 10];
        loop {
            if is_whole(&self.received) {
                return Ok(self.response());
            }
            match self.stream.read(&mut buffer) {
                Ok(n @ 1..) => self.received.extend_from_slice(&buffer[..n]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => panic!("no answer in {PATIENCE:?}"),
                Ok(0) | Err(_) => return Err(self.received.len()),
            }
        }
    }

    /// Everything until the server closes.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.received)
    }

    /// Asserts that the server closes without another byte.
    pub(crate) fn assert_closed(&mut self) {
        let rest = self.rest();
        assert!(rest.is_empty(), "{:?}", String::from_utf8_lossy(&rest));
    }

    /// Asserts that the connection is open: another request on it is answered.
    pub(crate) fn assert_kept(&mut self) {
        assert_eq!(self.ask(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").status, 200);
    }

    /// Waits for some bytes; false at the end of the stream.
    fn read(&mut self) -> bool {
        let mut buffer = vec![0; 64 << 10];
        match self.stream.read(&mut buffer) {
            Ok(n) => {
                self.received.extend_from_slice(&buffer[..n]);
                n > 0
            }
            Err(error) => panic!("{error} after {:?}", String::from_utf8_lossy(&self.received)),
        }
    }
}

impl Response {
    /// Parses a head, and checks the fields that all our answers must have (RFC 9112 §4, RFC 9110 §6.6.1).
    fn parse(head: &str) -> Self {
        let mut lines = head.trim_end_matches("\r\n").split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        let status = status_line.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
        let status: u16 = status.unwrap_or_else(|| panic!("{status_line:?}"));
        let fields = lines.map(|line| {
            let (name, value) = line.split_once(": ").unwrap_or_else(|| panic!("{line:?}"));
            (name.to_ascii_lowercase(), value.to_owned())
        });
        let response = Self { status, fields: fields.collect(), body: Vec::new() };
        if status >= 200 {
            let date = httpdate::parse_http_date(response.field("date").expect("a date")).unwrap();
            let age = SystemTime::now().duration_since(date).unwrap_or_default();
            assert!(age < Duration::from_secs(120) || CLOCK_IS_OFF.get(), "{head}");
            assert_eq!(uuid::Uuid::parse_str(response.id()).unwrap().get_version_num(), 4);
            assert!(matches!(response.field("connection"), Some("keep-alive" | "close")), "{head}");
        }
        response
    }

    /// One that no server sent.
    pub(crate) fn made(status: u16, fields: &[&str], body: &[u8]) -> Self {
        let fields = fields.iter().filter_map(|field| field.split_once(": "));
        let fields = fields.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()));
        Self { status, fields: fields.collect(), body: body.to_vec() }
    }

    /// The one value of a field.
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        let mut values = self.fields.iter().filter(|(field, _)| field == name).map(|(_, value)| &**value);
        let value = values.next();
        assert_eq!(values.next(), None, "{name} is repeated");
        value
    }

    /// The request's id.
    pub(crate) fn id(&self) -> &str {
        self.field("x-tarea").expect("X-Tarea")
    }

    /// Whether another request may follow.
    pub(crate) fn is_kept(&self) -> bool {
        self.field("connection") == Some("keep-alive")
    }

    /// The members of a problem document, checked against the head (RFC 9457 §3.1).
    pub(crate) fn problem(&self) -> Value {
        self.problem_of(self.id())
    }

    /// The same for a document about this task, which may differ from the request.
    pub(crate) fn problem_of(&self, task: &str) -> Value {
        let text = String::from_utf8_lossy(&self.body);
        assert_eq!(self.field("content-type"), Some("application/problem+json"), "{text}");
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{text}"));
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["id_tarea"], task);
        for member in ["type", "title", "detail"] {
            assert!(problem[member].as_str().is_some_and(|text| !text.is_empty()), "{text}");
        }
        problem
    }

    /// Asserts the status; prints the body if it differs.
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(
            self.status,
            status,
            "{}",
            String::from_utf8_lossy(&self.body[..self.body.len().min(500)])
        );
        self
    }
}

/// Whether these bytes are an answer, head and body.
fn is_whole(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let Some((head, _)) = text.split_once("\r\n\r\n") else { return false };
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")?.parse().ok());
    bytes.len() >= head.len() + 4 + length.unwrap_or(0)
}

/// The last word of a problem's type: which error it is.
pub(crate) fn problem_slug(answer: &Response) -> String {
    let problem = answer.problem();
    let slug = problem["type"].as_str().and_then(|text| text.strip_prefix("urn:tp2:error:"));
    slug.unwrap_or_else(|| panic!("{problem}")).to_owned()
}

/// A request with these fields and this body, its length stated if there is a body.
pub(crate) fn request(method: &str, target: &str, fields: &[&str], body: &[u8]) -> Vec<u8> {
    let mut bytes = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
    for field in fields {
        bytes += &format!("{field}\r\n");
    }
    if !body.is_empty() {
        bytes += &format!("Content-Length: {}\r\n", body.len());
    }
    [bytes.as_bytes(), b"\r\n", body].concat()
}

/// A picture as the whole body.
pub(crate) fn post(target: &str, picture: &[u8]) -> Vec<u8> {
    request("POST", target, &["Content-Type: application/octet-stream"], picture)
}

/// One part of a form.
pub(crate) enum Part<'a> {
    /// Name, file name, content.
    File(&'a str, &'a str, &'a [u8]),
    /// Name, value.
    Field(&'a str, &'a str),
}

/// A form, as a browser sends it (RFC 7578).
pub(crate) fn form(target: &str, parts: &[Part<'_>]) -> Vec<u8> {
    const BOUNDARY: &str = "----WebKitFormBoundary7MA4YWxkTrZu0gW";
    let mut body = Vec::new();
    for part in parts {
        let (head, content) = match part {
            Part::File(name, file, content) => (
                format!("name=\"{name}\"; filename=\"{file}\"\r\nContent-Type: application/octet-stream"),
                *content,
            ),
            Part::Field(name, value) => (format!("name=\"{name}\""), value.as_bytes()),
        };
        body.extend(format!("--{BOUNDARY}\r\nContent-Disposition: form-data; {head}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend_from_slice(b"\r\n");
    }
    body.extend(format!("--{BOUNDARY}--\r\n").bytes());
    request("POST", target, &[&format!("Content-Type: multipart/form-data; boundary={BOUNDARY}")], &body)
}

/// A body in chunks of this size (RFC 9112 §7.1).
pub(crate) fn chunked(target: &str, body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = request("POST", target, &["Transfer-Encoding: chunked"], b"");
    for chunk in body.chunks(size) {
        bytes.extend(format!("{:x}\r\n", chunk.len()).bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
