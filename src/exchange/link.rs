//! Links: results that are stored in a folder and served from there, as data.
//!
//! A link is made once, under a name of its own, and its file is never written to again: so its entity tag is strong,
//! its date too (RFC 9110 §8.8.2.2), and whoever has part of it may fetch the rest.
use std::time::SystemTime;

use bytes::Bytes;

use super::file::Stamp;
use super::gate::Lease;
use super::picture::{POLICY, Times};
use super::reject::Reject;
use crate::http::conditional::{Conditions, Selection};
use crate::http::reply::Reply;

/// The folder's name, below the working directory and in a link to the main port.
pub const FOLDER: &str = "scaled_images";

/// A name is never given to another picture, but whoever keeps the folder may remove it.
const CACHE_CONTROL: &str = "public, max-age=3600";

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

    /// The answer that carries it (RFC 9110 §15.3.2).
    #[must_use]
    pub fn reply(&self, url: &str, times: &Times) -> Reply {
        Reply::text(201, Self::line(url))
            .with("Location", url.to_owned())
            .with("X-Ancho", self.width.to_string())
            .with("X-Alto", self.height.to_string())
            .with("Cache-Control", "no-store")
            .with("Server-Timing", times.field())
    }
}

/// What a request wants of a stored file.
#[derive(Clone, Debug)]
pub struct Sought {
    /// Its name in the folder: one plain component.
    pub name: Vec<u8>,
    /// What the client has already, and which part it wants.
    pub conditions: Conditions,
    /// The bytes are not to be sent: HEAD.
    pub head_only: bool,
}

/// What is sent of a stored file.
#[derive(Debug)]
pub struct Excerpt {
    /// How much of it.
    pub selection: Selection,
    /// The file's state.
    pub stamp: Stamp,
    /// What its first bytes say it is.
    pub media_type: &'static str,
    /// The bytes selected; none of them for HEAD.
    pub body: Bytes,
}

impl Excerpt {
    /// With its bytes charged to this lease until the last of them is sent.
    #[must_use]
    pub fn charged_to(self, lease: Lease) -> Self {
        Self { body: Bytes::from_owner(Charged { bytes: self.body, _lease: lease }), ..self }
    }

    /// The answer that carries it.
    ///
    /// # Errors
    /// What the client asks for is not there (412, 416).
    pub fn reply(&self, now: SystemTime) -> Result<Reply, Reject> {
        let length = self.stamp.length;
        let file = || {
            Reply::new(200, self.media_type, self.body.clone())
                .with("Accept-Ranges", "bytes")
                .with("Content-Security-Policy", POLICY)
        };
        let reply = match &self.selection {
            Selection::Whole => file().of_length(length),
            Selection::Part(part) => file().into_part(part, length),
            Selection::NotModified => Reply::empty(304),
            Selection::Failed => return Err(Reject::Precondition),
            Selection::Unsatisfiable => return Err(Reject::Range { length }),
        };
        Ok(reply
            .with("ETag", self.stamp.etag())
            .with("Last-Modified", self.stamp.last_modified(now))
            .with("Cache-Control", CACHE_CONTROL))
    }
}

/// Bytes and what they are charged to.
struct Charged {
    bytes: Bytes,
    _lease: Lease,
}

impl AsRef<[u8]> for Charged {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::exchange::file::tests::edition;
    use crate::exchange::gate::Gate;

    pub(crate) fn excerpt(selection: Selection, body: &'static [u8]) -> Excerpt {
        let stamp = Stamp { length: 10, ..edition().stamp };
        Excerpt { selection, stamp, media_type: "image/jpeg", body: Bytes::from_static(body) }
    }

    fn field<'a>(reply: &'a Reply, name: &str) -> Option<&'a str> {
        reply.fields.iter().find(|(field, _)| *field == name).map(|(_, value)| &**value)
    }

    #[test]
    fn every_selection_has_its_answer() {
        let now = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let reply = |selection, body| excerpt(selection, body).reply(now);
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
        assert!(matches!(reply(Selection::Failed, b""), Err(Reject::Precondition)));
        assert!(matches!(reply(Selection::Unsatisfiable, b""), Err(Reject::Range { length: 10 })));
    }

    #[test]
    fn the_bytes_are_charged_until_the_last_copy_is_gone() {
        let gate = Gate::new(1, 100, 1);
        let mut lease = gate.lease();
        lease.grow(10).unwrap();
        let excerpt = excerpt(Selection::Whole, b"0123456789").charged_to(lease);
        let reply = excerpt.reply(SystemTime::now()).unwrap();
        drop(excerpt);
        assert_eq!((gate.bytes(), &reply.body[..]), (10, &b"0123456789"[..]));
        drop(reply);
        assert_eq!(gate.bytes(), 0);
    }
}
