//! The jobs at the workers, ordered by deadline: how old the oldest job is.
//!
//! A run ends at its deadline, and so does its client's wait; its job ends only when the worker returns. A job that
//! is here after its deadline, queued or running, is stuck: `/readyz` reports it. Plain data; the caller supplies the
//! time.
use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::model::key::Ticket;

/// Jobs given to the workers that have not come back.
#[derive(Debug, Default)]
pub struct Outstanding {
    due: HashMap<Ticket, Instant>,
    /// The same, the earliest deadline first.
    by_due: BTreeSet<(Instant, Ticket)>,
}

impl Outstanding {
    /// A job was given to the workers.
    pub fn note_job(&mut self, ticket: Ticket, due: Instant) {
        self.due.insert(ticket, due);
        self.by_due.insert((due, ticket));
    }

    /// A job has come back, from any thread.
    pub fn note_done(&mut self, ticket: Ticket) {
        if let Some(due) = self.due.remove(&ticket) {
            self.by_due.remove(&(due, ticket));
        }
    }

    /// Whether a job is past its deadline.
    #[must_use]
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.by_due.first().is_some_and(|&(due, _)| due < now)
    }

    /// When [`Outstanding::is_overdue`] becomes true, if nothing comes back.
    #[must_use]
    pub fn next_due(&self) -> Option<Instant> {
        self.by_due.first().map(|&(due, _)| due)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::key::Key;

    #[test]
    fn the_oldest_decides_until_it_is_back() {
        let (start, mut jobs) = (Instant::now(), Outstanding::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        let ticket = |step| Ticket { run: Key { index: 1, generation: 0 }, step };
        assert!(!jobs.is_overdue(at(99)) && jobs.next_due().is_none());
        for (step, due) in [(1, 5), (2, 3), (3, 3), (4, 9)] {
            jobs.note_job(ticket(step), at(due));
        }
        assert_eq!(jobs.next_due(), Some(at(3)));
        assert!(!jobs.is_overdue(at(3)) && jobs.is_overdue(at(4)));
        jobs.note_done(ticket(2));
        jobs.note_done(ticket(2));
        assert!(jobs.is_overdue(at(4)), "two have the same deadline");
        jobs.note_done(ticket(3));
        assert!(!jobs.is_overdue(at(4)) && jobs.is_overdue(at(6)));
        jobs.note_done(ticket(7));
        jobs.note_done(ticket(1));
        assert_eq!(jobs.next_due(), Some(at(9)));
    }
}
