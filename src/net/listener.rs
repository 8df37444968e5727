//! The listening sockets: every address of every `-i`, all on one port.
//!
//! `::` is one dual-stack socket (IPV6_V6ONLY off, set explicitly: the default is a sysctl), which covers every other
//! address; on a machine without IPv6 it means `0.0.0.0`. Any other IPv6 address is IPv6 only. A name may resolve to
//! addresses of a family that the machine lacks: those are skipped as long as one of its addresses is bound.
use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, ToSocketAddrs};

use scaler::sys;
use scaler::words::InWords;

/// Backlog of the kernel for connections not accepted yet.
const BACKLOG: i32 = 4096;
/// How often a port that the kernel chose for the first address may be taken at another before listening fails.
const PORT_TRIES: usize = 16;

/// Why listening failed.
#[derive(Debug)]
pub struct ListenError {
    host: String,
    port: u16,
    cause: io::Error,
    option: &'static str,
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, cause, option } = self;
        write!(f, "no se puede escuchar en {host}, puerto {port}: ")?;
        match cause.kind() {
            ErrorKind::AddrInUse => write!(f, "el puerto ya está en uso; elija otro con {option}"),
            ErrorKind::PermissionDenied => write!(f, "los puertos menores que 1024 piden permisos"),
            _ => write!(f, "{}", InWords(cause)),
        }
    }
}

/// Binds every address that the hosts resolve to, all on `port`; 0: the kernel chooses one port for all. `option`
/// names the option that gave the port.
///
/// # Errors
/// A host that does not resolve, an address that can't be bound, or none at all.
pub fn listen(hosts: &[String], port: u16, option: &'static str) -> Result<Vec<TcpListener>, ListenError> {
    let mut tries = 1;
    loop {
        match listen_once(hosts, port, option) {
            Err(error) if port == 0 && error.cause.kind() == ErrorKind::AddrInUse && tries < PORT_TRIES => {
                tries += 1;
            }
            result => return result,
        }
    }
}

fn listen_once(
    hosts: &[String],
    file_request: u16,
    option: &'static str,
) -> Result<Vec<TcpListener>, ListenError> {
    let mut port = file_request;
    let mut bound: Vec<TcpListener> = Vec::new();
    let mut served: Vec<String> = Vec::new();
    let mut skipped: Vec<ListenError> = Vec::new();
    let error = |host: &str, port, cause| ListenError { host: host.to_owned(), port, cause, option };
    for (host, ip) in resolve(hosts).map_err(|(host, cause)| error(&host, file_request, cause))? {
        match bind(ip, port) {
            Ok(listener) => {
                port = listener.local_addr().map_err(|cause| error(&host, port, cause))?.port();
                bound.push(listener);
                served.push(host);
            }
            Err(cause) if cause.kind() == ErrorKind::AddrNotAvailable || is_family_missing(&cause) => {
                skipped.push(error(&host, port, cause));
            }
            Err(cause) => return Err(error(&host, port, cause)),
        }
    }
    match skipped.into_iter().find(|error| !served.contains(&error.host)) {
        Some(error) => Err(error),
        None => Ok(bound),
    }
}

/// The addresses to bind, in order, without those that another one covers or repeats.
fn resolve(hosts: &[String]) -> Result<Vec<(String, SocketAddr)>, (String, io::Error)> {
    let mut found: Vec<(String, SocketAddr)> = Vec::new();
    for host in hosts {
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        let addresses = (bare, 0).to_socket_addrs().map_err(|cause| (host.clone(), cause))?;
        for address in addresses {
            if !found.iter().any(|(_, other)| *other == address) {
                found.push((host.clone(), address));
            }
        }
    }
    let covers_all = |address: &SocketAddr| address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    let covers_v4 = |address: &SocketAddr| address.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    if let Some(all) = found.iter().position(|(_, address)| covers_all(address)) {
        found = vec![found.swap_remove(all)];
    } else if found.iter().any(|(_, address)| covers_v4(address)) {
        found.retain(|(_, address)| covers_v4(address) || address.is_ipv6());
    }
    Ok(found)
}

fn bind(mut address: SocketAddr, port: u16) -> io::Result<TcpListener> {
    address.set_port(port);
    let any = address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED);
    match sys::listen_tcp(address, !any, BACKLOG) {
        Err(error) if any && is_family_missing(&error) => {
            sys::listen_tcp(SocketAddr::from((Ipv4Addr::UNSPECIFIED, port)), false, BACKLOG)
        }
        result => result,
    }
}

/// EAFNOSUPPORT, which `ErrorKind` does not name.
fn is_family_missing(error: &io::Error) -> bool {
    error.raw_os_error() == Some(97)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpStream;

    fn hosts(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn addresses(names: &[&str]) -> Vec<SocketAddr> {
        let bound = listen(&hosts(names), 0, "-p").unwrap();
        bound.iter().map(|listener| listener.local_addr().unwrap()).collect()
    }

    #[test]
    fn any_serves_both_families_on_one_socket() {
        let bound = listen(&hosts(&["::", "127.0.0.1", "0.0.0.0"]), 0, "-p").unwrap();
        assert_eq!(bound.len(), 1);
        let port = bound[0].local_addr().unwrap().port();
        TcpStream::connect(("127.0.0.1", port)).unwrap();
        TcpStream::connect(("::1", port)).unwrap();
    }

    #[test]
    fn several_addresses_share_the_port() {
        let bound = addresses(&["127.0.0.1", "[::1]", "127.0.0.1"]);
        assert_eq!(bound.len(), 2);
        assert_eq!(bound[0].port(), bound[1].port());
        assert_ne!(bound[0].port(), 0);
    }

    #[test]
    fn a_single_ipv6_address_is_ipv6_alone() {
        let bound = addresses(&["::1"]);
        assert!(TcpStream::connect(("127.0.0.1", bound[0].port())).is_err());
    }

    #[test]
    fn names_are_resolved() {
        let bound = addresses(&["localhost"]);
        assert!(bound.iter().all(|address| address.ip().is_loopback()));
    }

    #[test]
    fn errors_name_host_port_and_remedy() {
        let taken = listen(&hosts(&["127.0.0.1"]), 0, "-p").unwrap();
        let port = taken[0].local_addr().unwrap().port();
        let error = listen(&hosts(&["127.0.0.1"]), port, "-p").unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "no se puede escuchar en 127.0.0.1, puerto {port}: el puerto ya está en uso; elija otro con -p"
            )
        );
        let error = listen(&hosts(&["127.0.0.1"]), port, "-l").unwrap_err().to_string();
        assert!(error.ends_with("elija otro con -l"), "{error}");
        let error = listen(&hosts(&["192.0.2.1"]), 0, "-p").unwrap_err().to_string();
        assert!(error.ends_with("esa dirección no es de esta máquina"), "{error}");
        assert!(listen(&hosts(&["no-existe.invalid"]), 0, "-p").is_err());
        let error = listen(&hosts(&["127.0.0.1", "192.0.2.1"]), 0, "-p").unwrap_err();
        assert_eq!(error.host, "192.0.2.1", "each host that was asked for is served, or nobody is");
    }
}
