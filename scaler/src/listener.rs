//! The scaler's listeners: TCP addresses and Unix sockets, and the check of clients.
//!
//! Rules: a Unix socket's file exists as long as its server. A file left by a dead server is replaced, a living
//! server's is refused, a file that is no socket is never touched; at the end only our own file is removed. Only the
//! same user and root may use it. Accepted sockets are blocking, wake their reader every [`TICK`], and send without
//! delay.

use std::fmt;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::sys;
use crate::words::InWords;

/// How long a read on a connection waits before its caller may check the clock.
pub const TICK: Duration = Duration::from_millis(500);
/// Backlog: connections that wait in the kernel while all children are busy.
const BACKLOG: i32 = 1024;
/// How often, and after which pauses, to check again whether a killed server's last child has closed the socket.
const ORPHAN_TRIES: u32 = 100;
const ORPHAN_PAUSE: Duration = Duration::from_millis(10);

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// An address; `[::]` takes IPv4 clients too. Port 0: the kernel chooses.
    Tcp(SocketAddr),
    /// A socket file of mode 0600.
    Unix(PathBuf),
}

/// A listening socket.
#[derive(Debug)]
pub enum Listener {
    /// TCP.
    Tcp(TcpListener),
    /// Unix, with its path and the identity (device, inode) of its file.
    Unix(UnixListener, PathBuf, (u64, u64)),
}

impl Listener {
    /// Listens.
    ///
    /// # Errors
    /// A Spanish line that names the endpoint.
    pub fn open(endpoint: &Endpoint) -> Result<Self, String> {
        match endpoint {
            Endpoint::Tcp(addr) => {
                let listener = sys::listen_tcp(*addr, false, BACKLOG);
                listener.map(Self::Tcp).map_err(|error| match error.kind() {
                    io::ErrorKind::AddrInUse => {
                        format!("el puerto {} de {} ya está en uso", addr.port(), addr.ip())
                    }
                    _ => format!("no se puede escuchar en {addr}: {}", InWords(&error)),
                })
            }
            Endpoint::Unix(path) => open_unix(path).map_err(|error| match error.kind() {
                io::ErrorKind::AddrInUse => format!("ya hay un servidor en unix:{}", path.display()),
                io::ErrorKind::AlreadyExists => format!("{} existe y no es un socket", path.display()),
                io::ErrorKind::NotFound => {
                    format!("no se puede escuchar en unix:{}: no existe su directorio", path.display())
                }
                _ => format!("no se puede escuchar en unix:{}: {}", path.display(), InWords(&error)),
            }),
        }
    }

    /// Accepts the next connection without blocking, and tells its peer, permitted or not.
    ///
    /// # Errors
    /// As accept(2); see [`is_clients_doing`].
    pub fn accept(&self) -> io::Result<(OwnedFd, Peer)> {
        match self {
            Self::Tcp(listener) => {
                let (stream, addr) = listener.accept()?;
                stream.set_read_timeout(Some(TICK)).map_err(gone)?;
                stream.set_nodelay(true).map_err(gone)?;
                Ok((stream.into(), Peer::Tcp(addr)))
            }
            Self::Unix(listener, ..) => {
                let (stream, _) = listener.accept()?;
                stream.set_read_timeout(Some(TICK)).map_err(gone)?;
                let credentials = sys::peer_credentials(&stream).map_err(gone)?;
                Ok((stream.into(), Peer::Unix(credentials)))
            }
        }
    }

    /// The port of a TCP address.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Tcp(listener) => listener.local_addr().ok().map(|addr| addr.port()),
            Self::Unix(..) => None,
        }
    }
}

impl fmt::Display for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(listener) => match listener.local_addr() {
                Ok(addr) => write!(f, "{addr}"),
                Err(error) => write!(f, "({})", InWords(&error)),
            },
            Self::Unix(_, path, _) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(listener) => listener.as_fd(),
            Self::Unix(listener, ..) => listener.as_fd(),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Self::Unix(_, path, file) = self
            && identity(path).is_ok_and(|now| now == *file)
        {
            // A failure can't be reported any more.
            let _ = fs::remove_file(path);
        }
    }
}

/// Opens all endpoints; a port 0 becomes the port that the kernel chose for the first.
///
/// # Errors
/// As [`Listener::open`]: all or nothing.
pub fn open_all(endpoints: &[Endpoint]) -> Result<Vec<Listener>, String> {
    let mut listeners: Vec<Listener> = Vec::new();
    for endpoint in endpoints {
        let mut endpoint = endpoint.clone();
        if let (Endpoint::Tcp(addr), Some(port)) = (&mut endpoint, listeners.iter().find_map(Listener::port))
            && addr.port() == 0
        {
            addr.set_port(port);
        }
        listeners.push(Listener::open(&endpoint)?);
    }
    Ok(listeners)
}

/// Only this client is lost, and the next one may be accepted at once: accept(2) on Linux passes on errors of the
/// connection itself. A shortage (EMFILE, ENOMEM) would affect every client.
#[must_use]
pub fn is_clients_doing(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    matches!(
        error.kind(),
        Kind::ConnectionAborted
            | Kind::ConnectionReset
            | Kind::HostUnreachable
            | Kind::Interrupted
            | Kind::NetworkDown
            | Kind::NetworkUnreachable
            | Kind::PermissionDenied
            | Kind::TimedOut
    )
}

/// Any error of an accepted socket ends that connection.
fn gone(_: io::Error) -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

fn open_unix(path: &Path) -> io::Result<Listener> {
    let listener = match sys::listen_unix(path, BACKLOG) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            remove_stale(path)?;
            sys::listen_unix(path, BACKLOG)?
        }
        listener => listener?,
    };
    Ok(Listener::Unix(listener, path.to_owned(), identity(path)?))
}

fn remove_stale(path: &Path) -> io::Result<()> {
    if !fs::symlink_metadata(path)?.file_type().is_socket() {
        return Err(io::ErrorKind::AlreadyExists.into());
    }
    for _ in 0..ORPHAN_TRIES {
        match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return fs::remove_file(path),
            Ok(stream) if listener_is_gone(&stream) => thread::sleep(ORPHAN_PAUSE),
            // Connected, or its backlog is full, or the error is not ours to judge.
            _ => break,
        }
    }
    Err(io::ErrorKind::AddrInUse.into())
}

/// Whether the listening process is dead, or a zombie: then a child that it had just forked has not closed its copy
/// of the socket yet.
fn listener_is_gone(stream: &UnixStream) -> bool {
    // 0 is a process of another namespace.
    sys::peer_credentials(stream).is_ok_and(|peer| {
        peer.pid > 0
            && fs::read_to_string(format!("/proc/{}/stat", peer.pid))
                // proc_pid_stat(5): the state follows the name, which is in parentheses and may contain parentheses.
                .map_or(true, |stat| stat.rsplit(')').next().is_some_and(|rest| rest.starts_with(" Z")))
    })
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::symlink_metadata(path).map(|file| (file.dev(), file.ino()))
}

/// A connection's peer. `Display` is the log's form: for TCP as Python prints an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// By TCP.
    Tcp(SocketAddr),
    /// By a Unix socket.
    Unix(sys::Credentials),
    /// `--stdio`.
    Stdio,
}

impl Peer {
    /// Whether it may use this server.
    #[must_use]
    pub fn is_welcome(&self) -> bool {
        match self {
            Self::Tcp(_) | Self::Stdio => true,
            Self::Unix(credentials) => credentials.is_trusted(),
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(SocketAddr::V4(addr)) => write!(f, "('{}', {})", addr.ip(), addr.port()),
            Self::Tcp(SocketAddr::V6(addr)) => {
                write!(f, "('{}', {}, {}, {})", addr.ip(), addr.port(), addr.flowinfo(), addr.scope_id())
            }
            Self::Unix(peer) => write!(f, "unix (proceso {}, usuario {})", peer.pid, peer.uid),
            Self::Stdio => write!(f, "la entrada estándar"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peers_are_shown_as_python_shows_them() {
        let show = |addr: &str| Peer::Tcp(addr.parse().unwrap()).to_string();
        assert_eq!(show("127.0.0.1:59004"), "('127.0.0.1', 59004)");
        assert_eq!(show("[::1]:59004"), "('::1', 59004, 0, 0)");
    }

    #[test]
    fn what_can_not_be_had_is_told_in_spanish() {
        let refusal = |endpoint: Endpoint| Listener::open(&endpoint).unwrap_err();
        assert_eq!(
            refusal(Endpoint::Tcp("192.0.2.1:0".parse().unwrap())),
            "no se puede escuchar en 192.0.2.1:0: esa dirección no es de esta máquina"
        );
        assert_eq!(
            refusal(Endpoint::Unix("/no/existe/s".into())),
            "no se puede escuchar en unix:/no/existe/s: no existe su directorio"
        );
        let long = format!("/tmp/{}", "x".repeat(200));
        assert_eq!(
            refusal(Endpoint::Unix(long.clone().into())),
            format!("no se puede escuchar en unix:{long}: ruta de socket vacía o de más de 107 bytes")
        );
    }

    #[test]
    fn a_socket_file_lives_as_long_as_its_server() {
        let path = std::env::temp_dir().join(format!("tp2-listener-{}.sock", std::process::id()));
        let endpoint = Endpoint::Unix(path.clone());
        let first = Listener::open(&endpoint).unwrap();
        assert!(Listener::open(&endpoint).unwrap_err().starts_with("ya hay un servidor en unix:"));

        // A server that died without cleaning up: its file stays, and refuses connections.
        let Listener::Unix(ref socket, ..) = first else { unreachable!() };
        let kept = socket.try_clone().unwrap();
        std::mem::forget(first);
        drop(kept);
        // The forgotten descriptor still listens: close what a dead process would have closed.
        fs::remove_file(&path).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let second = Listener::open(&endpoint).unwrap();
        UnixStream::connect(&path).unwrap();

        // A successor has taken the path: its file must stay.
        fs::remove_file(&path).unwrap();
        let third = Listener::open(&endpoint).unwrap();
        drop(second);
        assert!(path.exists());
        drop(third);
        assert!(!path.exists());

        fs::write(&path, "datos").unwrap();
        assert!(Listener::open(&endpoint).unwrap_err().ends_with("existe y no es un socket"));
        assert_eq!(fs::read(&path).unwrap(), b"datos");
        fs::remove_file(&path).unwrap();
    }
}
