//! Merges tracks with their own times into one list of frames.

use std::time::Duration;

use kvs_mkv::{Track, TrackKind, TrackNumber};

use super::input::Input;
use super::payload::PayloadFormat;
use super::playback::{Entry, PlaybackTrack};
use super::{MAX_FRAME_BYTES, MediaError};

/// One track with its frames in decoding order.
pub(super) struct Stream {
    pub(super) track: Track,
    pub(super) format: PayloadFormat,
    pub(super) units: Vec<Unit>,
}

/// One frame: its times in nanoseconds, which may be negative, and its offset and length in the file.
pub(super) struct Unit {
    pub(super) pts: i64,
    pub(super) dts: i64,
    pub(super) keyframe: bool,
    pub(super) at: u64,
    pub(super) len: u64,
}

/// Numbers the tracks, moves all times so that none is negative, and merges the frames by decoding time.
pub(super) fn interleave(
    input: &Input,
    mut streams: Vec<Stream>,
) -> Result<(Vec<PlaybackTrack>, Vec<Entry>), MediaError> {
    streams.retain(|stream| !stream.units.is_empty());
    streams.sort_by_key(|stream| stream.track.kind != TrackKind::Video);
    let first = streams.iter().flat_map(|stream| &stream.units).map(|unit| unit.pts).min();
    let shift = first.ok_or_else(|| input.no_frames())?.min(0).saturating_neg();
    let mut playback_tracks = Vec::new();
    let mut keyed = Vec::new();
    for (mut stream, number) in streams.into_iter().zip([TrackNumber::ONE, TrackNumber::TWO]) {
        (stream.track.number, stream.track.uid) = (number, number.get());
        playback_tracks.push(PlaybackTrack { track: stream.track, format: stream.format });
        let mut latest = i64::MIN;
        for unit in stream.units {
            latest = latest.max(unit.dts.min(unit.pts));
            if unit.len > MAX_FRAME_BYTES {
                let what =
                    format!("the frame at offset {} has {} bytes, more than {MAX_FRAME_BYTES}", unit.at, unit.len);
                return Err(input.damaged(what));
            }
            keyed.push((latest, entry(number, &unit, latest, shift)));
        }
    }
    keyed.sort_by_key(|(dts, entry)| (*dts, entry.track));
    Ok((playback_tracks, keyed.into_iter().map(|(_, entry)| entry).collect()))
}

fn entry(track: TrackNumber, unit: &Unit, dts: i64, shift: i64) -> Entry {
    let pts = duration(unit.pts, shift);
    let dts = duration(dts, shift).min(pts);
    Entry { track, pts, dts, keyframe: unit.keyframe, at: unit.at, len: unit.len }
}

fn duration(nanoseconds: i64, shift: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds.saturating_add(shift)).unwrap_or(0))
}

/// Sets decoding times from the order of the units: increasing, and never later than the presentation time.
pub(super) fn fill_decoding_times(units: &mut [Unit]) {
    let mut shown: Vec<i64> = units.iter().map(|unit| unit.pts).collect();
    shown.sort_unstable();
    let delay = shown.iter().zip(&*units).map(|(sorted, unit)| sorted.saturating_sub(unit.pts)).max().unwrap_or(0);
    for (unit, sorted) in units.iter_mut().zip(shown) {
        unit.dts = sorted.saturating_sub(delay.max(0));
    }
}

/// A frame with a presentation and a decoding time.
pub(super) trait Timed {
    fn track(&self) -> TrackNumber;
    /// Presentation time and decoding time.
    fn times(&mut self) -> (&mut Duration, &mut Duration);
}

/// Moves all frames so that the first of one track is shown at zero, and drops those that would be shown earlier.
pub(super) fn start_with<T: Timed>(samples: &mut Vec<T>, track: TrackNumber) {
    let leading = samples.iter_mut().filter(|sample| sample.track() == track);
    let first = leading.map(|sample| *sample.times().0).min().unwrap_or_default();
    samples.retain_mut(|sample| *sample.times().0 >= first);
    for sample in samples {
        let (pts, dts) = sample.times();
        *pts -= first;
        *dts = dts.saturating_sub(first);
    }
}

/// Converts ticks to nanoseconds, rounded to the nearest.
pub(super) fn nanoseconds(ticks: i64, ticks_per_second: u32) -> i64 {
    let scale = i128::from(ticks_per_second.max(1));
    let product = i128::from(ticks).saturating_mul(1_000_000_000);
    let rounded = product.saturating_mul(2).saturating_add(scale).div_euclid(scale.saturating_mul(2));
    i64::try_from(rounded).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
}
