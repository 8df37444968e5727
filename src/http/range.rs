//! One range of bytes of a representation (RFC 9110 §14): which bytes are asked for, and what is answered.
//!
//! Rules: exactly one range is served, in the unit `bytes`. Several ranges, another unit, and an unreadable field are
//! ignored: the answer is whole, as §14.2 allows. A range that begins behind the end is refused (416), because a client
//! that resumes a download wants to know that. An empty representation is whole for a suffix range, else refused.
//!
//! Refuses to do: `multipart/byteranges`. [`conditional`](super::conditional) decides whether the client still has the
//! same representation.
//!
//! ```
//! use tp2::http::range::{Ranged, content_range, ranged};
//! assert_eq!(ranged(b"bytes=0-99", 1000), Ranged::Part(0..100));
//! assert_eq!(ranged(b"bytes=-1", 1000), Ranged::Part(999..1000));
//! assert_eq!(ranged(b"bytes=1000-", 1000), Ranged::Unsatisfiable);
//! assert_eq!(content_range(&(0..100), 1000), "bytes 0-99/1000");
//! ```
use std::ops::Range;

/// What a `Range` field leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ranged {
    /// All of it.
    Whole,
    /// These bytes, at least one.
    Part(Range<u64>),
    /// The range begins behind the end.
    Unsatisfiable,
}

/// Reads the value of a `Range` field against a representation of `length` bytes.
#[must_use]
pub fn ranged(field: &[u8], length: u64) -> Ranged {
    match only_spec(field).and_then(parse) {
        None => Ranged::Whole,
        // §14.1.2: with a suffix that is not empty it is satisfiable, but an empty part can't be written.
        Some(Spec::Last(1..)) if length == 0 => Ranged::Whole,
        Some(Spec::Last(count)) => part(length.saturating_sub(count)..length),
        Some(Spec::Between(first, last)) => part(first..last.saturating_add(1).min(length)),
    }
}

/// The value of `Content-Range` for a part of `length` bytes (§14.4); the part is not empty.
#[must_use]
pub fn content_range(part: &Range<u64>, length: u64) -> String {
    format!("bytes {}-{}/{length}", part.start, part.end.saturating_sub(1))
}

/// The value of `Content-Range` in an answer of 416 (§15.5.17).
#[must_use]
pub fn unsatisfied(length: u64) -> String {
    format!("bytes */{length}")
}

/// One range-spec (§14.1.1).
enum Spec {
    /// From the first of these positions to the second.
    Between(u64, u64),
    /// So many bytes at the end.
    Last(u64),
}

/// `bytes=` and a list with one element; §14.1: a unit is written in any case, §5.6.1.2: empty elements are skipped.
fn only_spec(field: &[u8]) -> Option<&[u8]> {
    let (unit, list) = field.split_at_checked(b"bytes=".len())?;
    if !unit.eq_ignore_ascii_case(b"bytes=") {
        return None;
    }
    let mut specs = list.split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|spec| !spec.is_empty());
    let first = specs.next()?;
    specs.next().is_none().then_some(first)
}

/// None for what is none, also if it ends before it begins (§14.1.2).
fn parse(spec: &[u8]) -> Option<Spec> {
    let dash = memchr::memchr(b'-', spec)?;
    let (first, last) = (&spec[..dash], &spec[dash + 1..]);
    match (first.is_empty(), last.is_empty()) {
        (true, true) => None,
        (true, false) => Some(Spec::Last(number(last)?)),
        (false, true) => Some(Spec::Between(number(first)?, u64::MAX)),
        (false, false) => {
            let (first, last) = (number(first)?, number(last)?);
            (first <= last).then_some(Spec::Between(first, last))
        }
    }
}

/// 1*DIGIT; more than fits is behind every end, and no reason to misunderstand the rest.
fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        Some(number.saturating_mul(10).saturating_add(digit))
    })
}

fn part(range: Range<u64>) -> Ranged {
    if range.is_empty() { Ranged::Unsatisfiable } else { Ranged::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_range_of_ten_bytes() {
        for (field, expected) in [
            ("bytes=0-0", Ranged::Part(0..1)),
            ("bytes=0-9", Ranged::Part(0..10)),
            ("bytes=0-10", Ranged::Part(0..10)),
            ("bytes=3-5", Ranged::Part(3..6)),
            ("bytes=9-9", Ranged::Part(9..10)),
            ("bytes=9-", Ranged::Part(9..10)),
            ("bytes=0-", Ranged::Part(0..10)),
            ("bytes=-1", Ranged::Part(9..10)),
            ("bytes=-10", Ranged::Part(0..10)),
            ("bytes=-11", Ranged::Part(0..10)),
            ("bytes=-99999999999999999999999", Ranged::Part(0..10)),
            ("bytes=2-99999999999999999999999", Ranged::Part(2..10)),
            ("bytes=000002-000003", Ranged::Part(2..4)),
            ("BYTES=2-3", Ranged::Part(2..4)),
            ("bytes= 2-3 ", Ranged::Part(2..4)),
            ("bytes=,2-3, ,", Ranged::Part(2..4)),
            ("bytes=10-", Ranged::Unsatisfiable),
            ("bytes=10-20", Ranged::Unsatisfiable),
            ("bytes=99999999999999999999999-", Ranged::Unsatisfiable),
            ("bytes=-0", Ranged::Unsatisfiable),
        ] {
            assert_eq!(ranged(field.as_bytes(), 10), expected, "{field}");
        }
    }

    #[test]
    fn what_is_no_single_range_of_bytes_is_ignored() {
        for field in [
            "",
            "bytes",
            "bytes=",
            "bytes=,",
            "bytes=-",
            "bytes=a-",
            "bytes=-a",
            "bytes=1-2-3",
            "bytes=5-4",
            "bytes=1 -2",
            "bytes=1- 2",
            "bytes=+1-2",
            "bytes=1-+2",
            "bytes=--1",
            "bytes=0x1-2",
            "bytes=\u{661}-2",
            "bytes =1-2",
            " bytes=1-2",
            "bytes:1-2",
            "byte=1-2",
            "lines=1-2",
            "bytes=0-1,3-4",
            "bytes=0-1,-1",
            "bytes=0-1,x",
        ] {
            assert_eq!(ranged(field.as_bytes(), 10), Ranged::Whole, "{field}");
        }
    }

    #[test]
    fn of_nothing_there_is_no_part() {
        for (field, expected) in [
            ("bytes=0-", Ranged::Unsatisfiable),
            ("bytes=0-0", Ranged::Unsatisfiable),
            ("bytes=-0", Ranged::Unsatisfiable),
            ("bytes=-5", Ranged::Whole),
        ] {
            assert_eq!(ranged(field.as_bytes(), 0), expected, "{field}");
        }
    }

    /// Every range of up to 6 positions against every length, held against the bytes themselves.
    #[test]
    fn parts_are_what_was_asked_for() {
        let bytes = [0u8, 1, 2, 3, 4, 5];
        for length in 0..=bytes.len() {
            let whole = &bytes[..length];
            for first in 0..8usize {
                for last in first..8 {
                    let expected: Vec<u8> = whole
                        .iter()
                        .copied()
                        .filter(|&at| (first..=last).contains(&usize::from(at)))
                        .collect();
                    check(&format!("bytes={first}-{last}"), whole, &expected);
                }
                let from: Vec<u8> = whole.iter().copied().skip(first).collect();
                check(&format!("bytes={first}-"), whole, &from);
                if length > 0 {
                    check(&format!("bytes=-{first}"), whole, &whole[length - first.min(length)..]);
                }
            }
        }
    }

    fn check(field: &str, whole: &[u8], expected: &[u8]) {
        let length = whole.len() as u64;
        match ranged(field.as_bytes(), length) {
            Ranged::Part(part) => {
                let indices = usize::try_from(part.start).unwrap()..usize::try_from(part.end).unwrap();
                assert_eq!(&whole[indices], expected, "{field} of {length}");
                let shown = content_range(&part, length);
                assert_eq!(shown, format!("bytes {}-{}/{length}", part.start, part.end - 1));
            }
            Ranged::Unsatisfiable => assert!(expected.is_empty(), "{field} of {length}"),
            Ranged::Whole => panic!("{field} of {length}"),
        }
    }

    /// Every field of up to five of these bytes behind the unit: no panic, and no part that is not there.
    #[test]
    fn no_short_field_leads_out_of_the_bytes() {
        const BYTES: &[u8] = b"-019, x";
        let mut fields = vec![b"bytes=".to_vec()];
        while let Some(field) = fields.pop() {
            for length in [0, 1, 10, u64::MAX] {
                if let Ranged::Part(part) = ranged(&field, length) {
                    assert!(part.start < part.end && part.end <= length, "{}", field.escape_ascii());
                }
            }
            if field.len() < b"bytes=".len() + 5 {
                fields.extend(BYTES.iter().map(|&byte| [&field[..], &[byte]].concat()));
            }
        }
    }

    #[test]
    fn fields_of_answers() {
        assert_eq!(content_range(&(0..1), 1), "bytes 0-0/1");
        assert_eq!(unsatisfied(47), "bytes */47");
    }
}
