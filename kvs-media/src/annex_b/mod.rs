//! H.264 and H.265 byte streams: split into access units, which are timed by their output order.

mod h264_syntax;
mod h265_syntax;

use std::error::Error;
use std::ops::Range;

use bytes::Bytes;
use kvs_mkv::codec::h264::FrameRate;
use kvs_mkv::codec::nal::{self, LengthPrefixer};
use kvs_mkv::{Track, TrackKind};

use super::error::Fault;
use super::input::Input;
use super::payload::PayloadFormat;
use super::timeline::{Stream, Unit, fill_decoding_times};
use super::{MAX_FRAME_BYTES, MAX_SAMPLES};

pub(super) fn read_h264(input: &Input) -> Result<Vec<Stream>, Fault> {
    read(input, h264_syntax::H264::default())
}

pub(super) fn read_h265(input: &Input) -> Result<Vec<Stream>, Fault> {
    read(input, h265_syntax::H265::default())
}

/// The role of a NAL unit in an access unit.
enum Part {
    /// The first slice of a picture.
    Picture(Picture),
    /// Precedes a picture; after one it starts the next access unit.
    Leading,
    /// Belongs to the picture before it, or is of an unknown type.
    Other,
}

/// A picture, described by its first slice.
struct Picture {
    keyframe: bool,
    /// No later picture is shown before it: the output order starts again.
    restarts: bool,
    /// Output order: later than pictures with a lower number.
    order: i64,
}

/// What differs between H.264 and H.265.
trait Syntax {
    /// Returns the role of a NAL unit, and absorbs parameter sets.
    fn part(&mut self, unit: Bytes) -> Part;
    /// Returns the track, from the parameter sets so far.
    fn track(&self) -> Result<Track, Box<dyn Error>>;
    /// Returns the frame rate that the stream states.
    fn frame_rate(&self) -> Option<FrameRate>;
}

fn read(input: &Input, mut syntax: impl Syntax) -> Result<Vec<Stream>, Fault> {
    let mut cutter = Cutter::default();
    walk(input, |range, unit| {
        cutter.take(range, syntax.part(unit));
        match cutter.units.len() > MAX_SAMPLES {
            true => Err(Fault::damaged(format!("it has more than {MAX_SAMPLES} frames"))),
            false => Ok(()),
        }
    })?;
    cutter.flush();
    if cutter.units.is_empty() {
        return Err(Fault::damaged("it has no picture with its parameter sets before it"));
    }
    let track = syntax.track().map_err(Fault::damaged)?;
    let units = units(&cutter.units, plausible(syntax.frame_rate()));
    Ok(vec![Stream::new(TrackKind::Video, PayloadFormat::AnnexB(track, LengthPrefixer::new()), units)])
}

/// Calls `take` with every NAL unit and its range in the file.
fn walk(input: &Input, mut take: impl FnMut(Range<u64>, Bytes) -> Result<(), Fault>) -> Result<(), Fault> {
    let (mut at, mut size) = (0, WINDOW);
    loop {
        let window = input.read_up_to(at, size)?;
        let is_last = at.saturating_add(window.len() as u64) >= input.len || window.is_empty();
        let mut ranges = nal::annex_b(&window).map_err(Fault::damaged)?.ranges().peekable();
        let mut open = 0;
        while let Some(range) = ranges.next() {
            // A unit ends where the next start code begins, so the last one of a window is incomplete.
            if ranges.peek().is_none() && !is_last {
                open = range.start.saturating_sub(START_CODE);
                break;
            }
            take(in_file(at, &range), window.slice(range))?;
        }
        if is_last {
            return Ok(());
        }
        // A unit that is longer than the window is read again with a larger one.
        size = if open > 0 { WINDOW } else { size.saturating_mul(2) };
        if size > MAX_FRAME_BYTES.saturating_mul(2) {
            return Err(Fault::damaged(format!("the NAL unit at offset {at} has more than {MAX_FRAME_BYTES} bytes")));
        }
        at = at.saturating_add(open as u64);
    }
}

/// Bytes read at a time.
const WINDOW: u64 = 256 << 10;
/// Bytes of a start code, without further zeros before it.
const START_CODE: usize = 3;

/// The range in the file of a range in a window at offset `at`.
fn in_file(at: u64, range: &Range<usize>) -> Range<u64> {
    at.saturating_add(range.start as u64)..at.saturating_add(range.end as u64)
}

/// Joins NAL units to access units (H.264 7.4.1.2.3, H.265 7.4.2.4.4).
#[derive(Default)]
struct Cutter {
    units: Vec<(Range<u64>, Picture)>,
    /// Range of the open access unit, and its picture once it has come.
    open: Option<Range<u64>>,
    picture: Option<Picture>,
}

impl Cutter {
    fn take(&mut self, range: Range<u64>, part: Part) {
        if self.picture.is_some() && !matches!(part, Part::Other) {
            self.flush();
        }
        if let Part::Picture(picture) = part {
            self.picture = Some(picture);
        }
        let begin = self.open.take().map_or(range.start, |open| open.start);
        self.open = Some(begin..range.end);
    }

    /// Ends the open access unit if it has a picture.
    fn flush(&mut self) {
        if let Some(picture) = self.picture.take()
            && let Some(open) = self.open.take()
        {
            self.units.push((open, picture));
        }
    }
}

/// Ranges and times: in each run of pictures, the nth in output order is shown n frames after the start of the run.
fn units(pictures: &[(Range<u64>, Picture)], rate: FrameRate) -> Vec<Unit> {
    let mut units = Vec::with_capacity(pictures.len());
    for ((range, picture), shown) in pictures.iter().zip(shown(pictures)) {
        // Include the start code of the first NAL unit.
        let at = range.start.saturating_sub(START_CODE as u64);
        let len = range.end.saturating_sub(at);
        let pts = u128::from(shown).saturating_mul(rate.seconds.into()).saturating_mul(1_000_000_000);
        let pts = i64::try_from(pts / u128::from(rate.frames.max(1))).unwrap_or(i64::MAX);
        units.push(Unit { pts, dts: pts, keyframe: picture.keyframe, at, len, format: 0 });
    }
    fill_decoding_times(&mut units);
    units
}

/// For each picture in decoding order, its index in output order.
fn shown(pictures: &[(Range<u64>, Picture)]) -> Vec<u64> {
    let mut places = vec![0; pictures.len()];
    let mut rest = places.as_mut_slice();
    let mut begin = 0u64;
    for run in pictures.chunk_by(|_, (_, next)| !next.restarts) {
        let (here, behind) = rest.split_at_mut(run.len());
        let mut by_order: Vec<_> = run.iter().zip(here).map(|((_, picture), place)| (picture.order, place)).collect();
        by_order.sort_by_key(|(order, _)| *order);
        for (_, place) in by_order {
            *place = begin;
            begin += 1;
        }
        rest = behind;
    }
    places
}

/// The frame rate that the stream states, if it is plausible.
fn plausible(stated: Option<FrameRate>) -> FrameRate {
    let possible =
        |rate: &FrameRate| rate.frames <= rate.seconds.saturating_mul(1000) && rate.seconds / 10 <= rate.frames;
    stated.filter(possible).unwrap_or(DEFAULT_RATE)
}

/// The frame rate if the stream states none, or one above 1,000 or below 0.1 per second: the default of ffmpeg.
const DEFAULT_RATE: FrameRate = FrameRate { frames: 25, seconds: 1 };
