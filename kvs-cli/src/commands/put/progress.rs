//! What is persisted so far.

use std::time::{Duration, SystemTime};

use kvs_producer::{Loss, Persisted};

/// The persisted part of a recording, and how fast it grows.
#[derive(Debug, Default)]
pub(super) struct Progress {
    first: Option<SystemTime>,
    latest: Option<SystemTime>,
    bytes: u64,
    first_lost: Option<SystemTime>,
}

impl Progress {
    pub(super) fn persisted(&mut self, persisted: &Persisted) {
        let span = &persisted.span;
        self.first = Some(self.first.map_or(span.start, |first| first.min(span.start)));
        self.latest = self.latest.max(Some(span.end));
        self.bytes += span.bytes;
    }

    pub(super) fn lost(&mut self, loss: &Loss) {
        self.first_lost = Some(self.first_lost.map_or(loss.span.start, |first| first.min(loss.span.start)));
    }

    /// The time of the first frame that was lost.
    pub(super) const fn first_lost(&self) -> Option<SystemTime> {
        self.first_lost
    }

    /// How much of the recording is persisted.
    pub(super) fn position(&self) -> Duration {
        let (Some(first), Some(latest)) = (self.first, self.latest) else { return Duration::ZERO };
        latest.duration_since(first).unwrap_or_default()
    }

    /// Persisted Mbit/s since the start.
    pub(super) fn rate(&self, elapsed: Duration) -> f64 {
        self.bytes as f64 * 8.0 / elapsed.as_secs_f64().max(0.001) / 1e6
    }

    /// How long the rest takes at the pace so far; unknown before the first fragment.
    pub(super) fn left(&self, length: Duration, elapsed: Duration) -> Option<Duration> {
        let position = self.position().as_secs_f64();
        let rest = length.as_secs_f64() - position;
        (position > 0.0)
            .then(|| Duration::try_from_secs_f64((rest / position * elapsed.as_secs_f64()).max(0.0)).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_left_follows_the_pace_so_far() {
        let mut progress = Progress::default();
        let (length, elapsed) = (Duration::from_secs(100), Duration::from_secs(5));
        assert_eq!(progress.left(length, elapsed), None);
        progress.first = Some(SystemTime::UNIX_EPOCH);
        progress.latest = Some(SystemTime::UNIX_EPOCH + Duration::from_secs(20));
        assert_eq!(progress.left(length, elapsed), Some(Duration::from_secs(20)));
        assert_eq!(progress.left(Duration::from_secs(10), elapsed), Some(Duration::ZERO));
    }
}
