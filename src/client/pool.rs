//! A few threads, each with a connection of its own, that take one picture after the other.
//!
//! Rules: while the server works on one picture, other threads read and send the next ones, so that neither disk nor
//! network nor server idles. A picture is read from the disk as it is sent. A failure of one picture is reported and
//! never ends the run; a lost server ends it for all threads.
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use super::console::Bar;
use super::failure::Failure;
use super::session::{Conversation, Session};

/// Connections, threads, and pictures under way.
const THREADS_MAX: usize = 4;

pub(super) struct Pool<'a, T> {
    session: &'a Session<'a>,
    items: &'a [T],
    bar: Bar<'a>,
    /// The next one to be taken from `items`.
    next: AtomicUsize,
    state: Mutex<Shared<'a, T>>,
}

/// What all threads write to.
struct Shared<'a, T> {
    /// When the server last answered for a picture as it should.
    settled_at: Option<Instant>,
    /// Why the run ended before the items did.
    lost: Option<Failure>,
    /// Taken by a thread, and not sent because the server was lost.
    unsent: Vec<&'a T>,
}

#[derive(Debug)]
pub(super) enum ItemError {
    /// Something about this one, in words.
    Own(String),
    /// The server may be lost, or only this one.
    Asked(Failure),
}

pub(super) struct PoolEnd<'a, T> {
    /// What was not sent, because the server was lost.
    pub(super) unsent: Vec<&'a T>,
    pub(super) lost: Option<Failure>,
}

/// What is done with each item, and with one that fails.
pub(super) trait Carrier<T>: Sync {
    /// Sends it, and reports success.
    ///
    /// # Errors
    /// [`ItemError`].
    fn send(&self, conversation: &mut Conversation<'_>, item: &T) -> Result<(), ItemError>;

    /// It has no result, and why.
    fn fail(&self, item: &T, why: String);
}

impl<'a, T: Sync> Pool<'a, T> {
    pub(super) fn new(session: &'a Session<'a>, items: &'a [T], bar: Bar<'a>) -> Self {
        let state = Shared { settled_at: None, lost: None, unsent: Vec::new() };
        Self { session, items, bar, next: AtomicUsize::new(0), state: Mutex::new(state) }
    }

    /// Sends them all, beginning with the existing conversation.
    pub(super) fn send_all(self, carrier: &impl Carrier<T>, first: Conversation<'a>) -> PoolEnd<'a, T> {
        let threads = THREADS_MAX.min(self.items.len());
        std::thread::scope(|scope| {
            let pool = &self;
            for number in 1..threads {
                let work = move || pool.work(carrier, pool.session.another());
                // With fewer threads it only takes longer.
                let _ = std::thread::Builder::new().name(format!("envío {number}")).spawn_scoped(scope, work);
            }
            pool.work(carrier, first);
        });
        let Shared { mut unsent, lost, .. } = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        unsent.extend(self.items.iter().skip(self.next.into_inner()));
        PoolEnd { unsent, lost }
    }

    fn work(&self, carrier: &impl Carrier<T>, mut conversation: Conversation<'a>) {
        while !self.session.pause.is_in_vain() {
            let Some(item) = self.items.get(self.next.fetch_add(1, Relaxed)) else { return };
            match carrier.send(&mut conversation, item) {
                Ok(()) => self.state().settled_at = Some(Instant::now()),
                Err(ItemError::Own(why)) => carrier.fail(item, why),
                Err(ItemError::Asked(failure)) if self.is_own(&conversation, &failure) => {
                    carrier.fail(item, failure.to_string());
                }
                Err(ItemError::Asked(failure)) => {
                    // Set first: threads that are woken fail because of it; their failures are not the reason.
                    let mut state = self.state();
                    state.unsent.push(item);
                    state.lost.get_or_insert(failure);
                    drop(state);
                    return self.session.pause.give_up();
                }
            }
            self.bar.advance();
        }
    }

    /// Whether the failure is the item's own. The server is not lost if it took other pictures while this one waited
    /// for its last try, or if it answers something else while this one breaks every connection.
    fn is_own(&self, conversation: &Conversation<'a>, failure: &Failure) -> bool {
        let others_go_through =
            || failure.waited_since().is_some_and(|since| self.state().settled_at > Some(since));
        !failure.is_general()
            || others_go_through()
            || (failure.is_break() && !self.session.pause.is_in_vain() && conversation.is_alive())
    }

    fn state(&self) -> MutexGuard<'_, Shared<'a, T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
