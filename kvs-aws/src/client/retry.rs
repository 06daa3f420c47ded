//! When a failed attempt is repeated: a decision, with the time and the seed as inputs.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::protocol::failure_kind::FailureKind;

/// How often and how fast failed attempts are repeated.
///
/// Attempts are repeated if the network failed, or if the service limits the request rate or has an internal error. The pause
/// doubles with each attempt; up to half of it is jitter. All calls of a client share a budget, so that an outage of the
/// service does not multiply the load: at most 100 repetitions, refilled by successful calls.
///
/// PutMedia is never repeated by this crate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryConfig {
    max_attempts: u32,
    initial_backoff: Duration,
    throttled_backoff: Duration,
    max_backoff: Duration,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self {
            max_attempts: 4,
            initial_backoff: Duration::from_millis(100),
            // The service counts its quotas per second.
            throttled_backoff: Duration::from_millis(500),
            max_backoff: Duration::from_secs(20),
        }
    }
}

impl RetryConfig {
    /// Returns the configuration without retries.
    #[must_use]
    pub fn disabled() -> Self {
        Self::default().max_attempts(1)
    }

    /// Sets the largest number of attempts, including the first. Default: 4.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// Sets the pause after the first failed attempt. Default: 100 ms.
    #[must_use]
    pub const fn initial_backoff(mut self, pause: Duration) -> Self {
        self.initial_backoff = pause;
        self
    }

    /// Sets the pause after the first attempt that the service throttled. Default: 500 ms.
    #[must_use]
    pub const fn throttled_backoff(mut self, pause: Duration) -> Self {
        self.throttled_backoff = pause;
        self
    }

    /// Sets the longest pause, which also limits the pause that the service requests. Default: 20 s.
    #[must_use]
    pub const fn max_backoff(mut self, pause: Duration) -> Self {
        self.max_backoff = pause;
        self
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RetryDecision {
    /// Repeat the attempt at this instant.
    RetryAt(Instant),
    /// Return the error.
    Stop(StopReason),
}

/// Why a failed attempt is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum StopReason {
    /// The same request would fail again.
    Fatal,
    /// All attempts have been made.
    Attempts,
    /// The client's retry budget is empty.
    Budget,
}

/// The attempts of one call.
#[derive(Debug)]
pub(super) struct Retry {
    config: RetryConfig,
    failed: u32,
    rng: fastrand::Rng,
}

impl Retry {
    /// Creates the state of a new call. `seed` determines the jitter.
    pub(super) fn new(config: RetryConfig, seed: u64) -> Self {
        Self { config, failed: 0, rng: fastrand::Rng::with_seed(seed) }
    }

    /// Returns the number of failed attempts.
    pub(super) const fn failed(&self) -> u32 {
        self.failed
    }

    /// Decides after an attempt that failed at `now`.
    pub(super) fn decide(&mut self, failure: FailureKind, budget: &RetryBudget, now: Instant) -> RetryDecision {
        let (first, cost, retry_after) = match failure {
            FailureKind::Throttled { retry_after } => {
                (self.config.throttled_backoff, RetryBudget::THROTTLED, retry_after)
            }
            FailureKind::Transient { retry_after } => {
                (self.config.initial_backoff, RetryBudget::TRANSIENT, retry_after)
            }
            FailureKind::Fatal => return RetryDecision::Stop(StopReason::Fatal),
        };
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.config.max_attempts {
            return RetryDecision::Stop(StopReason::Attempts);
        }
        if !budget.take(cost) {
            return RetryDecision::Stop(StopReason::Budget);
        }
        let pause = self.pause(first).max(retry_after.unwrap_or_default()).min(self.config.max_backoff);
        RetryDecision::RetryAt(now + pause)
    }

    /// Returns half to all of `first`, doubled for each earlier failure: spread out, but never immediate.
    fn pause(&mut self, first: Duration) -> Duration {
        let doublings = self.failed.saturating_sub(1).min(16);
        let longest = first.saturating_mul(1 << doublings).min(self.config.max_backoff);
        longest.mul_f64(0.5 + self.rng.f64() / 2.0)
    }
}

/// The retries that all calls of a client share.
///
/// Starts at 500. A retry costs 5, or 10 after throttling; a successful call returns 1.
#[derive(Debug)]
pub(super) struct RetryBudget(AtomicU32);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(AtomicU32::new(Self::FULL))
    }
}

impl RetryBudget {
    const FULL: u32 = 500;
    const TRANSIENT: u32 = 5;
    const THROTTLED: u32 = 10;

    pub(super) fn record_success(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < Self::FULL).then(|| left + 1));
    }

    fn take(&self, cost: u32) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSIENT: FailureKind = FailureKind::Transient { retry_after: None };
    const THROTTLED: FailureKind = FailureKind::Throttled { retry_after: None };

    fn pauses(failure: FailureKind, attempts: u32, seed: u64) -> Vec<Duration> {
        let (budget, now) = (RetryBudget::default(), Instant::now());
        let mut retry = Retry::new(RetryConfig::default().max_attempts(attempts), seed);
        let mut pauses = Vec::new();
        while let RetryDecision::RetryAt(at) = retry.decide(failure, &budget, now) {
            pauses.push(at - now);
        }
        pauses
    }

    #[test]
    fn pauses_double_with_jitter_up_to_the_longest() {
        for seed in 0..200 {
            let pauses = pauses(TRANSIENT, 12, seed);
            assert_eq!(pauses.len(), 11);
            for (index, pause) in pauses.into_iter().enumerate() {
                let ceiling = Duration::from_millis(100 << index).min(Duration::from_secs(20));
                assert!(pause >= ceiling / 2 && pause <= ceiling, "{index}: {pause:?}");
            }
        }
    }

    #[test]
    fn pauses_are_longer_after_throttling_and_depend_on_the_seed() {
        assert!(pauses(THROTTLED, 2, 1)[0] >= Duration::from_millis(250));
        assert_ne!(pauses(TRANSIENT, 4, 1), pauses(TRANSIENT, 4, 2));
        assert_eq!(pauses(TRANSIENT, 4, 1), pauses(TRANSIENT, 4, 1));
    }

    #[test]
    fn retry_after_is_respected_up_to_the_longest_pause() {
        let wait = |seconds| FailureKind::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pauses(wait(7), 2, 3), [Duration::from_secs(7)]);
        assert_eq!(pauses(wait(3600), 2, 3), [Duration::from_secs(20)]);
    }

    #[test]
    fn the_budget_limits_retries_and_refills_with_successes() {
        let (budget, now) = (RetryBudget::default(), Instant::now());
        let mut retry = Retry::new(RetryConfig::default().max_attempts(u32::MAX), 0);
        let granted = std::iter::from_fn(|| match retry.decide(TRANSIENT, &budget, now) {
            RetryDecision::RetryAt(_) => Some(()),
            RetryDecision::Stop(_) => None,
        });
        assert_eq!(granted.count(), 100);
        assert_eq!(retry.decide(TRANSIENT, &budget, now), RetryDecision::Stop(StopReason::Budget));
        (0..5).for_each(|_| budget.record_success());
        assert!(matches!(retry.decide(TRANSIENT, &budget, now), RetryDecision::RetryAt(_)));
    }

    #[test]
    fn fatal_failures_are_not_repeated() {
        let mut retry = Retry::new(RetryConfig::default(), 7);
        let decision = retry.decide(FailureKind::Fatal, &RetryBudget::default(), Instant::now());
        assert_eq!(decision, RetryDecision::Stop(StopReason::Fatal));
    }
}
