//! Where fragments begin, as the producer fragments them at key frames.

use std::time::Duration;

/// A fragment begins at the first key frame that is at least this much later than the last one that began a fragment: the
/// producer's own default.
pub const FRAGMENT_MIN: Duration = Duration::from_secs(1);

/// Counts the fragments that key frames begin.
///
/// ```
/// use std::time::Duration;
/// use kvs_media::__internal::FragmentCounter;
///
/// let mut fragments = FragmentCounter::default();
/// let begun: Vec<u64> = (0..3000).step_by(40).filter(|&ms| fragments.starts_at(Duration::from_millis(ms))).collect();
/// assert_eq!((begun, fragments.count()), (vec![0, 1000, 2000], 3));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct FragmentCounter {
    last: Option<Duration>,
    count: u32,
}

impl FragmentCounter {
    /// Whether a key frame of the leading track at `pts` begins a fragment; counts it if so.
    pub fn starts_at(&mut self, pts: Duration) -> bool {
        if self.last.is_some_and(|last| pts < last.saturating_add(FRAGMENT_MIN)) {
            return false;
        }
        self.last = Some(pts);
        self.count = self.count.saturating_add(1);
        true
    }

    /// Fragments begun so far.
    #[must_use]
    pub const fn count(&self) -> u32 {
        self.count
    }

    /// Whether the fragment begun last is the first, or one of every `every` from there.
    #[must_use]
    pub const fn is_due(&self, every: u32) -> bool {
        self.count.saturating_sub(1).is_multiple_of(every)
    }
}
