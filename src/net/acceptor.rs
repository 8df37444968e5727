//! Accepting: a few at a time, within the cap, and without spinning when descriptors run out.
//!
//! A listener's event comes once per change, so its bit is kept until accept says `WouldBlock`. At the cap the bit
//! stays too and the kernel keeps the clients; a connection that closes makes room. When the system has no
//! descriptor left (EMFILE and its kin) the next attempt is made when one closes, or after a second.
use std::io::{self, ErrorKind};
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry};
use scaler::sys;

use crate::conn::local_address::ListenerRole;
use crate::work::source::Source;
use crate::work::timers::{Armed, Timers};

/// Connections accepted in one turn, so that a flood of them does not hold up those that are served.
const ACCEPTS_A_TURN: usize = 16;
/// Pause when the system has no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);
/// A socket takes more bytes once fewer than these wait in the kernel for a client to take them.
const NOT_SENT_LOW: u32 = 256 << 10;

/// The listening sockets in the loop.
pub struct Acceptor {
    listeners: Vec<Listener>,
    clients_max: usize,
    armed: Armed,
    retry_at: Option<Instant>,
}

struct Listener {
    socket: TcpListener,
    /// What its port is for.
    side: ListenerRole,
    /// Accept may bring something, and waits for room or for its next turn.
    pending: bool,
}

/// What a turn of accepting brought.
pub struct Accepted {
    /// New connections.
    pub streams: Vec<(TcpStream, IpAddr)>,
    /// What the port is for that they came to.
    pub side: ListenerRole,
    /// There may be more: back of the queue.
    pub again: bool,
    /// The system has no room; retried later. Told once a pause.
    pub error: Option<io::Error>,
}

impl Acceptor {
    /// Registers the listeners; at most `clients_max` connections at once.
    ///
    /// # Errors
    /// epoll refuses one.
    pub fn new(
        listeners: Vec<(std::net::TcpListener, ListenerRole)>,
        registry: &Registry,
        clients_max: usize,
    ) -> io::Result<Self> {
        let mut registered = Vec::new();
        for ((listener, side), number) in listeners.into_iter().zip(0..) {
            let mut socket = TcpListener::from_std(listener);
            registry.register(&mut socket, Source::Listener(number).token(), Interest::READABLE)?;
            registered.push(Listener { socket, side, pending: false });
        }
        Ok(Self { listeners: registered, clients_max, armed: Armed::default(), retry_at: None })
    }

    /// The most connections at once.
    #[must_use]
    pub fn clients_max(&self) -> usize {
        self.clients_max
    }

    /// Accepts at most `room` connections.
    pub fn accept(&mut self, number: u32, room: usize, now: Instant) -> Accepted {
        let mut accepted =
            Accepted { streams: Vec::new(), side: ListenerRole::Main, again: false, error: None };
        let Some(listener) = self.listeners.get_mut(number as usize) else { return accepted };
        accepted.side = listener.side;
        listener.pending = true;
        let turn = room.min(ACCEPTS_A_TURN);
        while accepted.streams.len() < turn {
            match listener.socket.accept() {
                Ok((stream, address)) => {
                    // Small answers must not wait for the acknowledgement of the last; it only costs time if refused.
                    let _ = stream.set_nodelay(true);
                    // That a slow reader takes something is seen in small steps then, and little waits in the kernel.
                    let _ = sys::set_not_sent_low(&stream, NOT_SENT_LOW);
                    accepted.streams.push((stream, address.ip()));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        listener.pending = false;
                        return accepted;
                    }
                    // The client has left before we came to it; accept(2) lists more of the kind.
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        // Once a pause: each connection that closes meanwhile brings another attempt.
                        if self.retry_at.is_none() {
                            self.retry_at = Some(now + PAUSE);
                            accepted.error = Some(error);
                        }
                        return accepted;
                    }
                },
            }
        }
        accepted.again = room > accepted.streams.len();
        accepted
    }

    /// Whether clients wait at this listener: asked of the kernel, for without room nobody tries to let them in.
    #[must_use]
    pub fn has_waiting(&self, number: u32) -> bool {
        let Some(listener) = self.listeners.get(number as usize) else { return false };
        let waiting = [(listener.socket.as_fd(), sys::Interest::Read)];
        listener.pending && sys::poll(&waiting, Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }

    /// Wakes the loop for another attempt.
    pub fn arm(&mut self, timers: &mut Timers, number: u32) {
        timers.arm(&mut self.armed, self.retry_at, Source::Listener(number));
    }

    /// The pause is over.
    pub fn rang(&mut self, at: Instant) -> bool {
        self.retry_at = None;
        self.armed.rang(at)
    }

    /// A connection has closed: the listeners on which clients may wait.
    pub fn handle_room(&self) -> impl Iterator<Item = u32> + use<> {
        let pending: Vec<u32> =
            self.listeners.iter().zip(0..).filter(|(listener, _)| listener.pending).map(|(_, n)| n).collect();
        pending.into_iter()
    }

    /// The listeners.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.listeners.iter().zip(0..).map(|(_, number)| number).collect::<Vec<_>>().into_iter()
    }

    /// Closes the listeners: whoever connects from now on is refused by the kernel.
    pub fn close(&mut self, registry: &Registry) {
        for mut listener in self.listeners.drain(..) {
            // It is closed right after: that it was not registered any more would change nothing.
            let _ = registry.deregister(&mut listener.socket);
        }
    }
}
