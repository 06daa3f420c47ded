//! Frames that are read from a file by an index of their offsets.

use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Chunks, Track, TrackKind, TrackNumber};

use super::error::Fault;
use super::input::Input;
use super::payload::PayloadFormat;
use super::timeline::{self, Stream};
use super::{MediaEvent, Sample};

/// Reads frames by an index of a file.
///
/// Memory: 72 bytes per frame, for at most [`MAX_SAMPLES`](super::MAX_SAMPLES) frames, and some consecutive frames.
#[derive(Debug)]
pub(super) struct Indexed {
    input: Input,
    tracks: Vec<IndexedTrack>,
    index: Vec<Entry>,
    next: usize,
    ahead: Ahead,
    /// The frame that follows an event of changed tracks.
    held: Option<Sample>,
}

/// The bytes read last: some consecutive frames.
#[derive(Debug, Default)]
struct Ahead {
    at: u64,
    bytes: Bytes,
}

/// Bytes to read at a time where short frames are consecutive.
const AHEAD: u64 = 64 << 10;
/// Most bytes between two frames that are read together: the header of a Matroska block.
const GAP: u64 = 64;

/// A track with its sample descriptions.
#[derive(Debug)]
pub(super) struct IndexedTrack {
    pub(super) number: TrackNumber,
    pub(super) kind: TrackKind,
    pub(super) formats: Vec<PayloadFormat>,
    /// Index of the format of the last frame.
    pub(super) current: u16,
}

/// One frame: its times, and its offset and length in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) track: TrackNumber,
    pub(super) pts: Duration,
    pub(super) dts: Duration,
    pub(super) keyframe: bool,
    pub(super) at: u64,
    pub(super) len: u64,
    pub(super) format: u16,
}

impl Indexed {
    pub(super) fn new(input: Input, streams: Vec<Stream>) -> Result<Self, Fault> {
        let (tracks, index) = timeline::interleave(streams)?;
        Ok(Self { input, tracks, index, next: 0, ahead: Ahead::default(), held: None })
    }

    /// Returns the tracks, video first, as they are at the current frame.
    pub(super) fn tracks(&self) -> Result<Vec<Track>, Fault> {
        self.tracks.iter().map(|track| track.format().ok_or(Fault::NoFrames)?.track(track.number)).collect()
    }

    pub(super) fn duration(&self) -> Duration {
        self.index.iter().map(|entry| entry.pts).max().unwrap_or_default()
    }

    /// Drops what is shown before the first picture, and returns how long that is.
    pub(super) fn starting_with_video(&mut self) -> Duration {
        let video = self.tracks.iter().find(|track| track.kind == TrackKind::Video);
        video.map_or(Duration::ZERO, |video| timeline::start_with(&mut self.index, video.number))
    }

    pub(super) fn next_event(&mut self) -> Result<Option<MediaEvent>, Fault> {
        if let Some(sample) = self.held.take() {
            return Ok(Some(MediaEvent::Sample(sample)));
        }
        let Some(&entry) = self.index.get(self.next) else { return Ok(None) };
        let bytes = self.bytes_of(entry)?;
        let Some(track) = self.tracks.iter_mut().find(|track| track.number == entry.track) else { return Ok(None) };
        let (data, is_changed) = track.payload(bytes, entry)?;
        self.next += 1;
        let sample = Sample { track: entry.track, pts: entry.pts, dts: entry.dts, keyframe: entry.keyframe, data };
        if !is_changed {
            return Ok(Some(MediaEvent::Sample(sample)));
        }
        self.held = Some(sample);
        Ok(Some(MediaEvent::Tracks(self.tracks()?)))
    }

    /// Returns the bytes of the next frame; reads the file only if they were not read with earlier frames.
    fn bytes_of(&mut self, entry: Entry) -> Result<Bytes, Fault> {
        if let Some(bytes) = self.ahead.bytes_of(entry) {
            return Ok(bytes);
        }
        let bytes = self.input.read_up_to(entry.at, self.together(entry))?;
        self.ahead = Ahead { at: entry.at, bytes };
        match self.ahead.bytes_of(entry) {
            Some(bytes) => Ok(bytes),
            None => self.input.read(entry.at, entry.len),
        }
    }

    /// Returns how many bytes from the start of the next frame on are consecutive frames.
    fn together(&self, first: Entry) -> u64 {
        let mut len = first.len;
        for entry in self.index.get(self.next..).unwrap_or_default().iter().skip(1) {
            let (end, next) = (first.at.saturating_add(len), entry.at.saturating_add(entry.len));
            let near = entry.at.checked_sub(end).is_some_and(|gap| gap <= GAP);
            if !near || next - first.at > AHEAD {
                break;
            }
            len = next - first.at;
        }
        len
    }

    /// Size of the file in bytes.
    pub(super) const fn file_bytes(&self) -> u64 {
        self.input.len
    }
}

impl IndexedTrack {
    fn format(&self) -> Option<&PayloadFormat> {
        self.formats.get(usize::from(self.current))
    }

    /// Returns the payload of a frame, and whether the track changes with it.
    fn payload(&mut self, bytes: Bytes, entry: Entry) -> Result<(Chunks, bool), Fault> {
        let switches = entry.format != self.current;
        self.current = entry.format;
        let format = self.formats.get_mut(usize::from(entry.format)).ok_or(Fault::NoFrames)?;
        let converted = format.payload(Chunks::from(bytes), entry.keyframe).map_err(|error| {
            let Entry { pts, at, .. } = entry;
            Fault::Damaged(format!("the frame of track {} at {pts:?}, offset {at}: {error}", entry.track))
        })?;
        // The new parameter sets are also sent in band: a stream keeps its header.
        let data = if switches { format.with_sets(converted.data) } else { converted.data };
        Ok((data, switches || converted.is_changed))
    }
}

impl Ahead {
    fn bytes_of(&self, entry: Entry) -> Option<Bytes> {
        let start = usize::try_from(entry.at.checked_sub(self.at)?).ok()?;
        let end = start.checked_add(usize::try_from(entry.len).ok()?)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
    }
}

#[cfg(test)]
mod tests {
    use kvs_mkv::CodecId;

    use super::super::timeline::Unit;
    use super::*;

    #[test]
    fn frames_read_together_equal_frames_read_alone() {
        let file: Vec<u8> = (0..520_000_u32).map(|n| (n % 251) as u8).collect();
        let input = Input::in_memory("recording", Bytes::from(file));
        let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::MJPEG);
        // Frames of all sizes; every tenth leaves a gap.
        let (mut at, mut units) = (0, Vec::new());
        for number in 0..600_u64 {
            let len = 1 + number * 37 % 1500;
            let time = i64::try_from(number).unwrap() * 1_000_000;
            units.push(Unit { pts: time, dts: time, keyframe: true, at, len, format: 0 });
            at += len + if number % 10 == 0 { 100 } else { number % 10 };
        }
        let stream = Stream::new(TrackKind::Video, PayloadFormat::Plain(track), units);
        let mut indexed = Indexed::new(input, vec![stream]).unwrap();
        let mut reads = Vec::new();
        for (next, entry) in indexed.index.clone().into_iter().enumerate() {
            indexed.next = next;
            let bytes = indexed.bytes_of(entry).unwrap();
            assert_eq!(bytes, indexed.input.read(entry.at, entry.len).unwrap(), "{entry:?}");
            assert!(indexed.ahead.bytes.len() as u64 <= AHEAD.max(entry.len));
            reads.push(indexed.ahead.at);
        }
        let frames = reads.len();
        reads.dedup();
        assert!(reads.len() < frames / 4, "{} reads for {frames} frames", reads.len());
    }
}
