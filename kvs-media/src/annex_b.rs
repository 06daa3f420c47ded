//! H.264 and H.265 byte streams in a file: access units, which are timed by their output order.

use std::ops::Range;

use kvs_mkv::TrackKind;
use kvs_mkv::codec::h264::FrameRate;
use kvs_mkv::codec::nal::LengthPrefixer;
use kvs_mkv::codec::{AccessUnit, AccessUnitSplitter, SplitEvent};

use super::MAX_SAMPLES;
use super::error::Fault;
use super::input::Input;
use super::notice::{Notice, NoticeKind};
use super::payload::PayloadFormat;
use super::timeline::{Stream, Unit, fill_decoding_times};

/// Reads a byte stream once for the places of its access units, through a splitter of its codec.
pub(super) fn read(
    input: &Input,
    mut splitter: AccessUnitSplitter,
    notices: &mut Vec<Notice>,
) -> Result<Vec<Stream>, Fault> {
    let mut cutter = Cutter::default();
    input.windows(0, |window, is_end| {
        splitter.push(window);
        while let Some(event) =
            if is_end { splitter.finish() } else { splitter.next_event() }.map_err(Fault::damaged_by)?
        {
            cutter.take(event, notices)?;
        }
        Ok(())
    })?;
    let Cutter { formats, pictures, rates } = cutter;
    if pictures.is_empty() {
        let skipped = notices.last().map(|notice| format!(": {notice}")).unwrap_or_default();
        return Err(Fault::damaged(format!("it has no key frame with its parameter sets{skipped}")));
    }
    let units = units(&pictures, &rates);
    Ok(vec![Stream { kind: TrackKind::Video, formats, units }])
}

/// The formats of the stream, and its pictures with the index of theirs.
#[derive(Default)]
struct Cutter {
    formats: Vec<PayloadFormat>,
    /// Frame rates of the formats.
    rates: Vec<FrameRate>,
    pictures: Vec<Picture>,
}

/// A picture in decoding order.
struct Picture {
    range: Range<u64>,
    keyframe: bool,
    /// No later picture is shown before it: the output order starts again.
    restarts: bool,
    /// Output order: later than pictures with a lower number.
    order: i64,
    format: u16,
}

impl Cutter {
    fn take(&mut self, event: SplitEvent, notices: &mut Vec<Notice>) -> Result<(), Fault> {
        match event {
            SplitEvent::Track { track, frame_rate, .. } => {
                self.formats.push(PayloadFormat::AnnexB(track, LengthPrefixer::new()));
                // A later format without a rate keeps the one before.
                let before = self.rates.last().copied().unwrap_or(DEFAULT_RATE);
                self.rates.push(plausible(frame_rate).unwrap_or(before));
            }
            SplitEvent::AccessUnit(unit) => return self.picture(unit),
            SplitEvent::Skipped(skipped) => notices.push(Notice::new(NoticeKind::Skipped, skipped.to_string())),
            _ => {}
        }
        Ok(())
    }

    fn picture(&mut self, unit: AccessUnit) -> Result<(), Fault> {
        if self.pictures.len() >= MAX_SAMPLES {
            return Err(Fault::damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
        let format = u16::try_from(self.formats.len().saturating_sub(1))
            .map_err(|_| Fault::damaged(format!("its parameter sets change more than {} times", u16::MAX)))?;
        let (keyframe, restarts, order) = (unit.is_keyframe(), unit.restarts, unit.order);
        self.pictures.push(Picture { range: unit.range, keyframe, restarts, order, format });
        Ok(())
    }
}

/// Ranges and times: in each run of pictures, the nth in output order is shown n frames after the start of the run.
fn units(pictures: &[Picture], rates: &[FrameRate]) -> Vec<Unit> {
    let mut units = Vec::with_capacity(pictures.len());
    let mut begin = 0;
    let mut shown = shown(pictures).into_iter();
    for session in pictures.chunk_by(|one, other| one.format == other.format) {
        let format = session.first().map_or(0, |picture| picture.format);
        let rate = rates.get(usize::from(format)).copied().unwrap_or(DEFAULT_RATE);
        let time = |frames: u64| {
            let nanoseconds = u128::from(frames).saturating_mul(rate.seconds.into()).saturating_mul(1_000_000_000);
            i64::try_from(nanoseconds / u128::from(rate.frames.max(1))).unwrap_or(i64::MAX)
        };
        let places: Vec<u64> = shown.by_ref().take(session.len()).collect();
        // A format starts with a key frame, which may be shown after pictures that follow it.
        let first = places.iter().copied().min().unwrap_or(0);
        for (picture, place) in session.iter().zip(places) {
            let pts = begin + time(place.saturating_sub(first));
            let (at, len) = (picture.range.start, picture.range.end.saturating_sub(picture.range.start));
            units.push(Unit { pts, dts: pts, keyframe: picture.keyframe, at, len, format });
        }
        begin += time(session.len() as u64);
    }
    fill_decoding_times(&mut units);
    units
}

/// For each picture in decoding order, its index in output order.
fn shown(pictures: &[Picture]) -> Vec<u64> {
    let mut places = vec![0; pictures.len()];
    let mut rest = places.as_mut_slice();
    let mut begin = 0u64;
    for run in pictures.chunk_by(|one, next| !next.restarts && one.format == next.format) {
        let (here, behind) = rest.split_at_mut(run.len());
        let mut by_order: Vec<_> = run.iter().zip(here).map(|(picture, place)| (picture.order, place)).collect();
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
fn plausible(stated: Option<FrameRate>) -> Option<FrameRate> {
    let possible =
        |rate: &FrameRate| rate.frames <= rate.seconds.saturating_mul(1000) && rate.seconds / 10 <= rate.frames;
    stated.filter(possible)
}

/// The frame rate if the stream states none, or one above 1,000 or below 0.1 per second: the default of ffmpeg.
const DEFAULT_RATE: FrameRate = FrameRate { frames: 25, seconds: 1 };
