//! Deadlines, nearest first.
//!
//! A deadline depends on its owner's state, so it is recomputed after every change. Deadlines move back far more often
//! than they pass; therefore an entry that is too early stays, and its owner is asked again when it comes up. An owner
//! has at most one live entry, the earliest: [`Armed`] remembers it.
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::source::Source;

/// The heap of all deadlines.
#[derive(Debug, Default)]
pub struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Source)>>,
}

/// The owner's memory of its entry in the heap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Armed(Option<Instant>);

impl Timers {
    /// The owner's deadline is `due` now.
    pub fn arm(&mut self, armed: &mut Armed, due: Option<Instant>, source: Source) {
        if let Some(due) = due
            && armed.0.is_none_or(|at| due < at)
        {
            armed.0 = Some(due);
            self.heap.push(Reverse((due, source)));
        }
    }

    /// When the loop must wake at the latest.
    #[must_use]
    pub fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next entry that has come up. Its owner must be told by [`Armed::rang`], asked for its deadline, and armed
    /// again; entries of owners that are gone come up as well and find no owner.
    pub fn pop(&mut self, now: Instant) -> Option<(Instant, Source)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}

impl Armed {
    /// The entry `at` has come up; false if the owner has armed an earlier one since, and has been asked already.
    pub fn rang(&mut self, at: Instant) -> bool {
        let current = self.0 == Some(at);
        if current {
            self.0 = None;
        }
        current
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn comes_up_in_order_and_only_when_due() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        let (mut first, mut second) = (Armed::default(), Armed::default());
        timers.arm(&mut first, Some(at(5)), Source::Listener(1));
        timers.arm(&mut second, Some(at(3)), Source::Listener(2));
        timers.arm(&mut Armed::default(), None, Source::Listener(3));
        assert_eq!(timers.next(), Some(at(3)));
        assert_eq!(timers.pop(at(2)), None);
        assert_eq!(timers.pop(at(9)), Some((at(3), Source::Listener(2))));
        assert_eq!(timers.pop(at(9)), Some((at(5), Source::Listener(1))));
        assert_eq!(timers.pop(at(9)), None);
    }

    #[test]
    fn a_later_deadline_costs_no_entry_and_an_earlier_one_replaces() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut timers = Timers::default();
        let mut armed = Armed::default();
        for seconds in [10, 20, 30, 40] {
            timers.arm(&mut armed, Some(at(seconds)), Source::Scaler);
        }
        assert_eq!(timers.heap.len(), 1);
        timers.arm(&mut armed, Some(at(4)), Source::Scaler);
        assert_eq!(timers.pop(at(50)), Some((at(4), Source::Scaler)));
        assert!(armed.rang(at(4)));
        let (stale, _) = timers.pop(at(50)).unwrap();
        assert!(!armed.rang(stale));
    }
}
