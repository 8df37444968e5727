//! A limit of the wire formats that was passed, for the error: its name, its value, and the amount received.

/// A limit that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Its name, in Spanish.
    pub name: &'static str,
    /// The most that is taken.
    pub max: u64,
    /// What came. If the rest is not waited for: how much had come at the byte, field or part that passed the limit.
    pub received: u64,
}

impl Limit {
    /// Passed by `received`.
    #[must_use]
    pub const fn new(name: &'static str, max: usize, received: usize) -> Self {
        Self { name, max: max as u64, received: received as u64 }
    }

    /// Passed by the first one too many; more may still come.
    #[must_use]
    pub const fn passed(name: &'static str, max: usize) -> Self {
        Self::new(name, max, max.saturating_add(1))
    }
}
