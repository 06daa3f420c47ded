//! Predicts where the producer starts fragments, so that a program can tag every Nth.

use std::time::Duration;

/// Least time between two key frames that start fragments: the default of the producer.
pub const FRAGMENT_MIN: Duration = Duration::from_secs(1);

/// Counts the fragments that key frames start.
///
/// ```
/// use std::time::Duration;
/// use kvs_media::__internal::FragmentCounter;
///
/// let mut fragments = FragmentCounter::default();
/// let starts: Vec<u64> = (0..3000).step_by(40).filter(|&ms| fragments.starts_at(Duration::from_millis(ms))).collect();
/// assert_eq!((starts, fragments.count()), (vec![0, 1000, 2000], 3));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FragmentCounter {
    last: Option<Duration>,
    count: u32,
}

impl FragmentCounter {
    /// Returns whether a key frame of the leading track at `pts` starts a fragment, and counts it.
    pub fn starts_at(&mut self, pts: Duration) -> bool {
        if self.last.is_some_and(|last| pts < last.saturating_add(FRAGMENT_MIN)) {
            return false;
        }
        self.last = Some(pts);
        self.count = self.count.saturating_add(1);
        true
    }

    /// Number of fragments so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether the last fragment is the first one, or an `every`th after it.
    #[must_use]
    pub const fn is_due(&self, every: u32) -> bool {
        self.count.saturating_sub(1).is_multiple_of(every)
    }
}
