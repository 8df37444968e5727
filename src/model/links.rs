//! Links: results that are stored in a folder and served from there, as data.
//!
//! A link is made once, under a name of its own, and its file is never written to again: so its entity tag is strong,
//! its date too (RFC 9110 §8.8.2.2), and a client that has part of it may fetch the rest.

use bytes::Bytes;

use super::admission::Reservation;
use super::file::FileVersion;
use crate::http::conditional::{Conditions, Selection};

/// A result that is stored.
#[derive(Debug, PartialEq, Eq)]
pub struct Link {
    /// Name of the file in the folder: letters, digits, `_` and `.`.
    pub name: String,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

impl Link {
    /// The line that a person reads; the answer of netcat mode.
    #[must_use]
    pub fn line(url: &str) -> String {
        format!("Imagen escalada disponible en: {url}\n")
    }
}

/// What a request wants of a stored file.
#[derive(Clone, Debug)]
pub struct LinkRequest {
    /// Its name in the folder: one plain component.
    pub name: Vec<u8>,
    /// What the client has already, and which part it wants.
    pub conditions: Conditions,
    /// The bytes are not to be sent: HEAD.
    pub head_only: bool,
}

/// What is sent of a stored file.
#[derive(Debug)]
pub struct FilePart {
    /// How much of it.
    pub selection: Selection,
    /// The file's state.
    pub version: FileVersion,
    /// What its first bytes say it is.
    pub media_type: &'static str,
    /// The bytes selected; none of them for HEAD.
    pub body: Bytes,
}

impl FilePart {
    /// With its bytes charged to this reservation until the last of them is sent.
    #[must_use]
    pub fn charged_to(self, reservation: Reservation) -> Self {
        Self { body: Bytes::from_owner(Charged { bytes: self.body, _reservation: reservation }), ..self }
    }
}

/// Bytes and what they are charged to.
struct Charged {
    bytes: Bytes,
    _reservation: Reservation,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::conn::problem::HttpProblem;
    use crate::http::reply::Reply;
    use crate::model::admission::Admission;
    use crate::model::file::tests::variant;
    use std::time::SystemTime;

    pub(crate) fn file_part(selection: Selection, body: &'static [u8]) -> FilePart {
        let version = FileVersion { length: 10, ..variant().version };
        FilePart { selection, version, media_type: "image/jpeg", body: Bytes::from_static(body) }
    }

    fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| &**value)
    }

    #[test]
    fn every_selection_has_its_answer() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let reply = |selection, body| file_part(selection, body).reply(now);
        let whole = reply(Selection::Whole, b"0123456789").unwrap();
        assert_eq!((whole.status, &whole.body[..]), (200, &b"0123456789"[..]));
        assert_eq!(field(&whole, "Accept-Ranges"), Some("bytes"));
        assert_eq!(field(&whole, "Last-Modified"), Some("Sun, 06 Nov 1994 08:49:37 GMT"));
        assert_eq!(field(&whole, "Content-Type"), Some("image/jpeg"));
        let part = reply(Selection::Part(2..4), b"23").unwrap();
        assert_eq!((part.status, field(&part, "Content-Range")), (206, Some("bytes 2-3/10")));
        let same = reply(Selection::NotModified, b"").unwrap();
        assert_eq!((same.status, field(&same, "ETag")), (304, field(&whole, "ETag")));
        assert!(field(&same, "ETag").is_some() && field(&same, "Cache-Control").is_some());
        assert!(matches!(reply(Selection::Failed, b""), Err(HttpProblem::Precondition)));
        assert!(matches!(reply(Selection::Unsatisfiable, b""), Err(HttpProblem::Range { length: 10 })));
    }

    #[test]
    fn the_bytes_are_charged_until_the_last_copy_is_gone() {
        let admission = Admission::new(1, 100, 1);
        let mut reservation = admission.reservation();
        reservation.charge(10).unwrap();
        let file_part = file_part(Selection::Whole, b"0123456789").charged_to(reservation);
        let reply = file_part.reply(SystemTime::now()).unwrap();
        drop(file_part);
        assert_eq!((admission.bytes(), &reply.body[..]), (10, &b"0123456789"[..]));
        drop(reply);
        assert_eq!(admission.bytes(), 0);
    }
}
