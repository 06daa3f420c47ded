//! When a camera is tried again.

use std::time::{Duration, Instant};

/// The waits between attempts: they double, with jitter, and start from the shortest again after a minute of frames.
#[derive(Debug)]
pub(crate) struct Reconnect {
    first: Duration,
    longest: Duration,
    unauthorized: Duration,
    random: fastrand::Rng,
    /// Attempts in a row that failed.
    failed: u32,
    /// Since when frames have come without a failure.
    frames_since: Option<Instant>,
}

/// The waits start from the shortest again after frames for this long. A camera that crashes after each start is not tried every second.
const STABLE: Duration = Duration::from_secs(60);

impl Reconnect {
    pub(crate) const fn new(first: Duration, longest: Duration, unauthorized: Duration, random: fastrand::Rng) -> Self {
        Self { first, longest, unauthorized, random, failed: 0, frames_since: None }
    }

    /// A frame came.
    pub(crate) fn handle_frame(&mut self, now: Instant) {
        let since = *self.frames_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= STABLE {
            self.failed = 0;
        }
    }

    /// Attempts in a row that failed.
    pub(crate) const fn failed(&self) -> u32 {
        self.failed
    }

    /// An attempt failed, or a session ended; returns the wait before the next attempt.
    pub(crate) fn handle_failure(&mut self, is_unauthorized: bool) -> Duration {
        self.frames_since = None;
        let doubled = self.first.saturating_mul(1 << self.failed.min(MOST_DOUBLINGS));
        self.failed = self.failed.saturating_add(1);
        let wait = if is_unauthorized { self.unauthorized } else { doubled.min(self.longest) };
        // Cameras behind one switch come back together: they are not all tried at the same instant.
        wait.mul_f64(1.0 + JITTER * self.random.f64())
    }
}

/// 2^16 times the first wait is beyond any longest wait.
const MOST_DOUBLINGS: u32 = 16;
/// A wait is up to this part longer.
const JITTER: f64 = 0.2;

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Reconnect {
        let seconds = Duration::from_secs;
        Reconnect::new(seconds(1), seconds(60), seconds(300), fastrand::Rng::with_seed(7))
    }

    fn assert_wait(policy: &mut Reconnect, seconds: f64) {
        let wait = policy.handle_failure(false).as_secs_f64();
        assert!((seconds..seconds * 1.2).contains(&wait), "{wait} is not {seconds} to 20 % more");
    }

    #[test]
    fn waits_double_up_to_a_minute_with_jitter() {
        let mut policy = policy();
        for expected in [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0] {
            assert_wait(&mut policy, expected);
        }
    }

    #[test]
    fn a_minute_of_frames_resets_the_waits_and_less_does_not() {
        let (mut policy, start) = (policy(), Instant::now());
        let frames = |policy: &mut Reconnect, seconds: u64| {
            (0..=seconds).for_each(|second| policy.handle_frame(start + Duration::from_secs(second)));
        };
        [1.0, 2.0, 4.0, 8.0].into_iter().for_each(|wait| assert_wait(&mut policy, wait));
        frames(&mut policy, 59);
        assert_wait(&mut policy, 16.0);
        frames(&mut policy, 60);
        assert_wait(&mut policy, 1.0);
    }

    #[test]
    fn rejected_credentials_wait_minutes() {
        let mut policy = policy();
        assert!(policy.handle_failure(true) >= Duration::from_secs(300));
        assert!(policy.handle_failure(true) >= Duration::from_secs(300));
        // What follows is not tried faster because of it.
        assert!(policy.handle_failure(false) >= Duration::from_secs(4));
    }
}
