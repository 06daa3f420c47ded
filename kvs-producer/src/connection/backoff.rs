//! The wait before the next attempt: exponential, capped, with jitter.

use std::time::Duration;

/// The waits of one stream between attempts.
///
/// The n-th wait is between half and all of `first` × 2ⁿ and never above `cap`, so a stream recovers at most `cap` after the
/// network. A wait that the service asks for is honored up to the cap.
#[derive(Debug)]
pub(super) struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    pub(super) const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, attempt: 0 }
    }

    /// Returns the wait before the next attempt.
    pub(super) fn next(&mut self, asked: Option<Duration>, rng: &mut fastrand::Rng) -> Duration {
        let factor = 1u32.checked_shl(self.attempt.min(MAX_DOUBLINGS)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        let jittered = full.mul_f64(0.5 + rng.f64() / 2.0);
        jittered.max(asked.unwrap_or_default()).min(self.cap)
    }

    /// The longest wait.
    pub(super) const fn cap(&self) -> Duration {
        self.cap
    }

    /// Number of attempts since the last success.
    pub(super) const fn attempts(&self) -> u32 {
        self.attempt
    }

    /// An attempt succeeded.
    pub(super) const fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// 2²⁰ times the first wait is above any useful cap.
const MAX_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_cap_and_restart_after_success() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        for attempt in 0..100u32 {
            let full = Duration::from_millis(200).saturating_mul(1 << attempt.min(10)).min(Duration::from_secs(10));
            let wait = backoff.next(None, &mut rng);
            assert!(wait <= full && wait >= full / 2, "attempt {attempt}: {wait:?} of {full:?}");
        }
        assert_eq!(backoff.attempts(), 100);
        backoff.reset();
        assert!(backoff.next(None, &mut rng) <= Duration::from_millis(200));
    }

    #[test]
    fn a_requested_wait_is_honored_up_to_the_cap() {
        let mut rng = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        assert_eq!(backoff.next(Some(Duration::from_secs(3)), &mut rng), Duration::from_secs(3));
        assert_eq!(backoff.next(Some(Duration::from_secs(300)), &mut rng), Duration::from_secs(10));
    }
}
