//! Waiting for a condition: the only code in the tests that sleeps.
use std::time::{Duration, Instant};

/// Long enough for a loaded machine, and for `--plazo` to report what hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);

/// Polls until there is a value; panics with the description when the time is over.
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
