//! When to try again, and how long to wait before it. Pure: time and randomness come in as arguments.
//!
//! Rules: only transient failures are retried: 502, 503, 504 and a connection that broke. The wait doubles from try to
//! try, is never shorter than the server asks for (Retry-After, RFC 9110 §10.2.3), and is stretched at random, so that
//! clients that were refused together do not come back together. Both tries and time are bounded.
use std::time::{Duration, Instant, SystemTime};

/// Largest `Retry-After` that is understood, in seconds: a longer one is beyond all retries.
const SECONDS_MAX: u64 = 1 << 32;

/// How many tries, and how long between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Tries altogether, the first one included.
    pub tries_max: u32,
    /// From the first failure on, the last try begins within this time.
    pub time_max: Duration,
    /// Before the second try.
    pub first_wait: Duration,
    /// Before any try, unless the server asks for more.
    pub wait_max: Duration,
}

impl Default for RetryPolicy {
    /// 8 tries, 2 minutes, waits of 0.5, 1, 2, 4, 8, 15 and 15 seconds.
    fn default() -> Self {
        Self {
            tries_max: 8,
            time_max: Duration::from_secs(120),
            first_wait: Duration::from_millis(500),
            wait_max: Duration::from_secs(15),
        }
    }
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Retry {
    retry_policy: RetryPolicy,
    tries: u32,
    failed_at: Option<Instant>,
}

impl Retry {
    #[must_use]
    pub(super) fn new(retry_policy: RetryPolicy) -> Self {
        Self { retry_policy, tries: 0, failed_at: None }
    }

    /// A try has failed at `now`, and the server asked for this time: how long to wait before the next one, None if
    /// there is to be none. `chance`, from 0 to 1, stretches the wait by up to a quarter.
    pub(super) fn handle_failure(
        &mut self,
        retry_after: Option<Duration>,
        now: Instant,
        chance: f64,
    ) -> Option<Duration> {
        self.tries += 1;
        let failed_at = *self.failed_at.get_or_insert(now);
        let doubled = self.retry_policy.first_wait.saturating_mul(1 << (self.tries - 1).min(16));
        let wait = doubled.min(self.retry_policy.wait_max).max(retry_after.unwrap_or_default());
        let stretched =
            wait.saturating_add(wait.min(self.retry_policy.time_max).mul_f64(chance.clamp(0.0, 1.0) / 4.0));
        let begins_in = now.duration_since(failed_at).saturating_add(stretched);
        (self.tries < self.retry_policy.tries_max && begins_in <= self.retry_policy.time_max)
            .then_some(stretched)
    }

    #[must_use]
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }
}

/// Whether an answer of this status says that another try may do better.
#[must_use]
pub(super) fn is_passing(status: u16) -> bool {
    matches!(status, 502..=504)
}

/// The time that `Retry-After` asks for: seconds, or a date (RFC 9110 §10.2.3). None if it is neither.
#[must_use]
pub(super) fn retry_after(value: &str, now: SystemTime) -> Option<Duration> {
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(value.parse().unwrap_or(SECONDS_MAX).min(SECONDS_MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    Some(date.duration_since(now).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// The waits until there is no more try, on a clock that passes only while waiting.
    fn waits(retry_policy: RetryPolicy, retry_after: Option<Duration>, chance: f64) -> Vec<Duration> {
        let (mut retry, mut now) = (Retry::new(retry_policy), Instant::now());
        let waits = std::iter::from_fn(|| {
            let wait = retry.handle_failure(retry_after, now, chance)?;
            now += wait;
            Some(wait)
        });
        let waits: Vec<_> = waits.collect();
        assert_eq!(retry.tries() as usize, waits.len() + 1);
        waits
    }

    #[test]
    fn waits_double_up_to_their_bound_and_tries_end() {
        let expected = [500, 1000, 2000, 4000, 8000, 15_000, 15_000].map(ms);
        assert_eq!(waits(RetryPolicy::default(), None, 0.0), expected);
    }

    #[test]
    fn chance_stretches_by_a_quarter_at_most() {
        let expected = [625, 1250, 2500, 5000, 10_000, 18_750, 18_750].map(ms);
        assert_eq!(waits(RetryPolicy::default(), None, 1.0), expected);
        assert_eq!(waits(RetryPolicy::default(), None, f64::INFINITY), expected);
    }

    #[test]
    fn the_server_is_never_asked_earlier_than_it_wishes() {
        let expected = [3000, 3000, 3000, 4000, 8000, 15_000, 15_000].map(ms);
        assert_eq!(waits(RetryPolicy::default(), Some(ms(3000)), 0.0), expected);
        assert_eq!(waits(RetryPolicy::default(), Some(ms(60_000)), 0.0), [ms(60_000); 2]);
        for long in [ms(121_000), Duration::from_secs(SECONDS_MAX), Duration::MAX] {
            assert!(waits(RetryPolicy::default(), Some(long), 1.0).is_empty());
        }
    }

    #[test]
    fn time_ends_the_tries_too() {
        let mut retry = Retry::new(RetryPolicy::default());
        let start = Instant::now();
        assert_eq!(retry.handle_failure(None, start, 0.0), Some(ms(500)));
        // The try itself took a minute, and then another.
        assert_eq!(retry.handle_failure(None, start + ms(60_000), 0.0), Some(ms(1000)));
        assert_eq!(retry.handle_failure(None, start + ms(119_000), 0.0), None);
    }

    #[test]
    fn many_tries_do_not_overflow() {
        let retry_policy = RetryPolicy { tries_max: 100, time_max: Duration::MAX, ..RetryPolicy::default() };
        assert_eq!(waits(retry_policy, None, 0.0).len(), 99);
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(784_111_770);
        for (value, expected) in [
            ("0", Some(0)),
            ("7", Some(7)),
            ("99999999999999999999", Some(SECONDS_MAX)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(7)),
            ("Sun, 06 Nov 1994 08:49:20 GMT", Some(0)),
            ("", None),
            ("-1", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value}");
        }
    }

    #[test]
    fn only_the_gateways_troubles_pass() {
        let passing: Vec<u16> = (100..600).filter(|&status| is_passing(status)).collect();
        assert_eq!(passing, [502, 503, 504]);
    }
}
