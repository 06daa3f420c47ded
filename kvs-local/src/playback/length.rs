//! How long a fragment lasts. The store knows the time from its first frame to the last one of any track.

use kvs_mkv::{Frame, TrackNumber};

use super::limits::SINGLE_FRAME_MS;
use crate::store::FragmentRecord;

/// Returns the length in ms up to the next fragment, if that follows without a gap.
pub(super) fn distance_ms(record: &FragmentRecord, next: Option<&FragmentRecord>, frame_ms: u64) -> Option<u64> {
    let own = ms(record.duration);
    let distance = ms(next?.producer_timestamp.duration_since(record.producer_timestamp).ok()?);
    // Sound may reach a little beyond the start of the next fragment.
    let is_close = distance.saturating_add(CLOSE_MS) >= own
        && distance.saturating_sub(own) <= CLOSE_MS.max(frame_ms.saturating_mul(3));
    (distance > 0 && is_close).then_some(distance)
}

/// Returns the length in ms up to the last frame of track 1 and a frame more.
pub(super) fn own_ms(frames: &[Frame], frame_ms: u64) -> u64 {
    match steps(frames) {
        (span, steps) if steps > 0 => {
            span.saturating_add(span.saturating_add(steps / 2).checked_div(steps).unwrap_or(0)).max(1)
        }
        _ => frame_ms,
    }
}

/// Returns the mean time in ms from one frame of track 1 to the next.
pub(super) fn frame_ms(frames: &[Frame], record: &FragmentRecord, next: Option<&FragmentRecord>) -> u64 {
    let (span, steps) = steps(frames);
    if steps > 0 {
        return span.saturating_add(steps / 2).checked_div(steps).unwrap_or(0).max(1);
    }
    let distance = next.and_then(|next| next.producer_timestamp.duration_since(record.producer_timestamp).ok());
    distance.map(ms).filter(|distance| (1..=LONGEST_MS).contains(distance)).unwrap_or(SINGLE_FRAME_MS)
}

/// Returns the time in ms from the first to the last frame of track 1, and how many frames follow the first.
pub(super) fn steps(frames: &[Frame]) -> (u64, u64) {
    let times = || frames.iter().filter(|frame| frame.track == TrackNumber::ONE).map(|frame| frame.pts);
    let span = times().max().unwrap_or_default().saturating_sub(times().min().unwrap_or_default());
    (ms(span), times().count().saturating_sub(1) as u64)
}

/// A next fragment is never a gap away if it is this close.
const CLOSE_MS: u64 = 50;
/// Longest fragment.
const LONGEST_MS: u64 = 20_000;

fn ms(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::ingest::NumberParts;

    fn record(producer: u64, duration: u64) -> FragmentRecord {
        let at = UNIX_EPOCH + Duration::from_millis(producer);
        FragmentRecord {
            number: NumberParts::new(1, producer, 0).number(),
            producer_timestamp: at,
            server_timestamp: at,
            duration: Duration::from_millis(duration),
            bytes: 1,
        }
    }

    #[test]
    fn length_includes_the_last_frame() {
        // A published fragment: 1,796 ms from first to last frame, the next one 1,856 ms later.
        let first = record(1000, 1796);
        assert_eq!(distance_ms(&first, Some(&record(2856, 0)), 66), Some(1856));
        assert_eq!(distance_ms(&first, Some(&record(2790, 0)), 66), Some(1790), "sound reaches further");
        assert_eq!(distance_ms(&first, Some(&record(9000, 0)), 66), None, "a gap");
        assert_eq!(distance_ms(&first, Some(&record(2000, 0)), 66), None, "an overlap");
        assert_eq!(distance_ms(&first, None, 66), None);
        let frame = |track, at| Frame::new(track, Duration::from_millis(at), vec![1]);
        let video = [0, 40, 80].map(|at| frame(TrackNumber::ONE, at));
        let frames = [&video[..], &[frame(TrackNumber::TWO, 100)]].concat();
        assert_eq!(own_ms(&frames, 66), 120, "sound does not count");
        assert_eq!(own_ms(&frames[..1], 66), 66);
        assert_eq!(frame_ms(&[], &record(0, 0), Some(&record(1000, 0))), 1000);
    }
}
