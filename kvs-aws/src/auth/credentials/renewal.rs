//! When credentials are asked for again: a decision without clock, chance or I/O of its own.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

/// Which part of their life credentials are used before others are asked for: somewhere in between, by chance, so that
/// devices that were switched on together do not ask together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// The credentials at hand and when to ask for others.
///
/// ```text
///             renewed              ask_at                        end
/// Missing --------------> Fresh -----------> Due ----------------------> Missing
///                           ^                 |  ^                          ^
///                           |---- renewed ----|  |ask_at                    |
///                                      failed '--> Spared ------ end -------'
/// ```
///
/// Fresh and Spared are used without asking; Due are used while somebody asks.
#[derive(Debug)]
pub(crate) struct Renewal {
    held: Option<Held>,
    window: Window,
    chance: fastrand::Rng,
}

#[derive(Debug)]
struct Held {
    credentials: Credentials,
    /// When to ask for others.
    ask_at: SystemTime,
    /// How often that failed.
    failures: u32,
}

/// What to do for credentials.
#[derive(Debug)]
pub(crate) enum Advice {
    /// These are good.
    Use(Credentials),
    /// These are good for now, but it is time to ask for others.
    Renew(Credentials),
    /// There are none.
    Ask,
}

impl Renewal {
    pub(crate) const fn new(window: Window, seed: u64) -> Self {
        Self { held: None, window, chance: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn advice(&self, now: SystemTime) -> Advice {
        match &self.held {
            Some(held) if !held.is_alive(now) => Advice::Ask,
            Some(held) if now < held.ask_at => Advice::Use(held.credentials.clone()),
            Some(held) => Advice::Renew(held.credentials.clone()),
            None => Advice::Ask,
        }
    }

    /// Credentials came. Those that end no later than what was held are no renewal: others are asked for soon.
    pub(super) fn renewed(&mut self, credentials: Credentials, now: SystemTime) {
        let end = credentials.expiry();
        if let Some(held) = self.held.as_mut().filter(|held| end.is_some() && held.credentials.expiry() >= end) {
            held.credentials = credentials;
            return self.failed(now);
        }
        let lasts = end.map(|end| end.duration_since(now).unwrap_or_default());
        let used = lasts.map_or(KEEP_ENDLESS, |lasts| lasts.mul_f64(self.share()));
        self.held = Some(Held { credentials, ask_at: now + used, failures: 0 });
    }

    /// None came: what is held is spared further questions for a while.
    pub(super) fn failed(&mut self, now: SystemTime) {
        let Some(held) = &mut self.held else { return };
        let doubled = FIRST_PAUSE.saturating_mul(1 << held.failures.min(MOST_DOUBLINGS));
        held.failures = held.failures.saturating_add(1);
        held.ask_at = now + doubled.min(LONGEST_PAUSE).mul_f64(1.0 - self.chance.f64() / 2.0);
    }

    pub(super) fn forget(&mut self) {
        self.held = None;
    }

    fn share(&mut self) -> f64 {
        self.window.from + (self.window.to - self.window.from) * self.chance.f64()
    }
}

impl Held {
    fn is_alive(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_none_or(|end| now < end)
    }
}

/// Credentials without an end are asked for again after this time: their provider may rotate them.
const KEEP_ENDLESS: Duration = Duration::from_secs(15 * 60);
/// After the first failed renewal. Each further one doubles it, up to the longest; half of it is up to chance.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// The shortest credentials of a role alias last 15 minutes, of which at least 3 are left when they are due.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// By then the longest pause is reached.
const MOST_DOUBLINGS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const WINDOW: Window = Window { from: 0.7, to: 0.8 };

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn lasting(until: SystemTime) -> Credentials {
        Credentials::new("AKID", "secret", None, Some(until), "test")
    }

    fn holding(seed: u64, lasts: Duration) -> Renewal {
        let mut renewal = Renewal::new(WINDOW, seed);
        renewal.renewed(lasting(start() + lasts), start());
        renewal
    }

    /// How long nothing is asked from `from` on, to the second.
    fn quiet_for(renewal: &Renewal, from: SystemTime) -> Duration {
        let at = |seconds| from + Duration::from_secs(seconds);
        let quiet = (0..).take_while(|&seconds| matches!(renewal.advice(at(seconds)), Advice::Use(_))).count();
        Duration::from_secs(quiet as u64)
    }

    #[test]
    fn renewals_of_many_devices_spread_over_the_whole_window_and_never_leave_it() {
        let quiet: Vec<Duration> = (0..1_000).map(|seed| quiet_for(&holding(seed, HOUR), start())).collect();
        let (first, last) = (*quiet.iter().min().unwrap(), *quiet.iter().max().unwrap());
        assert!((HOUR.mul_f64(0.7)..HOUR.mul_f64(0.705)).contains(&first), "{first:?}");
        assert!((HOUR.mul_f64(0.795)..=HOUR.mul_f64(0.8)).contains(&last), "{last:?}");
        for tenth in 0..10 {
            let from = HOUR.mul_f64(0.7 + f64::from(tenth) * 0.01);
            let there = quiet.iter().filter(|&&quiet| (from..from + HOUR / 100).contains(&quiet)).count();
            assert!((60..=140).contains(&there), "{there} of 1,000 devices in tenth {tenth} of the window");
        }
    }

    #[test]
    fn an_outage_uses_credentials_to_their_last_second_and_not_longer() {
        let mut renewal = holding(7, HOUR);
        let (mut now, mut asked) = (start(), 0);
        while now < start() + HOUR {
            match renewal.advice(now) {
                Advice::Use(_) => {}
                Advice::Renew(_) => {
                    asked += 1;
                    renewal.failed(now);
                }
                Advice::Ask => panic!("without credentials at {now:?}, before their end"),
            }
            now += Duration::from_secs(1);
        }
        assert!(matches!(renewal.advice(now), Advice::Ask));
        // 12 to 18 minutes of outage, at most one question in half a minute after the first few.
        assert!((12..45).contains(&asked), "{asked}");
    }

    #[test]
    fn pauses_between_failed_renewals_grow_to_a_minute() {
        for seed in 0..50 {
            let mut renewal = holding(seed, HOUR);
            let due = start() + HOUR.mul_f64(0.8);
            for longest in [10, 20, 40, 60, 60, 60] {
                renewal.failed(due);
                let pause = quiet_for(&renewal, due);
                let range = Duration::from_secs(longest / 2)..=Duration::from_secs(longest);
                assert!(range.contains(&pause), "{pause:?} is not in {range:?}");
            }
            renewal.renewed(lasting(due + HOUR), due);
            assert!(quiet_for(&renewal, due) > HOUR / 2, "a success begins afresh");
        }
    }

    #[test]
    fn the_same_credentials_again_are_no_renewal() {
        let mut renewal = holding(1, HOUR);
        let due = start() + HOUR.mul_f64(0.9);
        renewal.renewed(lasting(start() + HOUR), due);
        assert!(quiet_for(&renewal, due) <= FIRST_PAUSE);
    }

    #[test]
    fn credentials_without_an_end_are_asked_for_again_after_a_quarter_of_an_hour() {
        let mut renewal = Renewal::new(WINDOW, 1);
        for round in 0..3 {
            let now = start() + KEEP_ENDLESS * round;
            renewal.renewed(Credentials::new("AKID", "secret", None, None, "test"), now);
            assert_eq!(quiet_for(&renewal, now), KEEP_ENDLESS);
        }
    }
}
