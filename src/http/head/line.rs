//! The request line (RFC 9112, 3): method, target, version, and what the target's form says about path and query.
use std::ops::Range;

use super::{HeadError, Method, Version};

/// A request line taken apart. The ranges are of the line that was parsed.
#[derive(Clone, Debug)]
pub(super) struct RequestLine {
    pub(super) method: Method,
    pub(super) version: Version,
    pub(super) target: Range<usize>,
    /// Empty: the target is an absolute URL without a path, which means `/` (RFC 9110, 4.2.3).
    pub(super) path: Range<usize>,
    pub(super) query: Option<Range<usize>>,
    /// The authority of an absolute URL, without userinfo: it counts instead of Host (RFC 9112, 3.2.2).
    pub(super) authority: Option<Range<usize>>,
}

impl RequestLine {
    /// Parses a line without its end: exactly one SP between the three parts.
    pub(super) fn parse(line: &[u8]) -> Result<Self, HeadError> {
        let mut parts = line.splitn(3, |byte| *byte == b' ');
        let (Some(method), Some(target), Some(version)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(HeadError::RequestLine);
        };
        let method = Method::parse(method)?;
        let version = parse_version(version)?;
        let start = method.as_str().len() + 1;
        let TargetForm { path, query, authority } = TargetForm::of(&method, target)?;
        let shift = |range: Range<usize>| range.start + start..range.end + start;
        Ok(Self {
            method,
            version,
            target: start..start + target.len(),
            path: shift(path),
            query: query.map(shift),
            authority: authority.map(shift),
        })
    }
}

/// A method is a token, and case-sensitive (RFC 9110, 9.1).
impl Method {
    fn parse(name: &[u8]) -> Result<Self, HeadError> {
        Ok(match name {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"OPTIONS" => Self::Options,
            _ if !name.is_empty() && name.iter().copied().all(is_token_byte) => {
                Self::Other(name.iter().copied().map(char::from).collect())
            }
            _ => return Err(HeadError::RequestLine),
        })
    }
}

/// HTTP-version is case-sensitive (RFC 9112, 2.3). A well-formed one that is not ours is 505, anything else 400.
fn parse_version(version: &[u8]) -> Result<Version, HeadError> {
    match version {
        b"HTTP/1.1" => Ok(Version::Http11),
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
            if major.is_ascii_digit() && minor.is_ascii_digit() =>
        {
            Err(HeadError::Version)
        }
        _ => Err(HeadError::RequestLine),
    }
}

/// What the form of a target says. The ranges are of the target.
struct TargetForm {
    path: Range<usize>,
    query: Option<Range<usize>>,
    authority: Option<Range<usize>>,
}

impl TargetForm {
    /// Origin, absolute, authority or asterisk form (RFC 9112, 3.2).
    fn of(method: &Method, target: &[u8]) -> Result<Self, HeadError> {
        // Bytes of 0x80 and above are not allowed in a URI, but browsers and scripts send them raw, so they are
        // accepted. So are fragments and bad escapes.
        if target.is_empty() || target.iter().any(|byte| *byte <= b' ' || *byte == 0x7f) {
            return Err(HeadError::Target);
        }
        let whole = Self { path: 0..target.len(), query: None, authority: None };
        if target.starts_with(b"/") {
            return Ok(whole.split(target, 0));
        }
        // Each of these two forms belongs to one method alone (RFC 9112, 3.2.3 and 3.2.4).
        let alone = match method {
            Method::Options => target == b"*",
            Method::Other(name) => &**name == "CONNECT" && is_host(target) && target.contains(&b':'),
            _ => false,
        };
        if alone {
            return Ok(whole);
        }
        let host = after_scheme(target).ok_or(HeadError::Target)?;
        let end = find(target, host, |byte| matches!(byte, b'/' | b'?' | b'#'));
        let userinfo = target.get(host..end).and_then(|authority| memchr::memrchr(b'@', authority));
        let host = userinfo.map_or(host, |at| host + at + 1);
        // RFC 9110, 4.2.1: a URI of http with an empty host is invalid.
        let authority = target.get(host..end).unwrap_or_default();
        if authority.is_empty() || !is_host(authority) {
            return Err(HeadError::Target);
        }
        Ok(Self { authority: Some(host..end), ..whole.split(target, end) })
    }

    /// Cuts `target` from `start` on into path and query, and leaves a fragment out.
    fn split(self, target: &[u8], start: usize) -> Self {
        let path_end = find(target, start, |byte| matches!(byte, b'?' | b'#'));
        let query = (target.get(path_end) == Some(&b'?'))
            .then(|| path_end + 1..find(target, path_end + 1, |byte| byte == b'#'));
        Self { path: start..path_end, query, ..self }
    }
}

/// Where `scheme://` ends, if the target begins with one (RFC 3986, 3.1).
fn after_scheme(target: &[u8]) -> Option<usize> {
    let colon = memchr::memchr(b':', target)?;
    let scheme = target.get(..colon)?;
    let sane = scheme.first()?.is_ascii_alphabetic()
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    (sane && target.get(colon..)?.starts_with(b"://")).then_some(colon + 3)
}

/// Host = uri-host [ ":" port ] (RFC 9110, 7.2), which may be empty.
pub(super) fn is_host(value: &[u8]) -> bool {
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
    // reg-name: unreserved, sub-delims, pct-encoded. Neither dots alone nor a port alone name a host.
    let named = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=%".contains(byte);
    let nameless = !value.is_empty() && !value.starts_with(b"[") && name.iter().all(|byte| *byte == b'.');
    !nameless && name.iter().all(named) && port.iter().all(u8::is_ascii_digit)
}

/// The index of the first byte at or after `start` that `is` so; the length if there is none.
fn find(bytes: &[u8], start: usize, is: impl Fn(u8) -> bool) -> usize {
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(|byte| is(*byte)).unwrap_or(rest.len())
}

/// tchar (RFC 9110, 5.6.2).
pub(in crate::http) fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
