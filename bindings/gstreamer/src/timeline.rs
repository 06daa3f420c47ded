//! From running time to the time of the producer: the Unix epoch.

use std::time::{Duration, SystemTime};

use crate::settings::{Settings, StreamingType};

/// Where running time zero is on the wall clock. One for all pads, set by the first buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Timeline {
    zero: SignedTime,
}

/// Nanoseconds since the Unix epoch; running time may start before zero.
type SignedTime = i128;

/// A first buffer that is later than this by the pipeline's clock is not late: its running time has another origin.
const LATEST: Duration = Duration::from_secs(10);

impl Timeline {
    /// Anchors a live stream: `running` is the time of the first buffer, `clock` the running time of the pipeline's clock now.
    pub(crate) fn live(running: i128, clock: Option<i128>, now: SystemTime) -> Self {
        let late = clock.map(|clock| clock - running).filter(|late| (0..=nanos(LATEST)).contains(late));
        Self { zero: since_epoch(now) - running - late.unwrap_or_default() }
    }

    /// Anchors a recording: running time zero is its start.
    pub(crate) fn recorded(settings: &Settings, now: SystemTime) -> Self {
        let zero = match settings.file_start_time {
            0 => since_epoch(now),
            seconds => nanos(Duration::from_secs(seconds)),
        };
        Self { zero }
    }

    pub(crate) fn new(settings: &Settings, running: i128, clock: Option<i128>, now: SystemTime) -> Self {
        match settings.streaming_type {
            StreamingType::Offline => Self::recorded(settings, now),
            StreamingType::Realtime | StreamingType::NearRealtime => Self::live(running, clock, now),
        }
    }

    /// The time since the epoch; `None` if it is before the epoch.
    pub(crate) fn time(&self, running: i128) -> Option<Duration> {
        let time = u64::try_from(self.zero.checked_add(running)?).ok()?;
        Some(Duration::from_nanos(time))
    }
}

fn since_epoch(now: SystemTime) -> SignedTime {
    nanos(now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

fn nanos(duration: Duration) -> SignedTime {
    // At most 2^64 seconds.
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: i128 = 1_000_000_000;

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000)
    }

    #[test]
    fn the_delay_of_an_encoder_does_not_shift_times() {
        let timeline = Timeline::live(2 * SECOND, Some(5 * SECOND), now());
        assert_eq!(timeline.time(2 * SECOND), Some(Duration::from_secs(997)));
    }

    #[test]
    fn the_first_buffer_is_now_if_the_clock_says_nothing_sensible() {
        for clock in [None, Some(0), Some(3_600 * SECOND)] {
            let timeline = Timeline::live(7 * SECOND, clock, now());
            assert_eq!(timeline.time(8 * SECOND), Some(Duration::from_secs(1_001)), "{clock:?}");
        }
    }

    #[test]
    fn a_recording_counts_from_its_start() {
        let settings = Settings { streaming_type: StreamingType::Offline, file_start_time: 50, ..Settings::default() };
        let timeline = Timeline::new(&settings, 3 * SECOND, Some(0), now());
        assert_eq!(timeline.time(3 * SECOND), Some(Duration::from_secs(53)));
        assert_eq!(timeline.time(-60 * SECOND), None);
    }
}
