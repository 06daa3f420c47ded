//! From streams with times of their own to one list of samples.

use std::time::Duration;

use kvs_mkv::{Chunks, Track, TrackKind, TrackNumber};

use super::input::Input;
use super::{MediaError, Recording, Sample};

/// One track with its frames in decoding order.
pub(super) struct Stream {
    pub(super) track: Track,
    pub(super) units: Vec<Unit>,
}

/// One frame; times in nanoseconds, which may lie before zero.
pub(super) struct Unit {
    pub(super) pts: i64,
    pub(super) dts: i64,
    pub(super) keyframe: bool,
    pub(super) data: Chunks,
}

/// Numbers the tracks, moves times before zero out of the way and merges the streams by decoding time.
pub(super) fn interleave(input: &Input, mut streams: Vec<Stream>) -> Result<Recording, MediaError> {
    streams.retain(|stream| !stream.units.is_empty());
    streams.sort_by_key(|stream| stream.track.kind != TrackKind::Video);
    let first = streams.iter().flat_map(|stream| &stream.units).map(|unit| unit.pts).min();
    let shift = first.ok_or_else(|| input.no_frames())?.min(0).saturating_neg();
    let mut tracks = Vec::new();
    let mut keyed = Vec::new();
    for (mut stream, number) in streams.into_iter().zip([TrackNumber::ONE, TrackNumber::TWO]) {
        (stream.track.number, stream.track.uid) = (number, number.get());
        tracks.push(stream.track);
        let mut latest = i64::MIN;
        for unit in stream.units {
            latest = latest.max(unit.dts.min(unit.pts));
            keyed.push((latest, sample(number, &unit, latest, shift), unit.data));
        }
    }
    keyed.sort_by_key(|(dts, sample, _)| (*dts, sample.track));
    let samples = keyed.into_iter().map(|(_, sample, data)| Sample { data, ..sample }).collect();
    Ok(Recording { tracks, samples })
}

fn sample(track: TrackNumber, unit: &Unit, dts: i64, shift: i64) -> Sample {
    let pts = duration(unit.pts, shift);
    Sample { track, pts, dts: duration(dts, shift).min(pts), keyframe: unit.keyframe, data: Chunks::new() }
}

fn duration(nanoseconds: i64, shift: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanoseconds.saturating_add(shift)).unwrap_or(0))
}

/// Decoding times for units that have none, from the order they come in: the earliest times that rise and that no unit is
/// shown before.
pub(super) fn fill_decoding_times(units: &mut [Unit]) {
    let mut shown: Vec<i64> = units.iter().map(|unit| unit.pts).collect();
    shown.sort_unstable();
    let delay = shown.iter().zip(&*units).map(|(sorted, unit)| sorted.saturating_sub(unit.pts)).max().unwrap_or(0);
    for (unit, sorted) in units.iter_mut().zip(shown) {
        unit.dts = sorted.saturating_sub(delay.max(0));
    }
}

/// A count of ticks as nanoseconds, to the nearest.
pub(super) fn nanoseconds(ticks: i64, ticks_per_second: u32) -> i64 {
    let scale = i128::from(ticks_per_second.max(1));
    let product = i128::from(ticks).saturating_mul(1_000_000_000);
    let rounded = product.saturating_mul(2).saturating_add(scale).div_euclid(scale.saturating_mul(2));
    i64::try_from(rounded).unwrap_or(if ticks < 0 { i64::MIN } else { i64::MAX })
}
