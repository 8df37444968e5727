//! What all conversations share: the limits in force, the admission counter, and the state of the service.
use std::cell::{Cell, RefCell};
use std::time::Duration;

use uuid::Uuid;

use super::gate::Gate;
use super::job::{Failure, PixelLimits};
use super::reject::{LimitsInForce, Reject};
use crate::http::head::HeadLimits;
use crate::http::route::Absent;

/// The limits and times of every conversation.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Of the request head.
    pub head: HeadLimits,
    /// Most bytes of a body, and of a file: `--max-cuerpo`.
    pub body_max: u64,
    /// There are files to be asked for: `-d`.
    pub files: bool,
    /// The port that links lead to: `-l`; None if it is the main one.
    pub links_port: Option<u16>,
    /// Of every picture.
    pub pixels: PixelLimits,
    /// One picture, from its last byte received to its result: `--plazo`.
    pub deadline: Duration,
    /// Factor of a request that names none: `-e`.
    pub factor: f64,
    /// From the first byte of a request to the end of its head.
    pub head_time: Duration,
    /// In each stretch of so long a body must keep up [`Policy::body_rate`]; whole seconds.
    pub body_stretch: Duration,
    /// Bytes per second.
    pub body_rate: u64,
    /// A reply may make no progress for so long.
    pub reply_time: Duration,
    /// Between requests.
    pub idle_time: Duration,
    /// How long to read what a refused peer still sends.
    pub linger_time: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            head: HeadLimits { bytes_max: 16 << 10, fields_max: 64, target_max: 8 << 10 },
            body_max: 32 << 20,
            files: false,
            links_port: None,
            pixels: PixelLimits { pixels_max: 100_000_000, side_max: 65_535 },
            deadline: Duration::from_secs(30),
            factor: 0.5,
            head_time: Duration::from_secs(10),
            body_stretch: Duration::from_secs(10),
            body_rate: 1 << 10,
            reply_time: Duration::from_secs(30),
            idle_time: Duration::from_secs(75),
            linger_time: Duration::from_secs(2),
        }
    }
}

/// A part of the server that a picture goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The threads that decode and encode.
    Workers,
    /// The other process.
    Scaler,
}

impl Part {
    /// Both, in the order of their numbers.
    pub const ALL: [Self; 2] = [Self::Workers, Self::Scaler];

    /// A word for it, for counting.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Workers => "workers",
            Self::Scaler => "scaler",
        }
    }
}

/// Shared by all exchanges and by the loop that drives them.
#[derive(Debug)]
pub struct Service {
    /// The limits in force.
    pub policy: Policy,
    /// The admission counter.
    pub gate: Gate,
    /// Makes the id of a request: version 4 in production, countable in tests.
    pub ids: fn() -> Uuid,
    /// The server is stopping: no connection is kept.
    pub draining: Cell<bool>,
    /// The scaler does not answer at the moment.
    pub scaler_away: Cell<bool>,
    /// A picture of the server's own has not come back from there.
    pub stuck: Cell<Option<Part>>,
    /// A worker still has something in hand that should have been done by now: it is older than `--plazo`.
    pub overdue: Cell<bool>,
    /// So many threads have not come back and were replaced that no more are.
    pub worn_out: Cell<bool>,
    /// Why the store can't keep anything at the moment.
    pub store_away: RefCell<Option<Failure>>,
}

impl Service {
    /// A service that runs.
    #[must_use]
    pub fn new(policy: Policy, gate: Gate, ids: fn() -> Uuid) -> Self {
        Self {
            policy,
            gate,
            ids,
            draining: Cell::new(false),
            scaler_away: Cell::new(false),
            stuck: Cell::new(None),
            overdue: Cell::new(false),
            worn_out: Cell::new(false),
            store_away: RefCell::default(),
        }
    }

    /// What a client is told of a failure: what it would be told had it been known at once, else the failure itself
    /// with the limits that its text names.
    #[must_use]
    pub fn failed(&self, failure: Failure) -> Reject {
        match failure {
            Failure::NoFile | Failure::NoPermission => return Reject::Absent(Absent::NotFound),
            Failure::NotAcceptable => return Reject::NotAcceptable,
            Failure::QueueFull => return self.queue_full(),
            Failure::MemoryFull { length } => return self.memory_full(length),
            Failure::Late => return self.late(self.policy.deadline),
            _ => {}
        }
        let limits = LimitsInForce {
            body_max: self.policy.body_max,
            pixels_max: self.policy.pixels.pixels_max,
            side_max: self.policy.pixels.side_max,
            memory_max: self.gate.bytes_max(),
        };
        Reject::Failed { failure, limits }
    }

    /// Why a picture that came now would have little hope; None if all is well.
    #[must_use]
    pub fn unready(&self) -> Option<Reject> {
        let away = || self.scaler_away.get().then(|| self.failed(Failure::ScalerAway));
        let stuck = || self.stuck.get().map(Reject::Stuck);
        let overdue = || self.overdue.get().then_some(Reject::Overdue { deadline: self.policy.deadline });
        let worn_out = || self.worn_out.get().then_some(Reject::WornOut);
        let draining = self.draining.get().then_some(Reject::Draining);
        draining
            .or_else(|| self.overloaded())
            .or_else(away)
            .or_else(worn_out)
            .or_else(overdue)
            .or_else(stuck)
            .or_else(|| self.store_trouble().map(Box::new).map(Reject::Unready))
    }

    /// Whether what is with the scaler now has little hope.
    #[must_use]
    pub fn scaler_hangs(&self) -> bool {
        self.scaler_away.get() || self.stuck.get() == Some(Part::Scaler)
    }

    /// Why a picture that came now could not be kept as a task. The queue is none of the reasons: a task waits in the
    /// store, not in memory.
    #[must_use]
    pub fn unable_to_keep(&self) -> Option<Reject> {
        self.short_of_memory().or_else(|| self.store_trouble())
    }

    /// Why nothing more could be held in memory now.
    #[must_use]
    pub fn short_of_memory(&self) -> Option<Reject> {
        (self.gate.bytes() >= self.gate.bytes_max()).then(|| self.memory_full(0))
    }

    fn store_trouble(&self) -> Option<Reject> {
        self.store_away.borrow().clone().map(|failure| self.failed(failure))
    }

    /// Why an upload that began now would be turned away; None if it would be taken. A scaler that is away is no
    /// reason: it is back before most uploads are complete. Nor is it one that the server stops: whoever could still send
    /// a request did not know, and is answered.
    #[must_use]
    pub fn overloaded(&self) -> Option<Reject> {
        self.overload().map(|failure| self.failed(failure))
    }

    /// The same as a failure: why work could not begin now.
    #[must_use]
    pub fn overload(&self) -> Option<Failure> {
        let gate = &self.gate;
        if gate.places() >= gate.places_max() {
            Some(Failure::QueueFull)
        } else {
            (gate.bytes() >= gate.bytes_max()).then_some(Failure::MemoryFull { length: 0 })
        }
    }

    fn queue_full(&self) -> Reject {
        let gate = &self.gate;
        let (max, in_hand) = (gate.places_max(), gate.places());
        Reject::QueueFull { max, in_hand, retry_after: gate.retry_after() }
    }

    /// What has so many bytes finds no room: for the moment, or, if it has more than there could ever be, for good.
    #[must_use]
    pub fn memory_full(&self, received: u64) -> Reject {
        let max = self.gate.bytes_max();
        if received > max {
            return self.failed(Failure::TooMuchMemory { needed: received });
        }
        Reject::MemoryFull { max, received, retry_after: self.gate.retry_after() }
    }

    /// A picture was not ready when so much time had passed.
    #[must_use]
    pub fn late(&self, took: Duration) -> Reject {
        Reject::Late { deadline: self.policy.deadline, took }
    }
}
