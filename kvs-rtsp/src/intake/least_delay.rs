//! The frame that was delayed least.

/// The smallest difference between arrival and media time of a window of the last 30 to 60 s.
///
/// Every frame arrives late by some delay, so the smallest difference is nearest to the truth. The window forgets it in time to
/// follow a camera whose clock runs fast or slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LeastDelay {
    previous: Option<i64>,
    current: Option<i64>,
    since: i64,
}

/// Half of the window, in ns.
const HALF: i64 = 30_000_000_000;

impl LeastDelay {
    /// A frame of this media time has arrived, both in ns.
    pub(crate) fn observe(&mut self, media: i64, arrival: i64) {
        let age = arrival.saturating_sub(self.since);
        // Also after the local clock was set back.
        if self.current.is_none() || !(0..HALF).contains(&age) {
            (self.previous, self.current, self.since) = (self.current, None, arrival);
        }
        let difference = arrival.saturating_sub(media);
        self.current = Some(self.current.map_or(difference, |current| current.min(difference)));
    }

    /// The smallest difference: what to add to a media time to get the time on the wall.
    pub(crate) fn offset(&self) -> Option<i64> {
        match (self.previous, self.current) {
            (Some(previous), Some(current)) => Some(previous.min(current)),
            (previous, current) => previous.or(current),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn the_least_delayed_frame_wins_and_is_forgotten_after_a_minute() {
        let mut least = LeastDelay::default();
        let delays = [300, 20, 250, 400];
        for (second, delay) in (0..).zip(delays) {
            least.observe(second * SECOND, (100 + second) * SECOND + delay * 1_000_000);
        }
        assert_eq!(least.offset(), Some(100 * SECOND + 20_000_000));
        for second in 4..70 {
            least.observe(second * SECOND, (100 + second) * SECOND + 50_000_000);
        }
        assert_eq!(least.offset(), Some(100 * SECOND + 50_000_000));
    }

    #[test]
    fn a_silence_does_not_make_late_frames_count() {
        let mut least = LeastDelay::default();
        (0..10).for_each(|second| least.observe(second * SECOND, second * SECOND));
        // 45 s of silence, after which all frames of that time arrive at once.
        (10..55).for_each(|second| least.observe(second * SECOND, 55 * SECOND));
        assert_eq!(least.offset(), Some(0));
    }

    #[test]
    fn a_clock_that_was_set_back_begins_a_new_window() {
        let mut least = LeastDelay::default();
        least.observe(0, 3600 * SECOND);
        least.observe(SECOND, SECOND);
        assert_eq!(least.offset(), Some(0));
    }
}
