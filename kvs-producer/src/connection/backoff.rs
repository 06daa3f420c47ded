//! How long to wait before the next attempt: doubling, capped, scattered by chance.

use std::time::Duration;

/// A stream's own wait between attempts.
///
/// The n-th wait lies between half and all of `first` × 2ⁿ, and never above `cap`, so an outage ends for a stream at most
/// `cap` after it ended for the network. A wait the service asks for is honoured up to the cap.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    attempt: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, attempt: 0 }
    }

    /// The wait before the next attempt.
    pub(crate) fn next(&mut self, asked: Option<Duration>, chance: &mut fastrand::Rng) -> Duration {
        let factor = 1u32.checked_shl(self.attempt.min(MAX_DOUBLINGS)).unwrap_or(u32::MAX);
        let full = self.first.saturating_mul(factor).min(self.cap);
        self.attempt = self.attempt.saturating_add(1);
        let scattered = full.mul_f64(0.5 + chance.f64() / 2.0);
        scattered.max(asked.unwrap_or_default()).min(self.cap)
    }

    /// Attempts since the last success.
    pub(crate) const fn attempts(&self) -> u32 {
        self.attempt
    }

    /// Something worked.
    pub(crate) const fn reset(&mut self) {
        self.attempt = 0;
    }
}

/// 2²⁰ times the first wait is past any cap that makes sense.
const MAX_DOUBLINGS: u32 = 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_stay_under_the_cap_and_start_over_after_success() {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        for attempt in 0..100u32 {
            let full = Duration::from_millis(200).saturating_mul(1 << attempt.min(10)).min(Duration::from_secs(10));
            let wait = backoff.next(None, &mut chance);
            assert!(wait <= full && wait >= full / 2, "attempt {attempt}: {wait:?} of {full:?}");
        }
        assert_eq!(backoff.attempts(), 100);
        backoff.reset();
        assert!(backoff.next(None, &mut chance) <= Duration::from_millis(200));
    }

    #[test]
    fn a_wait_that_was_asked_for_is_kept_up_to_the_cap() {
        let mut chance = fastrand::Rng::with_seed(1);
        let mut backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(10));
        assert_eq!(backoff.next(Some(Duration::from_secs(3)), &mut chance), Duration::from_secs(3));
        assert_eq!(backoff.next(Some(Duration::from_secs(300)), &mut chance), Duration::from_secs(10));
    }
}
