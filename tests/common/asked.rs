//! What a connection has been asked, read from the bytes that were sent on it.
//!
//! A request is known once its head is whole, as long as every one before it could be told apart by its length. After
//! bytes that are no request nothing more is known of the connection: the server closes it.
use std::collections::VecDeque;

use memchr::memmem;

/// Longest head that is looked for, in bytes: more than the server takes.
const HEAD_MAX: usize = 64 << 10;

/// The requests of a connection that wait for an answer.
#[derive(Default)]
pub(crate) struct Asked {
    waiting: VecDeque<Asking>,
    /// What stands before the paths of this listener in the description.
    pub(crate) base: &'static str,
    reading: Reading,
}

/// A request, as far as it decides how it may be answered.
#[derive(Clone, Debug)]
pub(crate) struct Asking {
    pub(crate) method: String,
    /// As the main listener has it, without scheme, host and query.
    pub(crate) path: String,
}

enum Reading {
    /// The beginning of a head.
    Head(Vec<u8>),
    /// So many more bytes of a body.
    Body(usize),
    /// What has not been read of a chunked body.
    Chunks(Vec<u8>),
    Lost,
}

impl Default for Reading {
    fn default() -> Self {
        Self::Head(Vec::new())
    }
}

impl Asked {
    /// Takes note of bytes that were sent.
    pub(crate) fn sent(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let used = match &mut self.reading {
                Reading::Lost => return,
                Reading::Body(left) => {
                    let used = bytes.len().min(*left);
                    *left -= used;
                    if *left == 0 {
                        self.reading = Reading::default();
                    }
                    used
                }
                Reading::Chunks(kept) => {
                    let before = kept.len();
                    kept.extend_from_slice(bytes);
                    let whole = chunks_end(kept);
                    let used = whole.map_or(bytes.len(), |end| end - before);
                    if whole.is_some() {
                        self.reading = Reading::default();
                    }
                    used
                }
                Reading::Head(kept) => {
                    let before = kept.len();
                    kept.extend_from_slice(&bytes[..bytes.len().min(HEAD_MAX)]);
                    let blank = kept.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
                    let Some(end) = head_end(&kept[blank..]).map(|end| blank + end) else {
                        if kept.len() >= HEAD_MAX {
                            self.reading = Reading::Lost;
                        }
                        return;
                    };
                    let head = String::from_utf8_lossy(&kept[blank..end]).into_owned();
                    let (asking, next) = read_head(&head, self.base);
                    self.waiting.extend(asking);
                    self.reading = next;
                    end - before
                }
            };
            bytes = &bytes[used..];
        }
    }

    /// The request that the next final answer is to; `None` where it can't be told.
    pub(crate) fn answered(&mut self) -> Option<Asking> {
        self.waiting.pop_front()
    }
}

/// Where a head ends, its lines in CRLF or bare LF.
fn head_end(bytes: &[u8]) -> Option<usize> {
    let crlf = memmem::find(bytes, b"\r\n\r\n").map(|at| at + 4);
    let bare = memmem::find(bytes, b"\n\n").map(|at| at + 2);
    crlf.into_iter().chain(bare).min()
}

/// Where a chunked body without trailers ends.
fn chunks_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        let line = memmem::find(bytes.get(at..)?, b"\r\n")?;
        let size = std::str::from_utf8(&bytes[at..at + line]).ok()?.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        at = at.checked_add(line + 2)?.checked_add(size)?.checked_add(2)?;
        if size == 0 {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

fn read_head(head: &str, base: &str) -> (Option<Asking>, Reading) {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    let [method, target, "HTTP/1.0" | "HTTP/1.1"] = line.split(' ').collect::<Vec<_>>()[..] else {
        return (None, Reading::Lost);
    };
    let origin =
        target.split_once("://").map_or(target, |(_, rest)| rest.find('/').map_or("/", |at| &rest[at..]));
    let path = origin.split(['?', '#']).next().unwrap_or_default();
    let field = |name: &str| {
        let mut values = head.lines().filter_map(|line| line.split_once(':'));
        values.find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim().to_owned())
    };
    let next = match (field("transfer-encoding"), field("content-length").map(|length| length.parse())) {
        (Some(coding), None) if coding.eq_ignore_ascii_case("chunked") => Reading::Chunks(Vec::new()),
        (None, Some(Ok(length @ 1..))) => Reading::Body(length),
        (None, None | Some(Ok(_))) => Reading::default(),
        _ => Reading::Lost,
    };
    (Some(Asking { method: method.to_owned(), path: format!("{base}{path}") }), next)
}

#[test]
fn requests_are_told_apart_however_they_are_cut() {
    let sent = b"\r\nPOST /tareas?escala=1 HTTP/1.1\r\nContent-Length: 3\r\n\r\nGETPUT http://u@h/a%20b?c HTTP/1.1\r\n\
        Transfer-Encoding: chunked\r\n\r\n3;x=y\r\n\r\n\r\r\n0\r\n\r\nGET / HTTP/1.0\n\nGET nothing\r\n\r\nGET /b HTTP/1.1\r\n\r\n";
    for size in [1, 2, 7, sent.len()] {
        let mut asked = Asked::default();
        sent.chunks(size).for_each(|piece| asked.sent(piece));
        let told: Vec<_> =
            std::iter::from_fn(|| asked.answered()).map(|one| (one.method, one.path)).collect();
        let expected = [("POST", "/tareas"), ("PUT", "/a%20b"), ("GET", "/")];
        assert_eq!(told, expected.map(|(method, path)| (method.to_owned(), path.to_owned())), "{size}");
    }
}
