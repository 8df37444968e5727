//! Connections to the scaler; at the other end of each, a forked, confined child waits.
//!
//! Rules:
//! - A task is on at most one connection. Scaling is a pure function, so a task whose connection broke goes to the
//!   front of the queue and onto a new connection, at most [`BREAKS_MAX`] times.
//! - A connection carries at most [`SERVED_MAX`] tasks: a child that never exits would keep all memory that its
//!   allocator ever took.
//! - Large pictures may use all connections but one, so that a small picture never waits for a large one.
//! - A connection that carried a large picture carries no small ones: the child at its other end is nicer than others
//!   from then on (`--nice-grandes`).
//! - While connects are refused the tasks wait (a scaler that died is back within half a second). After
//!   [`AWAY_AFTER`] tasks fail at once, and the pool keeps retrying the connect.
//! - The pool never blocks: an attempt is a timer.
use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::{Interest, Registry};
use scaler::wire::{Limits, Reply};

use super::upstream::{ScaleTask, Stream, Upstream, UpstreamBreak, UpstreamTurn};
use crate::model::error::WorkError;
use crate::model::job::{Completion, Output};
use crate::model::key::Key;
use crate::pixels::BufferPool;
use crate::work::slab::Slab;
use crate::work::source::Source;

/// Connections that may break under one task before the task fails.
const BREAKS_MAX: u32 = 5;
/// Tasks that a connection carries before it is closed and its child exits.
const SERVED_MAX: u32 = 200;
/// Refused for so long, the scaler counts as away.
const AWAY_AFTER: Duration = Duration::from_secs(3);
const RETRY_FIRST: Duration = Duration::from_millis(5);
/// A server of another protocol that speaks first has done so by then.
const SETTLED: Duration = Duration::from_millis(100);
const CONNECT_TIME: Duration = Duration::from_secs(3);
const RETRY_MAX: Duration = Duration::from_millis(250);

/// Where the scaler listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// `HOST:PUERTO`, resolved; tried in turn.
    Tcp(Vec<SocketAddr>),
    /// `unix:RUTA`.
    Unix(PathBuf),
}

/// As `-s` has it.
impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(addresses) => addresses.first().map_or(Ok(()), |address| write!(f, "{address}")),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The connections, and the tasks that wait for one.
pub struct Pool {
    destination: Destination,
    limits: Limits,
    size: usize,
    upstreams: Slab<Upstream>,
    idle: Vec<Key>,
    queue: VecDeque<ScaleTask>,
    /// The task that gets a connection of its own.
    fresh: Option<ScaleTask>,
    outage: Option<Outage>,
    /// Takes back the buffers of pictures that were scaled.
    buffers: Arc<BufferPool>,
}

/// What became of a waiting task.
pub enum Assigned {
    /// It is on this connection, which needs a turn.
    Begun(Key),
    /// It has failed.
    Done(Completion),
}

/// The result of a connection's turn.
pub enum Served {
    /// Nothing to do now.
    Nothing,
    /// It wants another turn.
    Again,
    /// Its task is done.
    Done(Completion),
}

/// When connects were first refused, and until when none is tried.
#[derive(Clone, Copy, Debug)]
struct Outage {
    since: Instant,
    retry_at: Instant,
    pause: Duration,
    refusals: usize,
}

/// A scaler serves this many TCP connections of one address; further ones wait.
pub const TCP_MAX: usize = 16;

/// Connections that keep this many worker threads busy: one being scaled for each, one in transit, and one for small
/// pictures only.
#[must_use]
pub const fn connections_max(threads: usize) -> usize {
    threads + 2
}

impl Pool {
    /// No connection yet; at most `size` of them, one of which never takes a large picture.
    #[must_use]
    pub fn new(destination: Destination, limits: Limits, size: usize, buffers: Arc<BufferPool>) -> Self {
        Self {
            destination,
            limits,
            size,
            upstreams: Slab::default(),
            idle: Vec::new(),
            queue: VecDeque::new(),
            fresh: None,
            outage: None,
            buffers,
        }
    }

    /// The scaler's address.
    #[must_use]
    pub fn destination(&self) -> &Destination {
        &self.destination
    }

    /// Whether a connection has been open so long that an end that is no scaler would have closed it.
    #[must_use]
    pub fn is_connected(&self, now: Instant) -> bool {
        self.upstreams
            .iter()
            .any(|(_, upstream)| upstream.is_connected() && upstream.opened_at() + SETTLED <= now)
    }

    /// Takes a task; [`Pool::assign`] puts it on a connection.
    pub fn submit(&mut self, task: ScaleTask) {
        if task.fresh {
            self.fresh = Some(task);
        } else {
            self.queue.push_back(task);
        }
    }

    /// Connections that are open, and tasks that wait for one.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.upstreams.len(), self.queue.len() + usize::from(self.fresh.is_some()))
    }

    /// Handles the first waiting task: puts it on an idle or a new connection, or fails it. None if there is no task,
    /// or it has to wait.
    pub fn assign(&mut self, registry: &Registry, now: Instant) -> Option<Assigned> {
        if let assigned @ Some(_) = self.assign_fresh(registry, now) {
            return assigned;
        }
        let place = self.next(now)?;
        let task = self.queue.remove(place)?;
        if let Some(failure) = self.hopeless(&task, now) {
            return Some(Assigned::Done(answer(task, Err(failure), now)));
        }
        let key = self.connection(task.is_small(), registry, now);
        match key.and_then(|key| self.upstreams.get_mut(key).map(|upstream| (key, upstream))) {
            Some((key, upstream)) => {
                upstream.begin(task, now);
                Some(Assigned::Begun(key))
            }
            None => {
                self.queue.insert(place, task);
                None
            }
        }
    }

    /// The index of the next task: one that has failed already, else the first that may have a connection.
    fn next(&self, now: Instant) -> Option<usize> {
        let is_large = |upstream: &Upstream| upstream.task().is_some_and(|task| !task.is_small());
        let large = self.upstreams.iter().filter(|(_, upstream)| is_large(upstream)).count();
        let may_be_large = self.size == 1 || large + 1 < self.size;
        let hopeless = self.queue.iter().position(|task| self.hopeless(task, now).is_some());
        hopeless.or_else(|| self.queue.iter().position(|task| may_be_large || task.is_small()))
    }

    /// The same for the task that gets its own connection; it delays no other task.
    fn assign_fresh(&mut self, registry: &Registry, now: Instant) -> Option<Assigned> {
        let task = self.fresh.take()?;
        if let Some(failure) = self.hopeless(&task, now) {
            return Some(Assigned::Done(answer(task, Err(failure), now)));
        }
        let key = self.new_connection(registry, now);
        if let Some(key) = key
            && let Some(upstream) = self.upstreams.get_mut(key)
        {
            upstream.begin(task, now);
            return Some(Assigned::Begun(key));
        }
        self.fresh = Some(task);
        None
    }

    /// Why a task fails without waiting any longer.
    fn hopeless(&self, task: &ScaleTask, now: Instant) -> Option<WorkError> {
        let away = self.is_away(now).then_some(WorkError::ScalerAway);
        if task.cancelled.is_set() { Some(WorkError::Cancelled) } else { away }
    }

    /// A connection for a small task or a large one: an idle one of that kind, or a new one. Where there is no room for
    /// another, a large task takes any, and a small one takes the room of an idle one.
    fn connection(&mut self, small: bool, registry: &Registry, now: Instant) -> Option<Key> {
        let idle = |large: bool, upstreams: &mut Slab<Upstream>, idle: &[Key]| {
            let is_it =
                |key: &Key| upstreams.get_mut(*key).is_some_and(|upstream| upstream.is_large() == large);
            idle.iter().copied().rfind(is_it)
        };
        let mut found = idle(!small, &mut self.upstreams, &self.idle);
        if found.is_none() && self.upstreams.len() >= self.size {
            match idle(small, &mut self.upstreams, &self.idle) {
                other if !small => found = other,
                Some(other) => drop(self.close(other, registry)),
                None => return None,
            }
        }
        if let Some(key) = found {
            self.idle.retain(|idle| *idle != key);
            return Some(key);
        }
        if self.upstreams.len() >= self.size { None } else { self.new_connection(registry, now) }
    }

    fn new_connection(&mut self, registry: &Registry, now: Instant) -> Option<Key> {
        if self.outage.is_some_and(|outage| now < outage.retry_at) {
            return None;
        }
        match self.open(registry, now) {
            Ok(key) => key,
            Err(_) => {
                self.refused(now, now, RETRY_FIRST);
                None
            }
        }
    }

    fn open(&mut self, registry: &Registry, now: Instant) -> io::Result<Option<Key>> {
        let stream = match &self.destination {
            Destination::Unix(path) => Stream::Unix(mio::net::UnixStream::connect(path)?),
            Destination::Tcp(addresses) => {
                let attempt = self.outage.map_or(0, |outage| outage.refusals);
                let address =
                    addresses.get(attempt % addresses.len().max(1)).ok_or(io::ErrorKind::AddrNotAvailable)?;
                let stream = mio::net::TcpStream::connect(*address)?;
                stream.set_nodelay(true)?;
                Stream::Tcp(stream)
            }
        };
        let mut upstream = Upstream::new(stream, self.limits, now);
        let mut registered = Ok(());
        let key = self.upstreams.insert_with(|key| {
            let interest = Interest::READABLE | Interest::WRITABLE;
            registered = registry.register(upstream.stream(), Source::Upstream(key).token(), interest);
            upstream
        });
        if registered.is_err()
            && let Some(key) = key
        {
            self.upstreams.remove(key);
        }
        registered.map(|()| key)
    }

    /// Sets a connection's readiness bits.
    pub fn mark(&mut self, key: Key, event: &mio::event::Event) {
        if let Some(upstream) = self.upstreams.get_mut(key) {
            upstream.readiness.mark(event);
        }
    }

    /// Gives a connection its turn.
    pub fn serve(&mut self, key: Key, registry: &Registry, scratch: &mut [u8], now: Instant) -> Served {
        let Some(upstream) = self.upstreams.get_mut(key) else { return Served::Nothing };
        let turn = upstream.pump(scratch, registry, Source::Upstream(key).token());
        if upstream.is_connected() {
            self.outage = None;
        }
        match turn {
            UpstreamTurn::Waiting => Served::Nothing,
            UpstreamTurn::Again => Served::Again,
            UpstreamTurn::Answered(mut task, reply) => {
                // After ERROR the other end closes (protocol.md), and the request may be half written.
                if upstream.served() < SERVED_MAX && matches!(reply, Reply::Image(_)) {
                    self.idle.push(key);
                } else {
                    self.close(key, registry);
                }
                let result = judge(&task, reply);
                self.buffers.give(std::mem::take(&mut task.raster.samples));
                Served::Done(answer(task, result, now))
            }
            UpstreamTurn::Broken(task, cause) => {
                let unused = upstream.served() == 0;
                self.close(key, registry);
                match cause {
                    UpstreamBreak::Refused => self.refused(now, now, RETRY_FIRST),
                    // A connection that the scaler closes unused is not replaced at once.
                    _ if unused => self.refused(now, now, RETRY_MAX),
                    UpstreamBreak::Lost | UpstreamBreak::Nonsense => {}
                }
                match task {
                    None => Served::Nothing,
                    Some(task) => self.take_back(task, cause, now),
                }
            }
        }
    }

    /// A task's connection is gone: the task is retried, unless this was the last try.
    fn take_back(&mut self, mut task: ScaleTask, cause: UpstreamBreak, now: Instant) -> Served {
        if cause != UpstreamBreak::Refused {
            task.breaks += 1;
        }
        if task.breaks > BREAKS_MAX || cause == UpstreamBreak::Nonsense {
            return Served::Done(answer(task, Err(WorkError::ScalerLost), now));
        }
        self.put_back(task);
        Served::Nothing
    }

    fn put_back(&mut self, task: ScaleTask) {
        if task.fresh {
            self.fresh = Some(task);
        } else {
            self.queue.push_front(task);
        }
    }

    /// Closes idle connections that got no task since `before`, except the youngest: their children exit and free
    /// their memory.
    pub fn retire_idle(&mut self, before: Instant, registry: &Registry) {
        let unused = |key: &Key, upstreams: &mut Slab<Upstream>| {
            upstreams.get_mut(*key).is_some_and(|upstream| upstream.used_at() < before)
        };
        let others = &self.idle[..self.idle.len().saturating_sub(1)];
        let retired: Vec<Key> =
            others.iter().filter(|key| unused(key, &mut self.upstreams)).copied().collect();
        for key in retired {
            self.close(key, registry);
        }
    }

    /// A run ended without its scaled picture: its connection is closed, in case the child hangs.
    pub fn abandon(&mut self, run: Key, registry: &Registry) {
        self.fresh.take_if(|task| task.ticket.run == run);
        let has = |upstream: &Upstream| upstream.task().is_some_and(|task| task.ticket.run == run);
        let found = self.upstreams.iter().find(|(_, upstream)| has(upstream)).map(|(key, _)| key);
        if let Some(key) = found {
            self.close(key, registry);
        }
    }

    /// Whether connects have been refused for so long that tasks fail fast.
    #[must_use]
    pub fn is_away(&self, now: Instant) -> bool {
        self.outage.is_some_and(|outage| now.duration_since(outage.since) >= AWAY_AFTER)
    }

    /// When the next attempt is due, or the one under way times out.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let connecting = self.upstreams.iter().filter(|(_, upstream)| !upstream.is_connected());
        let patience = connecting.map(|(_, upstream)| upstream.opened_at() + CONNECT_TIME);
        patience.chain(self.outage.map(|outage| outage.retry_at)).min()
    }

    /// Ends connects that take too long; their tasks wait for another connection.
    pub fn handle_timeout(&mut self, registry: &Registry, now: Instant) {
        let late =
            |upstream: &Upstream| !upstream.is_connected() && upstream.opened_at() + CONNECT_TIME <= now;
        let keys: Vec<Key> =
            self.upstreams.iter().filter(|(_, upstream)| late(upstream)).map(|(key, _)| key).collect();
        for key in keys {
            if let Some(upstream) = self.close(key, registry) {
                self.refused(upstream.opened_at(), now, RETRY_FIRST);
                if let Some(task) = upstream.into_task() {
                    self.put_back(task);
                }
            }
        }
    }

    /// Keeps at least one connection open: a child waits for the next picture, and the pool notices when the scaler
    /// goes away and comes back, even without tasks.
    pub fn keep_warm(&mut self, registry: &Registry, now: Instant) {
        if self.queue.is_empty()
            && self.upstreams.is_empty()
            && let Some(key) = self.connection(true, registry, now)
        {
            self.idle.push(key);
        }
    }

    /// A connect failed; it began at `since`, which counts if it is the first failure.
    fn refused(&mut self, since: Instant, now: Instant, pause_first: Duration) {
        let pause = self.outage.map_or(pause_first, |outage| (outage.pause * 2).min(RETRY_MAX));
        let since = self.outage.map_or(since, |outage| outage.since);
        let refusals = self.outage.map_or(1, |outage| outage.refusals + 1);
        self.outage = Some(Outage { since, retry_at: now + pause, pause, refusals });
    }

    fn close(&mut self, key: Key, registry: &Registry) -> Option<Upstream> {
        self.idle.retain(|idle| *idle != key);
        let mut upstream = self.upstreams.remove(key)?;
        // The socket is closed when dropped, so a failed deregistration has no effect.
        let _ = registry.deregister(upstream.stream());
        Some(upstream)
    }
}

fn answer(task: ScaleTask, result: Result<Output, WorkError>, now: Instant) -> Completion {
    let took = task.began_at.map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
    Completion { ticket: task.ticket, reservation: task.reservation, result, took }
}

fn judge(task: &ScaleTask, reply: Reply) -> Result<Output, WorkError> {
    match reply {
        Reply::Image(raster)
            if (raster.width, raster.height) == (task.width, task.height)
                && raster.channels == task.raster.channels =>
        {
            Ok(Output::Raster(raster))
        }
        Reply::Image(_) => Err(WorkError::ScalerLost),
        Reply::Error { code, reason } => Err(WorkError::ScalerRefused { code, reason }),
    }
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
