//! The fields of a head: read by httparse, then held against the rules on Host and framing.
use std::ops::Range;

use super::line::is_host;
use super::{Framing, HeadError, Version};

/// The fields of a head, as ranges of its bytes, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<HeadField>);

#[derive(Clone, Debug)]
struct HeadField {
    name: Range<usize>,
    /// Without white space around it.
    value: Range<usize>,
}

impl Fields {
    /// Reads the fields that begin at `start` and end with the empty line at the end of `head`.
    pub(super) fn parse(head: &[u8], start: usize, fields_max: usize) -> Result<Self, HeadError> {
        let mut slots = vec![httparse::EMPTY_HEADER; fields_max];
        let section = head.get(start..).unwrap_or_default();
        let fields = match httparse::parse_headers(section, &mut slots) {
            Ok(httparse::Status::Complete((_, fields))) => fields,
            Ok(httparse::Status::Partial) => return Err(HeadError::FieldName),
            Err(httparse::Error::TooManyHeaders) => {
                // One field a line (none is folded), and the empty one.
                let received = memchr::memchr_iter(b'\n', section).count().saturating_sub(1);
                return Err(HeadError::TooManyFields { max: fields_max, received });
            }
            Err(httparse::Error::HeaderValue) => return Err(HeadError::FieldValue),
            Err(_) => return Err(HeadError::FieldName),
        };
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().saturating_sub(head.as_ptr().addr());
            start..start + part.len()
        };
        let field = |header: &httparse::Header<'_>| HeadField {
            name: range(header.name.as_bytes()),
            value: range(header.value),
        };
        Ok(Self(fields.iter().map(field).collect()))
    }

    /// The values of the fields of this name.
    pub(super) fn named<'a>(&'a self, head: &'a [u8], name: &str) -> impl Iterator<Item = &'a [u8]> {
        let part = |range: &Range<usize>| head.get(range.clone()).unwrap_or_default();
        self.0
            .iter()
            .filter(move |field| part(&field.name).eq_ignore_ascii_case(name.as_bytes()))
            .map(move |field| part(&field.value))
    }

    /// Whether the lists in the fields of this name contain `element`, in any case (RFC 9110, 5.6.1).
    pub(super) fn has_list_element(&self, head: &[u8], name: &str, element: &str) -> bool {
        self.named(head, name)
            .flat_map(|list| list.split(|byte| *byte == b','))
            .any(|one| one.trim_ascii().eq_ignore_ascii_case(element.as_bytes()))
    }

    /// RFC 9112, 3.2: a Host in HTTP/1.1, and never one that is no `host[:port]`.
    pub(super) fn judge_host(&self, head: &[u8], version: Version) -> Result<(), HeadError> {
        match self.named(head, "host").next() {
            None if version == Version::Http11 => Err(HeadError::HostMissing),
            Some(host) if !is_host(host) => Err(HeadError::HostInvalid),
            _ => Ok(()),
        }
    }

    /// Fields of one value that come twice, where two readers could take two different ones.
    pub(super) fn judge_repeated(&self, head: &[u8]) -> Result<(), HeadError> {
        let comes_twice = |name: &&str| self.named(head, name).nth(1).is_some();
        let disagrees = |name: &&str| {
            let mut values = self.named(head, name);
            let first = values.next();
            values.any(|value| Some(value) != first)
        };
        match ONCE.into_iter().find(comes_twice).or_else(|| AGREED.into_iter().find(disagrees)) {
            Some(name) => Err(HeadError::FieldRepeated { name }),
            None => Ok(()),
        }
    }

    /// RFC 9112, 6.3, without any of the repairs it permits. No field of framing is repeated.
    pub(super) fn framing(&self, head: &[u8], version: Version) -> Result<Framing, HeadError> {
        let length = self.named(head, "content-length").next();
        let coding = self.named(head, "transfer-encoding").next();
        match (length, coding) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(HeadError::LengthAndCoding),
            (Some(length), None) => parse_length(length).map(Framing::Length),
            (None, Some(_)) if version == Version::Http10 => Err(HeadError::CodingInHttp10),
            (None, Some(coding)) if coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
            (None, Some(_)) => Err(HeadError::CodingUnknown),
        }
    }
}

/// Content-Length = 1*DIGIT (RFC 9110, 8.6), within 64 bits.
fn parse_length(value: &[u8]) -> Result<u64, HeadError> {
    if value.is_empty() {
        return Err(HeadError::LengthInvalid);
    }
    value
        .iter()
        .try_fold(0u64, |length, byte| {
            let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
            length.checked_mul(10)?.checked_add(digit)
        })
        .ok_or(HeadError::LengthInvalid)
}

/// Fields that come once: Host (RFC 9112, 3.2) and those of framing.
const ONCE: [&str; 3] = ["host", "content-length", "transfer-encoding"];
/// Fields that change what is read or answered (RFC 9110, 8.3 and 13.1): once, or always the same.
const AGREED: [&str; 4] = ["content-type", "if-modified-since", "if-unmodified-since", "if-range"];
