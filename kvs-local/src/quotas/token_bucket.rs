//! A token bucket that holds one second of its rate.

use std::time::{Duration, Instant};

/// Limits an amount per second; the amount of one second may be taken at once.
///
/// The state is one instant, the time at which everything taken so far is paid for (the generic cell rate algorithm). A
/// bucket past that time is full.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokenBucket {
    paid_at: Option<Instant>,
}

impl TokenBucket {
    /// A full bucket.
    pub(crate) const fn new() -> Self {
        Self { paid_at: None }
    }

    /// Takes an amount unless the bucket is empty. An amount larger than the bucket passes, since the service accepts requests
    /// of more than one second's rate; later calls then wait for it.
    pub(crate) fn take(&mut self, amount: u64, rate: u64, now: Instant) -> bool {
        if self.taken(now) >= SECOND {
            return false;
        }
        self.charge(amount, rate, now);
        true
    }

    /// Takes an amount in any case and returns how long to wait until the rate allows it.
    pub(crate) fn pace(&mut self, amount: u64, rate: u64, now: Instant) -> Duration {
        self.charge(amount, rate, now);
        self.taken(now).saturating_sub(SECOND)
    }

    /// Returns whether nothing is taken.
    pub(super) fn is_full(&self, now: Instant) -> bool {
        self.taken(now).is_zero()
    }

    fn taken(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn charge(&mut self, amount: u64, rate: u64, now: Instant) {
        let nanos = amount.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(0);
        let from = self.paid_at.map_or(now, |until| until.max(now));
        self.paid_at = from.checked_add(Duration::from_nanos(nanos)).or(Some(from));
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_one_second_at_once_and_then_the_rate() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        let mut taken = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            taken += u32::from(bucket.take(1, 5, now));
            assert!(taken <= 5 + u32::try_from(ms / 200).unwrap() + 1, "{taken} after {ms} ms");
        }
        assert!((54..=56).contains(&taken), "{taken}");
        assert!(!bucket.is_full(start + Duration::from_secs(10)) && bucket.is_full(start + Duration::from_secs(12)));
    }

    #[test]
    fn allows_one_amount_above_the_bucket_size() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        assert!(bucket.take(1000, 500, start));
        assert!(!bucket.take(1, 500, start + Duration::from_millis(999)));
        assert!(bucket.take(1, 500, start + Duration::from_millis(1001)));
    }

    #[test]
    fn pace_returns_the_wait_beyond_one_second() {
        let (mut bucket, start) = (TokenBucket::default(), Instant::now());
        assert_eq!(bucket.pace(100, 100, start), Duration::ZERO);
        assert_eq!(bucket.pace(50, 100, start), Duration::from_millis(500));
        assert_eq!(bucket.pace(50, 100, start + Duration::from_secs(1)), Duration::ZERO);
    }
}
