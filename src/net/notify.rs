//! Notifies the service manager: sd_notify(3), written by hand.
//!
//! Sends a datagram of lines to the socket that `NOTIFY_SOCKET` names, a path or, with a leading `@`, an abstract
//! address. Without that variable nothing is sent. Sending never blocks, and errors are ignored: a manager that
//! misses `READY=1` reports that itself. Not supported: sockets of other families (`vsock:`), and passing
//! descriptors.
use std::ffi::OsString;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Variables removed from the environment of child processes, which must not notify in tp2's name.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The manager, if there is one.
#[derive(Debug, Default)]
pub struct Notifier {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// Reads the environment; `pid` is this process.
    #[must_use]
    pub fn of(environment: impl Fn(&str) -> Option<OsString>, pid: u32) -> Self {
        let manager = environment("NOTIFY_SOCKET").and_then(|name| {
            let address = match name.as_bytes() {
                [b'@', name @ ..] => SocketAddr::from_abstract_name(name).ok()?,
                [b'/', ..] => SocketAddr::from_pathname(&name).ok()?,
                _ => return None,
            };
            let socket = UnixDatagram::unbound().ok()?;
            socket.set_nonblocking(true).ok()?;
            Some((socket, address))
        });
        let number = |name| environment(name)?.to_str()?.parse::<u64>().ok();
        // sd_watchdog_enabled(3): without WATCHDOG_PID the variable applies to any process.
        let is_ours = number("WATCHDOG_PID").is_none_or(|file_request| file_request == u64::from(pid));
        let watchdog = number("WATCHDOG_USEC").filter(|&micros| micros > 0 && is_ours && manager.is_some());
        Self { manager, watchdog: watchdog.map(Duration::from_micros) }
    }

    /// The notification interval: half of the manager's watchdog time.
    #[must_use]
    pub fn watchdog_interval(&self) -> Option<Duration> {
        self.watchdog.map(|time| time / 2)
    }

    /// READY=1: clients can connect.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=Atendiendo.");
    }

    /// STOPPING=1: no new clients; pending requests are answered.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=Terminando lo que está en curso.");
    }

    /// WATCHDOG=1: the loop is running.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, state: &str) {
        if let Some((socket, address)) = &self.manager {
            // The manager does not listen, or its buffer is full.
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notifier(variables: &[(&str, &str)]) -> Notifier {
        let find = |name: &str| {
            variables.iter().find(|(variable, _)| *variable == name).map(|(_, value)| OsString::from(value))
        };
        Notifier::of(find, 77)
    }

    #[test]
    fn an_abstract_address_is_reached() {
        let name = format!("tp2-{}", uuid::Uuid::new_v4());
        let address = SocketAddr::from_abstract_name(name.as_bytes()).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = notifier(&[("NOTIFY_SOCKET", &format!("@{name}"))]);
        notifier.ready();
        notifier.stopping();
        let mut buffer = [0; 100];
        for beginning in ["READY=1\n", "STOPPING=1\n"] {
            let length = manager.recv(&mut buffer).unwrap();
            assert!(buffer[..length].starts_with(beginning.as_bytes()));
        }
        assert_eq!(notifier.watchdog_interval(), None);
    }

    #[test]
    fn a_manager_that_does_not_listen_is_not_waited_for() {
        let name = format!("@tp2-{}", uuid::Uuid::new_v4());
        notifier(&[("NOTIFY_SOCKET", &name)]).ready();
        let address = SocketAddr::from_abstract_name(&name[1..]).unwrap();
        let _deaf = UnixDatagram::bind_addr(&address).unwrap();
        let notifier = notifier(&[("NOTIFY_SOCKET", &name)]);
        (0..10_000).for_each(|_| notifier.alive());
    }

    #[test]
    fn the_watchdog_is_told_twice_in_its_time_if_it_is_ours() {
        let socket = ("NOTIFY_SOCKET", "@x");
        let interval = |variables: &[_]| notifier(variables).watchdog_interval();
        let half = Some(Duration::from_secs(5));
        assert_eq!(interval(&[socket, ("WATCHDOG_USEC", "10000000")]), half);
        assert_eq!(interval(&[socket, ("WATCHDOG_USEC", "10000000"), ("WATCHDOG_PID", "77")]), half);
        assert_eq!(interval(&[socket, ("WATCHDOG_USEC", "10000000"), ("WATCHDOG_PID", "78")]), None);
        for wrong in ["", "0", "-1", "x"] {
            assert_eq!(interval(&[socket, ("WATCHDOG_USEC", wrong)]), None, "{wrong}");
        }
        assert_eq!(interval(&[("WATCHDOG_USEC", "10000000")]), None);
        assert_eq!(interval(&[("NOTIFY_SOCKET", "relative"), ("WATCHDOG_USEC", "1")]), None);
    }
}
