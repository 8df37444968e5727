//! Where the server is: what people type, what is resolved, and what goes into the `Host` field.
use std::fmt;

/// A server's address or name, and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerAddress {
    /// IPv4, IPv6 without brackets (with its zone, if it has one), or a name. Never empty, no white space.
    host: String,
    port: u16,
}

impl ServerAddress {
    /// `host` as [`parse_host`] gives it, `port` as [`parse_port`] does.
    #[must_use]
    pub fn new(host: String, port: u16) -> Self {
        Self { host, port }
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
        Self { host: host.to_owned(), port: self.port }.to_string()
    }
}

/// `127.0.0.1:8080`, `[::1]:8080`.
impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
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
