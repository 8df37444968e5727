//! Conditional requests (RFC 9110 §13): has the client what we would send?
//!
//! ```
//! use std::time::{Duration, SystemTime};
//! use tp2::proto::conditional::Conditions;
//! let conditions = Conditions { if_none_match: Some(b"\"a\", W/\"b\"".to_vec()), if_modified_since: None };
//! assert!(conditions.not_modified("\"b\"", SystemTime::UNIX_EPOCH));
//! assert!(!conditions.not_modified("\"c\"", SystemTime::UNIX_EPOCH));
//! ```
use std::time::SystemTime;

use super::head::RequestHead;

/// The fields of a GET or HEAD that make it conditional, as sent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conditions {
    /// `If-None-Match`: a list of entity tags, or `*`.
    pub if_none_match: Option<Vec<u8>>,
    /// `If-Modified-Since`: an HTTP date.
    pub if_modified_since: Option<Vec<u8>>,
}

impl Conditions {
    /// The conditions of a request.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        // RFC 9110 §5.3: several fields of one name are one list.
        let list = |name| head.field(name).map(|_| head.fields(name).collect::<Vec<_>>().join(&b","[..]));
        Self {
            if_none_match: list("if-none-match"),
            if_modified_since: head.field("if-modified-since").map(<[u8]>::to_vec),
        }
    }

    /// Whether the answer is 304: the client has a representation with this entity tag, or of this age.
    ///
    /// RFC 9110 §13.2.2: `If-Modified-Since` counts only without `If-None-Match`; a date that can't be read does not
    /// count at all (§13.1.3).
    #[must_use]
    pub fn not_modified(&self, etag: &str, modified: SystemTime) -> bool {
        match (&self.if_none_match, &self.if_modified_since) {
            (Some(list), _) => matches_any(list, etag.as_bytes()),
            (None, Some(date)) => std::str::from_utf8(date)
                .ok()
                .and_then(|date| httpdate::parse_http_date(date.trim()).ok())
                .is_some_and(|since| whole_seconds(modified) <= whole_seconds(since)),
            (None, None) => false,
        }
    }
}

/// Weak comparison (§8.8.3.2) with each tag of the list. A comma may stand inside a tag, so quotes are followed.
fn matches_any(list: &[u8], etag: &[u8]) -> bool {
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
        let Some(inner) = opaque.strip_prefix(b"\"") else { return false };
        let Some(end) = memchr::memchr(b'"', inner) else { return false };
        // With both quotes, as ours is written.
        if opaque.get(..end + 2) == Some(etag) {
            return true;
        }
        rest = inner.get(end + 1..).unwrap_or_default();
    }
}

/// HTTP dates have no fractions.
fn whole_seconds(time: SystemTime) -> u64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn tags(list: &str) -> Conditions {
        Conditions {
            if_none_match: Some(list.into()),
            if_modified_since: Some(b"Thu, 01 Jan 2099 00:00:00 GMT".to_vec()),
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
        let since = |date: &str| Conditions { if_none_match: None, if_modified_since: Some(date.into()) };
        let date = since("Thu, 01 Jan 1970 00:01:00 GMT");
        assert!(date.not_modified("\"x\"", at(60)));
        assert!(date.not_modified("\"x\"", at(59)));
        assert!(!date.not_modified("\"x\"", at(61)));
        assert!(since("Thursday, 01-Jan-70 00:01:00 GMT").not_modified("\"x\"", at(60)), "RFC 850");
        assert!(!since("yesterday").not_modified("\"x\"", at(0)));
        assert!(!Conditions::default().not_modified("\"x\"", at(0)));
    }
}
