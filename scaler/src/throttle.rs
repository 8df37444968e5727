//! When to stop accepting for a second: pure, the time is an argument.
//!
//! A failed fork, or a lack of descriptors, lasts longer than a microsecond, and a child that dies at once will die
//! again: retrying at once would be a busy loop. Connections wait in the kernel's backlog meanwhile. Children killed
//! by other processes don't count: killing them must not stop the service.

use std::time::{Duration, Instant};

/// Length of a pause.
pub const PAUSE: Duration = Duration::from_secs(1);
/// A faulty child before this age died young.
pub const YOUNG: Duration = Duration::from_secs(1);
/// So many young deaths in a row cause a pause.
pub const YOUNG_DEATHS_MAX: u32 = 8;

/// The reasons to pause, counted.
#[derive(Debug, Default)]
pub struct Throttle {
    young_deaths: u32,
    resume_at: Option<Instant>,
}

impl Throttle {
    /// Stops accepting from now on; true if it had not stopped already, so that the caller logs once.
    pub fn pause(&mut self, now: Instant) -> bool {
        let news = self.resume_at.is_none();
        self.resume_at = Some(now + PAUSE);
        news
    }

    /// A child ended at this age, by its own fault or not; true if that begins a pause.
    pub fn child_ended(&mut self, age: Duration, fault: bool, now: Instant) -> bool {
        if !fault || age >= YOUNG {
            self.young_deaths = 0;
            return false;
        }
        self.young_deaths += 1;
        self.young_deaths >= YOUNG_DEATHS_MAX && self.pause(now)
    }

    /// When the pause ends; `None` while not paused. An expired pause is cleared here.
    pub fn paused_until(&mut self, now: Instant) -> Option<Instant> {
        self.resume_at = self.resume_at.filter(|&at| at > now);
        self.resume_at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_lasts_its_time_and_is_news_once() {
        let start = Instant::now();
        let mut throttle = Throttle::default();
        assert_eq!(throttle.paused_until(start), None);
        assert!(throttle.pause(start));
        assert!(!throttle.pause(start));
        assert_eq!(throttle.paused_until(start + PAUSE / 2), Some(start + PAUSE));
        assert_eq!(throttle.paused_until(start + PAUSE), None);
        assert!(throttle.pause(start + PAUSE));
    }

    #[test]
    fn only_young_deaths_in_a_row_count() {
        let now = Instant::now();
        let mut throttle = Throttle::default();
        for _ in 0..3 {
            for _ in 1..YOUNG_DEATHS_MAX {
                assert!(!throttle.child_ended(Duration::ZERO, true, now));
            }
            assert!(!throttle.child_ended(Duration::ZERO, false, now), "an innocent end breaks the row");
        }
        for _ in 1..YOUNG_DEATHS_MAX {
            assert!(!throttle.child_ended(Duration::ZERO, true, now));
        }
        assert!(!throttle.child_ended(YOUNG, true, now), "an old one too");
        let news: Vec<bool> = (0..9).map(|_| throttle.child_ended(Duration::ZERO, true, now)).collect();
        assert_eq!(news, [false, false, false, false, false, false, false, true, false]);
        assert_eq!(throttle.paused_until(now), Some(now + PAUSE));
    }
}
