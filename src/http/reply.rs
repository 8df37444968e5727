//! Answers: status, fields, body -> bytes of HTTP/1.1 (RFC 9112 §4). The date is passed in.
//!
//! ```
//! use std::time::SystemTime;
//! use tp2::http::{buf::SendBuf, reply::{Extent, Frame, Reply}};
//! let mut out = SendBuf::new();
//! let (date, extent) = (SystemTime::UNIX_EPOCH, Extent::Whole);
//! let frame = Frame { id: uuid::Uuid::nil(), date, keep_alive: true, head_only: false, extent, extra: &[] };
//! Reply::text(200, "hola\n").emit(&frame, &mut out);
//! let mut slices = [std::io::IoSlice::new(&[]); 4];
//! let count = out.io_slices(&mut slices);
//! let sent: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
//! assert!(sent.starts_with(b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n"));
//! assert!(sent.ends_with(b"\r\n\r\nhola\n"));
//! ```
use std::borrow::Cow;
use std::fmt::Write;
use std::ops::Range;
use std::time::SystemTime;

use bytes::Bytes;
use uuid::Uuid;

use super::buf::SendBuf;
use super::range::content_range;

/// The interim answer that asks for the body (RFC 9110 §15.2.1).
pub const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// An answer, independent of how it is sent.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 200 to 599.
    pub status: u16,
    /// Name and value; checked for line ends if they contain bytes from the client.
    pub fields: Vec<(&'static str, Cow<'static, str>)>,
    /// The whole body; for HEAD its length alone is sent.
    pub body: Bytes,
    /// The body's length if the body is not sent, and so not at hand.
    length: Option<u64>,
}

/// How an answer is sent.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// The request's id: `X-Tarea`.
    pub id: Uuid,
    /// For `Date` (RFC 9110 §6.6.1).
    pub date: SystemTime,
    /// Whether another request may follow on the connection.
    pub keep_alive: bool,
    /// The request was HEAD.
    pub head_only: bool,
    /// How the client will know where the body ends.
    pub extent: Extent,
    /// Fields that every answer to the request has.
    pub extra: &'a [(&'static str, Cow<'static, str>)],
}

/// How the end of an answer's body is known (RFC 9112 §6.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extent {
    /// The reply has the whole body, and states its length.
    #[default]
    Whole,
    /// The reply has its beginning: chunks follow, and [`LAST_CHUNK`].
    Chunked,
    /// The reply has its beginning: it ends with the connection, for HTTP/1.0.
    UntilClose,
}

/// The end of a body in chunks (RFC 9112 §7.1).
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Appends a part of a body in chunks; an empty one would be the end, and is left out.
pub fn push_chunk(data: Bytes, out: &mut SendBuf) {
    if !data.is_empty() {
        out.push(format!("{:x}\r\n", data.len()).into_bytes());
        out.push(data);
        out.push(&b"\r\n"[..]);
    }
}

impl Reply {
    /// No body.
    #[must_use]
    pub fn empty(status: u16) -> Self {
        Self { status, fields: Vec::new(), body: Bytes::new(), length: None }
    }

    /// A body of this media type.
    #[must_use]
    pub fn new(status: u16, media_type: &'static str, body: impl Into<Bytes>) -> Self {
        let fields = vec![("Content-Type", media_type.into())];
        Self { status, fields, body: body.into(), length: None }
    }

    /// Plain UTF-8 text.
    #[must_use]
    pub fn text(status: u16, body: impl Into<Bytes>) -> Self {
        Self::new(status, "text/plain; charset=utf-8", body)
    }

    /// With one more field.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        let value = value.into();
        debug_assert!(!value.bytes().any(|byte| matches!(byte, b'\r' | b'\n' | 0)), "{name}: {value}");
        self.fields.push((name, value));
        self
    }

    /// The same with a body of so many bytes, which need not be there for HEAD.
    #[must_use]
    pub fn of_length(self, length: u64) -> Self {
        Self { length: Some(length), ..self }
    }

    /// The same as a part of a whole of `length` bytes: the body is these bytes of it (RFC 9110 §15.3.7).
    #[must_use]
    pub fn into_part(mut self, part: &Range<u64>, length: u64) -> Self {
        self.status = 206;
        self.with("Content-Range", content_range(part, length))
    }

    /// Appends head and body to what is to be sent; the body is not copied.
    pub fn emit(&self, frame: &Frame<'_>, out: &mut SendBuf) {
        let mut head = String::with_capacity(512);
        // Writing to a String can't fail.
        let _ = write!(
            head,
            "HTTP/1.1 {} {}\r\nDate: {}\r\nX-Tarea: {}\r\n",
            self.status,
            reason_phrase(self.status),
            httpdate::HttpDate::from(frame.date),
            frame.id.as_hyphenated(),
        );
        for (name, value) in self.fields.iter().chain(frame.extra) {
            let _ = write!(head, "{name}: {value}\r\n");
        }
        // RFC 9110 §8.6: none in a 204, and in a 304 that of the answer which is not sent, or none.
        match frame.extent {
            Extent::Whole if matches!(self.status, 204 | 304) => {}
            Extent::Whole => {
                let at_hand = self.body.len() as u64;
                let length = self.length.unwrap_or(at_hand);
                debug_assert!(
                    frame.head_only || length == at_hand,
                    "{length} bytes are announced and {at_hand} sent"
                );
                let _ = write!(head, "Content-Length: {length}\r\n");
            }
            Extent::Chunked => head.push_str("Transfer-Encoding: chunked\r\n"),
            Extent::UntilClose => {}
        }
        let connection = if frame.keep_alive { "keep-alive" } else { "close" };
        let _ = write!(head, "X-Content-Type-Options: nosniff\r\nConnection: {connection}\r\n\r\n");
        out.push(head.into_bytes());
        if frame.head_only || self.body.is_empty() {
            return;
        }
        match frame.extent {
            Extent::Chunked => push_chunk(self.body.clone(), out),
            Extent::Whole | Extent::UntilClose => out.push(self.body.clone()),
        }
    }
}

/// The phrase of RFC 9110 §15 for the statuses we send.
#[must_use]
pub const fn reason_phrase(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        304 => "Not Modified",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        431 => "Request Header Fields Too Large",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => "Unknown",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn emit(reply: &Reply, keep_alive: bool, head_only: bool) -> String {
        let mut out = SendBuf::new();
        let (date, extent) = (SystemTime::UNIX_EPOCH, Extent::Whole);
        let extra = &[("X-Request-Id", "r-1".into())];
        let frame = Frame { id: Uuid::nil(), date, keep_alive, head_only, extent, extra };
        reply.emit(&frame, &mut out);
        let mut slices = [std::io::IoSlice::new(&[]); 4];
        let count = out.io_slices(&mut slices);
        slices[..count].iter().map(|slice| String::from_utf8_lossy(slice).into_owned()).collect()
    }

    #[test]
    fn head_of_an_answer() {
        let reply = Reply::text(404, "no").with("Vary", "Accept");
        assert_eq!(
            emit(&reply, false, false),
            "HTTP/1.1 404 Not Found\r\nDate: Thu, 01 Jan 1970 00:00:00 GMT\r\n\
             X-Tarea: 00000000-0000-0000-0000-000000000000\r\nContent-Type: text/plain; charset=utf-8\r\n\
             Vary: Accept\r\nX-Request-Id: r-1\r\nContent-Length: 2\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\nno"
        );
    }

    #[test]
    fn a_part_says_of_what() {
        let sent = emit(&Reply::text(200, "ol").into_part(&(1..3), 4), true, false);
        assert!(sent.starts_with("HTTP/1.1 206 Partial Content\r\n"), "{sent}");
        assert!(sent.contains("\r\nContent-Range: bytes 1-2/4\r\n"), "{sent}");
        assert!(sent.contains("\r\nContent-Length: 2\r\n"), "{sent}");
    }

    #[test]
    fn a_body_that_goes_on_has_chunks_or_ends_with_the_connection() {
        let send = |extent, head_only| {
            let mut out = SendBuf::new();
            let date = SystemTime::UNIX_EPOCH;
            let frame = Frame { id: Uuid::nil(), date, keep_alive: false, head_only, extent, extra: &[] };
            Reply::text(200, "hola mundo, hola\n").emit(&frame, &mut out);
            let mut slices = [std::io::IoSlice::new(&[]); 8];
            let count = out.io_slices(&mut slices);
            slices[..count]
                .iter()
                .map(|slice| String::from_utf8_lossy(slice).into_owned())
                .collect::<String>()
        };
        let sent = send(Extent::Chunked, false);
        assert!(sent.contains("\r\nTransfer-Encoding: chunked\r\n") && !sent.contains("Content-Length"));
        assert!(sent.ends_with("\r\n\r\n11\r\nhola mundo, hola\n\r\n"), "{sent}");
        let sent = send(Extent::UntilClose, false);
        assert!(!sent.contains("Transfer-Encoding") && !sent.contains("Content-Length"));
        assert!(sent.ends_with("\r\n\r\nhola mundo, hola\n"), "{sent}");
        assert!(send(Extent::Chunked, true).ends_with("Connection: close\r\n\r\n"));
    }

    #[test]
    fn head_requests_get_the_length_and_no_body() {
        let sent = emit(&Reply::text(200, "hola"), true, true);
        assert!(sent.contains("\r\nContent-Length: 4\r\n"));
        assert!(sent.ends_with("Connection: keep-alive\r\n\r\n"));
        let sent = emit(&Reply::text(200, "").of_length(1 << 40), true, true);
        assert!(sent.contains("\r\nContent-Length: 1099511627776\r\n"), "the body need not be at hand");
    }

    #[test]
    fn answers_without_content_have_no_length() {
        assert!(!emit(&Reply::empty(204), true, false).contains("Content-Length"));
        assert!(!emit(&Reply::empty(304), true, false).contains("Content-Length"));
        assert!(emit(&Reply::empty(200), true, false).contains("Content-Length: 0"));
    }
}
