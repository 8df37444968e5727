//! One reading of the clocks, made by the shell once a turn and passed to every machine.
use std::time::{Instant, SystemTime};

/// The monotonic clock for deadlines and the wall clock for `Date`.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    /// For deadlines and durations.
    pub at: Instant,
    /// For what people and protocols read.
    pub wall: SystemTime,
}
