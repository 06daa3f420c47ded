//! A rate limiter: how fast calls and bytes may follow each other.

use std::time::{Duration, Instant};

/// Limits a rate. The time is an input.
///
/// The state is one instant, the time at which everything taken so far is paid for (the generic cell rate algorithm). A
/// limiter past that time is idle.
///
/// The local service refuses or slows down with a burst of one second ([`take`](Self::take), [`pace`](Self::pace)). The
/// client spaces its calls without a burst ([`book`](Self::book)), so that it stays within the service's limit whatever the
/// service's burst is.
#[derive(Clone, Copy, Debug, Default)]
pub struct RateLimiter {
    paid_at: Option<Instant>,
}

/// The amount of this time may be taken at once.
const BURST: Duration = Duration::from_secs(1);

impl RateLimiter {
    /// Creates an idle limiter.
    #[must_use]
    pub const fn new() -> Self {
        Self { paid_at: None }
    }

    /// Takes an amount at `rate` per second unless the amount of one second is taken already. An amount of more than one second
    /// passes, since the service accepts such requests; later calls then wait for it.
    pub fn take(&mut self, amount: u64, rate: u64, now: Instant) -> bool {
        if self.taken(now) >= BURST {
            return false;
        }
        self.charge(cost(amount, rate), now);
        true
    }

    /// Takes an amount at `rate` per second in any case and returns how long to wait until the rate allows it.
    pub fn pace(&mut self, amount: u64, rate: u64, now: Instant) -> Duration {
        self.charge(cost(amount, rate), now);
        self.taken(now).saturating_sub(BURST)
    }

    /// Reserves `cost` of time and returns when it starts: at `now`, or after everything reserved before.
    pub fn book(&mut self, cost: Duration, now: Instant) -> Instant {
        let start = self.paid_at.map_or(now, |until| until.max(now));
        self.charge(cost, now);
        start
    }

    /// Returns whether everything taken is paid for.
    #[must_use]
    pub fn is_idle(&self, now: Instant) -> bool {
        self.taken(now).is_zero()
    }

    fn taken(&self, now: Instant) -> Duration {
        self.paid_at.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn charge(&mut self, cost: Duration, now: Instant) {
        let from = self.paid_at.map_or(now, |until| until.max(now));
        self.paid_at = from.checked_add(cost).or(Some(from));
    }
}

/// Returns the time that an amount takes at `rate` per second; zero if the rate is zero.
fn cost(amount: u64, rate: u64) -> Duration {
    let nanos = amount.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(0);
    Duration::from_nanos(nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allows_one_second_at_once_and_then_the_rate() {
        let (mut limiter, start) = (RateLimiter::new(), Instant::now());
        let mut taken = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            taken += u32::from(limiter.take(1, 5, now));
            assert!(taken <= 5 + u32::try_from(ms / 200).unwrap() + 1, "{taken} after {ms} ms");
        }
        assert!((54..=56).contains(&taken), "{taken}");
        assert!(!limiter.is_idle(start + Duration::from_secs(10)) && limiter.is_idle(start + Duration::from_secs(12)));
    }

    #[test]
    fn allows_one_amount_above_the_burst() {
        let (mut limiter, start) = (RateLimiter::new(), Instant::now());
        assert!(limiter.take(1000, 500, start));
        assert!(!limiter.take(1, 500, start + Duration::from_millis(999)));
        assert!(limiter.take(1, 500, start + Duration::from_millis(1001)));
    }

    #[test]
    fn pace_returns_the_wait_beyond_one_second() {
        let (mut limiter, start) = (RateLimiter::new(), Instant::now());
        assert_eq!(limiter.pace(100, 100, start), Duration::ZERO);
        assert_eq!(limiter.pace(50, 100, start), Duration::from_millis(500));
        assert_eq!(limiter.pace(50, 100, start + Duration::from_secs(1)), Duration::ZERO);
    }

    #[test]
    fn booked_times_do_not_overlap() {
        let (mut limiter, start) = (RateLimiter::new(), Instant::now());
        let ms = Duration::from_millis;
        assert_eq!(limiter.book(ms(40), start), start);
        assert_eq!(limiter.book(ms(40), start + ms(10)), start + ms(40));
        assert_eq!(limiter.book(ms(40), start + ms(200)), start + ms(200));
    }
}
