//! The fields that our proxy adds to a request: who the client is, how it reached the proxy, and the request's id.
//!
//! Rules: only a peer that `--proxy` names is believed; any other client can send what it likes. The client is the last
//! address of `X-Forwarded-For` that is no proxy of ours: the client itself sent what stands before it. Of
//! `X-Forwarded-Proto` and `-Host` the last value counts, which our own proxy has set. An `X-Request-Id` is 1 to
//! [`ID_MAX`] visible ASCII characters, or none: it is written to the log and sent back.
//!
//! Refuses to do: read `Forwarded` (RFC 7239), which no proxy sends unless it is told to.
//!
//! ```
//! use tp2::http::forwarded::Prefix;
//!
//! let prefix: Prefix = "10.0.0.0/8".parse().unwrap();
//! assert!(prefix.contains("10.200.0.1".parse().unwrap()) && !prefix.contains("11.0.0.1".parse().unwrap()));
//! assert!("10.0.0.0/33".parse::<Prefix>().is_err());
//! ```
// An address is a value: nothing here can reach it.
use core::net::IpAddr;
use std::str::FromStr;

use super::head::{HeadLimits, RequestHead, field_of_refused};

/// Longest `X-Request-Id`, in bytes.
const ID_MAX: usize = 64;
/// The field that carries it.
const ID_FIELD: &str = "x-request-id";

/// An address, or all addresses that begin with so many bits of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    address: IpAddr,
    bits: u32,
}

/// The text is neither an address nor `ADDRESS/BITS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixError;

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| PrefixError)?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            None => bits_max,
            Some(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().ok().filter(|bits| *bits <= bits_max).ok_or(PrefixError)?
            }
            Some(_) => return Err(PrefixError),
        };
        Ok(Self { address, bits })
    }
}

impl Prefix {
    /// Whether this address is one of them. IPv4 that comes over a socket of both families is IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(32 - self.bits).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()).checked_shr(128 - self.bits).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

/// The client of a request, and how it came, as far as that is believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forwarded<'a> {
    /// The client's address; the peer's where no proxy of ours names another. None if the connection is broken already.
    pub client: Option<IpAddr>,
    /// The client spoke TLS to the proxy.
    pub https: bool,
    /// The host and port that the client named to the proxy, unchecked.
    pub host: Option<&'a [u8]>,
    /// The id that the proxy has given the request.
    pub request_id: Option<&'a str>,
}

impl<'a> Forwarded<'a> {
    /// The trusted facts in this head, which `peer` has sent.
    #[must_use]
    pub fn of(head: &'a RequestHead, peer: Option<IpAddr>, proxies: &[Prefix]) -> Self {
        let is_ours = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
        let Some(address) = peer.filter(|address| is_ours(*address)) else {
            return Self { client: peer, ..Self::default() };
        };
        let last =
            |name| head.fields(name).last()?.rsplit(|&byte| byte == b',').next().map(<[u8]>::trim_ascii);
        Self {
            client: Some(client_behind(address, head, is_ours)),
            https: last("x-forwarded-proto").is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"https")),
            host: last("x-forwarded-host").filter(|host| !host.is_empty()),
            request_id: head.field(ID_FIELD).and_then(id_of),
        }
    }
}

/// The id that our proxy has given a request whose head was refused, of which `data` is the beginning.
#[must_use]
pub fn id_of_refused(
    data: &[u8],
    limits: &HeadLimits,
    peer: Option<IpAddr>,
    proxies: &[Prefix],
) -> Option<String> {
    peer.filter(|peer| proxies.iter().any(|proxy| proxy.contains(*peer)))?;
    field_of_refused(data, ID_FIELD, limits).and_then(id_of).map(str::to_owned)
}

fn id_of(value: &[u8]) -> Option<&str> {
    let is_id = (1..=ID_MAX).contains(&value.len()) && value.iter().all(u8::is_ascii_graphic);
    std::str::from_utf8(value).ok().filter(|_| is_id)
}

/// Follows the chain of proxies back from the peer, as far as they are ours.
fn client_behind(peer: IpAddr, head: &RequestHead, is_ours: impl Fn(IpAddr) -> bool) -> IpAddr {
    let lists: Vec<&[u8]> = head.fields("x-forwarded-for").collect();
    let mut client = peer;
    for element in lists.iter().rev().flat_map(|list| list.rsplit(|&byte| byte == b',')) {
        // A proxy of ours wrote this, but it may be no address («unknown»).
        let Some(address) = parse_node(element.trim_ascii()) else { return client };
        client = address;
        if !is_ours(address) {
            return client;
        }
    }
    client
}

/// An address, also with a port behind it, as some proxies write.
fn parse_node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split(']').next()?,
        None if text.matches(':').count() == 1 => text.split(':').next()?,
        None => text,
    };
    bare.parse().ok().map(|address: IpAddr| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::head::tests::head_of;

    #[test]
    fn prefixes() {
        for (text, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::1", "::1", "::2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("::/0", "2001:db8::1", "10.0.0.1"),
            ("127.0.0.1", "::ffff:127.0.0.1", "::127.0.0.1"),
        ] {
            let prefix: Prefix = text.parse().unwrap();
            assert!(prefix.contains(inside.parse().unwrap()), "{text} {inside}");
            assert!(!prefix.contains(outside.parse().unwrap()), "{text} {outside}");
        }
        for text in ["", "x", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/+8", "::/129", "10.0.0/8", "a.example"] {
            assert_eq!(text.parse::<Prefix>(), Err(PrefixError), "{text}");
        }
    }

    /// Peer, fields -> the client's address, the scheme is https, host, id; the proxies are 127.0.0.1 and 10.0.0.0/8.
    #[test]
    fn only_proxies_of_ours_are_believed() {
        let proxies: Vec<Prefix> = ["127.0.0.1", "10.0.0.0/8"].map(|text| text.parse().unwrap()).into();
        let all = "X-Forwarded-For: 192.0.2.7\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example:8443\r\nX-Request-Id: r-1";
        for (peer, fields, client, https, host, id) in [
            ("192.0.2.1", all, "192.0.2.1", false, None, None),
            ("127.0.0.1", all, "192.0.2.7", true, Some("a.example:8443"), Some("r-1")),
            ("::ffff:10.1.2.3", all, "192.0.2.7", true, Some("a.example:8443"), Some("r-1")),
            ("127.0.0.1", "X-Forwarded-For: 6.6.6.6, 192.0.2.7, 10.0.0.9", "192.0.2.7", false, None, None),
            (
                "127.0.0.1",
                "X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-For: 192.0.2.7,10.0.0.9",
                "192.0.2.7",
                false,
                None,
                None,
            ),
            ("127.0.0.1", "X-Forwarded-For: 10.0.0.8, 10.0.0.9", "10.0.0.8", false, None, None),
            ("127.0.0.1", "X-Forwarded-For: 192.0.2.7, unknown, 10.0.0.9", "10.0.0.9", false, None, None),
            ("127.0.0.1", "X-Forwarded-For: ", "127.0.0.1", false, None, None),
            ("127.0.0.1", "X-Forwarded-For: 192.0.2.7:4000", "192.0.2.7", false, None, None),
            ("127.0.0.1", "X-Forwarded-For: [2001:db8::7]:4000", "2001:db8::7", false, None, None),
            ("127.0.0.1", "X-Forwarded-For: 2001:db8::7", "2001:db8::7", false, None, None),
            (
                "127.0.0.1",
                "X-Forwarded-Proto: https, http\r\nX-Forwarded-Host: malo.example, a.example",
                "127.0.0.1",
                false,
                Some("a.example"),
                None,
            ),
            ("127.0.0.1", "X-Request-Id: dos palabras", "127.0.0.1", false, None, None),
            ("127.0.0.1", "X-Request-Id: \u{f1}", "127.0.0.1", false, None, None),
        ] {
            let head = head_of("GET", "/", &format!("Host: x\r\n{fields}\r\n"));
            let told = Forwarded::of(&head, Some(peer.parse().unwrap()), &proxies);
            let (host, client) = (host.map(str::as_bytes), Some(client.parse().unwrap()));
            assert_eq!(told, Forwarded { client, https, host, request_id: id }, "{peer} {fields}");
        }
        for length in [64, 65] {
            let head = head_of("GET", "/", &format!("Host: x\r\nX-Request-Id: {}\r\n", "a".repeat(length)));
            let told = Forwarded::of(&head, Some("10.0.0.1".parse().unwrap()), &proxies);
            assert_eq!(told.request_id.is_some(), length <= 64);
        }
        assert_eq!(Forwarded::of(&head_of("GET", "/", "Host: x\r\n"), None, &proxies), Forwarded::default());
    }
}
