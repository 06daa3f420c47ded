//! Which tracks a container has, found out before frames are returned.

use std::collections::VecDeque;

use kvs_mkv::{TrackKind, TrackNumber};

use super::StreamedTrack;
use super::source::Source;
use crate::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::merge::MOST_REORDERED;
use crate::notice::{Notice, NoticeKind};
use crate::options::ReaderOptions;
use crate::selection::{self, Candidate};

/// Most bytes of a pipe that are read before its tracks are known.
pub(super) const PROBE_BYTES: usize = 8 << 20;
/// Most media of a pipe that is read before its tracks are known: a track without frames until then is left out.
const PROBE_TIME: i64 = 5_000_000_000;

/// What is found out before frames are returned.
#[derive(Debug, Default)]
pub(super) struct Scan {
    pub(super) seen: Vec<Seen>,
    pub(super) notices: Vec<Notice>,
}

impl Scan {
    /// Reads everything.
    pub(super) fn all(&mut self, bytes: &mut Source, demuxer: &mut dyn Demuxer) -> Result<(), Fault> {
        let mut more = true;
        while more {
            more = bytes.feed(demuxer)?;
            while let Some(found) = demuxer.next(!more)? {
                self.take(found)?;
            }
        }
        Ok(())
    }

    /// Reads until all tracks have frames and are described, and returns what was read.
    pub(super) fn until_known(
        &mut self,
        bytes: &mut Source,
        demuxer: &mut dyn Demuxer,
    ) -> Result<VecDeque<Demuxed>, Fault> {
        let (mut kept, mut size, mut more) = (VecDeque::new(), 0usize, true);
        loop {
            while let Some(found) = demuxer.next(!more)? {
                match found {
                    Demuxed::Frame(frame) => {
                        size = size.saturating_add(frame.data.len());
                        self.frame(&frame)?;
                        kept.push_back(Demuxed::Frame(frame));
                    }
                    Demuxed::Tags(tags) => kept.push_back(Demuxed::Tags(tags)),
                    // A later description of a known track switches it when its frames are returned.
                    Demuxed::Tracks(tracks) => kept.push_back(Demuxed::Tracks(self.describe(tracks))),
                    found => self.take(found)?,
                }
                if self.is_known() || size > PROBE_BYTES || self.span() > PROBE_TIME {
                    return Ok(kept);
                }
            }
            if !more {
                return Ok(kept);
            }
            more = bytes.feed(demuxer)?;
        }
    }

    fn take(&mut self, found: Demuxed) -> Result<(), Fault> {
        match found {
            Demuxed::Tracks(tracks) => {
                self.describe(tracks);
                Ok(())
            }
            Demuxed::Frame(frame) => self.frame(&frame),
            Demuxed::Tags(_) => Ok(()),
            Demuxed::Notice(notice) => {
                self.notices.push(notice);
                Ok(())
            }
        }
    }

    /// Takes the tracks that are new, or had no frame yet, and returns the others.
    fn describe(&mut self, tracks: Vec<DemuxTrack>) -> Vec<DemuxTrack> {
        let mut later = Vec::new();
        for track in tracks {
            let has_room = self.seen.len() < MAX_TRACKS;
            match self.seen.iter_mut().find(|seen| seen.track.id == track.id) {
                Some(seen) if seen.frames == 0 => seen.track = track,
                Some(_) => later.push(track),
                None if has_room => {
                    self.seen.push(Seen::new(track));
                }
                None => {}
            }
        }
        later
    }

    fn frame(&mut self, frame: &DemuxFrame) -> Result<(), Fault> {
        let Some(seen) = self.seen.iter_mut().find(|seen| seen.track.id == frame.track) else { return Ok(()) };
        seen.count(frame.pts);
        if let Ok(format) = &mut seen.track.format
            && format.is_unsettled()
        {
            let payload = format.payload(frame.data.clone(), frame.keyframe);
            payload.map_err(|error| Fault::Damaged(format!("a frame of track {}: {error}", frame.track)))?;
        }
        Ok(())
    }

    fn is_known(&self) -> bool {
        let is_settled = |track: &DemuxTrack| track.format.as_ref().is_ok_and(|format| !format.is_unsettled());
        let media = |track: &DemuxTrack| {
            let is_taken = !matches!(track.format, Err(Fault::NotTaken { .. }));
            matches!(track.kind, TrackKind::Video | TrackKind::Audio) && is_taken
        };
        !self.seen.is_empty()
            && self.seen.iter().all(|seen| !media(&seen.track) || seen.frames > 0 && is_settled(&seen.track))
    }

    /// Time between the first and the last frame so far.
    fn span(&self) -> i64 {
        // Tracks of unknown codecs have no times.
        let filled = || self.seen.iter().filter(|seen| seen.frames > 0 && seen.track.format.is_ok());
        let (first, last) = (filled().map(|seen| seen.first).min(), filled().map(|seen| seen.last).max());
        last.unwrap_or(0).saturating_sub(first.unwrap_or(0))
    }

    pub(super) fn is_interrupted(&self) -> bool {
        self.notices.iter().any(|notice| notice.kind == NoticeKind::Interrupted)
    }

    /// Returns the chosen tracks.
    pub(super) fn choose(self, options: &ReaderOptions, notices: &mut Vec<Notice>) -> Result<Chosen, Fault> {
        let candidates: Vec<Candidate> = self.seen.iter().map(Seen::candidate).collect();
        let (chosen, left_out) = selection::choose(&candidates, options)?;
        notices.extend(left_out);
        if chosen.is_empty() {
            // A transport stream may have pictures, but no key frame.
            let skipped = notices.iter().find(|notice| notice.kind == NoticeKind::Skipped);
            return Err(skipped.map_or(Fault::NoFrames, |notice| Fault::Damaged(format!("it has no frames: {notice}"))));
        }
        let mut seen: Vec<_> = self.seen.into_iter().map(Some).collect();
        let (mut tracks, mut left, mut last) = (Vec::new(), Vec::new(), i64::MIN);
        for (index, number) in chosen.into_iter().zip([TrackNumber::ONE, TrackNumber::TWO, TrackNumber::THREE]) {
            let Some(seen) = seen.get_mut(index).and_then(Option::take) else { continue };
            let DemuxTrack { id, kind, config, format, .. } = seen.track;
            tracks.push(StreamedTrack {
                id,
                number,
                kind,
                config,
                format: format?,
                first: seen.first,
                is_replaced: false,
            });
            left.push((seen.frames, seen.reordered));
            last = last.max(seen.last);
        }
        Ok(Chosen { tracks, left, last })
    }
}

/// The tracks that are returned.
pub(super) struct Chosen {
    pub(super) tracks: Vec<StreamedTrack>,
    /// For each track the number of its frames, and of the frames that may follow one that is shown later.
    pub(super) left: Vec<(u64, usize)>,
    /// Time of the last frame.
    pub(super) last: i64,
}

/// Most tracks that are looked at.
pub(super) const MAX_TRACKS: usize = 1000;

/// What is known of a track after some or all of its frames.
#[derive(Debug)]
pub(super) struct Seen {
    pub(super) track: DemuxTrack,
    frames: u64,
    first: i64,
    last: i64,
    /// The last presentation times, and how many frames follow one that is shown later.
    recent: VecDeque<i64>,
    reordered: usize,
}

impl Seen {
    const fn new(track: DemuxTrack) -> Self {
        Self { track, frames: 0, first: i64::MAX, last: i64::MIN, recent: VecDeque::new(), reordered: 0 }
    }

    fn count(&mut self, pts: i64) {
        self.frames += 1;
        (self.first, self.last) = (self.first.min(pts), self.last.max(pts));
        let later = self.recent.iter().position(|earlier| *earlier > pts);
        self.reordered = self.reordered.max(later.map_or(0, |at| self.recent.len() - at));
        if self.recent.len() >= MOST_REORDERED {
            self.recent.pop_front();
        }
        self.recent.push_back(pts);
    }

    fn candidate(&self) -> Candidate {
        let has_frames = self.frames > 0;
        let DemuxTrack { kind, enabled, ref codec, ref format, .. } = self.track;
        let is_taken = !matches!(format, Err(Fault::NotTaken { .. }));
        Candidate { kind, enabled, has_frames, is_taken, codec: codec.clone() }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use kvs_mkv::Chunks;

    use super::*;
    use crate::nal_track::{NalCodec, NalTrack};
    use crate::payload::PayloadFormat;

    fn track(id: u64, format: Result<PayloadFormat, Fault>) -> DemuxTrack {
        let (kind, codec, config) = (TrackKind::Video, String::new(), Bytes::new());
        DemuxTrack { id, kind, enabled: true, codec, config, format }
    }

    fn frame(track: u64, pts: i64) -> DemuxFrame {
        DemuxFrame { track, pts, dts: None, keyframe: false, data: Chunks::from(vec![0, 0, 0, 1, 1]) }
    }

    #[test]
    fn track_of_an_unknown_codec_does_not_end_the_search() {
        let nal = NalTrack::new(NalCodec::H264, Bytes::new(), kvs_mkv::VideoSettings::new(0, 0));
        let unknown = Fault::Codec { kind: "video", codec: "MPEG-2 video".to_owned() };
        let mut scan = Scan::default();
        scan.describe(vec![track(1, Err(unknown)), track(2, Ok(PayloadFormat::Nal(Box::new(nal))))]);
        // It has no times; those of a transport stream begin anywhere.
        scan.frame(&frame(1, 0)).unwrap();
        scan.frame(&frame(2, 36_000_000_000_000)).unwrap();
        assert_eq!(scan.span(), 0);
        scan.frame(&frame(2, 36_006_000_000_000)).unwrap();
        assert_eq!(scan.span(), 6_000_000_000);
    }
}
