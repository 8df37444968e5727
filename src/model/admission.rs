//! The one admission counter: how many pictures are in hand, and how many bytes they hold.
//!
//! A [`Reservation`] is taken when an upload begins and moves with its bytes: Body -> Job -> Done -> Reply. Dropping it
//! anywhere (a worker that panicked, a client that left) gives everything back. At the request's head
//! [`ServerState::overload`](super::server_state::ServerState::overload) only looks; as body bytes arrive
//! [`Reservation::charge`] charges those that are there, never those announced; when the upload is complete
//! [`Reservation::admit`] takes a place and grows by the cost of decoding. No other queue of the program can be full:
//! each is sized for the places.
//!
//! A share of the bytes ([`Admission::with_share`]) is for small reservations alone: those of at most a quarter of it.
//! All larger ones together hold at most the rest, so that a small picture always finds room; a large one that is alone
//! may hold more. A reservation becomes large by the charge that makes it so, and small again when it shrinks.
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

/// Shared by the loop and by every reservation.
#[derive(Clone, Debug)]
pub struct Admission(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    places_max: usize,
    bytes_max: u64,
    /// Invariant: the number of live reservations that are placed; at most `places_max`.
    places: AtomicUsize,
    /// Invariant: the sum over all live reservations; at most `bytes_max`.
    bytes: AtomicU64,
    /// The most that large reservations may hold together.
    large_max: u64,
    /// A reservation of more bytes is large.
    small_max: u64,
    /// Invariant: the sum over all live reservations that are large; at most `large_max`.
    large: AtomicU64,
    threads: u64,
    /// Microseconds of work per picture, smoothed: the base of `Retry-After`.
    pace: AtomicU64,
}

/// A reservation of more bytes is large, whatever the share.
const SMALL_MAX: u64 = 32 << 20;

impl Counters {
    /// The bytes of a reservation that count as large: all or none.
    fn large_part(&self, bytes: u64) -> u64 {
        if bytes > self.small_max { bytes } else { 0 }
    }
}

/// There is no room for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

impl Admission {
    /// A counter with these places (`--cola`) and bytes (`--memoria`), for work on this many threads.
    #[must_use]
    pub fn new(places_max: usize, bytes_max: u64, threads: usize) -> Self {
        Self(Arc::new(Counters {
            places_max,
            bytes_max,
            places: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            large_max: bytes_max,
            small_max: 0,
            large: AtomicU64::new(0),
            threads: threads.max(1) as u64,
            pace: AtomicU64::new(50_000),
        }))
    }

    /// The same with one of `parts` equal shares of the bytes for small reservations alone.
    #[must_use]
    pub fn with_share(self, parts: u64) -> Self {
        let Counters { places_max, bytes_max, threads, .. } = *self.0;
        let share = bytes_max / parts;
        Self(Arc::new(Counters {
            places_max,
            bytes_max,
            places: AtomicUsize::new(0),
            bytes: AtomicU64::new(0),
            large_max: bytes_max - share,
            small_max: (share / 4).min(SMALL_MAX),
            large: AtomicU64::new(0),
            threads,
            pace: AtomicU64::new(self.0.pace.load(Relaxed)),
        }))
    }

    /// A reservation of more bytes counts as large.
    #[must_use]
    pub fn small_max(&self) -> u64 {
        self.0.small_max
    }

    /// Whether the share of small reservations has room for this many more bytes, independent of large ones.
    #[must_use]
    pub fn share_has_room(&self, bytes: u64) -> bool {
        let (all, large) = (self.bytes(), self.0.large.load(Relaxed));
        all.saturating_sub(large).saturating_add(bytes) <= self.0.bytes_max - self.0.large_max
    }

    /// Pictures that hold a place.
    #[must_use]
    pub fn places(&self) -> usize {
        self.0.places.load(Relaxed)
    }

    /// Bytes charged to all reservations together.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.bytes.load(Relaxed)
    }

    /// The most pictures in hand at once.
    #[must_use]
    pub fn places_max(&self) -> usize {
        self.0.places_max
    }

    /// The most bytes all reservations may hold together.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.0.bytes_max
    }

    /// A picture took `work`, all its steps together. Weight 1/8, as TCP's smoothed round trip (RFC 6298 §2).
    pub fn observe(&self, work: Duration) {
        let micros = u64::try_from(work.as_micros()).unwrap_or(u64::MAX);
        let pace = self.0.pace.load(Relaxed);
        self.0.pace.store(pace - pace / 8 + micros / 8, Relaxed);
    }

    /// Whole seconds until the pictures in hand are done at the measured pace, 1 to 60.
    #[must_use]
    pub fn retry_after(&self) -> u64 {
        let wait = (self.places() as u64).saturating_mul(self.0.pace.load(Relaxed)) / self.0.threads;
        wait.div_ceil(1_000_000).clamp(1, 60)
    }

    /// An empty reservation: no byte, no place.
    #[must_use]
    pub fn reservation(&self) -> Reservation {
        Reservation { admission: self.clone(), bytes: 0, placed: false }
    }
}

/// What one picture holds of a [`Admission`].
#[derive(Debug)]
pub struct Reservation {
    admission: Admission,
    bytes: u64,
    placed: bool,
}

impl Reservation {
    /// Charges `more` bytes.
    ///
    /// # Errors
    /// [`Full`] if that would pass admission's bytes; nothing was charged then.
    pub fn charge(&mut self, more: u64) -> Result<(), Full> {
        let counters = &*self.admission.0;
        let sum = self.bytes.checked_add(more).ok_or(Full)?;
        let (own, large) = (counters.large_part(self.bytes), counters.large_part(sum));
        let held_by_all = |held: u64| {
            let then = (held - own).saturating_add(large);
            let max = if held == own { counters.bytes_max } else { counters.large_max };
            (large == own || then <= max).then_some(then)
        };
        counters.large.fetch_update(Relaxed, Relaxed, held_by_all).map_err(|_| Full)?;
        let added = |held: u64| held.checked_add(more).filter(|&sum| sum <= counters.bytes_max);
        counters.bytes.fetch_update(Relaxed, Relaxed, added).map_err(|_| {
            counters.large.fetch_sub(large - own, Relaxed);
            Full
        })?;
        self.bytes = sum;
        Ok(())
    }

    /// Takes a place, and charges so much that the reservation holds at least `bytes`.
    ///
    /// # Errors
    /// [`Full`] if there is no place, or no room for the bytes; nothing was taken then.
    pub fn admit(&mut self, bytes: u64) -> Result<(), Full> {
        debug_assert!(!self.placed, "a reservation enters once");
        let places_max = self.admission.0.places_max;
        self.admission
            .0
            .places
            .fetch_update(Relaxed, Relaxed, |used| (used < places_max).then_some(used + 1))
            .map_err(|_| Full)?;
        self.placed = true;
        self.reserve(bytes).inspect_err(|_| self.release())
    }

    /// Charges so much that the reservation holds at least `bytes`, and takes no place.
    ///
    /// # Errors
    /// [`Full`] if there is no room for the bytes; nothing was charged then.
    pub fn reserve(&mut self, bytes: u64) -> Result<(), Full> {
        self.charge(bytes.saturating_sub(self.bytes))
    }

    /// Gives the place back and keeps the bytes.
    pub fn release(&mut self) {
        if std::mem::take(&mut self.placed) {
            self.admission.0.places.fetch_sub(1, Relaxed);
        }
    }

    /// Gives back all but `bytes`.
    pub fn shrink_to(&mut self, bytes: u64) {
        if let Some(less) = self.bytes.checked_sub(bytes) {
            let counters = &*self.admission.0;
            counters.bytes.fetch_sub(less, Relaxed);
            let large = counters.large_part(self.bytes) - counters.large_part(bytes);
            counters.large.fetch_sub(large, Relaxed);
            self.bytes = bytes;
        }
    }

    /// The most bytes all reservations of its counter may hold together.
    #[must_use]
    pub fn bytes_max(&self) -> u64 {
        self.admission.bytes_max()
    }

    /// Bytes that it could be charged now, as long as no other reservation grows.
    #[must_use]
    pub fn room(&self) -> u64 {
        self.bytes_max().saturating_sub(self.admission.bytes())
    }

    /// Bytes it holds.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
        self.shrink_to(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dropped_lease_returns_everything() {
        let admission = Admission::new(1, 100, 1);
        let mut reservation = admission.reservation();
        reservation.charge(40).unwrap();
        reservation.admit(90).unwrap();
        assert_eq!((admission.places(), admission.bytes()), (1, 90));
        drop(reservation);
        assert_eq!((admission.places(), admission.bytes()), (0, 0));
    }

    #[test]
    fn refusal_takes_nothing() {
        let admission = Admission::new(1, 100, 1);
        let mut first = admission.reservation();
        assert_eq!(first.charge(101), Err(Full));
        assert_eq!(first.charge(u64::MAX), Err(Full));
        assert_eq!(first.admit(101), Err(Full));
        assert_eq!((admission.places(), admission.bytes(), first.bytes()), (0, 0, 0));
        first.admit(60).unwrap();
        let mut second = admission.reservation();
        second.charge(40).unwrap();
        assert_eq!(second.admit(0), Err(Full));
        assert_eq!((admission.places(), admission.bytes()), (1, 100));
    }

    #[test]
    fn a_lease_enters_with_what_it_already_holds() {
        let admission = Admission::new(2, 100, 1);
        let mut reservation = admission.reservation();
        reservation.charge(100).unwrap();
        reservation.admit(70).unwrap();
        assert_eq!(admission.bytes(), 100);
        reservation.shrink_to(30);
        assert_eq!((admission.bytes(), reservation.bytes()), (30, 30));
        reservation.shrink_to(50);
        assert_eq!(reservation.bytes(), 30);
        reservation.release();
        reservation.release();
        assert_eq!((admission.places(), admission.bytes()), (0, 30));
    }

    #[test]
    fn a_share_is_for_small_ones_alone() {
        // A share of 100, and so up to 25 are small.
        let admission = Admission::new(9, 800, 1).with_share(8);
        assert_eq!(admission.small_max(), 25);
        let mut large = admission.reservation();
        assert_eq!(large.charge(801), Err(Full));
        large.charge(701).unwrap();
        large.shrink_to(0);
        large.charge(20).unwrap();
        large.charge(680).unwrap();
        let mut other = admission.reservation();
        assert_eq!(other.charge(26), Err(Full));
        let mut small: Vec<Reservation> = (0..4).map(|_| admission.reservation()).collect();
        for small in &mut small {
            assert!(admission.share_has_room(25));
            small.charge(25).unwrap();
        }
        assert!(admission.bytes() == 800 && !admission.share_has_room(1));
        // What small ones have taken beyond their share, while there was room, counts as theirs.
        large.shrink_to(26);
        other.charge(25).unwrap();
        assert!(!admission.share_has_room(0));
        assert_eq!(other.charge(650), Err(Full));
        other.charge(649).unwrap();
        assert_eq!((admission.bytes(), other.bytes()), (800, 674));
        large.shrink_to(25);
        drop((large, other, small));
        assert_eq!((admission.bytes(), admission.0.large.load(Relaxed)), (0, 0));
    }

    #[test]
    fn leases_are_counted_across_threads() {
        let admission = Admission::new(8, 1 << 20, 8);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for n in 0..1000 {
                        let mut reservation = admission.reservation();
                        reservation.charge(n).unwrap();
                        reservation.admit(n * 2).unwrap();
                    }
                });
            }
        });
        assert_eq!((admission.places(), admission.bytes()), (0, 0));
    }

    #[test]
    fn retry_after_follows_the_pace() {
        let admission = Admission::new(32, 100, 2);
        assert_eq!(admission.retry_after(), 1);
        let _leases: Vec<Reservation> = (0..32)
            .map(|_| {
                let mut reservation = admission.reservation();
                reservation.admit(0).unwrap();
                reservation
            })
            .collect();
        for _ in 0..100 {
            admission.observe(Duration::from_secs(1));
        }
        assert_eq!(admission.retry_after(), 16);
        admission.observe(Duration::MAX);
        assert_eq!(admission.retry_after(), 60);
    }
}
