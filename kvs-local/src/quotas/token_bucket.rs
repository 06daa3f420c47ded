//! So much a second.

use std::time::{Duration, Instant};

/// Counts what was taken of a rate; a second's worth may be taken at once.
///
/// It keeps one number, the time until which what was taken lasts: nothing is counted per call, and a meter that is past its
/// time is as good as new.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Meter {
    lasts_until: Option<Instant>,
}

impl Meter {
    /// Takes an amount if the last second's worth is not used up. One large amount passes, as the service takes requests
    /// larger than a second's worth, and what follows pays for it.
    pub(crate) fn take(&mut self, amount: u64, rate: u64, now: Instant) -> bool {
        if self.used(now) >= SECOND {
            return false;
        }
        self.charge(amount, rate, now);
        true
    }

    /// Takes an amount in any case, and says how long to wait until the rate allows for it.
    pub(crate) fn pace(&mut self, amount: u64, rate: u64, now: Instant) -> Duration {
        self.charge(amount, rate, now);
        self.used(now).saturating_sub(SECOND)
    }

    /// Whether it is as good as new.
    pub(super) fn is_idle(&self, now: Instant) -> bool {
        self.used(now).is_zero()
    }

    fn used(&self, now: Instant) -> Duration {
        self.lasts_until.map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    fn charge(&mut self, amount: u64, rate: u64, now: Instant) {
        let nanos = amount.saturating_mul(1_000_000_000).checked_div(rate).unwrap_or(0);
        let from = self.lasts_until.map_or(now, |until| until.max(now));
        self.lasts_until = from.checked_add(Duration::from_nanos(nanos)).or(Some(from));
    }
}

const SECOND: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_at_once_and_then_the_rate_holds() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        let mut taken = 0;
        for ms in 0..10_000 {
            let now = start + Duration::from_millis(ms);
            taken += u32::from(meter.take(1, 5, now));
            assert!(taken <= 5 + u32::try_from(ms / 200).unwrap() + 1, "{taken} after {ms} ms");
        }
        assert!((54..=56).contains(&taken), "{taken}");
        assert!(!meter.is_idle(start + Duration::from_secs(10)) && meter.is_idle(start + Duration::from_secs(12)));
    }

    #[test]
    fn more_than_a_second_s_worth_passes_once_and_is_paid_for() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert!(meter.take(1000, 500, start));
        assert!(!meter.take(1, 500, start + Duration::from_millis(999)));
        assert!(meter.take(1, 500, start + Duration::from_millis(1001)));
    }

    #[test]
    fn a_flow_waits_for_what_goes_beyond_a_second_s_worth() {
        let (mut meter, start) = (Meter::default(), Instant::now());
        assert_eq!(meter.pace(100, 100, start), Duration::ZERO);
        assert_eq!(meter.pace(50, 100, start), Duration::from_millis(500));
        assert_eq!(meter.pace(50, 100, start + Duration::from_secs(1)), Duration::ZERO);
    }
}
