//! One HTTP/1.1 response with a known length, as tp2 sends it.
use std::io::{self, ErrorKind, Read};

/// Longest head that is looked at.
const HEAD_MAX: usize = 64 << 10;

/// A whole response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// 200 to 599; interim answers are skipped.
    pub status: u16,
    /// Names in lower case, and values.
    pub fields: Vec<(String, String)>,
    /// The whole body.
    pub body: Vec<u8>,
}

impl Response {
    /// The first value of this name (lower case).
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(field, _)| field == name).map(|(_, value)| value.as_str())
    }
}

/// Reads up to the end of a response, the last one of its connection; interim ones (1xx) before it are skipped.
///
/// # Errors
/// `UnexpectedEof` if the connection ends early, `InvalidData` if this is no HTTP/1.1 with a Content-Length, and
/// whatever reading brings.
pub fn read_response(stream: &mut impl Read) -> io::Result<Response> {
    let mut buffer = Vec::new();
    loop {
        if let Some((mut response, head_len, body_len)) = parse_head(&buffer)? {
            buffer.drain(..head_len);
            if (100..200).contains(&response.status) {
                continue;
            }
            let missing = body_len.saturating_sub(buffer.len() as u64);
            stream.take(missing).read_to_end(&mut buffer)?;
            if (buffer.len() as u64) < body_len {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            response.body = buffer;
            return Ok(response);
        }
        if buffer.len() > HEAD_MAX {
            return Err(ErrorKind::InvalidData.into());
        }
        let mut chunk = [0; 4096];
        match stream.read(&mut chunk) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(n) => buffer.extend_from_slice(&chunk[..n]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The response without its body, the length of its head, and that of its body; None while the head is incomplete.
fn parse_head(buffer: &[u8]) -> io::Result<Option<(Response, usize, u64)>> {
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut fields);
    let invalid = |error| io::Error::new(ErrorKind::InvalidData, error);
    let httparse::Status::Complete(length) =
        head.parse(buffer).map_err(|error| invalid(error.to_string()))?
    else {
        return Ok(None);
    };
    let fields: Vec<(String, String)> = head
        .headers
        .iter()
        .map(|field| (field.name.to_ascii_lowercase(), String::from_utf8_lossy(field.value).into_owned()))
        .collect();
    let response = Response { status: head.code.unwrap_or_default(), fields, body: Vec::new() };
    let body_len = match response.field("content-length") {
        Some(text) => text.parse().map_err(|_| invalid(format!("Content-Length «{text}»")))?,
        None if response.status < 200 || response.status == 204 => 0,
        None => return Err(invalid("falta Content-Length".into())),
    };
    Ok(Some((response, length, body_len)))
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

    const WHOLE: &[u8] =
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: image/png\r\nContent-Length: 4\r\n\r\nGRAY";

    #[test]
    fn reads_a_response_in_any_pieces() {
        for size in 1..=WHOLE.len() {
            let response = read_response(&mut Pieces(WHOLE, size)).unwrap();
            assert_eq!((response.status, &response.body[..]), (200, &b"GRAY"[..]));
            assert_eq!(response.field("content-type"), Some("image/png"));
        }
    }

    #[test]
    fn half_a_response_is_an_error() {
        for cut in 0..WHOLE.len() {
            let error = read_response(&mut Pieces(&WHOLE[..cut], 7)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{cut}");
        }
        for other in [
            &b"SSH-2.0-OpenSSH\r\n\r\n"[..],
            b"HTTP/1.1 200 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        ] {
            assert_eq!(read_response(&mut Pieces(other, 9)).unwrap_err().kind(), ErrorKind::InvalidData);
        }
    }
}
