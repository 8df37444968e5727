//! Links: results that are stored in a folder and served from there, as data.
//!
//! A link is made once, under a name of its own, and its file is never written to again: so its entity tag is strong,
//! its date too (RFC 9110 §8.8.2.2), and a client that has part of it may fetch the rest.
use std::sync::Arc;

use bytes::Bytes;

use super::admission::Reservation;
use super::file::FileVersion;
use super::picture::Held;
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
    /// Holds them.
    pub held: Option<Arc<Reservation>>,
}

impl FilePart {
    /// With its bytes charged to this reservation.
    #[must_use]
    pub fn charged_to(self, reservation: Reservation) -> Self {
        Self { held: Some(Arc::new(reservation)), ..self }
    }

    /// What its bytes are charged to.
    #[must_use]
    pub fn held(&self) -> Held {
        self.held.as_ref().map_or(Held::Nothing, |held| Held::Shared(Arc::clone(held)))
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
        FilePart { selection, version, media_type: "image/jpeg", body: Bytes::from_static(body), held: None }
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
    fn the_bytes_are_charged_until_the_answer_is_sent() {
        let admission = Admission::new(1, 100, 1);
        let mut reservation = admission.reservation();
        reservation.charge(10).unwrap();
        let file_part = file_part(Selection::Whole, b"0123456789").charged_to(reservation);
        let mut held = file_part.held();
        assert!(held.sole().is_none());
        drop(file_part);
        held.sole().unwrap().shrink_to(4);
        assert_eq!(admission.bytes(), 4);
        drop(held);
        assert_eq!(admission.bytes(), 0);
    }
}
