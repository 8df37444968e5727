//! How many tasks there are in each state, as the store counted them last.
//!
//! Counted again when something has changed, at most once a second, and never for more than a small part of the
//! store's time ([`SHARE`]): a count takes the longer the more tasks there are.
use std::time::{Duration, Instant};

use crate::model::store::{Claimed, StoreAnswer, StoreReply};
use crate::model::task::TaskState;

/// Shortest time from one count to the next.
const PAUSE: Duration = Duration::from_secs(1);
/// Pause after a count, as a multiple of the time that it took.
const SHARE: u32 = 50;

/// The ticket under which the store is asked; tickets that count from 0 never reach it.
pub const TICKET: u64 = u64::MAX;

/// Tasks by state, each state once.
pub type StateCounts = [(TaskState, u64); 5];

/// The last count, and when the next one is due.
#[derive(Debug)]
pub struct TaskCounts {
    known: Option<StateCounts>,
    /// Something has changed since the last count was asked for.
    stale: bool,
    /// The count that is under way was asked for then.
    asked_at: Option<Instant>,
    next_at: Instant,
}

impl TaskCounts {
    /// Nothing is known yet.
    #[must_use]
    pub fn new(now: Instant) -> Self {
        Self { known: None, stale: true, asked_at: None, next_at: now }
    }

    /// Notes an answer of the store, which may have changed a count.
    pub fn note_answer(&mut self, answer: &StoreAnswer) {
        self.stale |= match &answer.result {
            Ok(StoreReply::Swept { expired, .. }) => *expired > 0,
            Ok(StoreReply::Claimed(claimed)) => {
                matches!(claimed, Claimed::Task(_) | Claimed::TooLarge { .. } | Claimed::Unreadable { .. })
            }
            Ok(told) => {
                matches!(
                    told,
                    StoreReply::Accepted(_)
                        | StoreReply::Known(_)
                        | StoreReply::Inserted(true)
                        | StoreReply::Removed { .. }
                )
            }
            Err(_) => false,
        };
    }

    /// Whether to ask for a count now; says so once for each.
    pub fn begin(&mut self, now: Instant) -> bool {
        let begins = self.poll_timeout().is_some_and(|due| now >= due);
        if begins {
            (self.asked_at, self.stale) = (Some(now), false);
        }
        begins
    }

    /// The store has counted, or could not.
    pub fn handle_answer(&mut self, answer: &StoreAnswer, now: Instant) {
        let took = self.asked_at.take().map_or(Duration::ZERO, |at| now.saturating_duration_since(at));
        self.next_at = now + PAUSE.max(took.saturating_mul(SHARE));
        match &answer.result {
            Ok(StoreReply::Counts(counts)) => self.known = Some(*counts),
            _ => self.stale = true,
        }
    }

    /// When [`TaskCounts::begin`] wants to be called.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        (self.stale && self.asked_at.is_none()).then_some(self.next_at)
    }

    /// The last count.
    #[must_use]
    pub fn counts(&self) -> Option<StateCounts> {
        self.known
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::store::StoreError;

    const COUNTS: StateCounts = [
        (TaskState::Pending, 1),
        (TaskState::Running, 2),
        (TaskState::Done, 3),
        (TaskState::Failed, 4),
        (TaskState::Expired, 5),
    ];

    #[test]
    fn it_is_counted_after_a_change_and_seldom() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let answer = |result| StoreAnswer { ticket: TICKET, result };
        let (changed, counted) =
            (answer(Ok(StoreReply::Known(true))), answer(Ok(StoreReply::Counts(COUNTS))));
        let mut census = TaskCounts::new(start);
        assert!(census.begin(start) && !census.begin(at(5000)), "one at a time");
        census.note_answer(&changed);
        census.handle_answer(&counted, at(100));
        assert_eq!(
            (census.counts(), census.poll_timeout()),
            (Some(COUNTS), Some(at(5100))),
            "it took 100 ms"
        );
        assert!(!census.begin(at(5099)) && census.begin(at(5100)));
        census.handle_answer(&answer(Err(StoreError::Broken("x".into()))), at(5100));
        assert_eq!((census.counts(), census.poll_timeout()), (Some(COUNTS), Some(at(6100))));
        assert!(census.begin(at(6100)));
        census.handle_answer(&counted, at(6100));
        for told in [
            StoreReply::Nothing,
            StoreReply::Claimed(Claimed::Nothing),
            StoreReply::Swept { expired: 0, more: false },
        ] {
            census.note_answer(&answer(Ok(told)));
        }
        assert_eq!(census.poll_timeout(), None, "nothing has changed");
        census.note_answer(&changed);
        assert!(!census.begin(at(7099)) && census.begin(at(7100)));
    }
}
