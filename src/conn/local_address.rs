//! The port and the address through which a client reached us, and the base of its links.
//!
//! A link names the host that the client used, so that the client can share it; only a plain name or address is taken,
//! because it is echoed. With a port of its own for links (`-l`) the link names that port; without one the client's
//! port, or none where the client named none: a proxy or router in between has a port that we do not know.
//!
//! Behind a trusted proxy ([`Forwarded`]) scheme and host are those that the client used with it.
use core::net::IpAddr;

use crate::http::forwarded::Forwarded;
use crate::model::links_folder::FOLDER;

/// What a port is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerRole {
    /// `-p`: everything.
    Main,
    /// `-l`: the folder of links, for reading.
    Links,
}

/// Where a connection was accepted.
#[derive(Clone, Debug)]
pub struct LocalAddress {
    /// What the port is for.
    pub side: ListenerRole,
    /// Our address, as a URL has it: IPv6 in brackets.
    pub host: String,
    /// Our port.
    pub port: u16,
    /// The other end's address; None of a connection that is broken already.
    pub peer: Option<IpAddr>,
}

impl LocalAddress {
    /// What stands before a file's name in a link: `host` is what the client calls us, if it does, `told` what a proxy
    /// says, and `links_port` the port of `-l`.
    #[must_use]
    pub fn base(&self, told: &Forwarded<'_>, host: Option<&[u8]>, links_port: Option<u16>) -> String {
        let scheme = if told.https { "https" } else { "http" };
        match (told.host.and_then(parts).or(host.and_then(parts)), links_port) {
            (Some((name, _)), Some(port)) => format!("{scheme}://{name}:{port}/"),
            (None, Some(port)) => format!("{scheme}://{}:{port}/", self.host),
            (Some((name, "")), None) => format!("{scheme}://{name}/{FOLDER}/"),
            (Some((name, port)), None) => format!("{scheme}://{name}:{port}/{FOLDER}/"),
            (None, None) => format!("{scheme}://{}:{}/{FOLDER}/", self.host, self.port),
        }
    }
}

/// The name and port by which a client calls us; None if there is no name in it, or more than a name.
///
/// A parsed head has `host [":" port]` there (RFC 9110 §7.2). Less is accepted than in RFC 3986 §3.2.2: names of
/// machines and addresses, no escapes and no punctuation.
fn parts(host: &[u8]) -> Option<(&str, &str)> {
    let host = std::str::from_utf8(host).ok()?;
    let name_end = match host.find(']') {
        Some(bracket) => bracket + 1,
        None => host.find(':').unwrap_or(host.len()),
    };
    let (name, rest) = host.split_at(name_end);
    let port = rest.strip_prefix(':').unwrap_or(rest);
    let is_name = match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.bytes().all(|byte| byte.is_ascii_hexdigit() || b":.".contains(&byte)),
        None => name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)),
    };
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit());
    (!name.is_empty() && is_name && is_port).then_some((name, port))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Of a client that came to 192.0.2.7, port 8080.
    pub(crate) fn local_address(side: ListenerRole) -> LocalAddress {
        LocalAddress { side, host: "192.0.2.7".into(), port: 8080, peer: "198.51.100.9".parse().ok() }
    }

    #[test]
    fn a_link_names_the_host_that_the_client_used() {
        let own = |host: &[u8]| {
            local_address(ListenerRole::Main).base(&Forwarded::default(), Some(host), Some(8082))
        };
        let main =
            |host: &[u8]| local_address(ListenerRole::Main).base(&Forwarded::default(), Some(host), None);
        for (host, with_port, without) in [
            ("localhost:8080", "http://localhost:8082/", "http://localhost:8080/scaled_images/"),
            ("localhost", "http://localhost:8082/", "http://localhost/scaled_images/"),
            ("localhost:", "http://localhost:8082/", "http://localhost/scaled_images/"),
            ("10.0.0.1:80", "http://10.0.0.1:8082/", "http://10.0.0.1:80/scaled_images/"),
            ("[::1]:8080", "http://[::1]:8082/", "http://[::1]:8080/scaled_images/"),
            ("[::ffff:1.2.3.4]", "http://[::ffff:1.2.3.4]:8082/", "http://[::ffff:1.2.3.4]/scaled_images/"),
            ("a_b.Example~x-1:7", "http://a_b.Example~x-1:8082/", "http://a_b.Example~x-1:7/scaled_images/"),
        ] {
            assert_eq!(own(host.as_bytes()), with_port, "{host}");
            assert_eq!(main(host.as_bytes()), without, "{host}");
        }
    }

    #[test]
    fn what_is_no_name_is_not_echoed() {
        let hosts: [&[u8]; 16] = [
            b"",
            b":80",
            b"a b",
            b"a/b",
            b"a@b",
            b"a%41",
            b"a'b",
            b"a,b",
            b"[fe80::1%25eth0]",
            b"[::1",
            b"::1",
            b"[::1]x",
            b"a\r\nb",
            b"a\xf1b",
            b"a:8o",
            b"[a]b]",
        ];
        for host in hosts {
            let (own, main) = (
                local_address(ListenerRole::Main).base(&Forwarded::default(), Some(host), Some(1)),
                local_address(ListenerRole::Main).base(&Forwarded::default(), Some(host), None),
            );
            assert_eq!(own, "http://192.0.2.7:1/", "{}", host.escape_ascii());
            assert_eq!(main, "http://192.0.2.7:8080/scaled_images/", "{}", host.escape_ascii());
        }
        assert_eq!(
            local_address(ListenerRole::Main).base(&Forwarded::default(), None, Some(1)),
            "http://192.0.2.7:1/"
        );
    }

    #[test]
    fn behind_a_proxy_a_link_is_what_the_client_used_with_it() {
        let base = |https, host: Option<&str>, links_port| {
            let told = Forwarded { https, host: host.map(str::as_bytes), ..Forwarded::default() };
            local_address(ListenerRole::Main).base(&told, Some(b"tp2:8080"), links_port)
        };
        for (https, host, without, with_port) in [
            (true, Some("a.example"), "https://a.example/scaled_images/", "https://a.example:8082/"),
            (
                true,
                Some("a.example:8443"),
                "https://a.example:8443/scaled_images/",
                "https://a.example:8082/",
            ),
            (false, Some("a.example"), "http://a.example/scaled_images/", "http://a.example:8082/"),
            (true, None, "https://tp2:8080/scaled_images/", "https://tp2:8082/"),
            (true, Some("a/b"), "https://tp2:8080/scaled_images/", "https://tp2:8082/"),
        ] {
            assert_eq!(base(https, host, None), without);
            assert_eq!(base(https, host, Some(8082)), with_port);
        }
    }
}
