//! One connection to the scaler: at the other end a forked, confined child waits for the next picture.
//!
//! A connection carries one task at a time. The picture stays here until its answer is complete, so a connection that
//! breaks at any byte costs a retry, never the task. Samples are written from where they lie, and read directly into
//! the result's buffer: only the kernel copies pixels.
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use mio::event::Source as EventSource;
use mio::{Interest, Registry, Token};
use scaler::raster::{Raster, is_small};
use scaler::sys;
use scaler::wire::{Limits, Reply, ReplyDecoder, Target, emit_request_head};

use super::client::{Readiness, TURN_BYTES};
use crate::model::admission::Reservation;
use crate::model::job::Cancel;
use crate::model::key::Ticket;

/// Size of the reads for an answer's head, and for what follows it in the same read; the remaining samples are read
/// directly into their buffer.
const HEAD_READ: usize = 4 << 10;

/// A picture to be scaled, kept until its answer is complete.
#[derive(Debug)]
pub struct ScaleTask {
    /// The job's ticket.
    pub ticket: Ticket,
    /// The job's reservation.
    pub reservation: Reservation,
    /// The job's cancellation flag.
    pub cancelled: Cancel,
    /// The gray picture.
    pub raster: Raster,
    /// Columns wanted.
    pub width: u32,
    /// Rows wanted.
    pub height: u32,
    /// It gets a connection opened for it, beyond the pool's size.
    pub fresh: bool,
    /// Connections that broke under it.
    pub breaks: u32,
    /// When it was first put on a connection.
    pub began_at: Option<Instant>,
}

impl ScaleTask {
    /// Whether it is small enough not to wait behind large ones.
    #[must_use]
    pub fn is_small(&self) -> bool {
        is_small(self.raster.width, self.raster.height) && is_small(self.width, self.height)
    }
}

/// A stream to the scaler, over TCP or a Unix socket.
#[derive(Debug)]
pub enum Stream {
    /// `HOST:PUERTO`.
    Tcp(mio::net::TcpStream),
    /// `unix:RUTA`.
    Unix(mio::net::UnixStream),
}

/// One connection.
#[derive(Debug)]
pub struct Upstream {
    stream: Stream,
    /// What the socket can do.
    pub readiness: Readiness,
    decoder: ReplyDecoder,
    /// The task, the bytes of its head, and how many of head and samples are written.
    busy: Option<(ScaleTask, Vec<u8>, usize)>,
    served: u32,
    /// One of them was large.
    large: bool,
    connected: bool,
    /// It is registered for the moments at which it can be written to as well.
    watched_for_room: bool,
    opened_at: Instant,
    /// When it was given its last task; before the first, when it was opened.
    used_at: Instant,
}

/// The result of a turn.
#[derive(Debug)]
pub enum UpstreamTurn {
    /// Nothing to do until an event.
    Waiting,
    /// The turn's byte budget is spent.
    Again,
    /// The task is answered.
    Answered(ScaleTask, Reply),
    /// The connection is unusable; its task, if it had one.
    Broken(Option<ScaleTask>, UpstreamBreak),
}

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpstreamBreak {
    /// It was never established.
    Refused,
    /// It stood, and was closed or broke.
    Lost,
    /// The other end does not speak the protocol.
    Nonsense,
}

impl Upstream {
    /// A connection that is being established.
    #[must_use]
    pub fn new(stream: Stream, limits: Limits, now: Instant) -> Self {
        Self {
            stream,
            readiness: Readiness::default(),
            decoder: ReplyDecoder::new(limits, sys::allocate_huge),
            busy: None,
            served: 0,
            large: false,
            connected: false,
            watched_for_room: true,
            opened_at: now,
            used_at: now,
        }
    }

    /// Puts a task on the connection.
    pub fn begin(&mut self, mut task: ScaleTask, now: Instant) {
        debug_assert!(self.busy.is_none(), "one task at a time");
        task.began_at.get_or_insert(now);
        self.large |= !task.is_small();
        let raster = &task.raster;
        let target = Target::Size { width: task.width, height: task.height };
        let head = emit_request_head(target, raster.width, raster.height, raster.channels);
        self.busy = Some((task, head, 0));
        self.served += 1;
        self.used_at = now;
    }

    /// The run whose task is on the connection.
    #[must_use]
    pub fn task(&self) -> Option<&ScaleTask> {
        self.busy.as_ref().map(|(task, ..)| task)
    }

    /// Tasks it has carried.
    #[must_use]
    pub fn served(&self) -> u32 {
        self.served
    }

    /// Whether one of them was large: its child makes way for others from then on.
    #[must_use]
    pub fn is_large(&self) -> bool {
        self.large
    }

    /// Takes the task from a connection that is unusable.
    #[must_use]
    pub fn into_task(self) -> Option<ScaleTask> {
        self.busy.map(|(task, ..)| task)
    }

    /// When the attempt to connect began.
    #[must_use]
    pub fn opened_at(&self) -> Instant {
        self.opened_at
    }

    /// When it was given its last task.
    #[must_use]
    pub fn used_at(&self) -> Instant {
        self.used_at
    }

    /// Whether it is known to be established.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Registers for what it waits for, if that has changed: at first for both, then for room to write only while there
    /// is none. A Unix socket tells of room each time the other end has read something, which woke the loop for
    /// nothing.
    fn watch(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let for_room = !self.connected || !self.readiness.write;
        if std::mem::replace(&mut self.watched_for_room, for_room) == for_room {
            return Ok(());
        }
        let interest = if for_room { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        registry.reregister(&mut self.stream, token, interest)
    }

    /// The socket, for the registry.
    pub fn stream(&mut self) -> &mut impl EventSource {
        &mut self.stream
    }

    /// Moves bytes until the socket blocks, the task is answered, or the turn is spent.
    pub fn pump(&mut self, scratch: &mut [u8], registry: &Registry, token: Token) -> UpstreamTurn {
        let exchanged = match self.exchange_bytes(scratch) {
            Ok(None) => self.watch(registry, token).map(|()| None).map_err(|_| UpstreamBreak::Lost),
            exchanged => exchanged,
        };
        match exchanged {
            Ok(None) if self.may_go_on() => UpstreamTurn::Again,
            Ok(None) => UpstreamTurn::Waiting,
            Ok(Some(reply)) => match self.busy.take() {
                Some((task, ..)) => UpstreamTurn::Answered(task, reply),
                None => UpstreamTurn::Broken(None, UpstreamBreak::Nonsense),
            },
            Err(cause) => UpstreamTurn::Broken(self.busy.take().map(|(task, ..)| task), cause),
        }
    }

    fn may_go_on(&self) -> bool {
        let unsent = self
            .busy
            .as_ref()
            .is_some_and(|(task, head, written)| *written < head.len() + task.raster.samples.len());
        self.readiness.read || self.readiness.write && unsent
    }

    fn exchange_bytes(&mut self, scratch: &mut [u8]) -> Result<Option<Reply>, UpstreamBreak> {
        if !self.connected && (self.readiness.write || self.readiness.read) {
            // mio's TcpStream::connect: writable means done or failed; the socket's error tells which.
            self.connected = self.stream.take_error().map_err(|_| UpstreamBreak::Refused)?.is_none();
            if !self.connected {
                return Err(UpstreamBreak::Refused);
            }
        }
        let mut left = TURN_BYTES;
        let reply = self.take_answer(scratch, &mut left)?;
        if reply.is_some() {
            return Ok(reply);
        }
        self.write(&mut left)?;
        // A write error is handled by the reading side.
        self.take_answer(scratch, &mut left)
    }

    /// Reads before it writes: the scaler answers while it reads, and stops reading while its answer is not taken.
    fn take_answer(&mut self, scratch: &mut [u8], left: &mut usize) -> Result<Option<Reply>, UpstreamBreak> {
        while self.readiness.read && *left > 0 {
            match self.read(scratch) {
                Ok(0) => {
                    return Err(if self.connected { UpstreamBreak::Lost } else { UpstreamBreak::Refused });
                }
                Ok(_) if self.decoder.is_complete() => return Ok(self.decoder.take()),
                Ok(n) => *left = left.saturating_sub(n),
                Err(error) => match error.kind() {
                    ErrorKind::WouldBlock => self.readiness.read = false,
                    ErrorKind::Interrupted => {}
                    ErrorKind::InvalidData => return Err(UpstreamBreak::Nonsense),
                    ErrorKind::ConnectionRefused => return Err(UpstreamBreak::Refused),
                    _ => return Err(UpstreamBreak::Lost),
                },
            }
        }
        Ok(None)
    }

    /// A refusal may come while the picture is still being written, and the peer may close after it: a write error is
    /// final only after the reading side was checked.
    fn write(&mut self, left: &mut usize) -> Result<(), UpstreamBreak> {
        while self.readiness.write
            && *left > 0
            && let Some((task, head, written)) = &mut self.busy
        {
            let samples = &task.raster.samples;
            if *written == head.len() + samples.len() {
                break;
            }
            let rest = head.get(*written..).unwrap_or_default();
            let from = written.saturating_sub(head.len());
            match self.stream.write_vectored(&[IoSlice::new(rest), IoSlice::new(&samples[from..])]) {
                Ok(0) => self.readiness.write = false,
                Ok(n) => {
                    *written += n;
                    *left = left.saturating_sub(n);
                }
                Err(error) => match error.kind() {
                    ErrorKind::Interrupted => {}
                    ErrorKind::WouldBlock => self.readiness.write = false,
                    ErrorKind::ConnectionRefused => return Err(UpstreamBreak::Refused),
                    _ => {
                        self.readiness.write = false;
                        self.readiness.read = true;
                    }
                },
            }
        }
        Ok(())
    }

    fn read(&mut self, scratch: &mut [u8]) -> io::Result<usize> {
        if let Some(bulk) = self.decoder.bulk() {
            return sys::read_append(self.stream.as_fd(), bulk.samples, bulk.missing.min(TURN_BYTES));
        }
        let room = scratch.len().min(HEAD_READ);
        let n = self.stream.read(&mut scratch[..room])?;
        let used = self.decoder.push(&scratch[..n]);
        // More than one answer to the one request violates the protocol.
        if self.busy.is_none() && n > 0 || used.is_ok_and(|used| used < n) || used.is_err() {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(n)
    }
}

impl Stream {
    fn take_error(&self) -> io::Result<Option<io::Error>> {
        match self {
            Self::Tcp(stream) => stream.take_error(),
            Self::Unix(stream) => stream.take_error(),
        }
    }
}

impl AsFd for Stream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(buffer),
            Self::Unix(stream) => stream.read(buffer),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        }
    }

    fn write_vectored(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.write_vectored(slices),
            Self::Unix(stream) => stream.write_vectored(slices),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl EventSource for Stream {
    fn register(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.register(registry, token, interests),
            Self::Unix(stream) => stream.register(registry, token, interests),
        }
    }

    fn reregister(
        &mut self,
        registry: &mio::Registry,
        token: mio::Token,
        interests: mio::Interest,
    ) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.reregister(registry, token, interests),
            Self::Unix(stream) => stream.reregister(registry, token, interests),
        }
    }

    fn deregister(&mut self, registry: &mio::Registry) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.deregister(registry),
            Self::Unix(stream) => stream.deregister(registry),
        }
    }
}
