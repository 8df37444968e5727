//! Through which port a client came, under which address it reached us, and where a link that it is given leads.
//!
//! A link is for the client that asked for it, and its friends: so it names the host that the client used, as far as that
//! is a name or an address and nothing else, because it is echoed. With a port of its own for links (`-l`) that port is
//! named; without one the port is the client's too, and none where it named none: a proxy or a router in between has
//! its own, of which we know nothing.
//!
//! Known limit: behind a proxy that speaks TLS the scheme is wrong; the path is right.
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
}

impl LocalAddress {
    /// What stands before a file's name in a link: `host` is what the client calls us, if it does, and `links_port` the
    /// port of `-l`.
    #[must_use]
    pub fn base(&self, host: Option<&[u8]>, links_port: Option<u16>) -> String {
        match (host.and_then(parts), links_port) {
            (Some((name, _)), Some(port)) => format!("http://{name}:{port}/"),
            (None, Some(port)) => format!("http://{}:{port}/", self.host),
            (Some((name, "")), None) => format!("http://{name}/{FOLDER}/"),
            (Some((name, port)), None) => format!("http://{name}:{port}/{FOLDER}/"),
            (None, None) => format!("http://{}:{}/{FOLDER}/", self.host, self.port),
        }
    }
}

/// Name and port of what a client calls us; None if there is no name in it, or more than a name.
///
/// A head that was read has `host [":" port]` there (RFC 9110 §7.2). What is let through is less than RFC 3986 §3.2.2 does:
/// names of machines and addresses, no escapes and no punctuation.
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
        LocalAddress { side, host: "192.0.2.7".into(), port: 8080 }
    }

    #[test]
    fn a_link_names_the_host_that_the_client_used() {
        let own = |host: &[u8]| local_address(ListenerRole::Main).base(Some(host), Some(8082));
        let main = |host: &[u8]| local_address(ListenerRole::Main).base(Some(host), None);
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
                local_address(ListenerRole::Main).base(Some(host), Some(1)),
                local_address(ListenerRole::Main).base(Some(host), None),
            );
            assert_eq!(own, "http://192.0.2.7:1/", "{}", host.escape_ascii());
            assert_eq!(main, "http://192.0.2.7:8080/scaled_images/", "{}", host.escape_ascii());
        }
        assert_eq!(local_address(ListenerRole::Main).base(None, Some(1)), "http://192.0.2.7:1/");
    }
}
