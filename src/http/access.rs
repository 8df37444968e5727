//! Access control: host names against DNS rebinding, the key, pages of other sites.
//!
//! | request | option | answer |
//! | --- | --- | --- |
//! | `Host` is absent, empty, an address, has no dot, is `*.localhost`, or of `-i` or `--nombre` | any | goes on |
//! | `Host` is another name | every `-i` is loopback, or `--nombre` is given | 421 |
//! | `Host` is another name | otherwise, or the target is no path: the field is ignored (RFC 9112 §3.2.2) | goes on |
//! | preflight of an origin that `--origen` lets in | `--origen` | 204, allowed |
//! | GET or HEAD of `/healthz`, `/readyz`, the page or a file of the page | `--clave-archivo` | goes on |
//! | `Authorization: Bearer KEY` | `--clave-archivo` | goes on |
//! | no `Authorization`, or another one | `--clave-archivo` | 401 |
//! | GET, HEAD or OPTIONS | any | allowed |
//! | `Origin` is one of `--origen`, or that is `*` | `--origen` | allowed |
//! | `Sec-Fetch-Site: cross-site` or `same-site` | otherwise | 403 |
//! | `Sec-Fetch-Site: same-origin` or `none` | otherwise | allowed |
//! | `Origin` is not the host that the request was sent to | otherwise | 403 |
//! | neither `Sec-Fetch-Site` nor `Origin` (curl, nc, `tp2-cliente`), or the host itself | otherwise | allowed |
//!
//! From top to bottom, the first row that gives an answer counts. This comes before routes, parameters and the body: a
//! request without the key learns nothing of what there is, and none of its body is kept. An `Origin` is compared with a
//! trusted proxy's `X-Forwarded-Host`; with `--nombre` that field must pass the rows on `Host` too. Without `--nombre` the
//! proxy decides which names lead to the server.
//!
//! Rules: a page's script can't set the fields that a browser adds (Fetch, «forbidden request-header»), so they are
//! believed; a client that is no browser may send what it likes, and only the key stops it. Every answer to an allowed
//! origin has its CORS fields, errors too, so that its page can read them.
//!
//! Refuses to do: cookies, user names, a key in the address, one key for each client.
use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt;

use super::forwarded::{Forwarded, Prefix};
use super::head::{Method, RequestHead};
use super::reply::Reply;
use super::route::{Route, route};
use core::net::{IpAddr, Ipv6Addr};

/// Shortest key, in characters.
pub const KEY_MIN: usize = 16;
/// Longest list of fields that a preflight's answer repeats, in bytes.
const ASKED_MAX: usize = 1024;
/// How long a browser may keep the answer to a preflight, in seconds: Chromium's own limit.
const MAX_AGE: &str = "7200";
/// Our fields that a page of another origin may read.
const EXPOSED: &str = "Accept-Ranges, Allow, Content-Range, ETag, Location, Preference-Applied, Retry-After, Server-Timing, \
    WWW-Authenticate, X-Alto, X-Ancho, X-Request-Id, X-Tarea";
/// Fields that a page of another origin may send, where its preflight names none.
const SENDABLE: &str = "Accept, Authorization, Content-Type, Idempotency-Key, Prefer, Range";
/// Every method that some route has.
const METHODS: &str = "GET, HEAD, POST, PUT, DELETE, OPTIONS";

/// The options in force.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// `--origen`.
    pub origins: Origins,
    /// Names of `-i` and of `--nombre`, in small letters.
    pub names: Vec<String>,
    /// Whether other names are refused.
    pub guards_host: bool,
    /// Other names in a believed `X-Forwarded-Host` are refused: `--nombre` was given.
    pub guards_forwarded_host: bool,
    /// `--clave-archivo`: the key, which a signal may change.
    pub key: RefCell<Option<AccessKey>>,
    /// `--proxy`.
    pub proxies: Vec<Prefix>,
}

/// Why access is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessError {
    /// 421: the unknown host name that the client used.
    Misdirected(String),
    /// 401: `sent`, a key that is not the one.
    Unauthorized {
        /// There was one.
        sent: bool,
    },
    /// 403: the origin of the page that sent it, if the browser sent one.
    CrossSite(Option<String>),
}

/// The origins that are let in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origins {
    /// None but our own.
    #[default]
    Own,
    /// These, as a browser writes them.
    Listed(Vec<String>),
    /// `*`.
    Any,
}

impl Origins {
    /// Lets one more in: `*`, or `scheme://host[:port]`. False: it is neither.
    pub fn add(&mut self, text: &str) -> bool {
        if text == "*" {
            *self = Self::Any;
            return true;
        }
        let Some(origin) = normal_origin(text.strip_suffix('/').unwrap_or(text)) else { return false };
        match self {
            Self::Own => *self = Self::Listed(vec![origin]),
            Self::Listed(origins) => origins.push(origin),
            Self::Any => {}
        }
        true
    }

    fn has(&self, origin: &[u8]) -> bool {
        match self {
            Self::Own => false,
            Self::Any => true,
            Self::Listed(origins) => std::str::from_utf8(origin)
                .ok()
                .and_then(normal_origin)
                .is_some_and(|origin| origins.contains(&origin)),
        }
    }
}

/// `scheme://host[:port]` in small letters, without the port that the scheme has anyway (RFC 6454 §6.2).
fn normal_origin(text: &str) -> Option<String> {
    let text = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    let is_host = authority.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~:[]".contains(&byte));
    let authority = without_port(authority, default_port(scheme));
    (is_scheme && is_host && !scheme.is_empty() && !authority.is_empty())
        .then(|| format!("{scheme}://{authority}"))
}

fn default_port(scheme: &str) -> &'static str {
    match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => ":",
    }
}

/// Without this port, or an empty one, behind it.
fn without_port<'a>(authority: &'a str, port: &str) -> &'a str {
    let authority = authority.strip_suffix(':').unwrap_or(authority);
    authority.strip_suffix(port).unwrap_or(authority)
}

/// The key; it can only be compared and sent.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessKey(Box<[u8]>);

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("AccessKey")
    }
}

impl AccessKey {
    /// The key in a file of one line.
    ///
    /// # Errors
    /// It is shorter than [`KEY_MIN`], or could not be sent in a field: Spanish, what it should be.
    pub fn of_file(text: &[u8]) -> Result<Self, &'static str> {
        let line = text.strip_suffix(b"\n").unwrap_or(text);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&b'\n') {
            Err("debe tener una sola línea")
        } else if !line.iter().all(u8::is_ascii_graphic) {
            Err("debe ser ASCII, sin espacios")
        } else if line.len() < KEY_MIN {
            Err("debe tener al menos 16 caracteres")
        } else {
            Ok(Self(line.into()))
        }
    }

    /// The value of `Authorization` that carries it.
    #[must_use]
    pub fn credentials(&self) -> String {
        format!("Bearer {}", String::from_utf8_lossy(&self.0))
    }

    /// Compares in a time that depends on the length of `sent` alone.
    fn is(&self, sent: &[u8]) -> bool {
        let own = self.0.iter().cycle();
        let difference =
            sent.iter().zip(own).fold(0, |seen, (sent, own)| std::hint::black_box(seen | (sent ^ own)));
        (sent.len() == self.0.len()) & (difference == 0)
    }
}

impl Access {
    /// Whether this request is allowed; `links`: it came to the port of links, which has no page.
    ///
    /// # Errors
    /// The first row of the table that refuses it.
    pub fn judge(&self, head: &RequestHead, told: &Forwarded<'_>, links: bool) -> Result<(), AccessError> {
        if let Some(name) = self.foreign_name(head, told) {
            return Err(AccessError::Misdirected(String::from_utf8_lossy(name).into_owned()));
        }
        if self.is_preflight(head) {
            return Ok(());
        }
        if let Some(key) = &*self.key.borrow()
            && (links || !is_open(head))
        {
            let sent = head.field("authorization").and_then(bearer);
            if !sent.is_some_and(|sent| key.is(sent)) {
                return Err(AccessError::Unauthorized { sent: head.field("authorization").is_some() });
            }
        }
        if matches!(head.method(), Method::Get | Method::Head | Method::Options)
            || !self.is_cross_site(head, told)
        {
            return Ok(());
        }
        let origin = head.field("origin").map(|origin| String::from_utf8_lossy(origin).into_owned());
        Err(AccessError::CrossSite(origin))
    }

    /// A name that is not ours, where that matters.
    fn foreign_name<'a>(&self, head: &'a RequestHead, told: &Forwarded<'a>) -> Option<&'a [u8]> {
        let own = head.field("host").filter(|_| self.guards_host && head.is_path());
        let forwarded = told.host.filter(|_| self.guards_forwarded_host);
        own.into_iter().chain(forwarded).find(|host| !self.is_own_name(host))
    }

    fn is_own_name(&self, host: &[u8]) -> bool {
        let Ok(host) = std::str::from_utf8(host) else { return false };
        if let Some(address) = host.strip_prefix('[') {
            // RFC 6874 has a zone behind the address.
            let address = address.split([']', '%']).next().unwrap_or_default();
            return address.parse::<Ipv6Addr>().is_ok();
        }
        let name = host.split(':').next().unwrap_or_default().to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        !name.contains('.')
            || name.ends_with(".localhost")
            || name.parse::<IpAddr>().is_ok()
            || self.names.iter().any(|own| own == name)
    }

    /// Whether a browser sends this for a page that is neither ours nor let in.
    fn is_cross_site(&self, head: &RequestHead, told: &Forwarded<'_>) -> bool {
        let origin = head.field("origin");
        if self.origins == Origins::Any || origin.is_some_and(|origin| self.origins.has(origin)) {
            return false;
        }
        match (head.field("sec-fetch-site"), origin) {
            (Some(b"cross-site" | b"same-site"), _) => true,
            (Some(b"same-origin" | b"none"), _) | (_, None) => false,
            (_, Some(origin)) => !is_origin_of(origin, told.host.or(head.field("host")).unwrap_or_default()),
        }
    }

    /// A browser asks whether a page that was let in may send something (Fetch, «CORS-preflight request»).
    fn is_preflight(&self, head: &RequestHead) -> bool {
        *head.method() == Method::Options
            && head.field("access-control-request-method").is_some()
            && head.field("origin").is_some_and(|origin| self.origins.has(origin))
    }

    /// The answer to a preflight, without the fields of [`Access::fields`]; None if it is none or not allowed.
    #[must_use]
    pub fn preflight(&self, head: &RequestHead) -> Option<Reply> {
        if !self.is_preflight(head) {
            return None;
        }
        let reply = Reply::empty(204)
            .with("Access-Control-Allow-Methods", METHODS)
            .with("Access-Control-Allow-Headers", sendable(head))
            .with("Access-Control-Max-Age", MAX_AGE)
            .with("Vary", "Access-Control-Request-Headers");
        // A page of the network asks this of a server of the machine (Private Network Access).
        Some(match head.field("access-control-request-private-network") {
            Some(_) => reply.with("Access-Control-Allow-Private-Network", "true"),
            None => reply,
        })
    }

    /// The fields of CORS that every answer to this request has.
    #[must_use]
    pub fn fields(&self, head: &RequestHead) -> Vec<(&'static str, Cow<'static, str>)> {
        let allowed = head.field("origin").filter(|origin| self.origins.has(origin));
        let mut fields = Vec::new();
        match (&self.origins, allowed) {
            (Origins::Own, _) => return fields,
            (Origins::Any, _) => fields.push(("Access-Control-Allow-Origin", "*".into())),
            (Origins::Listed(_), allowed) => {
                // Also for other origins: a cache must not give them this one's answer.
                fields.push(("Vary", "Origin".into()));
                let Some(origin) = allowed else { return fields };
                // An allowed origin is a scheme, a host and a port: nothing that could end a line.
                let origin = String::from_utf8_lossy(origin).into_owned();
                fields.push(("Access-Control-Allow-Origin", origin.into()));
            }
        }
        fields.push(("Access-Control-Expose-Headers", EXPOSED.into()));
        fields
    }
}

/// Allowed without a key: what a balancer asks, and the page, which asks a person for the key.
fn is_open(head: &RequestHead) -> bool {
    let reads = matches!(head.method(), Method::Get | Method::Head);
    reads
        && matches!(
            route(head.method(), head.path(), false),
            Ok(Route::Page(_) | Route::Health | Route::Ready)
        )
}

/// The token of `Authorization: Bearer TOKEN` (RFC 6750 §2.1); the scheme in any case (RFC 9110 §11.1).
fn bearer(credentials: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = credentials.split_at_checked(6)?;
    (scheme.eq_ignore_ascii_case(b"bearer") && token.starts_with(b" ")).then(|| token.trim_ascii())
}

/// Whether a page of this origin was loaded from `host`. The scheme may differ: a proxy may end TLS.
fn is_origin_of(origin: &[u8], host: &[u8]) -> bool {
    let normal = std::str::from_utf8(origin).ok().and_then(normal_origin);
    let (Some(origin), Ok(host)) = (normal, std::str::from_utf8(host)) else { return false };
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    authority == without_port(&host.to_ascii_lowercase(), default_port(scheme))
}

/// The fields that a preflight asks for, if they are names of fields, else those that are useful here.
fn sendable(head: &RequestHead) -> Cow<'static, str> {
    let asked = head.fields("access-control-request-headers").collect::<Vec<_>>().join(&b", "[..]);
    let is_list = asked.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_, ".contains(byte));
    match String::from_utf8(asked) {
        Ok(asked) if is_list && !asked.is_empty() && asked.len() <= ASKED_MAX => asked.into(),
        _ => SENDABLE.into(),
    }
}

#[cfg(test)]
mod tests;
