//! The server's address: as typed, as resolved, and as the `Host` field.
use std::fmt;

use crate::http::access::AccessKey;

use scaler::usage;

/// A server's address or name, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// IPv4, IPv6 without brackets (with its zone, if it has one), or a name. Never empty, no white space.
    host: String,
    port: u16,
    key: Option<AccessKey>,
}

impl ServerAddress {
    /// `host` as [`parse_host`] gives it, `port` as [`parse_port`] does.
    #[must_use]
    pub fn new(host: String, port: u16) -> Self {
        Self { host, port, key: None }
    }

    /// The same, with the key that every request carries.
    #[must_use]
    pub fn with_key(self, key: Option<AccessKey>) -> Self {
        Self { key, ..self }
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn credentials(&self) -> Option<String> {
        self.key.as_ref().map(AccessKey::credentials)
    }

    /// What the system's resolver is to look up: every address it finds is a way to the server.
    #[must_use]
    pub fn destination(&self) -> (&str, u16) {
        (&self.host, self.port)
    }

    /// The value of `Host`. A zone means something on this machine alone, and stays here (RFC 6874 §4).
    #[must_use]
    pub fn authority(&self) -> String {
        let host = self.host.split_once('%').map_or(&*self.host, |(address, _)| address);
        Self::new(host.to_owned(), self.port).to_string()
    }
}

/// `127.0.0.1:8080`, `[::1]:8080`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// Parses `HOST`, `HOST:PUERTO` or `http://HOST:PUERTO`, the value of `name`. A URL without a port leaves it open, as
/// an address does: our servers have no usual port.
///
/// # Errors
/// The complaint, one Spanish line.
pub(super) fn parse_address(name: impl fmt::Display, text: &str) -> Result<(String, Option<u16>), String> {
    let scheme = |scheme: &str| {
        text.get(..scheme.len())
            .filter(|start| start.eq_ignore_ascii_case(scheme))
            .map(|_| &text[scheme.len()..])
    };
    if scheme("https://").is_some() {
        return Err(format!(
            "{name}: el cliente habla HTTP sin TLS; use http:// en lugar de https://: «{text}»"
        ));
    }
    let rest = match scheme("http://") {
        Some(rest) => rest.strip_suffix('/').unwrap_or(rest),
        None => text,
    };
    let (host, port) = match rest.rsplit_once(':') {
        // Without brackets an IPv6 address could end like that.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let is_whole = port.is_none_or(|port| parse_port(port).is_some());
    match parse_host(host).filter(|_| is_whole) {
        Some(parsed) => usage::check_host(&name, host).map(|()| (parsed, port.and_then(parse_port))),
        // What it says of URLs, it says of those of other schemes and of those with a path.
        None => match usage::check_host(&name, text) {
            Err(complaint) if rest.contains("://") => Err(complaint),
            _ => Err(format!("{name} debe ser una dirección o un nombre: «{text}»")),
        },
    }
}

/// An address or a name as a person types it; IPv6 with or without brackets. None: it can be neither.
#[must_use]
pub(super) fn parse_host(text: &str) -> Option<String> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => text,
    };
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"[]/@".contains(c);
    (!bare.is_empty() && bare.chars().all(plain)).then(|| bare.to_owned())
}

/// A port in digits alone, not 0.
#[must_use]
pub(super) fn parse_port(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_as_people_type_them() {
        for (text, expected) in [
            ("127.0.0.1", Some("127.0.0.1")),
            ("::1", Some("::1")),
            ("[::1]", Some("::1")),
            ("fe80::1%eth0", Some("fe80::1%eth0")),
            ("[fe80::1%2]", Some("fe80::1%2")),
            ("localhost", Some("localhost")),
            ("", None),
            ("[]", None),
            ("[::1", None),
            ("::1]", None),
            ("a b", None),
            ("a\r\nX: y", None),
            ("http://a/", None),
        ] {
            assert_eq!(parse_host(text).as_deref(), expected, "{text:?}");
        }
    }

    #[test]
    fn addresses_as_people_type_them() {
        for (text, host, port) in [
            ("127.0.0.1", "127.0.0.1", None),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("localhost:80", "localhost", Some(80)),
            ("[::1]:8080", "::1", Some(8080)),
            ("[::1]", "::1", None),
            ("1::8080", "1::8080", None),
            ("http://localhost:8080", "localhost", Some(8080)),
            ("HTTP://[fe80::1%2]:8080/", "fe80::1%2", Some(8080)),
            ("http://a.example/", "a.example", None),
        ] {
            assert_eq!(parse_address("--ip", text), Ok((host.into(), port)), "{text}");
        }
        for (text, complaint) in [
            ("", "--ip debe ser una dirección o un nombre: «»"),
            ("a:", "--ip debe ser una dirección o un nombre: «a:»"),
            ("a:0", "--ip debe ser una dirección o un nombre: «a:0»"),
            (":80", "--ip debe ser una dirección o un nombre: «:80»"),
            ("http://a/b", "--ip debe ser una dirección o un nombre: «http://a/b»"),
            ("ftp://a", "--ip debe ser una dirección o un nombre (no una URL): «ftp://a»"),
            (
                "fe80::1",
                "--ip debe ser una dirección o un nombre (falta la interfaz: fe80::1%eth0): «fe80::1»",
            ),
            (
                "https://a",
                "--ip: el cliente habla HTTP sin TLS; use http:// en lugar de https://: «https://a»",
            ),
        ] {
            assert_eq!(parse_address("--ip", text), Err(complaint.into()));
        }
    }

    #[test]
    fn ports_are_digits() {
        assert_eq!(parse_port("8090"), Some(8090));
        for text in ["", "0", "65536", "+1", "-1", " 1", "abc", "80a"] {
            assert_eq!(parse_port(text), None, "{text:?}");
        }
    }

    #[test]
    fn brackets_where_there_are_colons_and_no_zone_on_the_wire() {
        for (host, shown, authority) in [
            ("127.0.0.1", "127.0.0.1:80", "127.0.0.1:80"),
            ("::1", "[::1]:80", "[::1]:80"),
            ("fe80::1%eth0", "[fe80::1%eth0]:80", "[fe80::1]:80"),
        ] {
            let server = ServerAddress::new(host.into(), 80);
            assert_eq!((server.to_string().as_str(), server.authority().as_str()), (shown, authority));
        }
    }
}
