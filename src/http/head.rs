//! The head of a request: from received bytes to a [`RequestHead`], or to the reason why not.
//!
//! Plan: lines are searched for as bytes arrive, each byte once (the watermark of [`RecvBuf`]), and every finished line
//! is checked at once. So noise is refused without waiting for an empty line that may never come, and a head that drips
//! in byte by byte costs no more than one that comes whole. At the empty line httparse reads the fields, once.
//!
//! Rules: strict where two servers could read two things (line ends, white space, Host, framing: RFC 9112, 11.2), and
//! tolerant where only one reading exists (empty Host, empty lines before the request, absolute targets, bytes of 0x80
//! and above, fragments, bad escapes). A head whose every line ends in LF alone was typed into netcat.
//!
//! Refuses to do: decode the target, know which methods or paths exist. Framing is decided here, before the target is
//! looked at, because a doubt about it ends the connection.
//!
//! ```
//! use tp2::http::buf::RecvBuf;
//! use tp2::http::head::{Framing, HeadLimits, Method, poll_head};
//!
//! let mut recv = RecvBuf::new(16 * 1024);
//! recv.extend(b"POST /?escala=0.5 HTTP/1.1\r\nHost: [::1]:8080\r\nContent-Length: 3\r\n\r");
//! assert_eq!(poll_head(&mut recv, &HeadLimits::default())?.map(|_| ()), None);
//! recv.extend(b"\nabc");
//! let head = poll_head(&mut recv, &HeadLimits::default())?.expect("complete");
//! assert_eq!((head.method(), head.path()), (&Method::Post, &b"/"[..]));
//! assert_eq!((head.query(), head.framing()), (Some(&b"escala=0.5"[..]), Framing::Length(3)));
//! assert_eq!(recv.data(), b"abc");
//! # Ok::<(), tp2::http::head::HeadError>(())
//! ```
use std::ops::Range;

use memchr::memchr;

use super::buf::RecvBuf;

mod error;
mod fields;
mod line;
mod search;

pub use error::HeadError;
use fields::Fields;
use line::RequestLine;
pub(super) use line::is_token_byte;
use search::find_head;

/// What a head may measure at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Bytes from the first one to the empty line's end.
    pub bytes_max: usize,
    /// Fields.
    pub fields_max: usize,
    /// Bytes of the target.
    pub target_max: usize,
}

impl Default for HeadLimits {
    fn default() -> Self {
        Self { bytes_max: 16 * 1024, fields_max: 64, target_max: 8 * 1024 }
    }
}

/// Takes one head from the start of `recv` if it is complete; `None` = more bytes are needed.
///
/// Up to eight empty lines before it are skipped (RFC 9112, 2.2). They stay in `recv` until the head is complete.
///
/// # Errors
/// As soon as these bytes can't become a valid head. The connection's framing is lost then.
pub fn poll_head(recv: &mut RecvBuf, limits: &HeadLimits) -> Result<Option<RequestHead>, HeadError> {
    let Some(head) = find_head(recv.data(), recv.searched(), limits)? else {
        recv.mark_searched(recv.len());
        return Ok(None);
    };
    let end = head.end;
    let head = RequestHead::parse(recv.data().get(head).unwrap_or_default(), limits)?;
    recv.consume(end);
    Ok(Some(head))
}

/// The first field of this name in a head that [`poll_head`] refused, among the lines that came whole and within the
/// limit of bytes; lines that are no fields are passed over. For what an answer repeats, never for a decision.
#[must_use]
pub fn field_of_refused<'a>(data: &'a [u8], name: &str, limits: &HeadLimits) -> Option<&'a [u8]> {
    let head = data.get(..limits.bytes_max).unwrap_or(data).trim_ascii_start();
    let lines = head.split_inclusive(|&byte| byte == b'\n').skip(1);
    let whole = lines.map_while(|line| line.strip_suffix(b"\n"));
    let fields =
        whole.map(|line| line.strip_suffix(b"\r").unwrap_or(line)).take_while(|line| !line.is_empty());
    fields.filter_map(|line| line.split_at_checked(memchr(b':', line)?)).find_map(|(found, value)| {
        found.eq_ignore_ascii_case(name.as_bytes()).then(|| value[1..].trim_ascii())
    })
}

/// A request method (RFC 9110, 9.1): case-sensitive, so `get` is an [`Method::Other`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `OPTIONS`.
    Options,
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// The token, as sent.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Other(name) => name,
            known => known.name(),
        }
    }

    /// The same, but one word for all methods that this server does not know.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other(_) => "other",
        }
    }
}

/// The version of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// `HTTP/1.0`.
    Http10,
    /// `HTTP/1.1`.
    Http11,
}

/// What the Expect field asks for (RFC 9110, 10.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing, or the client speaks HTTP/1.0, whose Expect is ignored.
    None,
    /// `100-continue`.
    Continue,
    /// Something that may be answered with 417.
    Unknown,
}

/// How the body's end is found (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// No body is announced: there is none.
    None,
    /// This many bytes, perhaps zero.
    Length(u64),
    /// `Transfer-Encoding: chunked`.
    Chunked,
}

/// A request head that passed every check. It owns its bytes, and lends parts of them.
#[derive(Clone, Debug)]
pub struct RequestHead {
    bytes: Box<[u8]>,
    line: RequestLine,
    fields: Fields,
    framing: Framing,
}

impl RequestHead {
    /// Parses a whole head: from the first byte of the request line to the empty line's end.
    fn parse(head: &[u8], limits: &HeadLimits) -> Result<Self, HeadError> {
        let bytes: Box<[u8]> = head.into();
        let line_end = memchr(b'\n', &bytes).ok_or(HeadError::RequestLine)?;
        let line = bytes.get(..line_end).unwrap_or_default();
        let line = RequestLine::parse(line.strip_suffix(b"\r").unwrap_or(line))?;
        let fields = Fields::parse(&bytes, line_end + 1, limits.fields_max)?;
        fields.judge_repeated(&bytes)?;
        fields.judge_host(&bytes, line.version)?;
        let framing = fields.framing(&bytes, line.version)?;
        Ok(Self { bytes, line, fields, framing })
    }

    /// The method.
    pub fn method(&self) -> &Method {
        &self.line.method
    }

    /// The target as sent.
    pub fn target(&self) -> &[u8] {
        self.part(&self.line.target)
    }

    /// Whether the target is a path, or `*` (RFC 9112, 3.2.1 and 3.2.4): the forms that browsers send to servers.
    pub fn is_path(&self) -> bool {
        matches!(self.target().first(), Some(b'/' | b'*'))
    }

    /// The target's path, still percent-encoded, without query and fragment. Of an absolute URL its path (`/` if it has
    /// none); of the asterisk form `*`; of CONNECT the whole target.
    pub fn path(&self) -> &[u8] {
        if self.line.path.is_empty() { b"/" } else { self.part(&self.line.path) }
    }

    /// What stands between the first `?` and the fragment, still percent-encoded.
    pub fn query(&self) -> Option<&[u8]> {
        self.line.query.as_ref().map(|range| self.part(range))
    }

    /// The version.
    pub fn version(&self) -> Version {
        self.line.version
    }

    /// The host and port that the client meant: an absolute URL's, without userinfo, else the Host field's. May be
    /// empty.
    pub fn host(&self) -> Option<&[u8]> {
        match &self.line.authority {
            Some(range) => Some(self.part(range)),
            None => self.field("host"),
        }
    }

    /// The value of the first field of this name, in any case; without white space around it.
    pub fn field(&self, name: &str) -> Option<&[u8]> {
        self.fields(name).next()
    }

    /// The values of all fields of this name, in order.
    pub fn fields(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.fields.named(&self.bytes, name)
    }

    /// How long the body is.
    pub fn framing(&self) -> Framing {
        self.framing
    }

    /// Whether the client lets the connection stay open after this request (RFC 9112, 9.3).
    pub fn keep_alive(&self) -> bool {
        let has = |option: &str| self.fields.has_list_element(&self.bytes, "connection", option);
        !has("close") && (self.version() == Version::Http11 || has("keep-alive"))
    }

    /// What the client expects before it sends the body.
    pub fn expectation(&self) -> Expectation {
        // RFC 9110, 10.1.1: ignore 100-continue in a request of HTTP/1.0.
        if self.version() == Version::Http10 || self.field("expect").is_none() {
            return Expectation::None;
        }
        let known = self.fields("expect").all(|value| value.eq_ignore_ascii_case(b"100-continue"));
        if known { Expectation::Continue } else { Expectation::Unknown }
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.bytes.get(range.clone()).unwrap_or_default()
    }
}

#[cfg(test)]
pub(crate) mod tests;
