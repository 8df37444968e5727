//! One client connection: its socket, its readiness, its protocol state, and the pump between them.
//!
//! mio registers edge-triggered: an event comes once per change, so the readiness bits are kept here. Events only set
//! them ("readiness events should be considered hints", mio's `Poll`, Portability). `WouldBlock` clears them, and so
//! does a read that did not fill the buffer: a later end of stream is a new edge, unless the kernel has announced it
//! already (`half_closed`, EPOLLRDHUP); then the bit stays until the end was read. Only `Ok(0)` is an end of stream.
//! [`pump`] moves at most [`TURN_BYTES`] and is generic over the stream, so that its tests can inject every failure.
use std::io::{ErrorKind, IoSlice, Read, Write};
use std::net::IpAddr;
use std::time::Instant;

use mio::event::Event;

use super::metrics::Traffic;
use crate::conn::Connection;
use crate::model::key::Key;
use crate::model::now::Now;
use crate::work::timers::Armed;

/// Bytes moved for one connection before the others get their turn.
pub const TURN_BYTES: usize = 256 << 10;
/// Chunks passed to the kernel in one call.
const SLICES: usize = 8;

/// A client's place in the loop.
#[derive(Debug)]
pub struct Client {
    /// The socket.
    pub stream: mio::net::TcpStream,
    /// The protocol state.
    pub connection: Connection,
    /// What the socket can do.
    pub readiness: Readiness,
    /// The run that the connection waits for.
    pub watching: Option<Key>,
    /// Its timer entry.
    pub armed: Armed,
    /// It is in the run queue.
    pub queued: bool,
    /// The address it was counted under, if it was counted.
    pub address: Option<IpAddr>,
    /// Since when it is among the idle ones.
    pub idle_since: Option<Instant>,
}

/// What the socket can do, as far as is known.
#[derive(Clone, Copy, Debug, Default)]
pub struct Readiness {
    /// A read may return data.
    pub read: bool,
    /// A write may accept data.
    pub write: bool,
    /// The kernel has seen the peer's end of stream.
    pub half_closed: bool,
}

impl Readiness {
    /// Sets the bits of an event; never clears one.
    pub fn mark(&mut self, event: &Event) {
        self.read |= event.is_readable() || event.is_error();
        self.write |= event.is_writable() || event.is_error();
        self.half_closed |= event.is_read_closed();
    }
}

/// A stream whose bytes are counted.
#[derive(Debug)]
pub struct Metered<'a, S> {
    /// The stream.
    pub stream: &'a mut S,
    /// Where they are counted.
    pub traffic: &'a mut Traffic,
}

impl<S: Read> Read for Metered<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.stream.read(buffer).inspect(|&n| self.traffic.received += n as u64)
    }
}

impl<S: Write> Write for Metered<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.stream.write(bytes).inspect(|&n| self.traffic.sent += n as u64)
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> std::io::Result<usize> {
        self.stream.write_vectored(slices).inspect(|&n| self.traffic.sent += n as u64)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.stream.flush()
    }
}

/// How a turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pumped {
    /// Nothing more to do until an event, an answer or a deadline.
    Idle,
    /// The turn's byte budget is spent.
    Again,
    /// The connection is broken.
    Gone,
}

/// Moves bytes between a stream and its connection until neither side can go on. Writes come first, so that finished
/// answers leave before more work comes in.
pub fn pump<S: Read + Write>(
    stream: &mut S,
    readiness: &mut Readiness,
    connection: &mut Connection,
    scratch: &mut [u8],
    now: Now,
) -> Pumped {
    let mut spent = 0;
    loop {
        if spent >= TURN_BYTES {
            return Pumped::Again;
        }
        let before = spent;
        if readiness.write
            && let Some(pending) = connection.poll_transmit()
        {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = pending.io_slices(&mut slices);
            match stream.write_vectored(&slices[..count]) {
                Ok(0) => return Pumped::Gone,
                Ok(n) => {
                    connection.sent(n, now);
                    spent += n;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => readiness.write = false,
                    ErrorKind::Interrupted => spent += 1,
                    _ => return Pumped::Gone,
                },
            }
        }
        if readiness.read && connection.wants_input() {
            match stream.read(scratch) {
                Ok(0) => {
                    readiness.read = false;
                    connection.handle_eof(now);
                    spent += 1;
                }
                Ok(n) => {
                    readiness.read = n == scratch.len() || readiness.half_closed;
                    connection.handle_input(&scratch[..n], now);
                    spent += n;
                }
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => readiness.read = false,
                    ErrorKind::Interrupted => spent += 1,
                    _ => return Pumped::Gone,
                },
            }
        }
        if spent == before {
            return Pumped::Idle;
        }
    }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
