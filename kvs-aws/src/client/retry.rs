//! When a failed attempt is worth repeating: a decision, with no sleep in it.
//!
//! ```
//! use std::time::Instant;
//! use kvs_aws::retry::{Budget, Next, Outcome, Retry, RetryPolicy};
//!
//! let budget = Budget::default();
//! let mut retry = Retry::new(RetryPolicy::default(), 7);
//! let now = Instant::now();
//! assert!(matches!(retry.next(Outcome::Transient { retry_after: None }, &budget, now), Next::At(at) if at >= now));
//! assert!(matches!(retry.next(Outcome::Fatal, &budget, now), Next::GiveUp(_)));
//! ```

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::protocol::error::{Error, ServiceErrorKind, TransportError};

/// How often and how fast attempts are repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct RetryPolicy {
    /// Most attempts in all, the first included. Default 4.
    pub attempts: u32,
    /// Pause before the first repetition; it doubles with each further one. Default 100 ms.
    pub base: Duration,
    /// The same after a throttled attempt. Default 500 ms: quotas are counted by the second.
    pub throttled_base: Duration,
    /// Longest pause, also when the service asks for a longer one. Default 20 s.
    pub longest: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self {
            attempts: 4,
            base: Duration::from_millis(100),
            throttled_base: Duration::from_millis(500),
            longest: Duration::from_secs(20),
        }
    }
}

impl RetryPolicy {
    /// No repetition at all.
    #[must_use]
    pub fn none() -> Self {
        Self::default().attempts(1)
    }

    /// Sets the most attempts, the first included.
    #[must_use]
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the pause before the first repetition.
    #[must_use]
    pub const fn base(mut self, base: Duration) -> Self {
        self.base = base;
        self
    }

    /// Sets the pause before the first repetition of a throttled attempt.
    #[must_use]
    pub const fn throttled_base(mut self, base: Duration) -> Self {
        self.throttled_base = base;
        self
    }

    /// Sets the longest pause.
    #[must_use]
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }
}

/// What became of an attempt, as far as repeating it goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Outcome {
    /// The service wants fewer requests.
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The network or the service had a moment.
    Transient {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The same request would fail again.
    Fatal,
}

impl Outcome {
    /// What an error means for repeating the attempt.
    #[must_use]
    pub fn of(error: &Error) -> Self {
        match error {
            Error::Transport(TransportError::TooLong { .. }) => Self::Fatal,
            Error::Transport(_) => Self::Transient { retry_after: None },
            Error::Service(error) => {
                let retry_after = error.retry_after;
                match error.kind {
                    ServiceErrorKind::ClientLimitExceeded
                    | ServiceErrorKind::ConnectionLimitExceeded
                    | ServiceErrorKind::Throttling => Self::Throttled { retry_after },
                    _ if error.status == 429 => Self::Throttled { retry_after },
                    ServiceErrorKind::RequestTimeout => Self::Transient { retry_after },
                    _ if error.status >= 500 => Self::Transient { retry_after },
                    _ => Self::Fatal,
                }
            }
            Error::Invalid(_) | Error::Credentials(_) | Error::Response { .. } => Self::Fatal,
        }
    }
}

/// What to do after a failed attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there is no third thing to do")]
pub enum Next {
    /// Try again at this instant.
    At(Instant),
    /// Hand the error on.
    GiveUp(GaveUp),
}

/// Why a failed attempt is not repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum GaveUp {
    /// It would fail again.
    Fatal,
    /// The policy's attempts are used up.
    Attempts,
    /// The client's budget is used up: too many calls fail for repeating to help.
    Budget,
}

/// The attempts of one call.
#[derive(Debug)]
pub struct Retry {
    policy: RetryPolicy,
    failed: u32,
    random: fastrand::Rng,
}

impl Retry {
    /// A call that has not been tried yet; `seed` decides the jitter.
    #[must_use]
    pub fn new(policy: RetryPolicy, seed: u64) -> Self {
        Self { policy, failed: 0, random: fastrand::Rng::with_seed(seed) }
    }

    /// How many attempts have failed.
    #[must_use]
    pub const fn failed(&self) -> u32 {
        self.failed
    }

    /// Decides after an attempt that failed with `outcome` at `now`.
    pub fn next(&mut self, outcome: Outcome, budget: &Budget, now: Instant) -> Next {
        let (base, cost, retry_after) = match outcome {
            Outcome::Throttled { retry_after } => (self.policy.throttled_base, Budget::THROTTLED, retry_after),
            Outcome::Transient { retry_after } => (self.policy.base, Budget::TRANSIENT, retry_after),
            Outcome::Fatal => return Next::GiveUp(GaveUp::Fatal),
        };
        self.failed = self.failed.saturating_add(1);
        if self.failed >= self.policy.attempts {
            return Next::GiveUp(GaveUp::Attempts);
        }
        if !budget.take(cost) {
            return Next::GiveUp(GaveUp::Budget);
        }
        let pause = self.pause(base).max(retry_after.unwrap_or_default()).min(self.policy.longest);
        Next::At(now + pause)
    }

    /// Doubles with each failure and lies between half and all of that: spread, yet never at once.
    fn pause(&mut self, base: Duration) -> Duration {
        let doublings = self.failed.saturating_sub(1).min(16);
        let ceiling = base.saturating_mul(1 << doublings).min(self.policy.longest);
        ceiling.mul_f64(0.5 + self.random.f64() / 2.0)
    }
}

/// The repetitions that all calls of a client may spend together, so that a fault is not multiplied.
///
/// Starts at 500; a repetition takes 5 (throttled 10), a call that succeeds gives 1 back.
#[derive(Debug)]
pub struct Budget(AtomicU32);

impl Default for Budget {
    fn default() -> Self {
        Self(AtomicU32::new(Self::FULL))
    }
}

impl Budget {
    const FULL: u32 = 500;
    const TRANSIENT: u32 = 5;
    const THROTTLED: u32 = 10;

    /// Notes a call that succeeded.
    pub fn succeeded(&self) {
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| (left < Self::FULL).then(|| left + 1));
    }

    fn take(&self, cost: u32) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(cost)).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRANSIENT: Outcome = Outcome::Transient { retry_after: None };
    const THROTTLED: Outcome = Outcome::Throttled { retry_after: None };

    fn pauses(outcome: Outcome, attempts: u32, seed: u64) -> Vec<Duration> {
        let (budget, now) = (Budget::default(), Instant::now());
        let mut retry = Retry::new(RetryPolicy::default().attempts(attempts), seed);
        let mut pauses = Vec::new();
        while let Next::At(at) = retry.next(outcome, &budget, now) {
            pauses.push(at - now);
        }
        pauses
    }

    #[test]
    fn pauses_double_with_jitter_and_are_capped() {
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
    fn throttled_attempts_pause_longer_and_seeds_differ() {
        assert!(pauses(THROTTLED, 2, 1)[0] >= Duration::from_millis(250));
        assert_ne!(pauses(TRANSIENT, 4, 1), pauses(TRANSIENT, 4, 2));
        assert_eq!(pauses(TRANSIENT, 4, 1), pauses(TRANSIENT, 4, 1));
    }

    #[test]
    fn retry_after_is_kept_within_the_cap() {
        let ask = |seconds| Outcome::Throttled { retry_after: Some(Duration::from_secs(seconds)) };
        assert_eq!(pauses(ask(7), 2, 3), [Duration::from_secs(7)]);
        assert_eq!(pauses(ask(3600), 2, 3), [Duration::from_secs(20)]);
    }

    #[test]
    fn the_budget_ends_retries_and_successes_fill_it_again() {
        let (budget, now) = (Budget::default(), Instant::now());
        let mut retry = Retry::new(RetryPolicy::default().attempts(u32::MAX), 0);
        let granted = std::iter::from_fn(|| match retry.next(TRANSIENT, &budget, now) {
            Next::At(_) => Some(()),
            Next::GiveUp(_) => None,
        });
        assert_eq!(granted.count(), 100);
        assert_eq!(retry.next(TRANSIENT, &budget, now), Next::GiveUp(GaveUp::Budget));
        (0..5).for_each(|_| budget.succeeded());
        assert!(matches!(retry.next(TRANSIENT, &budget, now), Next::At(_)));
    }
}
