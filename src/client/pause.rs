//! Waiting between two tries, shared by several conversations.
//!
//! Rules: of those that wait together only the first announces it; once waiting is in vain, all stop waiting.
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

#[derive(Debug, Default)]
pub(super) struct Pause {
    state: Mutex<Waiting>,
    given_up: Condvar,
}

#[derive(Debug, Default)]
struct Waiting {
    waiting: usize,
    in_vain: bool,
}

impl Pause {
    /// Waits for this time, after `announce` if no other thread waits; false if it is in vain.
    #[must_use]
    pub(super) fn wait(&self, time: Duration, announce: impl FnOnce()) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting == 0 && !state.in_vain {
            announce();
        }
        state.waiting += 1;
        let waited = self.given_up.wait_timeout_while(state, time, |state| !state.in_vain);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.waiting -= 1;
        !state.in_vain
    }

    /// Ends all waiting, now and later.
    pub(super) fn give_up(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).in_vain = true;
        self.given_up.notify_all();
    }

    #[must_use]
    pub(super) fn is_in_vain(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).in_vain
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering::SeqCst};

    #[test]
    fn one_announces_and_giving_up_wakes_all() {
        let (pause, announced) = (Pause::default(), AtomicU32::new(0));
        let announce = || {
            announced.fetch_add(1, SeqCst);
        };
        std::thread::scope(|scope| {
            let waiting: Vec<_> =
                (0..3).map(|_| scope.spawn(|| pause.wait(Duration::from_secs(3600), announce))).collect();
            while pause.state.lock().unwrap().waiting < 3 {
                std::thread::yield_now();
            }
            pause.give_up();
            assert!(waiting.into_iter().all(|thread| !thread.join().unwrap()));
        });
        assert!(!pause.wait(Duration::from_secs(3600), announce));
        assert_eq!((announced.load(SeqCst), pause.is_in_vain()), (1, true));
    }

    #[test]
    fn time_passes() {
        let pause = Pause::default();
        let mut announced = 0;
        for _ in 0..2 {
            assert!(pause.wait(Duration::from_millis(1), || announced += 1));
        }
        assert_eq!(announced, 2);
    }
}
