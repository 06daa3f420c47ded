//! MP4 that arrives: fragmented, or with its index in front of the media.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};
use kvs_mkv::Chunks;

use super::boxes::{Box, HEADER_BYTES, Head, head, name};
use super::edits::Part;
use super::fragments::Fragments;
use super::tail::Tail;
use super::track::{self, Mp4Track};
use super::{MAX_INDEX_BYTES, STANDARD_BOXES, tables};
use crate::demux::{DemuxFrame, DemuxTrack, Demuxed, Demuxer};
use crate::error::Fault;
use crate::notice::{Notice, NoticeKind};
use crate::{MAX_FRAME_BYTES, MAX_SAMPLES};

/// Reads boxes as they come. Frames are returned in the order of their offsets.
#[derive(Debug)]
pub(crate) struct Mp4Pipe {
    buffer: BytesMut,
    /// Offset of the buffer in the stream.
    at: u64,
    /// The box whose contents are passed over, except for frames.
    passing: Option<Passing>,
    movie: Option<Movie>,
    /// Frames that are announced, by their offsets.
    wanted: VecDeque<Wanted>,
    found: VecDeque<Demuxed>,
    /// Most frames that are announced: [`MAX_SAMPLES`] but for tests.
    limit: usize,
    /// Whether it was checked that nothing is missing.
    is_reported: bool,
}

/// A box that is not kept, or what follows the last box.
#[derive(Debug)]
struct Passing {
    kind: [u8; 4],
    at: u64,
    /// `u64::MAX` if only the end of the stream ends it.
    end: u64,
    /// Set if it may be no box of the recording.
    tail: Option<Tail>,
}

/// The movie box and the state of its fragments.
#[derive(Debug)]
struct Movie {
    payload: Bytes,
    at: u64,
    is_fragmented: bool,
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
        Self {
            buffer: BytesMut::new(),
            at: 0,
            passing: None,
            movie: None,
            wanted: VecDeque::new(),
            found: VecDeque::new(),
            limit: MAX_SAMPLES,
            is_reported: false,
        }
    }

    /// Reads what comes next; returns false if more bytes are needed.
    fn step(&mut self, is_end: bool) -> Result<bool, Fault> {
        if let Some(passing) = &self.passing {
            let end = passing.end;
            return self.pass(end);
        }
        let Some(head) = self.head(is_end)? else { return Ok(self.passing.is_some()) };
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
            kind => {
                // One that nobody knows, or that never ends, may hide the rest of the recording.
                let is_certain = self.movie.is_none() || STANDARD_BOXES.contains(&kind) && !head.is_open;
                let tail = (!is_certain).then(|| Tail::new(self.at));
                self.passing = Some(Passing { kind: *kind, at: self.at, end, tail });
            }
        }
        Ok(true)
    }

    /// The head of the next box. What cannot be one is passed over.
    fn head(&mut self, is_end: bool) -> Result<Option<Head>, Fault> {
        let enough = self.buffer.len() as u64 >= HEADER_BYTES || is_end && self.buffer.len() >= 8;
        if !enough {
            return Ok(None);
        }
        // A recorder that reserves its file leaves zeros behind the last box.
        let is_zero = self.buffer.iter().take(8).all(|&byte| byte == 0);
        let is_box = |head: &Head| !is_zero && (head.kind != *b"moof" || head.len <= MAX_INDEX_BYTES);
        match head(&self.buffer, self.at, u64::MAX - self.at) {
            Some(Ok(head)) if self.movie.is_none() || is_box(&head) => Ok(Some(head)),
            Some(Err(error)) if self.movie.is_none() => Err(Fault::damaged(error)),
            Some(_) => {
                let tail = Some(Tail::new(self.at));
                self.passing = Some(Passing { kind: [0; 4], at: self.at, end: u64::MAX, tail });
                Ok(None)
            }
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
    fn pass(&mut self, end: u64) -> Result<bool, Fault> {
        let wanted = self.wanted.front().filter(|wanted| wanted.at < end);
        let Some(wanted) = wanted else {
            self.skip(end);
            self.passing.take_if(|passing| passing.end <= self.at);
            return Ok(self.passing.is_none());
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
        let skipped = self.buffer.split_to(usize::try_from(count).unwrap_or(0));
        self.at = self.at.saturating_add(count);
        if let Some(tail) = self.passing.as_mut().and_then(|passing| passing.tail.as_mut()) {
            tail.take(&skipped);
        }
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
        let (mut left, mut ends) = (self.limit, Vec::new());
        let mut wanted = Vec::new();
        for track in tracks.iter_mut().filter(|track| track.is_read()) {
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
        let fragments = Fragments::new(&parsed, &ends, self.limit)?;
        let described = tracks.iter().map(|track| (track.id, 1)).collect();
        self.found.push_back(Demuxed::Tracks(tracks.iter().map(|track| described_as(track, 1)).collect()));
        let is_fragmented = parsed.child(b"mvex")?.is_some();
        self.movie = Some(Movie { payload, at, is_fragmented, fragments, described });
        self.announce(wanted)
    }

    fn fragment(&mut self, payload: &Bytes, at: u64) -> Result<(), Fault> {
        let Some(movie) = &mut self.movie else {
            return Err(Fault::Refused(super::WITHOUT_INDEX.to_owned()));
        };
        let parsed = Box { kind: *b"moov", at: movie.at, payload: &movie.payload };
        let mut tracks = track::tracks(&parsed)?;
        movie.fragments.read(&Box { kind: *b"moof", at, payload }, &mut tracks)?;
        // Nothing is kept of earlier fragments, so only the frames that wait are counted.
        movie.fragments.forget();
        movie.is_fragmented = true;
        let mut wanted = Vec::new();
        for track in tracks.iter().filter(|track| track.is_read() && !track.entries.is_empty()) {
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
        if self.wanted.len().saturating_add(wanted.len()) > self.limit {
            return Err(super::Mp4Error::TooManySamples { limit: self.limit }.into());
        }
        self.wanted.extend(wanted);
        self.wanted.make_contiguous().sort_by_key(|wanted| wanted.at);
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let Some(movie) = &self.movie else {
            return Err(Fault::Truncated("it ends before its index ('moov' box)".to_owned()));
        };
        let missing: u64 = self.wanted.iter().map(|wanted| wanted.len).sum();
        let frames = self.wanted.len();
        let interrupted =
            |text: String| Some(Notice::new(NoticeKind::Interrupted, format!("the recording was interrupted: {text}")));
        let notice = match &self.passing {
            _ if frames > 0 => {
                interrupted(format!("{frames} frames ({missing} bytes) of its last fragment are missing"))
            }
            Some(Passing { tail: Some(tail), kind, .. }) => {
                let is_known = STANDARD_BOXES.contains(&kind);
                tail.notice(movie.is_fragmented).filter(|_| !is_known || movie.is_fragmented && tail.has_fragments())
            }
            Some(Passing { kind, at, end, .. }) if *end < u64::MAX => interrupted(format!(
                "the '{}' box at offset {at} has {} of {} bytes",
                name(*kind),
                self.at.saturating_sub(*at),
                end.saturating_sub(*at)
            )),
            None if !self.buffer.is_empty() => {
                interrupted(format!("the box at offset {} has only {} bytes", self.at, self.buffer.len()))
            }
            _ => None,
        };
        self.found.extend(notice.map(Demuxed::Notice));
        Ok(())
    }
}

impl Demuxer for Mp4Pipe {
    fn push(&mut self, bytes: Bytes) {
        self.buffer.extend_from_slice(&bytes);
    }

    fn next(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault> {
        loop {
            if let Some(found) = self.found.pop_front() {
                return Ok(Some(found));
            }
            if self.step(is_end)? {
                continue;
            }
            if !is_end || self.is_reported {
                return Ok(None);
            }
            self.is_reported = true;
            self.end()?;
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The movie box of a fragmented recording with one track, number 1.
    fn movie() -> Bytes {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/twodesc_frag.mp4");
        let file = Bytes::from(std::fs::read(path).unwrap());
        let at = file.windows(4).position(|window| window == b"moov").unwrap() - 4;
        let size = u32::from_be_bytes(*file[at..].first_chunk().unwrap());
        file.slice(at..at + usize::try_from(size).unwrap())
    }

    fn boxed(kind: &[u8; 4], payload: &[u8]) -> Vec<u8> {
        let size = u32::try_from(payload.len() + 8).unwrap();
        [&size.to_be_bytes(), &kind[..], payload].concat()
    }

    /// A fragment that announces so many frames of this size, without the frames.
    fn fragment(count: u32, size: u32) -> Vec<u8> {
        let header = boxed(b"tfhd", &[[0, 0, 0, 0x10], 1u32.to_be_bytes(), size.to_be_bytes()].concat());
        let run = boxed(b"trun", &[[0; 4], count.to_be_bytes()].concat());
        boxed(b"moof", &boxed(b"traf", &[header, run].concat()))
    }

    fn announced(limit: usize, fragments: &[Vec<u8>]) -> Result<usize, Fault> {
        let mut pipe = Mp4Pipe::new();
        pipe.limit = limit;
        pipe.push(movie());
        fragments.iter().for_each(|fragment| pipe.push(fragment.clone().into()));
        while pipe.next(false)?.is_some() {}
        Ok(pipe.wanted.len())
    }

    #[test]
    fn frames_that_never_come_are_bounded() {
        let [ten, one] = [10, 1].map(|count| fragment(count, 1000));
        assert!(matches!(announced(20, &[ten.clone(), ten.clone()]), Ok(20)));
        let refused = announced(20, &[ten.clone(), ten.clone(), one]);
        assert!(matches!(&refused, Err(Fault::Damaged(text)) if text.contains("more than 20 frames")), "{refused:?}");
        assert!(announced(9, &[ten]).is_err(), "one fragment alone");
        assert_eq!(Mp4Pipe::new().limit, MAX_SAMPLES);
    }

    #[test]
    fn size_of_an_announced_frame_is_bounded() {
        let limit = u32::try_from(MAX_FRAME_BYTES).unwrap();
        assert!(matches!(announced(20, &[fragment(1, limit)]), Ok(1)));
        let refused = announced(20, &[fragment(1, limit + 1)]);
        assert!(matches!(&refused, Err(Fault::Damaged(text)) if text.contains("more than 50000000")), "{refused:?}");
    }
}
