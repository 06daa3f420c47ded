//! Frames and bits per second over the last seconds.

/// Seconds that a rate covers.
const SECONDS: u64 = 10;
/// The covered seconds and the one that is filling.
const SLOTS: usize = 11;

/// What arrived in each of the last seconds.
#[derive(Clone, Debug, Default)]
pub(super) struct Rate {
    slots: [Slot; SLOTS],
    /// The second in which the first frame arrived.
    begun: Option<u64>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    second: u64,
    video_frames: u32,
    bytes: u64,
}

impl Rate {
    /// Counts a frame in this second of any clock.
    pub(super) fn count(&mut self, second: u64, bytes: usize, is_video: bool) {
        self.begun.get_or_insert(second);
        let at = usize::try_from(second % SLOTS as u64).unwrap_or(0);
        let Some(slot) = self.slots.get_mut(at) else { return };
        if slot.second != second {
            *slot = Slot { second, ..Slot::default() };
        }
        slot.video_frames += u32::from(is_video);
        slot.bytes += bytes as u64;
    }

    /// Video frames and bits per second in the whole seconds before this one.
    pub(super) fn per_second(&self, second: u64) -> (f64, f64) {
        let from = second.saturating_sub(SECONDS).max(self.begun.unwrap_or(second));
        let (mut video_frames, mut bytes) = (0, 0);
        for slot in self.slots.iter().filter(|slot| (from..second).contains(&slot.second)) {
            video_frames += slot.video_frames;
            bytes += slot.bytes;
        }
        let seconds = second.saturating_sub(from).max(1) as f64;
        (f64::from(video_frames) / seconds, bytes as f64 * 8.0 / seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_covers_the_last_ten_whole_seconds() {
        let mut rate = Rate::default();
        assert_eq!(rate.per_second(5), (0.0, 0.0));
        for second in 5..30 {
            (0..25).for_each(|_| rate.count(second, 5_000, true));
            rate.count(second, 100, false);
        }
        assert_eq!(rate.per_second(30), (25.0, 8.0 * 125_100.0));
        assert_eq!(rate.per_second(35), (12.5, 4.0 * 125_100.0));
        assert_eq!(rate.per_second(40), (0.0, 0.0));
    }

    #[test]
    fn a_rate_of_a_young_camera_counts_from_its_first_frame() {
        let mut rate = Rate::default();
        (0..25).for_each(|_| rate.count(100, 1_000, true));
        assert_eq!(rate.per_second(101), (25.0, 200_000.0));
    }
}
