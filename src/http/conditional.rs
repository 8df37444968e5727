//! Conditional requests (RFC 9110 §13): whether the client has what we would send, whether it is what the client means,
//! and which part is asked for.
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tp2::http::conditional::Conditions;
//! let conditions = Conditions { if_none_match: Some(b"\"a\", W/\"b\"".to_vec()), ..Conditions::default() };
//! assert!(conditions.not_modified("\"b\"", SystemTime::UNIX_EPOCH));
//! assert!(!conditions.not_modified("\"c\"", SystemTime::UNIX_EPOCH));
//! ```
use std::ops::Range;
use std::time::SystemTime;

use super::head::{Method, RequestHead};
use super::range::{Ranged, ranged};

/// The fields of a GET or HEAD that make it conditional, or ask for a part, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-None-Match`: a list of entity tags, or `*`.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`: an HTTP date.
    pub if_modified_since: Option<Vec<u8>>,
    /// `If-Match`: a list of entity tags, or `*`.
    pub if_match: Option<Vec<u8>>,
    /// `If-Unmodified-Since`: an HTTP date.
    pub if_unmodified_since: Option<Vec<u8>>,
    /// `Range`, of a GET.
    pub range: Option<Vec<u8>>,
    /// `If-Range`: an entity tag, or an HTTP date.
    pub if_range: Option<Vec<u8>>,
}

/// A representation that conditions are compared with: it never has other bytes under the same tag, nor, within one
/// second, under the same date.
#[derive(Clone, Copy, Debug)]
pub struct Whole<'a> {
    /// Bytes.
    pub length: u64,
    /// Its strong entity tag, with the quotes.
    pub etag: &'a str,
    /// When it was made.
    pub modified: SystemTime,
}

/// What is to be sent of a representation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// 200: all of it.
    Whole,
    /// 206: these of its bytes, at least one, with [`content_range`](super::range::content_range).
    Part(Range<u64>),
    /// 304: the client has it.
    NotModified,
    /// 412: it is not the one that the client means.
    Failed,
    /// 416: the range begins behind its end, see [`unsatisfied`](super::range::unsatisfied).
    Unsatisfiable,
}

impl Conditions {
    /// The conditions of a request.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        let one = |name| head.field(name).map(<[u8]>::to_vec);
        // RFC 9110 §5.3: several fields of one name are one list.
        let list = |name| head.field(name).map(|_| head.fields(name).collect::<Vec<_>>().join(&b","[..]));
        Self {
            if_none_match: list("if-none-match"),
            if_modified_since: one("if-modified-since"),
            if_match: list("if-match"),
            if_unmodified_since: one("if-unmodified-since"),
            // §14.2: a Range has a meaning for GET alone.
            range: if *head.method() == Method::Get { list("range") } else { None },
            if_range: one("if-range"),
        }
    }

    /// What to send of a representation, judged in the order of RFC 9110 §13.2.2.
    #[must_use]
    pub fn select(&self, whole: &Whole<'_>) -> Selection {
        if !self.is_meant(whole) {
            return Selection::Failed;
        }
        if self.not_modified(whole.etag, whole.modified) {
            return Selection::NotModified;
        }
        match &self.range {
            Some(range) if self.is_continued(whole) => match ranged(range, whole.length) {
                Ranged::Whole => Selection::Whole,
                Ranged::Part(part) => Selection::Part(part),
                Ranged::Unsatisfiable => Selection::Unsatisfiable,
            },
            _ => Selection::Whole,
        }
    }

    /// Whether the answer is 304: the client has a representation with this entity tag, or of this age.
    ///
    /// RFC 9110 §13.2.2: `If-Modified-Since` counts only without `If-None-Match`; a date that can't be read does not
    /// count at all (§13.1.3).
    #[must_use]
    pub fn not_modified(&self, etag: &str, modified: SystemTime) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            // §13.1.2: by weak comparison.
            (Some(list), _) => matches_any(list, etag.as_bytes(), Comparison::Weak),
            (None, Some(date)) => seconds_of(date).is_some_and(|since| whole_seconds(modified) <= since),
            (None, None) => false,
        }
    }

    /// Whether the client means this representation: `If-Match`, else `If-Unmodified-Since`.
    fn is_meant(&self, whole: &Whole<'_>) -> bool {
        match (&self.if_match, &self.if_unmodified_since) {
            // §13.1.1: by strong comparison.
            (Some(list), _) => matches_any(list, whole.etag.as_bytes(), Comparison::Strong),
            // §13.1.4: a date that can't be read does not count.
            (None, Some(date)) => seconds_of(date).is_none_or(|since| whole_seconds(whole.modified) <= since),
            (None, None) => true,
        }
    }

    /// Whether the client has the beginning of this representation: `If-Range` (§13.1.5). A tag counts by strong
    /// comparison, a date only if it is exactly this one.
    fn is_continued(&self, whole: &Whole<'_>) -> bool {
        match self.if_range.as_deref() {
            None => true,
            Some(tag @ ([b'"', ..] | [b'W', b'/', ..])) => tag == whole.etag.as_bytes(),
            Some(date) => seconds_of(date) == Some(whole_seconds(whole.modified)),
        }
    }
}

/// RFC 9110 §8.8.3.2.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Comparison {
    /// Tags that are weak match too.
    Weak,
    /// They don't.
    Strong,
}

/// Compares with each tag of the list. A comma may stand inside a tag, so quotes are followed.
fn matches_any(list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    loop {
        // §5.6.1.2: empty elements of a list are skipped.
        while let [b',' | b' ' | b'\t', after @ ..] = rest {
            rest = after;
        }
        let opaque = rest.strip_prefix(b"W/").unwrap_or(rest);
        let counts = comparison == Comparison::Weak || opaque.len() == rest.len();
        let Some(inner) = opaque.strip_prefix(b"\"") else { return false };
        let Some(end) = memchr::memchr(b'"', inner) else { return false };
        // With both quotes, as ours is written.
        if counts && opaque.get(..end + 2) == Some(etag) {
            return true;
        }
        rest = inner.get(end + 1..).unwrap_or_default();
    }
}

/// An HTTP date, in seconds since 1970; None for what is none.
fn seconds_of(date: &[u8]) -> Option<u64> {
    let date = std::str::from_utf8(date).ok()?;
    httpdate::parse_http_date(date.trim()).ok().map(whole_seconds)
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::buf::RecvBuf;
    use crate::http::head::{HeadLimits, poll_head};
    use std::time::Duration;

    fn tags(list: &str) -> Conditions {
        Conditions {
            if_none_match: Some(list.into()),
            if_modified_since: Some(b"Thu, 01 Jan 2099 00:00:00 GMT".to_vec()),
            ..Conditions::default()
        }
    }

    #[test]
    fn a_tag_is_looked_for_in_the_list() {
        for (list, matches) in [
            ("\"x\"", true),
            ("W/\"x\"", true),
            ("*", true),
            (" * ", true),
            ("\"a\", \"x\"", true),
            ("\"a,b\",\"x\"", true),
            (",, \"x\"", true),
            ("\"a, \"x\"", false),
            ("x", false),
            ("\"X\"", false),
            ("\"x", false),
            ("", false),
            ("w/\"x\"", false),
        ] {
            assert_eq!(tags(list).not_modified("\"x\"", SystemTime::UNIX_EPOCH), matches, "{list}");
        }
    }

    #[test]
    fn the_date_counts_without_a_tag() {
        let at = |seconds: u64| SystemTime::UNIX_EPOCH + Duration::from_millis(seconds * 1000 + 900);
        let since = |date: &str| Conditions { if_modified_since: Some(date.into()), ..Conditions::default() };
        let date = since("Thu, 01 Jan 1970 00:01:00 GMT");
        assert!(date.not_modified("\"x\"", at(60)));
        assert!(date.not_modified("\"x\"", at(59)));
        assert!(!date.not_modified("\"x\"", at(61)));
        assert!(since("Thursday, 01-Jan-70 00:01:00 GMT").not_modified("\"x\"", at(60)), "RFC 850");
        assert!(!since("yesterday").not_modified("\"x\"", at(0)));
        assert!(!Conditions::default().not_modified("\"x\"", at(0)));
    }

    const TAG: &str = "\"x\"";
    const DATE: &str = "Thu, 01 Jan 1970 00:01:00 GMT";

    /// Of 10 bytes, with [`TAG`] and, but for a fraction, [`DATE`].
    fn select(fields: &[(&str, &str)]) -> Selection {
        let mut recv = RecvBuf::new(16 << 10);
        let fields: String = fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        recv.extend(format!("GET /a HTTP/1.1\r\nHost: a\r\n{fields}\r\n").as_bytes());
        let head = poll_head(&mut recv, &HeadLimits::default()).unwrap().unwrap();
        let modified = SystemTime::UNIX_EPOCH + Duration::from_millis(60_900);
        Conditions::of(&head).select(&Whole { length: 10, etag: TAG, modified })
    }

    #[test]
    fn a_range_is_served_if_nothing_speaks_against_it() {
        let range = ("Range", "bytes=2-4");
        for (if_range, expected) in [
            ("\"x\"", Selection::Part(2..5)),
            (DATE, Selection::Part(2..5)),
            ("Thursday, 01-Jan-70 00:01:00 GMT", Selection::Part(2..5)),
            ("\"y\"", Selection::Whole),
            ("W/\"x\"", Selection::Whole),
            ("Thu, 01 Jan 1970 00:01:01 GMT", Selection::Whole),
            ("Thu, 01 Jan 1970 00:00:59 GMT", Selection::Whole),
            ("ayer", Selection::Whole),
            ("", Selection::Whole),
        ] {
            assert_eq!(select(&[range, ("If-Range", if_range)]), expected, "{if_range}");
            assert_eq!(select(&[("If-Range", if_range)]), Selection::Whole, "no range at all");
        }
        assert_eq!(select(&[range]), Selection::Part(2..5));
        assert_eq!(select(&[("Range", "bytes=10-")]), Selection::Unsatisfiable);
        assert_eq!(select(&[("Range", "bytes=10-"), ("If-Range", "\"y\"")]), Selection::Whole);
        assert_eq!(select(&[range, ("Range", "bytes=7-8")]), Selection::Whole, "two fields are two ranges");
        assert_eq!(select(&[]), Selection::Whole);
    }

    #[test]
    fn a_client_that_means_another_one_is_told_so_before_anything_else() {
        let (range, none_match) = (("Range", "bytes=0-0"), ("If-None-Match", "\"x\""));
        for (list, meant) in [
            ("*", true),
            ("\"x\"", true),
            ("\"a\", \"x\"", true),
            ("W/\"x\", \"x\"", true),
            ("W/\"x\"", false),
            ("\"a\"", false),
            ("", false),
        ] {
            let expected = |found| if meant { found } else { Selection::Failed };
            let if_match = ("If-Match", list);
            assert_eq!(select(&[if_match]), expected(Selection::Whole), "{list}");
            assert_eq!(select(&[if_match, range]), expected(Selection::Part(0..1)), "{list}");
            assert_eq!(select(&[if_match, range, none_match]), expected(Selection::NotModified), "{list}");
            let old = ("If-Unmodified-Since", "Thu, 01 Jan 1970 00:00:59 GMT");
            assert_eq!(select(&[old, if_match]), expected(Selection::Whole), "the date counts without a tag");
        }
        for (date, expected) in [
            (DATE, Selection::Whole),
            ("Thu, 01 Jan 1970 00:01:01 GMT", Selection::Whole),
            ("Thu, 01 Jan 1970 00:00:59 GMT", Selection::Failed),
            ("ayer", Selection::Whole),
        ] {
            assert_eq!(select(&[("If-Unmodified-Since", date)]), expected, "{date}");
        }
    }

    #[test]
    fn what_the_client_has_is_not_sent_in_part_either() {
        let range = ("Range", "bytes=99-");
        assert_eq!(select(&[range, ("If-None-Match", "W/\"x\"")]), Selection::NotModified);
        assert_eq!(select(&[range, ("If-Modified-Since", DATE)]), Selection::NotModified);
        assert_eq!(select(&[range, ("If-None-Match", "\"y\"")]), Selection::Unsatisfiable);
    }

    #[test]
    fn a_range_has_a_meaning_for_get_alone() {
        let mut recv = RecvBuf::new(16 << 10);
        recv.extend(b"HEAD /a HTTP/1.1\r\nHost: a\r\nRange: bytes=0-1\r\nIf-None-Match: \"y\"\r\n\r\n");
        let head = poll_head(&mut recv, &HeadLimits::default()).unwrap().unwrap();
        let conditions = Conditions::of(&head);
        assert_eq!((conditions.range, conditions.if_none_match), (None, Some(b"\"y\"".to_vec())));
    }
}
