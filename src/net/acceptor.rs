//! Accepts client connections: a few per turn, up to the connection limit, without busy-looping when descriptors run
//! out.
//!
//! Events are edge-triggered, so a listener's readiness bit is kept until accept returns `WouldBlock`. At the limit
//! the bit also stays set, and clients wait in the kernel's backlog until a connection closes. When the system has no
//! descriptor left (EMFILE and similar), accept is retried when a connection closes or after one second.
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

/// Connections accepted per turn, so that a flood of them does not delay the clients being served.
const ACCEPTS_A_TURN: usize = 16;
/// Pause when the system has no descriptor left.
const PAUSE: Duration = Duration::from_secs(1);
/// TCP_NOTSENT_LOWAT: the socket is writable while fewer unsent bytes than this wait in the kernel.
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
    side: ListenerRole,
    /// Accept may succeed; waits for a free place or for its next turn.
    pending: bool,
}

/// The result of one accepting turn.
pub struct Accepted {
    /// New connections.
    pub streams: Vec<(TcpStream, IpAddr)>,
    /// The role of the port they connected to.
    pub side: ListenerRole,
    /// There may be more: the listener goes to the back of the queue.
    pub again: bool,
    /// The system has no resources; retried later. Reported once per pause.
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
                    // Keeps the kernel's send buffer small, so that a slow reader's progress shows in small steps.
                    let _ = sys::set_not_sent_low(&stream, NOT_SENT_LOW);
                    accepted.streams.push((stream, address.ip()));
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => {
                        listener.pending = false;
                        return accepted;
                    }
                    // The client left before it was accepted; accept(2) lists more errors of this kind.
                    ErrorKind::Interrupted | ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset => {}
                    _ => {
                        // Once per pause: every connection that closes meanwhile causes another attempt.
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

    /// Whether clients wait at this listener. Asked of the kernel, because nothing is accepted at the limit.
    #[must_use]
    pub fn has_waiting(&self, number: u32) -> bool {
        let Some(listener) = self.listeners.get(number as usize) else { return false };
        let waiting = [(listener.socket.as_fd(), sys::Interest::Read)];
        listener.pending && sys::poll(&waiting, Some(Duration::ZERO)).is_ok_and(|ready| ready[0])
    }

    /// Sets the timer for the next attempt.
    pub fn arm(&mut self, timers: &mut Timers, number: u32) {
        timers.arm(&mut self.armed, self.retry_at, Source::Listener(number));
    }

    /// Called when the pause timer expires.
    pub fn rang(&mut self, at: Instant) -> bool {
        self.retry_at = None;
        self.armed.rang(at)
    }

    /// Called when a connection closes: the listeners on which clients may wait.
    pub fn handle_room(&self) -> impl Iterator<Item = u32> + use<> {
        let pending: Vec<u32> =
            self.listeners.iter().zip(0..).filter(|(listener, _)| listener.pending).map(|(_, n)| n).collect();
        pending.into_iter()
    }

    /// The listeners.
    pub fn numbers(&self) -> impl Iterator<Item = u32> + use<> {
        self.listeners.iter().zip(0..).map(|(_, number)| number).collect::<Vec<_>>().into_iter()
    }

    /// Closes the listeners: the kernel refuses later connections.
    pub fn close(&mut self, registry: &Registry) {
        for mut listener in self.listeners.drain(..) {
            // The socket is closed next, so a failed deregistration has no effect.
            let _ = registry.deregister(&mut listener.socket);
        }
    }
}
