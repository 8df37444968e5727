//! Waiting for a condition: the only code in the tests that sleeps.
use std::time::{Duration, Instant};

/// Long enough for a machine that is busy with something else, and for `--plazo` to tell what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Asks until there is an answer; panics, saying what it waited for, when patience ends.
pub(crate) fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let give_up_at = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(Instant::now() < give_up_at, "waited {PATIENCE:?} in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
