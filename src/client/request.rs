//! A request: its target, and a body that can be sent more than once.
//!
//! Rules: a body's length is known before it is sent (Content-Length). A file's length is the one it had when it was
//! opened, so the framing holds even if the file changes. A long file is never in memory as a whole.
use std::fs::File;
use std::io::{self, Cursor, ErrorKind, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use crate::http::sniff::LOOKED_AT;

/// Everything but the unreserved characters of RFC 3986 §2.3: the encoded name is one segment of a path.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Longest picture that is read from a pipe or a device, whose length is not known in advance.
pub(super) const PIPED_MAX: u64 = 256 << 20;

#[derive(Debug)]
pub(super) struct ClientRequest {
    /// The method.
    pub method: &'static str,
    /// Path and query, encoded.
    pub target: String,
    /// Fields but Host, User-Agent and Content-Length.
    pub fields: Vec<(&'static str, String)>,
    /// The body.
    pub body: Body,
}

#[derive(Debug, Default)]
pub(super) enum Body {
    /// None at all.
    #[default]
    Empty,
    /// Bytes in memory.
    Bytes(Vec<u8>),
    /// An open file, and its length.
    File(File, u64),
}

impl ClientRequest {
    #[must_use]
    pub(super) fn fetch(target: String) -> Self {
        Self { method: "GET", target, fields: Vec::new(), body: Body::Empty }
    }

    /// The head, up to and with the empty line; `credentials` is the value of `Authorization`, if the server wants one.
    #[must_use]
    pub(super) fn head(&self, authority: &str, credentials: Option<&str>) -> Vec<u8> {
        let mut head = format!(
            "{} {} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: tp2-cliente/{}\r\n",
            self.method,
            self.target,
            env!("CARGO_PKG_VERSION"),
        );
        if let Some(credentials) = credentials {
            head += &format!("Authorization: {credentials}\r\n");
        }
        for (name, value) in &self.fields {
            head += &format!("{name}: {value}\r\n");
        }
        // RFC 9110 §8.6: a method that expects a body says that there is none.
        if self.method != "GET" {
            head += &format!("Content-Length: {}\r\n", self.body.length());
        }
        head += "\r\n";
        head.into_bytes()
    }
}

impl Body {
    /// Opens the file at `path`, which must be a regular one: opening a FIFO would wait for its other end.
    ///
    /// # Errors
    /// As stat(2) and open(2).
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let check = |is_file, is_dir| match (is_file, is_dir) {
            (true, _) => Ok(()),
            (false, true) => Err(ErrorKind::IsADirectory.into()),
            (false, false) => Err(io::Error::other("no es un archivo regular")),
        };
        let before = path.metadata()?;
        check(before.is_file(), before.is_dir())?;
        let file = File::open(path)?;
        let now = file.metadata()?;
        check(now.is_file(), now.is_dir())?;
        Ok(Self::File(file, now.len()))
    }

    /// The same, also for other files: a pipe is read to its end, into memory.
    ///
    /// # Errors
    /// As stat(2), open(2) and read(2), and more than [`PIPED_MAX`] bytes.
    pub(super) fn open_any(path: &Path) -> io::Result<Self> {
        let found = path.metadata()?;
        if found.is_file() || found.is_dir() {
            return Self::open(path);
        }
        let mut bytes = Vec::new();
        File::open(path)?.take(PIPED_MAX + 1).read_to_end(&mut bytes)?;
        if bytes.len() as u64 > PIPED_MAX {
            return Err(io::Error::other("son más de 256 MiB, y no de un archivo regular"));
        }
        Ok(Self::Bytes(bytes))
    }

    /// Bytes.
    #[must_use]
    pub(super) fn length(&self) -> u64 {
        match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, length) => *length,
        }
    }

    /// The first bytes, as many as tell what the picture is.
    ///
    /// # Errors
    /// As pread(2).
    pub(super) fn first(&self) -> io::Result<Vec<u8>> {
        let mut first = vec![0; LOOKED_AT];
        let length = match self {
            Self::Empty => 0,
            Self::Bytes(bytes) => bytes.as_slice().read(&mut first)?,
            Self::File(file, _) => file.read_at(&mut first, 0)?,
        };
        first.truncate(length);
        Ok(first)
    }

    /// The bytes from the first on. A file that has become shorter ends early; the reader must check for it.
    ///
    /// # Errors
    /// As lseek(2).
    pub(super) fn reader(&mut self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Empty => Box::new(io::empty()),
            Self::Bytes(bytes) => Box::new(Cursor::new(bytes)),
            Self::File(file, length) => {
                file.rewind()?;
                Box::new(file.take(*length))
            }
        })
    }
}

/// A name as one segment of a path (RFC 3986 §3.3).
#[must_use]
pub(super) fn segment(name: &str) -> String {
    utf8_percent_encode(name, SEGMENT).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn read(body: &mut Body) -> Vec<u8> {
        let mut bytes = Vec::new();
        body.reader().unwrap().read_to_end(&mut bytes).unwrap();
        bytes
    }

    #[test]
    fn names_become_one_segment() {
        for (name, expected) in [
            ("1A58003.jpg", "1A58003.jpg"),
            ("a/b?c#d e%41", "a%2Fb%3Fc%23d%20e%2541"),
            ("ñandú~_-", "%C3%B1and%C3%BA~_-"),
            ("a\r\nb", "a%0D%0Ab"),
        ] {
            assert_eq!(segment(name), expected);
        }
    }

    #[test]
    fn a_body_says_its_length_and_a_question_has_none() {
        let head = |request: &ClientRequest| String::from_utf8(request.head("[::1]:80", None)).unwrap();
        let agent = format!("Host: [::1]:80\r\nUser-Agent: tp2-cliente/{}\r\n", env!("CARGO_PKG_VERSION"));
        let asked = head(&ClientRequest::fetch("/estado/1?espera=30".into()));
        assert_eq!(asked, format!("GET /estado/1?espera=30 HTTP/1.1\r\n{agent}\r\n"));
        let fields = vec![("Idempotency-Key", "k".to_owned())];
        let body = Body::Bytes(b"abc".to_vec());
        let sent = head(&ClientRequest { method: "POST", target: "/tareas".into(), fields, body });
        let expected =
            format!("POST /tareas HTTP/1.1\r\n{agent}Idempotency-Key: k\r\nContent-Length: 3\r\n\r\n");
        assert_eq!(sent, expected);
    }

    #[test]
    fn a_file_is_read_again_from_its_beginning_and_never_beyond_its_length() {
        let path = std::env::temp_dir().join(format!("tp2-cuerpo-{}", uuid::Uuid::new_v4()));
        std::fs::write(&path, b"hola").unwrap();
        let mut body = Body::open(&path).unwrap();
        File::options().append(true).open(&path).unwrap().write_all(b" y chau").unwrap();
        assert_eq!(body.length(), 4);
        assert_eq!(body.first().unwrap(), b"hola y chau");
        assert_eq!(Body::Bytes(vec![7; 600]).first().unwrap(), [7; LOOKED_AT]);
        assert_eq!((read(&mut body), read(&mut body)), (b"hola".to_vec(), b"hola".to_vec()));
        std::fs::write(&path, b"ho").unwrap();
        assert_eq!(read(&mut body), b"ho");
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Body::open(&path).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        for (path, kind) in [("/dev", ErrorKind::IsADirectory), ("/dev/zero", ErrorKind::Other)] {
            assert_eq!(Body::open(Path::new(path)).unwrap_err().kind(), kind);
        }
    }

    #[test]
    fn one_picture_may_come_from_elsewhere_if_it_ends() {
        assert_eq!(Body::open_any(Path::new("/dev/null")).unwrap().length(), 0);
        assert_eq!(Body::open_any(Path::new("/dev")).unwrap_err().kind(), ErrorKind::IsADirectory);
        assert!(Body::open_any(Path::new("/dev/zero")).is_err());
    }
}
