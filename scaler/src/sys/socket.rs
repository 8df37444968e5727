//! Sockets with every option set explicitly, instead of the system's defaults that std leaves.

use std::ffi::{c_char, c_int};
use std::io;
use std::mem;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixListener;
use std::path::Path;

use super::{check, check_count, retry};

/// A listening TCP socket, non-blocking, closed on exec. `SO_REUSEADDR`, so that a restart does not wait for
/// TIME_WAIT. `v6only` false on an IPv6 address accepts IPv4 clients too; it has no effect for IPv4. Port 0: the
/// kernel chooses.
///
/// # Errors
/// As socket(2), bind(2), listen(2): EADDRINUSE for a port in use, EAFNOSUPPORT where there is no IPv6.
pub fn listen_tcp(addr: SocketAddr, v6only: bool, backlog: i32) -> io::Result<TcpListener> {
    let family = if addr.is_ipv6() { libc::AF_INET6 } else { libc::AF_INET };
    let socket = stream_socket(family)?;
    set_flag(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, true)?;
    if addr.is_ipv6() {
        set_flag(&socket, libc::IPPROTO_IPV6, libc::IPV6_V6ONLY, v6only)?;
    }
    match addr {
        SocketAddr::V4(addr) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in.
            let mut raw: libc::sockaddr_in = unsafe { mem::zeroed() };
            raw.sin_family = family_of(family);
            raw.sin_port = addr.port().to_be();
            raw.sin_addr.s_addr = u32::from_ne_bytes(addr.ip().octets());
            bind(&socket, &raw, mem::size_of_val(&raw))?;
        }
        SocketAddr::V6(addr) => {
            // SAFETY: all-zero bytes are a valid sockaddr_in6.
            let mut raw: libc::sockaddr_in6 = unsafe { mem::zeroed() };
            raw.sin6_family = family_of(family);
            raw.sin6_port = addr.port().to_be();
            raw.sin6_flowinfo = addr.flowinfo();
            raw.sin6_scope_id = addr.scope_id();
            raw.sin6_addr.s6_addr = addr.ip().octets();
            bind(&socket, &raw, mem::size_of_val(&raw))?;
        }
    }
    listen(&socket, backlog)?;
    Ok(TcpListener::from(socket))
}

/// A listening Unix stream socket at `path`, mode 0600, non-blocking, closed on exec. The mode is that of the socket
/// before bind (unix(7): the file takes it, less the umask), so there is no moment at which others may connect.
///
/// # Errors
/// As socket(2), bind(2), listen(2): EADDRINUSE if anything is at `path`; `InvalidInput` for one over 107 bytes.
pub fn listen_unix(path: &Path, backlog: i32) -> io::Result<UnixListener> {
    // SAFETY: all-zero bytes are a valid sockaddr_un.
    let mut raw: libc::sockaddr_un = unsafe { mem::zeroed() };
    raw.sun_family = family_of(libc::AF_UNIX);
    let bytes = path.as_os_str().as_bytes();
    if bytes.is_empty() || bytes.contains(&0) || bytes.len() >= raw.sun_path.len() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "ruta de socket vacía o de más de 107 bytes",
        ));
    }
    for (slot, &byte) in raw.sun_path.iter_mut().zip(bytes) {
        *slot = c_char::from_ne_bytes([byte]); // signed here, unsigned elsewhere
    }
    let socket = stream_socket(libc::AF_UNIX)?;
    // SAFETY: touches no memory.
    check(unsafe { libc::fchmod(socket.as_raw_fd(), 0o600) })?;
    bind(&socket, &raw, mem::size_of_val(&raw))?;
    listen(&socket, backlog)?;
    Ok(UnixListener::from(socket))
}

/// The peer of a Unix socket, as of its connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Credentials {
    /// Process.
    pub pid: i32,
    /// Effective user.
    pub uid: u32,
}

impl Credentials {
    /// The peer is the user that runs this process, or root.
    #[must_use]
    pub fn is_trusted(self) -> bool {
        // SAFETY: touches no memory, never fails.
        self.uid == 0 || self.uid == unsafe { libc::geteuid() }
    }
}

/// `SO_PEERCRED` of a connected Unix socket.
///
/// # Errors
/// As getsockopt(2).
pub fn peer_credentials(socket: impl AsFd) -> io::Result<Credentials> {
    let mut raw = libc::ucred { pid: 0, uid: u32::MAX, gid: u32::MAX };
    let mut length = socklen(mem::size_of_val(&raw));
    // SAFETY: the kernel writes at most `length` bytes into `raw`, a plain struct of integers.
    check(unsafe {
        libc::getsockopt(
            socket.as_fd().as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            (&raw mut raw).cast(),
            &raw mut length,
        )
    })?;
    Ok(Credentials { pid: raw.pid, uid: raw.uid })
}

/// Half-close: the peer reads the end, this side may still read.
///
/// # Errors
/// As shutdown(2): ENOTSOCK for a descriptor that is not a socket.
pub fn shutdown_write(socket: impl AsFd) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::shutdown(socket.as_fd().as_raw_fd(), libc::SHUT_WR) }).map(drop)
}

/// The flags of [`send_now`].
pub const SEND_NOW: i32 = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;

/// Writes to a socket what it takes without blocking, even if it is a blocking one; returns how many bytes.
///
/// # Errors
/// As send(2), EINTR retried; `WouldBlock` if it takes nothing now.
pub fn send_now(socket: impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    let fd = socket.as_fd().as_raw_fd();
    // SAFETY: the pointer and length are those of one live slice, which send only reads.
    retry(|| check_count(unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), SEND_NOW) }))
}

/// `TCP_NOTSENT_LOWAT`: the socket counts as writable only while fewer than `bytes` wait in the kernel to be sent.
///
/// # Errors
/// As setsockopt(2).
pub fn set_not_sent_low(socket: impl AsFd, bytes: u32) -> io::Result<()> {
    let length = socklen(mem::size_of_val(&bytes));
    let (fd, option) = (socket.as_fd().as_raw_fd(), libc::TCP_NOTSENT_LOWAT);
    // SAFETY: the kernel reads `length` bytes of a live integer.
    check(unsafe { libc::setsockopt(fd, libc::IPPROTO_TCP, option, (&raw const bytes).cast(), length) })
        .map(drop)
}

fn stream_socket(family: c_int) -> io::Result<OwnedFd> {
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: touches no memory.
    let fd = check(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: socket just made it, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set_flag(socket: &OwnedFd, level: c_int, name: c_int, on: bool) -> io::Result<()> {
    let value = c_int::from(on);
    let length = socklen(mem::size_of_val(&value));
    // SAFETY: the kernel reads `length` bytes of a live int.
    check(unsafe { libc::setsockopt(socket.as_raw_fd(), level, name, (&raw const value).cast(), length) })
        .map(drop)
}

/// `addr` is a sockaddr of some family, `length` its size.
fn bind<T>(socket: &OwnedFd, addr: &T, length: usize) -> io::Result<()> {
    debug_assert_eq!(length, mem::size_of::<T>());
    // SAFETY: the kernel reads the `length` bytes of a live sockaddr.
    check(unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(addr).cast(), socklen(length)) })
        .map(drop)
}

fn listen(socket: &OwnedFd, backlog: i32) -> io::Result<()> {
    // SAFETY: touches no memory.
    check(unsafe { libc::listen(socket.as_raw_fd(), backlog) }).map(drop)
}

#[expect(clippy::cast_possible_truncation, reason = "sizes of socket addresses and options: below 200")]
fn socklen(length: usize) -> libc::socklen_t {
    length as libc::socklen_t
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the three families are below 11"
)]
fn family_of(family: c_int) -> libc::sa_family_t {
    family as libc::sa_family_t
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, Ipv6Addr, TcpStream};
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_tcp_listener_takes_the_port_it_says() {
        let listener = listen_tcp((Ipv4Addr::LOCALHOST, 0).into(), true, 8).unwrap();
        let addr = listener.local_addr().unwrap();
        TcpStream::connect(addr).unwrap();
        assert_eq!(listen_tcp(addr, true, 8).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        assert_eq!(
            listen_tcp((Ipv4Addr::LOCALHOST, 0).into(), true, 8).unwrap().accept().unwrap_err().kind(),
            io::ErrorKind::WouldBlock
        );
    }

    #[test]
    fn v6only_is_what_was_asked_for_whatever_the_system_says() {
        let Ok(dual) = listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into(), false, 8) else {
            eprintln!("OMITIDA: sin IPv6");
            assert!(std::env::var_os("TP2_CI").is_none());
            return;
        };
        let port = dual.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        let only = listen_tcp((Ipv6Addr::UNSPECIFIED, 0).into(), true, 8).unwrap();
        let port = only.local_addr().unwrap().port();
        TcpStream::connect((Ipv6Addr::LOCALHOST, port)).unwrap();
        assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err());
    }

    #[test]
    fn a_unix_listener_is_for_its_user_alone() {
        let path = std::env::temp_dir().join(format!("tp2-sys-{}.sock", std::process::id()));
        let listener = listen_unix(&path, 8).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let client = UnixStream::connect(&path).unwrap();
        let credentials = peer_credentials(&client).unwrap();
        assert_eq!(credentials.pid.cast_unsigned(), std::process::id());
        assert!(credentials.is_trusted());
        assert!(!Credentials { pid: 1, uid: u32::MAX - 1 }.is_trusted());
        assert_eq!(listen_unix(&path, 8).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(listener);
        std::fs::remove_file(&path).unwrap();
        assert_eq!(
            listen_unix(Path::new(&"x".repeat(108)), 8).unwrap_err().kind(),
            io::ErrorKind::InvalidInput
        );
    }
}
