//! Who lives: each server counts up a number of its own, and dead is whose number has long stood still.
//!
//! No clock of another machine counts, and no time of day: an observer measures by its own monotonic clock how long it
//! has seen the same number. Rule: only what was watched counts. After a gap in which it could not look (the database
//! was away for all of them) it begins anew, or everybody would take everybody for dead when the database comes back.
use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

/// How often a server shows that it lives, and looks whether the others do.
pub(super) const BEAT: Duration = Duration::from_secs(3);

/// The times that this goes by.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lease {
    /// A server whose number has stood still for so long is dead.
    pub(super) lease: Duration,
    /// Between two looks.
    pub(super) beat: Duration,
}

/// What one observer has seen of the others.
#[derive(Debug)]
pub(super) struct Sightings {
    lease: Duration,
    /// When it last looked.
    looked: Option<Instant>,
    /// Of each server the number, and since when it is this; None has none.
    seen: HashMap<String, (Option<i64>, Instant)>,
}

impl Sightings {
    pub(super) fn new(lease: Duration) -> Self {
        Self { lease, looked: None, seen: HashMap::new() }
    }

    /// These are the numbers now, and the servers that have none but hold something; which of them all are dead?
    pub(super) fn look(
        &mut self,
        numbers: impl IntoIterator<Item = (String, Option<i64>)>,
        now: Instant,
    ) -> HashSet<String> {
        let is_gap = self.looked.is_none_or(|looked| now - looked > self.lease / 2);
        self.looked = Some(now);
        let mut seen = HashMap::new();
        let mut dead = HashSet::new();
        for (server, number) in numbers {
            let since = match self.seen.get(&server) {
                Some(&(before, since)) if before == number && !is_gap => since,
                _ => now,
            };
            if now - since >= self.lease {
                dead.insert(server.clone());
            }
            seen.insert(server, (number, since));
        }
        self.seen = seen;
        dead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(sightings: &mut Sightings, numbers: &[(&str, i64)], now: Instant) -> Vec<String> {
        let numbers = numbers.iter().map(|&(server, number)| (server.to_owned(), Some(number)));
        let mut dead: Vec<String> = sightings.look(numbers, now).into_iter().collect();
        dead.sort();
        dead
    }

    #[test]
    fn dead_is_whose_number_stands_still_for_all_the_lease() {
        let (mut sightings, start) = (Sightings::new(Duration::from_secs(15)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, number) in [(0, 7), (5, 7), (10, 8), (15, 8), (20, 8)] {
            let dead = look(&mut sightings, &[("a", number), ("b", 1)], at(second));
            let expected: &[&str] = if second < 15 { &[] } else { &["b"] };
            assert_eq!(dead, expected, "{second} s");
        }
        assert_eq!(look(&mut sightings, &[("a", 8), ("b", 2)], at(25)), ["a"], "the other one lives again");
        assert_eq!(
            look(&mut sightings, &[("a", 7)], at(30)),
            [""; 0],
            "whatever the number is, it is another"
        );
    }

    #[test]
    fn what_was_not_watched_does_not_count() {
        let (mut sightings, start) = (Sightings::new(Duration::from_secs(15)), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (second, dead) in [(0, 0), (7, 0), (14, 0), (60, 0), (67, 0), (74, 0), (75, 1)] {
            assert_eq!(look(&mut sightings, &[("a", 1)], at(second)).len(), dead, "{second} s");
        }
    }

    #[test]
    fn who_holds_something_and_has_no_number_is_watched_as_well() {
        let (mut sightings, start) = (Sightings::new(Duration::from_secs(10)), Instant::now());
        let mut look = |second| {
            let nobody = [("a".to_owned(), None)];
            sightings.look(nobody, start + Duration::from_secs(second)).len()
        };
        assert_eq!([look(0), look(5), look(9), look(10)], [0, 0, 0, 1]);
    }

    #[test]
    fn without_a_lease_all_others_are_dead_at_once() {
        assert_eq!(look(&mut Sightings::new(Duration::ZERO), &[("a", 1)], Instant::now()), ["a"]);
    }
}
