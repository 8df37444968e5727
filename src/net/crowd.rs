//! Connection limits: how many clients each address has, and which client has been idle longest. Plain data; the loop
//! reports what happens.
//!
//! With all `--conexiones` taken, the loop closes the client that has been idle longest between two requests to admit
//! a new one. A client that has not sent a request yet has the time limit of a head. A client in the middle of a
//! request or of an answer is never closed to make room.
//!
//! Known limit: an IPv6 address counts together with all of its /64, the least that one machine is given.
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv6Addr};
use std::time::Instant;

use crate::model::key::Key;

/// The connected clients, as far as the limits concern them.
#[derive(Debug, Default)]
pub struct Crowd {
    /// `--conexiones-por-ip`; None: addresses are not counted.
    per_address_max: Option<usize>,
    by_address: HashMap<IpAddr, usize>,
    /// Clients between two requests, by the time since when.
    idle: BTreeSet<(Instant, Key)>,
}

impl Crowd {
    /// No client; at most so many from one address.
    #[must_use]
    pub fn new(per_address_max: Option<usize>) -> Self {
        Self { per_address_max, ..Self::default() }
    }

    /// The most connections from one address, if they are limited.
    #[must_use]
    pub fn per_address_max(&self) -> Option<usize> {
        self.per_address_max
    }

    /// Counts a client that came from this address (None: exempt). False, and the client is not counted, if the
    /// address is at its limit.
    pub fn enter(&mut self, address: Option<IpAddr>) -> bool {
        let (Some(max), Some(address)) = (self.per_address_max, address) else { return true };
        let count = self.by_address.entry(network_of(address)).or_default();
        let fits = *count < max;
        *count += usize::from(fits);
        fits
    }

    /// A counted client of this address has left.
    pub fn leave(&mut self, address: Option<IpAddr>) {
        let Some(network) = address.map(network_of) else { return };
        if let Some(count) = self.by_address.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&network);
            }
        }
    }

    /// A client that was idle since `before` is now idle since `since`; None: not idle.
    pub fn note_idle(&mut self, key: Key, before: Option<Instant>, since: Option<Instant>) {
        if before != since {
            before.map(|at| self.idle.remove(&(at, key)));
            since.map(|at| self.idle.insert((at, key)));
        }
    }

    /// The idle clients, the longest idle first.
    pub fn idle(&self) -> impl Iterator<Item = Key> {
        self.idle.iter().map(|(_, key)| *key)
    }
}

fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn so_many_come_from_one_address() {
        let address = |text: &str| Some(text.parse::<IpAddr>().unwrap());
        let mut crowd = Crowd::new(Some(2));
        assert!(crowd.enter(address("192.0.2.1")) && crowd.enter(address("::ffff:192.0.2.1")));
        assert!(!crowd.enter(address("192.0.2.1")) && crowd.enter(address("192.0.2.2")));
        crowd.leave(address("192.0.2.1"));
        assert!(crowd.enter(address("192.0.2.1")) && !crowd.enter(address("192.0.2.1")));
        assert!(crowd.enter(address("2001:db8::1")) && crowd.enter(address("2001:db8::2")));
        assert!(!crowd.enter(address("2001:db8::3")) && crowd.enter(address("2001:db8:0:1::3")));
        for left in ["192.0.2.1", "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::1", "2001:db8:0:1::3"] {
            crowd.leave(address(left));
        }
        assert!(crowd.by_address.is_empty());
        assert!((0..9).all(|_| crowd.enter(None)), "a proxy");
        crowd.leave(None);
        let mut open = Crowd::new(None);
        assert!((0..1000).all(|_| open.enter(address("192.0.2.1"))));
        assert!(open.by_address.is_empty());
    }

    #[test]
    fn the_longest_idle_is_first() {
        let start = Instant::now();
        let at = |seconds| Some(start + Duration::from_secs(seconds));
        let key = |index| Key { index, generation: 0 };
        let mut crowd = Crowd::new(None);
        crowd.note_idle(key(1), None, at(2));
        crowd.note_idle(key(2), None, at(1));
        assert_eq!(crowd.idle().collect::<Vec<_>>(), [key(2), key(1)]);
        crowd.note_idle(key(2), at(1), None);
        crowd.note_idle(key(2), None, at(3));
        crowd.note_idle(key(1), at(2), at(2));
        assert_eq!(crowd.idle().collect::<Vec<_>>(), [key(1), key(2)]);
        crowd.note_idle(key(1), at(2), None);
        crowd.note_idle(key(2), at(3), None);
        assert_eq!(crowd.idle().next(), None);
    }
}
