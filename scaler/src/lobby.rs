//! TCP clients that are not served yet, because their address has its maximum of children.
//!
//! Rules: a client that has sent data comes before those that have not, in the order of arrival. A client that sends
//! nothing for [`FIRST_BYTE`] is closed. There is room for [`ROOM`]; more wait in the kernel's backlog.

use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Time limit for the first byte of a client that makes others wait.
pub const FIRST_BYTE: Duration = Duration::from_secs(5);
/// Clients that wait here.
pub const ROOM: usize = 64;

/// The waiting clients, in the order of arrival.
#[derive(Debug)]
pub struct Lobby<C> {
    waiting: Vec<Waiting<C>>,
}

/// A waiting client.
#[derive(Debug)]
pub struct Waiting<C> {
    /// Its connection and its data.
    pub client: C,
    /// Its address.
    pub address: IpAddr,
    since: Instant,
    /// It has sent data.
    pub spoken: bool,
}

impl<C> Default for Lobby<C> {
    fn default() -> Self {
        Self { waiting: Vec::new() }
    }
}

impl<C> Lobby<C> {
    /// Whether another one fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.waiting.len() < ROOM
    }

    /// Adds a client.
    pub fn push(&mut self, client: C, address: IpAddr, now: Instant) {
        self.waiting.push(Waiting { client, address, since: now, spoken: false });
    }

    /// All waiting clients.
    pub fn iter(&self) -> impl Iterator<Item = &Waiting<C>> {
        self.waiting.iter()
    }

    /// The client of this number, in the order of [`Lobby::iter`], has sent data.
    pub fn note_spoken(&mut self, number: usize) {
        if let Some(waiting) = self.waiting.get_mut(number) {
            waiting.spoken = true;
        }
    }

    /// Takes the first client that has sent data and whose address may have another child.
    pub fn take(&mut self, mut may_enter: impl FnMut(IpAddr) -> bool) -> Option<C> {
        let number = self.waiting.iter().position(|one| one.spoken && may_enter(one.address))?;
        Some(self.waiting.remove(number).client)
    }

    /// Drops clients whose time is over without data.
    pub fn expire(&mut self, now: Instant) {
        self.waiting.retain(|one| one.spoken || now < one.since + FIRST_BYTE);
    }

    /// When the next client's time is over.
    #[must_use]
    pub fn next_expiry(&self) -> Option<Instant> {
        self.waiting.iter().filter(|one| !one.spoken).map(|one| one.since + FIRST_BYTE).min()
    }

    /// Drops all of them.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_spoken_comes_first_and_who_has_not_is_let_go() {
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let (start, mut lobby) = (Instant::now(), Lobby::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (client, from, second) in [
            ("silent", "192.0.2.1", 0),
            ("crowded", "192.0.2.2", 1),
            ("first", "192.0.2.1", 1),
            ("second", "192.0.2.1", 2),
        ] {
            lobby.push(client, address(from), at(second));
        }
        assert_eq!(lobby.next_expiry(), Some(at(5)));
        assert_eq!(lobby.take(|_| true), None, "nobody has said anything");
        for number in [3, 1, 2] {
            lobby.note_spoken(number);
        }
        let crowded = address("192.0.2.2");
        let may_enter = |from: IpAddr| from != crowded;
        assert_eq!(lobby.take(may_enter), Some("first"));
        lobby.expire(at(4));
        assert_eq!(lobby.iter().count(), 3);
        lobby.expire(at(5));
        assert_eq!(lobby.iter().map(|one| one.client).collect::<Vec<_>>(), ["crowded", "second"]);
        assert_eq!((lobby.take(may_enter), lobby.take(may_enter)), (Some("second"), None));
        assert_eq!((lobby.take(|_| true), lobby.next_expiry()), (Some("crowded"), None));
        (0..ROOM).for_each(|_| lobby.push("x", crowded, start));
        assert!(!lobby.has_room());
        lobby.clear();
        assert!(lobby.has_room() && lobby.iter().next().is_none());
    }
}
