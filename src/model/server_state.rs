//! What all conversations share: the limits in force, the admission counter, and the state of the service.
use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::admission::Admission;
use super::error::WorkError;
use super::image::PixelLimits;
use crate::http::access::Access;
use crate::http::head::HeadLimits;

/// One result of a task has at most this part of `--retencion-espacio`, so that no client empties the shelf alone.
pub const RESULT_PART: u64 = 8;

/// The limits and times of every conversation.
#[derive(Clone, Debug)]
pub struct Limits {
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
    /// Most bytes of one result of a task.
    pub result_max: u64,
    /// One picture, from its last byte received to its result: `--plazo`.
    pub deadline: Duration,
    /// Factor of a request that names none: `-e`.
    pub factor: f64,
    /// From the first byte of a request to the end of its head.
    pub head_time: Duration,
    /// Length of the stretches in which a body must keep up [`Limits::body_rate`]; whole seconds.
    pub body_stretch: Duration,
    /// Bytes per second.
    pub body_rate: u64,
    /// A reply may make no progress for so long.
    pub reply_time: Duration,
    /// Bytes per second that a reply must leave with: see [`Limits::reply_due`].
    pub reply_rate: u32,
    /// Between requests.
    pub idle_time: Duration,
    /// How long to read what a refused peer still sends.
    pub linger_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            head: HeadLimits { bytes_max: 16 << 10, fields_max: 64, target_max: 8 << 10 },
            body_max: 32 << 20,
            files: false,
            links_port: None,
            pixels: PixelLimits { pixels_max: 100_000_000, side_max: 65_535 },
            result_max: (10_240 << 20) / RESULT_PART,
            deadline: Duration::from_secs(30),
            factor: 0.5,
            head_time: Duration::from_secs(10),
            body_stretch: Duration::from_secs(10),
            body_rate: 1 << 10,
            reply_time: Duration::from_secs(30),
            reply_rate: 4 << 10,
            idle_time: Duration::from_secs(75),
            linger_time: Duration::from_secs(2),
        }
    }
}

/// In which form the server's figures are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Figures {
    /// All of them, in Prometheus's text format.
    Prometheus,
    /// Those that the page shows, as JSON.
    Panel,
}

impl Limits {
    /// The new deadline of a reply whose deadline was `due`, after `sent` more bytes. Sent bytes buy time at
    /// [`Limits::reply_rate`], up to [`Limits::reply_time`] in all: a slower client uses that up.
    #[must_use]
    pub fn reply_due(&self, due: Instant, sent: usize, now: Instant) -> Instant {
        let bought = Duration::from_secs_f64(sent as f64 / f64::from(self.reply_rate));
        (due + bought.min(self.reply_time)).min(now + self.reply_time)
    }
}

/// A part of the server that a picture goes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerPart {
    /// The threads that decode and encode.
    Workers,
    /// The other process.
    Scaler,
}

impl ServerPart {
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
pub struct ServerState {
    /// The limits in force.
    pub limits: Limits,
    /// The access rules.
    pub access: Access,
    /// The admission counter.
    pub admission: Admission,
    /// Makes the id of a request: version 4 in production, countable in tests.
    pub ids: fn() -> Uuid,
    /// The server is stopping: no connection is kept.
    pub draining: Cell<bool>,
    /// The scaler does not answer at the moment.
    pub scaler_away: Cell<bool>,
    /// The part of the server in which a picture of the self-test is stuck.
    pub stuck: Cell<Option<ServerPart>>,
    /// A worker has a job that is older than `--plazo`.
    pub overdue: Cell<bool>,
    /// So many hung threads were replaced that no more are.
    pub worn_out: Cell<bool>,
    /// Why the store can't keep anything at the moment.
    pub store_away: RefCell<Option<WorkError>>,
    /// Why the bank, where it has a database of its own, can't be used at the moment.
    pub bank_away: RefCell<Option<WorkError>>,
}

impl ServerState {
    /// The state of a running service, for all connections.
    #[must_use]
    pub fn new(limits: Limits, admission: Admission, ids: fn() -> Uuid) -> Self {
        Self {
            limits,
            access: Access::default(),
            admission,
            ids,
            draining: Cell::new(false),
            scaler_away: Cell::new(false),
            stuck: Cell::new(None),
            overdue: Cell::new(false),
            worn_out: Cell::new(false),
            store_away: RefCell::default(),
            bank_away: RefCell::default(),
        }
    }

    /// Whether work at the scaler has little hope.
    #[must_use]
    pub fn scaler_hangs(&self) -> bool {
        self.scaler_away.get() || self.stuck.get() == Some(ServerPart::Scaler)
    }

    /// The same as a failure: why work could not begin now.
    #[must_use]
    pub fn overload(&self) -> Option<WorkError> {
        let admission = &self.admission;
        if admission.places() >= admission.places_max() {
            Some(WorkError::QueueFull)
        } else {
            (admission.bytes() >= admission.bytes_max()).then_some(WorkError::MemoryFull { length: 0 })
        }
    }
}
