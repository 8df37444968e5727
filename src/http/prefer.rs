//! A client's preferences (RFC 7240): an answer at once, or one within so many seconds. A preference is never an error:
//! one that is not understood is ignored.
//!
//! ```
//! use tp2::http::prefer::Preferences;
//! let wanted = Preferences::read(b"respond-async, wait=10");
//! assert_eq!((wanted.respond_async, wanted.wait), (true, Some(10)));
//! assert_eq!(Preferences::read(b"wait=ya, return=minimal"), Preferences::default());
//! ```
use super::head::RequestHead;

/// The preferences that we honour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Preferences {
    /// `respond-async` (§4.1): an id instead of a wait.
    pub respond_async: bool,
    /// `wait` (§4.3): how many seconds the client will wait for the result itself.
    pub wait: Option<u32>,
}

impl Preferences {
    /// Those of a request.
    #[must_use]
    pub fn of(head: &RequestHead) -> Self {
        // §2: several fields are one list.
        Self::read(&head.fields("prefer").collect::<Vec<_>>().join(&b","[..]))
    }

    /// Reads a list of preferences; of two that contradict each other, the first counts (§2).
    #[must_use]
    pub fn read(list: &[u8]) -> Self {
        let mut preferences = Self::default();
        for preference in list.split(|&byte| byte == b',') {
            // Parameters of a preference are ignored.
            let preference = preference.split(|&byte| byte == b';').next().unwrap_or_default();
            let mut parts = preference.splitn(2, |&byte| byte == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let value = parts.next().map(<[u8]>::trim_ascii);
            if name.eq_ignore_ascii_case(b"respond-async") {
                preferences.respond_async = true;
            } else if name.eq_ignore_ascii_case(b"wait") && preferences.wait.is_none() {
                preferences.wait = value.and_then(seconds);
            }
        }
        preferences
    }
}

/// `delta-seconds`, which may be quoted (§2); more than fit are the most that fit (RFC 9111 §1.2.2).
fn seconds(value: &[u8]) -> Option<u32> {
    let value = value.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(value);
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |sum: u32, &byte: &u8| sum.saturating_mul(10).saturating_add(u32::from(byte - b'0'));
    Some(value.iter().fold(0, digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_as_clients_write_them() {
        let both = |respond_async, wait| Preferences { respond_async, wait };
        for (list, expected) in [
            ("", both(false, None)),
            ("respond-async", both(true, None)),
            ("Respond-Async;foo=bar , WAIT = 5", both(true, Some(5))),
            ("wait=\"7\"", both(false, Some(7))),
            ("wait=3, wait=9", both(false, Some(3))),
            ("wait=0", both(false, Some(0))),
            ("wait=99999999999999", both(false, Some(u32::MAX))),
            ("wait", both(false, None)),
            ("wait=", both(false, None)),
            ("wait=-1", both(false, None)),
            ("wait=1.5", both(false, None)),
            (",,;=,respond-async", both(true, None)),
            ("return=representation, handling=lenient", both(false, None)),
        ] {
            assert_eq!(Preferences::read(list.as_bytes()), expected, "{list}");
        }
    }
}
