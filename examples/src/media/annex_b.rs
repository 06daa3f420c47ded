//! Bare H.264 and H.265 byte streams: cut into access units, timed by their order of showing.

use std::ops::Range;

use bytes::Bytes;
use kvs_mkv::TrackNumber;
use kvs_mkv::codec::h264::{self, NalType, ParameterSets, PictureOrder, SliceHeader};
use kvs_mkv::codec::nal;

use super::input::Input;
use super::timeline::{Stream, Unit, fill_decoding_times};
use super::{MAX_SAMPLES, MediaError};

/// Nanoseconds a frame lasts where the stream does not say: 25 frames a second, as ffmpeg takes.
const DEFAULT_FRAME: u64 = 40_000_000;
/// Frame rates that are believed; others are a mistake of the encoder.
const SLOWEST_FRAME: u64 = 10_000_000_000;
const FASTEST_FRAME: u64 = 1_000_000;

/// One access unit, while the stream is cut.
struct Picture {
    bytes: Range<usize>,
    keyframe: bool,
    /// Nothing shown later was decoded before: the order of showing starts again.
    restarts: bool,
    order: i64,
}

pub(super) fn read_h264(input: &Input) -> Result<Vec<Stream>, MediaError> {
    let damaged = |error: nal::NalError| input.damaged(error);
    let mut cutter = H264Cutter::default();
    for range in nal::annex_b(&input.data).map_err(damaged)?.ranges() {
        cutter.take(&input.data, range);
        if cutter.pictures.len() > MAX_SAMPLES {
            return Err(input.damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
    }
    cutter.flush();
    if cutter.pictures.is_empty() {
        return Err(input.damaged("no picture follows a parameter set"));
    }
    let track = h264::track(TrackNumber::ONE, &cutter.sets).map_err(|error| input.damaged(error))?;
    let rate = cutter.sets.sps().ok().and_then(|sps| sps.frame_rate);
    let frame = rate.and_then(|rate| rate.seconds.saturating_mul(1_000_000_000).checked_div(rate.frames));
    let units = units(input, &cutter.pictures, frame)?;
    Ok(vec![Stream { track, units }])
}

/// Payloads and times: within each run of pictures the n-th in order of showing is shown n frames after the run's start.
fn units(input: &Input, pictures: &[Picture], frame: Option<u64>) -> Result<Vec<Unit>, MediaError> {
    let frame = frame.filter(|frame| (FASTEST_FRAME..=SLOWEST_FRAME).contains(frame)).unwrap_or(DEFAULT_FRAME);
    let shown = shown(pictures);
    let mut units = Vec::with_capacity(pictures.len());
    for (picture, shown) in pictures.iter().zip(shown) {
        let data = nal::annex_b_to_length_prefixed(&access_unit(&input.data, picture)).map_err(|e| input.damaged(e))?;
        let pts = i64::try_from(u64::try_from(shown).unwrap_or(u64::MAX).saturating_mul(frame)).unwrap_or(i64::MAX);
        units.push(Unit { pts, dts: pts, keyframe: picture.keyframe, data });
    }
    fill_decoding_times(&mut units);
    Ok(units)
}

/// The bytes of a picture from the start code of its first NAL unit.
fn access_unit(data: &Bytes, picture: &Picture) -> Bytes {
    data.slice(picture.bytes.start.saturating_sub(3)..picture.bytes.end)
}

/// For each picture in decoding order, its place in the order of showing.
fn shown(pictures: &[Picture]) -> Vec<usize> {
    let mut places = vec![0; pictures.len()];
    let mut begin = 0;
    for run in pictures.chunk_by(|_, next| !next.restarts) {
        let mut by_order: Vec<usize> = (0..run.len()).collect();
        by_order.sort_by_key(|&index| run.get(index).map(|picture| picture.order));
        for (place, index) in by_order.into_iter().enumerate() {
            if let Some(entry) = places.get_mut(begin + index) {
                *entry = begin + place;
            }
        }
        begin += run.len();
    }
    places
}

/// Cuts H.264 where H.264 7.4.1.2.3 lets an access unit begin.
#[derive(Default)]
struct H264Cutter {
    sets: ParameterSets,
    order: PictureOrder,
    pictures: Vec<Picture>,
    /// Bytes of the access unit in the making.
    open: Option<Range<usize>>,
    /// Its first slice, once there is one.
    slice: Option<SliceHeader>,
    /// The NAL units in front of the first slice that tell whether decoding can start here.
    prefix: Vec<Range<usize>>,
    keyframe: bool,
}

impl H264Cutter {
    fn take(&mut self, data: &[u8], range: Range<usize>) {
        let unit = data.get(range.clone()).unwrap_or_default();
        match NalType::of(unit) {
            Some(kind @ (NalType::SLICE | NalType::PARTITION_A | NalType::IDR)) => self.slice(data, unit, kind, &range),
            Some(kind) if kind.is_slice() => {}
            Some(kind) if begins_access_unit(kind) && self.slice.is_some() => self.flush(),
            _ => {}
        }
        self.sets.absorb([unit]);
        if self.slice.is_none() {
            self.prefix.push(range.clone());
        }
        self.open = Some(self.open.take().map_or(range.start, |open| open.start)..range.end);
    }

    fn slice(&mut self, data: &[u8], unit: &[u8], kind: NalType, range: &Range<usize>) {
        let Some(header) = self.sets.sps().ok().and_then(|sps| SliceHeader::parse(unit, &sps)) else { return };
        if let Some(first) = &self.slice {
            if !header.begins_picture(first) || header.completes_frame(first) {
                return;
            }
            self.flush();
        }
        let prefix = self.prefix.drain(..).filter_map(|range| data.get(range));
        self.keyframe = h264::is_keyframe(prefix.chain([unit]));
        debug_assert!(kind.is_slice() && !range.is_empty(), "a slice is not empty");
        self.slice = Some(header);
    }

    /// Ends the access unit in the making; what has no picture yet stays for the next one.
    fn flush(&mut self) {
        let (Some(slice), Ok(sps)) = (self.slice.take(), self.sets.sps()) else { return };
        let Some(bytes) = self.open.take() else { return };
        let order = self.order.next(&slice, &sps);
        let restarts = slice.idr;
        self.pictures.push(Picture { bytes, keyframe: self.keyframe, restarts, order });
    }
}

/// Delimiter, parameter sets, SEI and the reserved kinds that stand in front of a picture.
const fn begins_access_unit(kind: NalType) -> bool {
    matches!(kind.0, 6..=9 | 14..=18)
}
