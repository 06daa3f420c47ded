//! When credentials are refreshed: a decision without I/O, with the time and the seed as inputs.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;

/// The fractions of the credentials' lifetime between which they are refreshed.
///
/// The exact fraction is random, so that devices which were switched on together do not refresh together.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RefreshWindow {
    pub(crate) from: f64,
    pub(crate) to: f64,
}

/// The current credentials and the time of the next refresh.
///
/// ```text
///            refreshed            refresh_at                     expiry
/// Missing --------------> Fresh -----------> Due ----------------------> Missing
///                           ^                 |  ^                          ^
///                           |-- refreshed ----|  |refresh_at                |
///                                      failed '--> Paused ----- expiry -----'
/// ```
///
/// Fresh and paused credentials are used without a fetch. Due credentials are used while one caller fetches.
#[derive(Debug)]
pub(crate) struct RefreshSchedule {
    current: Option<Current>,
    window: RefreshWindow,
    rng: fastrand::Rng,
}

#[derive(Debug)]
struct Current {
    credentials: Credentials,
    /// When to fetch new credentials.
    refresh_at: SystemTime,
    /// Number of failed fetches since the last successful one.
    failures: u32,
}

/// What a caller does to get credentials.
#[derive(Debug)]
pub(crate) enum RefreshDecision {
    /// Use these.
    Use(Credentials),
    /// Fetch new ones; until they arrive, these are valid.
    Refresh(Credentials),
    /// Fetch; there are no valid credentials.
    Fetch,
}

impl RefreshSchedule {
    pub(crate) const fn new(window: RefreshWindow, seed: u64) -> Self {
        Self { current: None, window, rng: fastrand::Rng::with_seed(seed) }
    }

    pub(super) fn decide(&self, now: SystemTime) -> RefreshDecision {
        match &self.current {
            Some(current) if current.has_expired(now) => RefreshDecision::Fetch,
            Some(current) if now < current.refresh_at => RefreshDecision::Use(current.credentials.clone()),
            Some(current) => RefreshDecision::Refresh(current.credentials.clone()),
            None => RefreshDecision::Fetch,
        }
    }

    /// Records fetched credentials. If they expire no later than the current ones, the provider returned its cached ones:
    /// the next fetch follows after a short pause.
    pub(super) fn refreshed(&mut self, credentials: Credentials, now: SystemTime) {
        let expiry = credentials.expiry();
        let same = |current: &&mut Current| expiry.is_some() && current.credentials.expiry() >= expiry;
        if let Some(current) = self.current.as_mut().filter(same) {
            current.credentials = credentials;
            return self.failed(now);
        }
        let lifetime = expiry.map(|expiry| expiry.duration_since(now).unwrap_or_default());
        let used_for = lifetime.map_or(REFRESH_WITHOUT_EXPIRY, |lifetime| lifetime.mul_f64(self.fraction()));
        self.current = Some(Current { credentials, refresh_at: now + used_for, failures: 0 });
    }

    /// Records a failed fetch: the next one follows after a pause.
    pub(super) fn failed(&mut self, now: SystemTime) {
        let Some(current) = &mut self.current else { return };
        let doubled = FIRST_PAUSE.saturating_mul(1 << current.failures.min(MOST_DOUBLINGS));
        current.failures = current.failures.saturating_add(1);
        current.refresh_at = now + doubled.min(LONGEST_PAUSE).mul_f64(1.0 - self.rng.f64() / 2.0);
    }

    pub(super) fn forget(&mut self) {
        self.current = None;
    }

    fn fraction(&mut self) -> f64 {
        self.window.from + (self.window.to - self.window.from) * self.rng.f64()
    }
}

impl Current {
    fn has_expired(&self, now: SystemTime) -> bool {
        self.credentials.expiry().is_some_and(|expiry| now >= expiry)
    }
}

/// Refresh interval of credentials without an expiry, because their provider may rotate them.
const REFRESH_WITHOUT_EXPIRY: Duration = Duration::from_secs(15 * 60);
/// Longest pause after the first failed fetch; it doubles with each further failure. Half of each pause is jitter.
const FIRST_PAUSE: Duration = Duration::from_secs(10);
/// Longest pause. The shortest-lived credentials of a role alias last 15 minutes, so at least 3 minutes remain when a refresh
/// is due.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// Keeps the shift in range; the longest pause is reached after three doublings.
const MOST_DOUBLINGS: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);
    const WINDOW: RefreshWindow = RefreshWindow { from: 0.7, to: 0.8 };

    fn start() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000)
    }

    fn lasting(until: SystemTime) -> Credentials {
        Credentials::new("AKID", "secret", None, Some(until), "test")
    }

    fn with_lifetime(seed: u64, lifetime: Duration) -> RefreshSchedule {
        let mut schedule = RefreshSchedule::new(WINDOW, seed);
        schedule.refreshed(lasting(start() + lifetime), start());
        schedule
    }

    /// Returns how long after `from` no fetch is due, to the second.
    fn quiet_for(schedule: &RefreshSchedule, from: SystemTime) -> Duration {
        let at = |seconds| from + Duration::from_secs(seconds);
        let quiet =
            (0..).take_while(|&seconds| matches!(schedule.decide(at(seconds)), RefreshDecision::Use(_))).count();
        Duration::from_secs(quiet as u64)
    }

    #[test]
    fn refreshes_of_many_devices_spread_over_the_whole_window() {
        let quiet: Vec<Duration> = (0..1_000).map(|seed| quiet_for(&with_lifetime(seed, HOUR), start())).collect();
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
    fn credentials_are_used_until_expiry_during_an_outage() {
        let mut schedule = with_lifetime(7, HOUR);
        let (mut now, mut fetches) = (start(), 0);
        while now < start() + HOUR {
            match schedule.decide(now) {
                RefreshDecision::Use(_) => {}
                RefreshDecision::Refresh(_) => {
                    fetches += 1;
                    schedule.failed(now);
                }
                RefreshDecision::Fetch => panic!("no credentials at {now:?}, before their expiry"),
            }
            now += Duration::from_secs(1);
        }
        assert!(matches!(schedule.decide(now), RefreshDecision::Fetch));
        // 12 to 18 minutes of outage; after the first few, at most one fetch per 30 s.
        assert!((12..45).contains(&fetches), "{fetches}");
    }

    #[test]
    fn pauses_between_failed_refreshes_grow_to_one_minute() {
        for seed in 0..50 {
            let mut schedule = with_lifetime(seed, HOUR);
            let due = start() + HOUR.mul_f64(0.8);
            for longest in [10, 20, 40, 60, 60, 60] {
                schedule.failed(due);
                let pause = quiet_for(&schedule, due);
                let range = Duration::from_secs(longest / 2)..=Duration::from_secs(longest);
                assert!(range.contains(&pause), "{pause:?} is not in {range:?}");
            }
            schedule.refreshed(lasting(due + HOUR), due);
            assert!(quiet_for(&schedule, due) > HOUR / 2, "a success resets the pause");
        }
    }

    #[test]
    fn unchanged_credentials_do_not_count_as_a_refresh() {
        let mut schedule = with_lifetime(1, HOUR);
        let due = start() + HOUR.mul_f64(0.9);
        schedule.refreshed(lasting(start() + HOUR), due);
        assert!(quiet_for(&schedule, due) <= FIRST_PAUSE);
    }

    #[test]
    fn credentials_without_expiry_are_refreshed_every_15_minutes() {
        let mut schedule = RefreshSchedule::new(WINDOW, 1);
        for round in 0..3 {
            let now = start() + REFRESH_WITHOUT_EXPIRY * round;
            schedule.refreshed(Credentials::new("AKID", "secret", None, None, "test"), now);
            assert_eq!(quiet_for(&schedule, now), REFRESH_WITHOUT_EXPIRY);
        }
    }
}
