//! Files below the directory of `-d`: what a request wants of one, and which state of it an answer shows.
//!
//! A [`Variant`] is everything that the bytes of an answer depend on: the state of the file and the whole plan. Results
//! are kept under it, and its [`etag`](Variant::etag) is strong (RFC 9110 §8.8.1): other bytes, another tag. The
//! inode's change time counts too, because any user may set back the modification time. Known limit: a file that is
//! rewritten twice within one tick of the file system's clock, to the same length, between two of our looks.
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::SystemTime;

use super::transform::{RequestedTransform, Transform};
use crate::http::conditional::Conditions;

/// What a request wants of a file.
#[derive(Clone, Debug)]
pub struct FileRequest {
    /// Below the directory, plain components: see [`beneath`](crate::http::path::beneath).
    pub path: Vec<u8>,
    /// What is to be done with the picture in it.
    pub requested: RequestedTransform,
    /// What the client has already.
    pub conditions: Conditions,
}

/// One state of one file, as fstat(2) tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileVersion {
    /// The file system.
    pub device: u64,
    /// The file in it.
    pub inode: u64,
    /// Bytes.
    pub length: u64,
    /// Modification time, which the owner can set.
    pub modified: SystemTime,
    /// Change time of the inode: seconds since 1970, nanoseconds.
    pub changed: (i64, i64),
}

/// One state of a file, processed in one way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Variant {
    /// Of what.
    pub version: FileVersion,
    /// How.
    pub transform: Transform,
}

impl FileVersion {
    /// The entity tag of the file's own bytes, with its quotes.
    #[must_use]
    pub fn etag(&self) -> String {
        tag(self)
    }

    /// The value of `Last-Modified`.
    #[must_use]
    pub fn last_modified(&self, now: SystemTime) -> String {
        // RFC 9110 §8.8.2.1: never later than Date. What is before 1970 can't be written either.
        httpdate::fmt_http_date(self.modified.min(now).max(SystemTime::UNIX_EPOCH))
    }
}

impl Variant {
    /// The entity tag, with its quotes. It covers this program's version too, because another may write other bytes.
    #[must_use]
    pub fn etag(&self) -> String {
        tag(&(env!("CARGO_PKG_VERSION"), self))
    }
}

/// Hashed, so that an inode's number is not published.
fn tag(of: &impl Hash) -> String {
    let half = |number: u8| {
        let mut hasher = DefaultHasher::new();
        (number, of).hash(&mut hasher);
        hasher.finish()
    };
    format!("\"{:016x}{:016x}\"", half(0), half(1))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::http::format::Format;
    use crate::http::reply::Reply;
    use crate::model::image::Encoding;
    use crate::model::transform::Size;
    use std::time::Duration;

    pub(crate) fn variant() -> Variant {
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(784_111_777_500);
        let version = FileVersion { device: 1, inode: 2, length: 3, modified, changed: (4, 5) };
        let encoding = Encoding { format: Format::Png, quality: 85, background: [255; 3] };
        Variant { version, transform: Transform::new(Size::Factor(0.5), encoding) }
    }

    fn fields(reply: &Reply) -> Vec<(&str, &str)> {
        reply.fields.iter().map(|(name, value)| (*name, &**value)).collect()
    }

    #[test]
    fn everything_that_the_bytes_depend_on_makes_another_tag() {
        let same = variant();
        let mut others = [same; 12];
        others[0].version.device = 9;
        others[1].version.inode = 9;
        others[2].version.length = 9;
        others[3].version.modified += Duration::from_nanos(1);
        others[4].version.changed = (4, 6);
        others[5].transform.size = Size::Factor(0.5f64.next_up());
        others[6].transform.encoding.format = Format::Jpeg;
        others[7].transform.encoding.quality = 84;
        others[8].transform.encoding.background = [255, 255, 254];
        others[9].version.changed = (5, 5);
        others[10].transform.size = Size::Within { width: Some(5), height: None };
        others[11].transform.size = Size::Within { width: None, height: Some(5) };
        let mut tags: Vec<String> = others.iter().chain([&same]).map(Variant::etag).collect();
        assert_eq!(same.etag(), variant().etag());
        tags.sort_unstable();
        tags.dedup();
        assert_eq!(tags.len(), 13);
        assert!(tags.iter().all(|tag| tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"')));
    }

    #[test]
    fn an_answer_of_304_has_what_a_cache_needs() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let reply = variant().not_modified(now);
        assert_eq!((reply.status, reply.body.len()), (304, 0));
        let tag = variant().etag();
        let expected = [
            ("ETag", &*tag),
            ("Last-Modified", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("Cache-Control", "public, max-age=60"),
            ("Vary", "Accept"),
        ];
        assert_eq!(fields(&reply), expected);
    }

    #[test]
    fn no_date_of_a_file_is_too_odd() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(60);
        let shown = |modified| {
            let mut variant = variant();
            variant.version.modified = modified;
            variant.not_modified(now).fields[1].1.clone()
        };
        let year = Duration::from_secs(365 * 86_400);
        assert_eq!(shown(SystemTime::UNIX_EPOCH - year), "Thu, 01 Jan 1970 00:00:00 GMT");
        assert_eq!(shown(SystemTime::UNIX_EPOCH + 20_000 * year), "Thu, 01 Jan 1970 00:01:00 GMT");
    }
}
