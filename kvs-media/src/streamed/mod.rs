//! Frames of a container that is read from start to end: from a file in two passes, or from a pipe in one.

mod scan;
mod source;

use std::collections::{BTreeSet, VecDeque};
use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Chunks, Track, TrackKind, TrackNumber};

use scan::{Chosen, MAX_TRACKS, Scan};
use source::Source;
pub(super) use source::read_some;

use super::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use super::error::Fault;
use super::input::Input;
use super::merge::{Merge, Merged};
use super::notice::{Notice, NoticeKind};
use super::options::ReaderOptions;
use super::payload::PayloadFormat;
use super::selection;
use super::timeline::duration;
use super::{MAX_FRAME_BYTES, MediaEvent, Sample};

/// Reads frames through a demuxer.
///
/// Memory: what the demuxer holds; for a file the frames that wait to be merged, at most
/// [`MERGE_BYTES`](super::merge::MERGE_BYTES); for a pipe, until the tracks are known, at most [`PROBE_BYTES`](scan::PROBE_BYTES).
#[derive(Debug)]
pub(super) struct Streamed {
    bytes: Source,
    demuxer: Box<dyn Demuxer>,
    tracks: Vec<StreamedTrack>,
    /// Tracks of a pipe that were returned or named, by id.
    known: BTreeSet<u64>,
    order: Order,
    /// Added to all times, so that none is negative.
    shift: i64,
    /// Frames before this time are dropped: sound before the first picture.
    from: Option<i64>,
    length: Option<Duration>,
    held: Option<Sample>,
    new_notices: Vec<Notice>,
    /// Whether the input has ended, and whether the demuxer has returned everything.
    is_ended: bool,
    is_drained: bool,
}

/// In which order frames are returned.
#[derive(Debug)]
enum Order {
    /// By decoding time.
    Merged(Merge),
    /// As they come, after those that were read to find the tracks.
    Arrival(VecDeque<Demuxed>),
}

/// A track that is returned.
#[derive(Debug)]
struct StreamedTrack {
    id: u64,
    number: TrackNumber,
    kind: TrackKind,
    config: Bytes,
    format: PayloadFormat,
    /// Presentation time of its first picture or sound, before the shift.
    first: i64,
    /// Set when the container describes the track again.
    is_replaced: bool,
}

impl Streamed {
    /// Reads a file once for its tracks and times, and prepares to read it again.
    pub(super) fn of_file(
        mut input: Input,
        make: impl Fn() -> Box<dyn Demuxer>,
        options: &ReaderOptions,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, Fault> {
        let mut scan = Scan::default();
        let (mut bytes, mut demuxer) = (Source::File { input, at: 0 }, make());
        scan.all(&mut bytes, demuxer.as_mut())?;
        input = bytes.into_input()?;
        let content = input.end_of_content()?;
        if scan.is_interrupted() && content < input.len {
            // The last frame may be filled up with zeros: what is behind the content does not count.
            let reserved = input.len - content;
            input.len = content;
            scan = Scan::default();
            bytes = Source::File { input, at: 0 };
            demuxer = make();
            scan.all(&mut bytes, demuxer.as_mut())?;
            input = bytes.into_input()?;
            if !scan.is_interrupted() {
                let text = format!(
                    "the recording was interrupted: its last {reserved} bytes, from byte {content} on, are zeros"
                );
                scan.notices.push(Notice::new(NoticeKind::Interrupted, text));
            }
        }
        notices.append(&mut scan.notices);
        let has_absolute_times = demuxer.has_absolute_times();
        let Chosen { mut tracks, left, last } = scan.choose(options, notices)?;
        for track in &mut tracks {
            track.check()?;
        }
        let shift = shift(&tracks, has_absolute_times);
        let merge = Merge::new(tracks.iter().zip(left).map(|(track, (left, reordered))| (track.id, left, reordered)));
        Ok(Self {
            bytes: Source::File { input, at: 0 },
            demuxer: make(),
            tracks,
            known: BTreeSet::new(),
            order: Order::Merged(merge),
            shift,
            from: None,
            length: Some(duration(last, shift)),
            held: None,
            new_notices: Vec::new(),
            is_ended: false,
            is_drained: false,
        })
    }

    /// Reads a pipe until its tracks are known.
    pub(super) fn of_pipe(
        head: Bytes,
        pipe: Box<dyn Read + Send + Sync>,
        mut demuxer: Box<dyn Demuxer>,
        options: &ReaderOptions,
        notices: &mut Vec<Notice>,
    ) -> Result<Self, Fault> {
        let (mut scan, mut bytes) = (Scan::default(), Source::Pipe(pipe));
        demuxer.push(head);
        let kept = scan.until_known(&mut bytes, demuxer.as_mut())?;
        notices.append(&mut scan.notices);
        let has_absolute_times = demuxer.has_absolute_times();
        let known = scan.seen.iter().map(|seen| seen.track.id).collect();
        let Chosen { mut tracks, .. } = scan.choose(options, notices)?;
        for track in &mut tracks {
            track.check()?;
        }
        let shift = shift(&tracks, has_absolute_times);
        Ok(Self {
            bytes,
            demuxer,
            tracks,
            known,
            order: Order::Arrival(kept),
            shift,
            from: None,
            length: None,
            held: None,
            new_notices: Vec::new(),
            is_ended: false,
            is_drained: false,
        })
    }

    pub(super) fn tracks(&self) -> Result<Vec<Track>, Fault> {
        self.tracks.iter().map(|track| track.format.track(track.number)).collect()
    }

    /// The presentation time of the last frame of a file.
    pub(super) fn duration(&self) -> Option<Duration> {
        let from = self.from.map_or(Duration::ZERO, |from| duration(from, self.shift));
        self.length.map(|length| length.saturating_sub(from))
    }

    /// Drops what is shown before the first picture, and returns how long that is.
    pub(super) fn starting_with_video(&mut self) -> Duration {
        self.from = self.tracks.iter().find(|track| track.kind == TrackKind::Video).map(|track| track.first);
        let earliest = self.tracks.iter().map(|track| track.first).min().unwrap_or(0);
        duration(self.from.unwrap_or(earliest), earliest.saturating_neg())
    }

    /// Size of the file in bytes; `None` for a pipe.
    pub(super) const fn file_bytes(&self) -> Option<u64> {
        match &self.bytes {
            Source::File { input, .. } => Some(input.len),
            Source::Pipe(_) => None,
        }
    }

    /// Returns notices about what was read since the last call.
    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.new_notices)
    }

    pub(super) fn next_event(&mut self) -> Result<Option<MediaEvent>, Fault> {
        if let Some(sample) = self.held.take() {
            return Ok(Some(MediaEvent::Sample(sample)));
        }
        while let Some(next) = self.next_in_order()? {
            match next {
                Merged::Tags(tags) => return Ok(Some(MediaEvent::Tags(tags))),
                Merged::Frame(frame, dts) => {
                    if self.from.is_some_and(|from| frame.pts < from) {
                        continue;
                    }
                    return self.event(frame, dts).map(Some);
                }
            }
        }
        Ok(None)
    }

    /// Converts a frame; if it changes its track, the changed tracks come first.
    fn event(&mut self, frame: DemuxFrame, dts: i64) -> Result<MediaEvent, Fault> {
        let origin = self.from.map_or(self.shift, i64::saturating_neg);
        let (pts, dts) = (duration(frame.pts, origin), duration(dts, origin));
        let Some(track) = self.tracks.iter_mut().find(|track| track.id == frame.track) else {
            return Err(Fault::NoFrames);
        };
        let (number, keyframe) = (track.number, frame.keyframe);
        let (data, is_changed) = track.payload(frame.data, keyframe, pts)?;
        let sample = Sample { track: number, pts, dts: dts.min(pts), keyframe, data };
        if !is_changed {
            return Ok(MediaEvent::Sample(sample));
        }
        self.held = Some(sample);
        Ok(MediaEvent::Tracks(self.tracks()?))
    }

    fn next_in_order(&mut self) -> Result<Option<Merged>, Fault> {
        loop {
            if let Order::Merged(merge) = &mut self.order
                && let Some(next) = merge.next(self.is_drained)
            {
                return Ok(Some(next));
            }
            if self.is_drained {
                return Ok(None);
            }
            let kept = match &mut self.order {
                Order::Arrival(kept) => kept.pop_front(),
                Order::Merged(_) => None,
            };
            let next = if kept.is_some() { kept } else { self.next_demuxed()? };
            match (next, &mut self.order) {
                (None, _) => self.is_drained = true,
                (Some(Demuxed::Frame(frame)), _) if !self.tracks.iter().any(|track| track.id == frame.track) => {}
                (Some(Demuxed::Frame(frame)), Order::Merged(merge)) => merge.frame(frame),
                (Some(Demuxed::Tags(tags)), Order::Merged(merge)) => merge.tags(tags),
                (Some(Demuxed::Frame(frame)), Order::Arrival(_)) => {
                    let dts = frame.dts.unwrap_or(frame.pts);
                    return Ok(Some(Merged::Frame(frame, dts)));
                }
                (Some(Demuxed::Tags(tags)), Order::Arrival(_)) => return Ok(Some(Merged::Tags(tags))),
                // The first list is known already and changes nothing.
                (Some(Demuxed::Tracks(tracks)), _) => self.replace(tracks)?,
                (Some(Demuxed::Notice(notice)), Order::Arrival(_)) => self.new_notices.push(notice),
                // Those of a file were returned when it was opened.
                (Some(Demuxed::Notice(_)), Order::Merged(_)) => {}
            }
        }
    }

    /// Returns what the demuxer finds next; `None` once everything was returned.
    fn next_demuxed(&mut self) -> Result<Option<Demuxed>, Fault> {
        loop {
            if let Some(next) = self.demuxer.next(self.is_ended)? {
                return Ok(Some(next));
            }
            if self.is_ended {
                return Ok(None);
            }
            self.is_ended = !self.bytes.feed(self.demuxer.as_mut())?;
        }
    }

    /// Names a track of a pipe that begins when the tracks are already chosen.
    fn name_late(&mut self, track: &DemuxTrack) {
        let is_new = self.known.len() < MAX_TRACKS && self.known.insert(track.id);
        if is_new && matches!(self.order, Order::Arrival(_)) {
            let (kind, codec) = (selection::kind_name(track.kind), &track.codec);
            let text = format!("left out: {kind} track ({codec}), which begins after the others were chosen");
            self.new_notices.push(Notice::new(NoticeKind::LeftOut, text));
        }
    }

    /// A new description of the tracks: those that differ switch with their next frame.
    fn replace(&mut self, described: Vec<DemuxTrack>) -> Result<(), Fault> {
        for new in described {
            let Some(track) = self.tracks.iter_mut().find(|track| track.id == new.id) else {
                self.name_late(&new);
                continue;
            };
            // A track that is described by its frames has no format before the first one.
            if track.config != new.config && !matches!(new.format, Err(Fault::NoFrames)) {
                (track.config, track.format, track.is_replaced) = (new.config, new.format?, true);
            }
        }
        Ok(())
    }
}

/// What must be added to all times. A container with times of its own starts with its first frame.
fn shift(tracks: &[StreamedTrack], has_absolute_times: bool) -> i64 {
    let first = tracks.iter().map(|track| track.first).min().unwrap_or(0);
    if has_absolute_times { first.saturating_neg() } else { first.min(0).saturating_neg() }
}

impl StreamedTrack {
    /// Returns the payload of a frame, and whether the track changes with it.
    fn payload(&mut self, data: Chunks, keyframe: bool, pts: Duration) -> Result<(Chunks, bool), Fault> {
        let wrong = |error| Fault::Damaged(format!("the frame of track {} at {pts:?}: {error}", self.number));
        if data.len() as u64 > MAX_FRAME_BYTES {
            let len = data.len();
            return Err(Fault::Damaged(format!("the frame at {pts:?} has {len} bytes, more than {MAX_FRAME_BYTES}")));
        }
        let converted = self.format.payload(data, keyframe).map_err(wrong)?;
        if !self.is_replaced {
            return Ok((converted.data, converted.is_changed));
        }
        self.is_replaced = false;
        // The new parameter sets are also sent in band: a stream keeps its header.
        Ok((self.format.with_sets(converted.data), true))
    }

    /// Checks that the track can be described.
    fn check(&mut self) -> Result<(), Fault> {
        self.format.track(self.number).map(drop)
    }
}
