//! Merges tracks with their own times into one list of frames.

use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Chunks, TrackKind, TrackNumber};

use super::MAX_FRAME_BYTES;
use super::error::Fault;
use super::indexed::{Entry, IndexedTrack};
use super::input::Input;
use super::payload::PayloadFormat;

/// One track with its frames in decoding order.
pub(super) struct Stream {
    pub(super) kind: TrackKind,
    /// The sample descriptions; a [`Unit`] refers to one by its index.
    pub(super) formats: Vec<PayloadFormat>,
    pub(super) units: Vec<Unit>,
}

/// One frame: its times in nanoseconds, which may be negative, and its offset and length in the file.
pub(super) struct Unit {
    pub(super) pts: i64,
    pub(super) dts: i64,
    pub(super) keyframe: bool,
    pub(super) at: u64,
    pub(super) len: u64,
    /// Index of its format.
    pub(super) format: u16,
}

impl Stream {
    /// A track with one format.
    #[cfg(test)]
    pub(super) fn new(kind: TrackKind, format: PayloadFormat, units: Vec<Unit>) -> Self {
        Self { kind, formats: vec![format], units }
    }

    /// Reads frames until the parameter sets of each format are complete.
    pub(super) fn settle(&mut self, input: &Input) -> Result<(), Fault> {
        for unit in &self.units {
            if !self.formats.iter().any(PayloadFormat::is_unsettled) {
                return Ok(());
            }
            let Some(format) = self.formats.get_mut(usize::from(unit.format)) else { continue };
            if format.is_unsettled() {
                if unit.len > MAX_FRAME_BYTES {
                    return Err(Fault::Damaged(format!(
                        "the frame at offset {} has {} bytes, more than {MAX_FRAME_BYTES}",
                        unit.at, unit.len
                    )));
                }
                let bytes: Bytes = input.read(unit.at, unit.len)?;
                format
                    .payload(Chunks::from(bytes), unit.keyframe)
                    .map_err(|error| Fault::Damaged(format!("the frame at offset {}: {error}", unit.at)))?;
            }
        }
        Ok(())
    }
}

/// Numbers the tracks, moves all times so that none is negative, and merges the frames by decoding time.
pub(super) fn interleave(mut streams: Vec<Stream>) -> Result<(Vec<IndexedTrack>, Vec<Entry>), Fault> {
    streams.retain(|stream| !stream.units.is_empty());
    streams.sort_by_key(|stream| stream.kind != TrackKind::Video);
    let first = streams.iter().flat_map(|stream| &stream.units).map(|unit| unit.pts).min();
    let shift = first.ok_or(Fault::NoFrames)?.min(0).saturating_neg();
    let mut tracks = Vec::new();
    let mut keyed = Vec::new();
    for (stream, number) in streams.into_iter().zip([TrackNumber::ONE, TrackNumber::TWO, TrackNumber::THREE]) {
        let current = stream.units.first().map_or(0, |unit| unit.format);
        tracks.push(IndexedTrack { number, kind: stream.kind, formats: stream.formats, current });
        let mut latest = i64::MIN;
        for unit in stream.units {
            latest = latest.max(unit.dts.min(unit.pts));
            if unit.len > MAX_FRAME_BYTES {
                let (at, len) = (unit.at, unit.len);
                return Err(Fault::Damaged(format!(
                    "the frame at offset {at} has {len} bytes, more than {MAX_FRAME_BYTES}"
                )));
            }
            keyed.push((latest, entry(number, &unit, latest, shift)));
        }
    }
    keyed.sort_by_key(|(dts, entry)| (*dts, entry.track));
    Ok((tracks, keyed.into_iter().map(|(_, entry)| entry).collect()))
}

fn entry(track: TrackNumber, unit: &Unit, dts: i64, shift: i64) -> Entry {
    let pts = duration(unit.pts, shift);
    let dts = duration(dts, shift).min(pts);
    Entry { track, pts, dts, keyframe: unit.keyframe, at: unit.at, len: unit.len, format: unit.format }
}

pub(super) fn duration(nanoseconds: i64, shift: i64) -> Duration {
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

/// Moves all frames so that the first of one track is shown at zero, drops those that would be shown earlier, and returns how
/// much earlier the first one was.
pub(super) fn start_with(entries: &mut Vec<Entry>, track: TrackNumber) -> Duration {
    let leading = entries.iter().filter(|entry| entry.track == track);
    let first = leading.map(|entry| entry.pts).min().unwrap_or_default();
    let earliest = entries.iter().map(|entry| entry.pts).min().unwrap_or_default();
    entries.retain_mut(|entry| entry.pts >= first);
    for entry in entries {
        entry.pts -= first;
        entry.dts = entry.dts.saturating_sub(first);
    }
    first.saturating_sub(earliest)
}

/// Converts ticks to nanoseconds, rounded to the nearest.
pub(super) fn nanoseconds(ticks: i64, ticks_per_second: u32) -> i64 {
    let scale = i128::from(ticks_per_second.max(1));
    let product = i128::from(ticks).saturating_mul(1_000_000_000);
    rounded(product, scale, ticks < 0)
}

/// Adds two times in different ticks and converts the sum to nanoseconds: rounded once, so that no error adds up.
pub(super) fn sum_in_nanoseconds((one, one_rate): (i64, u32), (other, other_rate): (i64, u32)) -> i64 {
    let (one_rate, other_rate) = (i128::from(one_rate.max(1)), i128::from(other_rate.max(1)));
    let sum = i128::from(one).saturating_mul(other_rate).saturating_add(i128::from(other).saturating_mul(one_rate));
    rounded(sum.saturating_mul(1_000_000_000), one_rate.saturating_mul(other_rate), sum < 0)
}

fn rounded(product: i128, scale: i128, negative: bool) -> i64 {
    let rounded = product.saturating_mul(2).saturating_add(scale).div_euclid(scale.saturating_mul(2));
    i64::try_from(rounded).unwrap_or(if negative { i64::MIN } else { i64::MAX })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nal_track::{NalCodec, NalTrack};

    #[test]
    fn frame_that_is_searched_for_parameter_sets_has_a_bounded_size() {
        let settled = |len: u64| {
            let input = Input::in_memory("recording", Bytes::from_static(&[0; 64]));
            let track = NalTrack::new(NalCodec::H264, Bytes::new(), kvs_mkv::VideoSettings::new(0, 0));
            let unit = Unit { pts: 0, dts: 0, keyframe: true, at: 0, len, format: 0 };
            let mut stream = Stream::new(TrackKind::Video, PayloadFormat::Nal(Box::new(track)), vec![unit]);
            stream.settle(&input).unwrap_err()
        };
        // One that may have this size is read, and is not there.
        assert!(matches!(settled(MAX_FRAME_BYTES), Fault::Truncated(_)));
        let error = settled(MAX_FRAME_BYTES + 1);
        assert!(
            matches!(&error, Fault::Damaged(text) if text.contains("50000001 bytes, more than 50000000")),
            "{error:?}"
        );
    }
}
