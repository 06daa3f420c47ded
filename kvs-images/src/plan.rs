//! The timestamps of a range, and how calls share them.

use std::ops::Range;
use std::time::{Duration, SystemTime};

use kvs_aws::{FieldProblem, InvalidField, SamplingProfile, limits};
use kvs_types::__internal::{epoch_millis, from_epoch_millis};

/// The timestamps of a range: `start`, `start + step`, … before its end, in milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: u64,
    pub(crate) step: u64,
    pub(crate) count: u64,
}

/// Consecutive timestamps of a grid that one call requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Window {
    pub(crate) start: u64,
    pub(crate) step: u64,
    pub(crate) count: u64,
}

impl Grid {
    pub(crate) fn new(
        range: &Range<SystemTime>,
        every: Duration,
        profile: SamplingProfile,
    ) -> Result<Self, InvalidField> {
        if range.start < SystemTime::UNIX_EPOCH {
            return Err(InvalidField::new("StartTimestamp", FieldProblem::BeforeEpoch));
        }
        let length = range.end.duration_since(range.start).unwrap_or_default();
        if length.is_zero() {
            return Err(InvalidField::new("EndTimestamp", FieldProblem::EmptyRange));
        }
        let step = u32::try_from(every.as_millis()).unwrap_or(u32::MAX);
        profile.check(step)?;
        if Duration::from_millis(u64::from(step)) != every {
            let given = format!("{every:?}");
            return Err(InvalidField::malformed("SamplingInterval", "a whole number of milliseconds", &given));
        }
        let (step, length) = (u64::from(step), length.as_nanos().div_ceil(1_000_000));
        let count = u64::try_from(length).unwrap_or(u64::MAX).div_ceil(step);
        Ok(Self { start: epoch_millis(range.start), step, count })
    }

    /// Returns how many timestamps one call requests. They and half a step must fit into the longest range. If a full page
    /// fits, only full pages are requested, because a partial page costs almost as much.
    fn window_size(&self) -> u64 {
        let longest = u64::try_from(limits::GET_IMAGES_RANGE.as_millis()).expect("the limit is 300 s");
        let fits = longest.saturating_sub(self.step / 2) / self.step + 1;
        let page = u64::from(limits::GET_IMAGES_RESULTS);
        let whole_pages = if fits < page { fits } else { fits - fits % page };
        whole_pages.min(u64::from(limits::GET_IMAGES_MAX_RESULTS)).max(1)
    }

    /// Returns the windows in order of time, lazily.
    pub(crate) fn windows(self) -> impl Iterator<Item = Window> + Send {
        let size = self.window_size();
        (0..self.count.div_ceil(size)).map(move |index| {
            let first = index * size;
            let start = self.start + first * self.step;
            Window { start, step: self.step, count: size.min(self.count - first) }
        })
    }
}

impl Window {
    /// Returns the time range to request. It ends half a step after the last timestamp, so that it does not matter whether the
    /// service includes the end.
    pub(crate) fn range(&self) -> Range<SystemTime> {
        let longest = u64::try_from(limits::GET_IMAGES_RANGE.as_millis()).expect("the limit is 300 s");
        let length = (self.count - 1) * self.step + (self.step / 2).max(1);
        from_epoch_millis(self.start)..from_epoch_millis(self.start + length.min(longest))
    }

    /// Returns the timestamp at an index.
    pub(crate) const fn instant(&self, index: u64) -> u64 {
        self.start + index * self.step
    }

    /// Whether a time is a timestamp of the grid that contains the window.
    pub(crate) const fn is_on_grid(&self, millis: u64) -> bool {
        millis.abs_diff(self.start).is_multiple_of(self.step)
    }

    /// Returns the index of the nearest timestamp within half a step.
    pub(crate) fn index_of(&self, millis: u64) -> Option<usize> {
        let half = self.step / 2;
        let index = (millis + half).checked_sub(self.start)? / self.step;
        if index < self.count { usize::try_from(index).ok() } else { None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> SystemTime {
        from_epoch_millis(millis)
    }

    fn grid(length: u64, step: u64) -> Grid {
        let range = at(1_000_000)..at(1_000_000 + length);
        Grid::new(&range, Duration::from_millis(step), SamplingProfile::Current).unwrap()
    }

    #[test]
    fn the_end_of_a_range_is_not_included() {
        assert_eq!(grid(1_000, 200).count, 5);
        assert_eq!(grid(1_001, 200).count, 6);
        assert_eq!(grid(1, 200).count, 1);
    }

    #[test]
    fn windows_cover_each_timestamp_once_within_the_limits() {
        for (length, step) in
            [(86_400_000, 10_000), (86_400_000, 200), (1, 200), (7_200_000, 600_000), (301_000, 3_000)]
        {
            let grid = grid(length, step);
            let mut next = grid.start;
            for window in grid.windows() {
                assert_eq!(window.start, next);
                assert!((1..=100).contains(&window.count));
                let range = window.range();
                assert!(range.end.duration_since(range.start).unwrap() <= Duration::from_secs(300));
                assert!(at(window.instant(window.count - 1)) < range.end);
                assert!(at(window.instant(window.count)) > range.end);
                next = window.instant(window.count);
            }
            assert_eq!(next, grid.start + grid.count * step);
        }
    }

    #[test]
    fn finds_the_nearest_timestamp_within_the_window() {
        let window = Window { start: 10_000, step: 1_000, count: 3 };
        let found: Vec<_> = [9_499, 9_500, 10_499, 10_500, 12_499, 12_500].map(|time| window.index_of(time)).into();
        assert_eq!(found, [None, Some(0), Some(0), Some(1), Some(2), None]);
    }
}
