//! One HTTP/1.1 response from a stream, and nothing after it.
//!
//! Rules: a response is whole or an error. Its length is stated or it comes in chunks (a proxy may turn one into the
//! other). One that ends with the connection could be cut anywhere, and is refused. Input is bounded before it is kept.
use std::io::{self, ErrorKind, Read};

use crate::http::body::{BodyDecoder, BodyEvent};
use crate::http::head::Framing;

/// Longest head that is looked at, those of interim responses before it included.
const HEAD_MAX: usize = 64 << 10;
/// Longest body that is taken: more than any picture within the server's own bounds needs.
const BODY_MAX: usize = 1 << 30;

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599; interim answers are skipped.
    pub status: u16,
    /// Names in lower case, and values.
    pub fields: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
    /// Whether another request may follow on the connection (RFC 9112 §9.3).
    pub keep_alive: bool,
}

impl Response {
    /// The first value of this name (lower case).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    #[must_use]
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_slice(&self.body).ok()
    }
}

/// Reads up to the end of a response; interim ones (1xx) before it are skipped.
///
/// # Errors
/// `UnexpectedEof` if the stream ends early, `InvalidData` if this is no HTTP/1 with a length or chunks or is beyond
/// all bounds, and whatever reading brings.
pub(super) fn read_response(stream: &mut impl Read) -> io::Result<Response> {
    let mut input = Vec::new();
    let mut skipped = 0;
    let (mut response, framing) = loop {
        match parse_head(&input)? {
            Some((response, framing, length)) => {
                input.drain(..length);
                skipped += length;
                if response.status >= 200 {
                    break (response, framing);
                }
            }
            None => read_more(stream, &mut input)?,
        }
        if input.len() + skipped > HEAD_MAX {
            return Err(invalid("el encabezado de la respuesta es demasiado largo"));
        }
    };
    let mut decoder = BodyDecoder::new(framing);
    loop {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let (n, event) = decoder.decode(rest).map_err(|error| invalid(error.to_string()))?;
            taken += n;
            match event {
                BodyEvent::Data(data) if response.body.len() + data.len() > BODY_MAX => {
                    return Err(invalid("la respuesta es demasiado larga"));
                }
                BodyEvent::Data(data) => response.body.extend_from_slice(data),
                BodyEvent::NeedMore => break,
                BodyEvent::Done => {
                    // Bytes after the response were not requested; the next request must not take them for its answer.
                    response.keep_alive &= taken == input.len();
                    return Ok(response);
                }
            }
        }
        input.clear();
        read_more(stream, &mut input)?;
    }
}

fn read_more(stream: &mut impl Read, input: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 16 << 10];
    loop {
        match stream.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => {
                input.extend_from_slice(&chunk[..n]);
                return Ok(());
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The response without its body, how that is framed, and the length of the head; None while the head is incomplete.
fn parse_head(input: &[u8]) -> io::Result<Option<(Response, Framing, usize)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let httparse::Status::Complete(length) = head.parse(input).map_err(|error| invalid(error.to_string()))?
    else {
        return Ok(None);
    };
    let fields: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
        .collect();
    let has_close = fields
        .iter()
        .filter(|(name, _)| name == "connection")
        .any(|(_, value)| value.split(',').any(|option| option.trim().eq_ignore_ascii_case("close")));
    let response = Response {
        status: head.code.unwrap_or_default(),
        fields,
        body: Vec::new(),
        keep_alive: head.version == Some(1) && !has_close,
    };
    let framing = framing(&response)?;
    Ok(Some((response, framing, length)))
}

/// RFC 9112 §6.3.
fn framing(response: &Response) -> io::Result<Framing> {
    let values =
        |name| response.fields.iter().filter(move |(field, _)| field == name).map(|(_, value)| value);
    if response.status < 200 || matches!(response.status, 204 | 304) {
        return Ok(Framing::None);
    }
    let mut codings = values("transfer-encoding");
    let mut lengths = values("content-length");
    match (codings.next(), codings.next(), lengths.next()) {
        (Some(coding), None, None) if coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        (Some(coding), ..) => Err(invalid(format!("Transfer-Encoding «{coding}»"))),
        (None, _, Some(length)) => {
            let digits = length.bytes().all(|byte| byte.is_ascii_digit());
            let parsed = length.parse().ok().filter(|_| digits && lengths.all(|other| other == length));
            parsed.map(Framing::Length).ok_or_else(|| invalid(format!("Content-Length «{length}»")))
        }
        (None, _, None) => Err(invalid("falta Content-Length")),
    }
}

fn invalid(text: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, text.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in pieces of this size.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.1.min(self.0.len()).min(buffer.len());
            buffer[..n].copy_from_slice(&self.0[..n]);
            self.0 = &self.0[n..];
            Ok(n)
        }
    }

    const STATED: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nGRAY";
    const CHUNKED: &[u8] =
        b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nGRA\r\n1;x=y\r\nY\r\n0\r\n\r\n";

    #[test]
    fn reads_a_response_in_any_pieces() {
        for whole in [STATED, CHUNKED] {
            for size in 1..=whole.len() {
                let response = read_response(&mut Pieces(whole, size)).unwrap();
                assert_eq!((response.status, &response.body[..]), (200, &b"GRAY"[..]));
                assert_eq!(response.field("content-type"), Some("image/png"));
                assert!(response.keep_alive);
            }
        }
    }

    #[test]
    fn half_a_response_is_an_error() {
        for whole in [STATED, CHUNKED] {
            for cut in 0..whole.len() {
                let error = read_response(&mut Pieces(&whole[..cut], 7)).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{cut}");
            }
        }
    }

    #[test]
    fn what_is_no_response_is_refused() {
        for other in [
            "SSH-2.0-OpenSSH\r\n\r\n",
            "HTTP/1.1 200 OK\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: +4\r\n\r\nGRAY",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nGRAY",
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\nGRAY",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nGRAY",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        ] {
            let error = read_response(&mut Pieces(other.as_bytes(), 9)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{other}");
        }
    }

    #[test]
    fn a_peer_that_never_comes_to_the_point_is_left() {
        let interim = b"HTTP/1.1 103 Early Hints\r\n\r\n".repeat(HEAD_MAX);
        let endless = [b"HTTP/1.1 200 OK\r\nX: ", &vec![b'x'; 2 * HEAD_MAX][..]].concat();
        for bytes in [interim, endless] {
            let mut stream = Pieces(&bytes, 16 << 10);
            assert_eq!(read_response(&mut stream).unwrap_err().kind(), ErrorKind::InvalidData);
            assert!(bytes.len() - stream.0.len() < 3 * HEAD_MAX);
        }
    }

    #[test]
    fn knows_whether_the_connection_goes_on() {
        for (head, expected) in [
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", true),
            ("HTTP/1.1 204 No Content\r\nConnection: keep-alive\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: x, Close\r\n\r\n", false),
            ("HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n", false),
        ] {
            let response = read_response(&mut Pieces(head.as_bytes(), 1000)).unwrap();
            assert_eq!(response.keep_alive, expected, "{head}");
        }
    }
}
