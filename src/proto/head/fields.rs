//! The fields of a head: read by httparse, then held against the rules on Host and framing.
use std::ops::Range;

use super::{Framing, HeadError, Version};

/// The fields of a head, as ranges of its bytes, in the order in which they came.
#[derive(Clone, Debug)]
pub(super) struct Fields(Vec<Field>);

#[derive(Clone, Debug)]
struct Field {
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
            Err(httparse::Error::TooManyHeaders) => return Err(HeadError::TooManyFields { max: fields_max }),
            Err(httparse::Error::HeaderValue) => return Err(HeadError::FieldValue),
            Err(_) => return Err(HeadError::FieldName),
        };
        let range = |part: &[u8]| {
            let start = part.as_ptr().addr().saturating_sub(head.as_ptr().addr());
            start..start + part.len()
        };
        let field = |header: &httparse::Header<'_>| Field {
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

    /// RFC 9112, 3.2: exactly one Host in HTTP/1.1, at most one in 1.0, and never one that is no `host[:port]`.
    pub(super) fn judge_host(&self, head: &[u8], version: Version) -> Result<(), HeadError> {
        let mut hosts = self.named(head, "host");
        match (hosts.next(), hosts.next()) {
            (None, _) if version == Version::Http11 => Err(HeadError::HostMissing),
            (_, Some(_)) => Err(HeadError::HostRepeated),
            (Some(host), None) if !is_host(host) => Err(HeadError::HostInvalid),
            _ => Ok(()),
        }
    }

    /// RFC 9112, 6.3, without any of the repairs it permits.
    pub(super) fn framing(&self, head: &[u8], version: Version) -> Result<Framing, HeadError> {
        let mut lengths = self.named(head, "content-length");
        let mut codings = self.named(head, "transfer-encoding");
        match (lengths.next(), codings.next()) {
            (None, None) => Ok(Framing::None),
            (Some(_), Some(_)) => Err(HeadError::LengthAndCoding),
            (Some(_), None) if lengths.next().is_some() => Err(HeadError::LengthRepeated),
            (Some(length), None) => parse_length(length).map(Framing::Length),
            (None, Some(_)) if version == Version::Http10 => Err(HeadError::CodingInHttp10),
            (None, Some(_)) if codings.next().is_some() => Err(HeadError::CodingRepeated),
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

/// Host = uri-host [ ":" port ] (RFC 9110, 7.2), which may be empty.
fn is_host(value: &[u8]) -> bool {
    let (name, port) = match value {
        // IP-literal (RFC 3986, 3.2.2): the colons within the brackets begin no port.
        [b'[', rest @ ..] => {
            let Some(end) = memchr::memchr(b']', rest) else { return false };
            let (address, rest) = rest.split_at(end);
            let literal = |byte: &u8| byte.is_ascii_alphanumeric() || b":.%-_~".contains(byte);
            if address.is_empty() || !address.iter().all(literal) {
                return false;
            }
            match rest {
                [b']'] => return true,
                [b']', b':', port @ ..] => (&b""[..], port),
                _ => return false,
            }
        }
        _ => match memchr::memchr(b':', value) {
            Some(colon) => (&value[..colon], &value[colon + 1..]),
            None => (value, &b""[..]),
        },
    };
    // reg-name: unreserved, sub-delims, pct-encoded.
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    name.iter().all(named) && port.iter().all(u8::is_ascii_digit)
}
