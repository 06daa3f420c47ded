//! MP4 that arrives: fragmented, or with its index in front of the media.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use kvs_mkv::{Chunks, TrackKind};

use super::boxes::{Box, HEADER_BYTES, Head, head};
use super::edits::Part;
use super::fragments::Fragments;
use super::track::{self, Mp4Track};
use super::{MAX_INDEX_BYTES, tables};
use crate::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::notice::{Notice, NoticeKind};
use crate::{MAX_FRAME_BYTES, MAX_SAMPLES};

/// Reads boxes as they come. Frames are returned in the order of their offsets.
#[derive(Debug, Default)]
pub(crate) struct Mp4Pipe {
    buffer: BytesMut,
    /// Offset of the buffer in the stream.
    at: u64,
    /// End of the box whose contents are passed over, except for frames.
    until: u64,
    movie: Option<Movie>,
    /// Frames that are announced, by their offsets.
    wanted: VecDeque<Wanted>,
    found: VecDeque<Demuxed>,
    is_finished: bool,
    /// Nothing behind can be read.
    is_ended: bool,
    /// Whether it was checked that nothing is missing.
    is_reported: bool,
}

/// The movie box and the state of its fragments.
#[derive(Debug)]
struct Movie {
    payload: Bytes,
    at: u64,
    fragments: Fragments,
    /// The sample description of each track that was announced last, by track id.
    described: Vec<(u32, u32)>,
}

/// A frame that is still to come.
#[derive(Debug)]
struct Wanted {
    at: u64,
    len: u64,
    track: u32,
    description: u32,
    pts: i64,
    dts: i64,
    keyframe: bool,
}

impl Movie {
    fn parse(&self) -> Box<'_> {
        Box { kind: *b"moov", at: self.at, payload: &self.payload }
    }
}

impl Mp4Pipe {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Reads what comes next; returns false if more bytes are needed.
    fn step(&mut self) -> Result<bool, Fault> {
        if self.at < self.until {
            return self.pass();
        }
        let Some(head) = self.head()? else { return Ok(false) };
        let end = self.at.saturating_add(head.len);
        match &head.kind {
            b"moov" | b"moof" => {
                let Some(payload) = self.whole(&head)? else { return Ok(false) };
                let at = self.at;
                self.at = end;
                if head.kind == *b"moov" { self.movie(payload, at)? } else { self.fragment(&payload, at)? }
            }
            b"mdat" if self.movie.is_none() => {
                let what = "its index is behind the media, so it cannot be read from a pipe; write it to a file first, or write it with: \
                            ffmpeg -i IN -c copy -movflags frag_keyframe+empty_moov -f mp4 -";
                return Err(Fault::Refused(what.to_owned()));
            }
            _ => self.until = end,
        }
        Ok(true)
    }

    /// The head of the next box.
    fn head(&mut self) -> Result<Option<Head>, Fault> {
        let enough = self.buffer.len() as u64 >= HEADER_BYTES || self.is_finished && self.buffer.len() >= 8;
        if !enough {
            return Ok(None);
        }
        // A recorder that reserves its file leaves zeros behind the last box.
        if self.movie.is_some() && self.buffer.iter().take(8).all(|&byte| byte == 0) {
            self.is_ended = true;
            return Ok(None);
        }
        match head(&self.buffer, self.at, u64::MAX - self.at) {
            Some(Ok(head)) => Ok(Some(head)),
            // What cannot be a box behind the movie belongs to the camera, not to the recording.
            Some(Err(_)) if self.movie.is_some() => {
                self.is_ended = true;
                Ok(None)
            }
            Some(Err(error)) => Err(Fault::damaged(error)),
            None => Ok(None),
        }
    }

    /// The payload of a box, once all of it is there.
    fn whole(&mut self, head: &Head) -> Result<Option<Bytes>, Fault> {
        if head.len > MAX_INDEX_BYTES {
            return Err(Fault::Damaged(format!("its index has {} bytes, more than {MAX_INDEX_BYTES}", head.len)));
        }
        let [len, header] = [head.len, head.header_len].map(|len| usize::try_from(len).unwrap_or(usize::MAX));
        if self.buffer.len() < len {
            return Ok(None);
        }
        let mut whole = self.buffer.split_to(len).freeze();
        whole.advance(header.min(whole.len()));
        Ok(Some(whole))
    }

    /// Passes over the contents of a box and takes the frames in it; returns false if more bytes are needed.
    fn pass(&mut self) -> Result<bool, Fault> {
        let wanted = self.wanted.front().filter(|wanted| wanted.at < self.until);
        let Some(wanted) = wanted else {
            self.skip(self.until);
            return Ok(self.at >= self.until);
        };
        if wanted.at < self.at {
            return Err(Fault::Refused(format!(
                "a frame at offset {} comes before its index, so it cannot be read from a pipe; write it to a file first",
                wanted.at
            )));
        }
        let (at, len) = (wanted.at, usize::try_from(wanted.len).unwrap_or(usize::MAX));
        self.skip(at);
        if self.at < at || self.buffer.len() < len {
            return Ok(false);
        }
        let data = self.buffer.split_to(len).freeze();
        self.at = self.at.saturating_add(len as u64);
        if let Some(wanted) = self.wanted.pop_front() {
            self.frame(&wanted, data)?;
        }
        Ok(true)
    }

    /// Drops bytes up to this offset, as far as they are there.
    fn skip(&mut self, to: u64) {
        let count = to.saturating_sub(self.at).min(self.buffer.len() as u64);
        self.buffer.advance(usize::try_from(count).unwrap_or(0));
        self.at = self.at.saturating_add(count);
    }

    fn frame(&mut self, wanted: &Wanted, data: Bytes) -> Result<(), Fault> {
        let Some(movie) = &mut self.movie else { return Ok(()) };
        let described = movie.described.iter_mut().find(|(track, _)| *track == wanted.track);
        if let Some((_, description)) = described.filter(|(_, description)| *description != wanted.description) {
            *description = wanted.description;
            let tracks = track::tracks(&movie.parse())?;
            let track = tracks.iter().find(|track| track.id == wanted.track);
            self.found.extend(track.map(|track| Demuxed::Tracks(vec![described_as(track, wanted.description)])));
        }
        let Wanted { track, pts, dts, keyframe, .. } = *wanted;
        let (track, dts, data) = (track.into(), Some(dts), Chunks::from(data));
        if !data.is_empty() {
            self.found.push_back(Demuxed::Frame(DemuxFrame { track, pts, dts, keyframe, data }));
        }
        Ok(())
    }

    fn movie(&mut self, payload: Bytes, at: u64) -> Result<(), Fault> {
        if self.movie.is_some() {
            return Ok(());
        }
        let parsed = Box { kind: *b"moov", at, payload: &payload };
        let mut tracks = track::tracks(&parsed)?;
        let (mut left, mut ends) = (MAX_SAMPLES, Vec::new());
        let mut wanted = Vec::new();
        for track in tracks.iter_mut().filter(|track| is_media(track)) {
            let (entries, end) = tables::entries(track, left)?;
            left = left.saturating_sub(entries.len());
            ends.push((track.id, end));
            track.entries = entries;
            let followed = track.follow()?;
            self.found.extend(track.preroll(&followed).map(Demuxed::Notice));
            for part in &followed.parts {
                want(track, part, &mut wanted)?;
            }
        }
        let fragments = Fragments::new(&parsed, &ends, MAX_SAMPLES)?;
        let described = tracks.iter().map(|track| (track.id, 1)).collect();
        self.found.push_back(Demuxed::Tracks(tracks.iter().map(|track| described_as(track, 1)).collect()));
        self.movie = Some(Movie { payload, at, fragments, described });
        self.announce(wanted)
    }

    fn fragment(&mut self, payload: &Bytes, at: u64) -> Result<(), Fault> {
        let Some(movie) = &mut self.movie else {
            return Err(Fault::Refused(
                "it starts with a fragment; join it where its index ('moov' box) is sent".to_owned(),
            ));
        };
        let parsed = Box { kind: *b"moov", at: movie.at, payload: &movie.payload };
        let mut tracks = track::tracks(&parsed)?;
        movie.fragments.read(&Box { kind: *b"moof", at, payload }, &mut tracks)?;
        // Nothing is kept of earlier fragments, so only the frames that wait are counted.
        movie.fragments.forget();
        let mut wanted = Vec::new();
        for track in tracks.iter().filter(|track| is_media(track) && !track.entries.is_empty()) {
            let mut part = track.shift().ok_or_else(|| {
                Fault::Refused(
                    "its edit list has several edits, which cannot be followed on a pipe; write it to a file first"
                        .to_owned(),
                )
            })?;
            part.to = track.entries.len();
            want(track, &part, &mut wanted)?;
        }
        self.announce(wanted)
    }

    fn announce(&mut self, wanted: Vec<Wanted>) -> Result<(), Fault> {
        // A fragment of some bytes can announce millions of frames whose bytes never come.
        if self.wanted.len().saturating_add(wanted.len()) > MAX_SAMPLES {
            return Err(super::Mp4Error::TooManySamples { limit: MAX_SAMPLES }.into());
        }
        self.wanted.extend(wanted);
        self.wanted.make_contiguous().sort_by_key(|wanted| wanted.at);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        if self.movie.is_none() {
            return Err(Fault::Truncated("it ends before its index ('moov' box)".to_owned()));
        }
        let missing: u64 = self.wanted.iter().map(|wanted| wanted.len).sum();
        let frames = self.wanted.len();
        let text = if frames > 0 {
            format!("the recording was interrupted: {frames} frames ({missing} bytes) of its last fragment are missing")
        } else if !self.buffer.is_empty() && !self.is_ended {
            format!("the recording was interrupted: the box at offset {} has only {} bytes", self.at, self.buffer.len())
        } else {
            return Ok(());
        };
        self.found.push_back(Demuxed::Notice(Notice::new(NoticeKind::Interrupted, text)));
        Ok(())
    }
}

impl Demuxer for Mp4Pipe {
    fn push(&mut self, bytes: Bytes) {
        if !self.is_ended {
            self.buffer.extend_from_slice(&bytes);
        }
    }

    fn finish(&mut self) {
        self.is_finished = true;
    }

    fn next(&mut self) -> Result<Option<Demuxed>, Fault> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            if !self.is_ended && self.step()? {
                continue;
            }
            if !self.is_finished || self.is_reported {
                return Ok(None);
            }
            self.is_reported = true;
            self.end()?;
        }
    }
}

fn is_media(track: &Mp4Track<'_>) -> bool {
    matches!(track.kind, TrackKind::Video | TrackKind::Audio)
}

/// Announces the frames of a part of a track.
fn want(track: &Mp4Track<'_>, part: &Part, wanted: &mut Vec<Wanted>) -> Result<(), Fault> {
    for entry in track.entries.get(part.from..part.to).unwrap_or_default() {
        let len = u64::from(entry.size);
        if len > MAX_FRAME_BYTES {
            return Err(Fault::Damaged(format!(
                "the frame at offset {} has {len} bytes, more than {MAX_FRAME_BYTES}",
                entry.offset
            )));
        }
        let (pts, dts) = (track.time(part, entry.composed()), track.time(part, entry.dts));
        let (at, keyframe, description) = (entry.offset, entry.keyframe, entry.description);
        wanted.push(Wanted { at, len, track: track.id, description, pts, dts, keyframe });
    }
    Ok(())
}

fn described_as(track: &Mp4Track<'_>, description: u32) -> DemuxTrack {
    let candidate = track.candidate();
    let (config, format) = match track.description(description) {
        Ok((config, format)) => (config, Ok(format)),
        Err(fault) => (Bytes::new(), Err(fault)),
    };
    DemuxTrack {
        id: track.id.into(),
        kind: track.kind,
        enabled: candidate.enabled,
        codec: candidate.codec,
        config,
        format,
    }
}
