//! A live ADTS byte stream, as encoders write it into a pipe, becomes frames.

use std::collections::VecDeque;

use bytes::{Buf, Bytes, BytesMut};

use super::adts::SHORT_HEADER;
use super::surroundings::{self, TAG_HEAD, TRAILER_SEARCH, Tag};
use super::{AdtsError, AdtsHeader};
use crate::{Track, TrackNumber};

/// Splits a live ADTS byte stream into AAC frames without headers.
///
/// Bytes are pushed in any pieces; how they are divided does not change the result. A frame is returned when the header of the
/// next one follows it, so it comes one frame late; the last one comes from [`finish`](Self::finish). Bytes that are not a
/// whole frame followed by a header (a cut frame, garbage) are left out, counted and reported, and the splitter goes on at the next
/// two headers that fit together. Tags (ID3, APE) are passed over. A frame before a trailer of another kind is returned once 16 KB
/// behind it contain no frames.
///
/// Frames are slices of what was pushed; one that crosses pieces is copied.
///
/// Memory: what was pushed and is not yet split, and one frame (8 KB) with what may be a trailer (16 KB).
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::aac::{AdtsEvent, AdtsSplitter};
///
/// let mut splitter = AdtsSplitter::new(TrackNumber::TWO);
/// splitter.push(Bytes::from_static(b"\xff\xf1\x50\x80\x01\x3f\xfc\x21\x10"));
/// let Some(AdtsEvent::Track(track)) = splitter.finish()? else { panic!("the track comes first") };
/// assert_eq!(track.audio.map(|audio| audio.sampling_frequency), Some(44_100.0));
/// let Some(AdtsEvent::Frame(frame)) = splitter.finish()? else { panic!("then its frames") };
/// assert_eq!((frame.data, frame.samples, splitter.finish()?), (Bytes::from_static(b"\x21\x10"), 1024, None));
/// # Ok::<(), kvs_mkv::codec::aac::AdtsError>(())
/// ```
#[derive(Debug)]
pub struct AdtsSplitter {
    number: TrackNumber,
    input: VecDeque<Bytes>,
    /// Bytes in `input`.
    waiting: usize,
    /// Offset in the stream of the first byte of `input`.
    position: u64,
    /// Bytes to drop: the rest of a tag.
    tag: u64,
    /// Offset behind the last frame.
    frame_end: Option<u64>,
    skipped: Option<AdtsSkipped>,
    /// Object type, frequency and channels of the track returned last.
    format: Option<(u8, u32, u8)>,
    ready: VecDeque<AdtsEvent>,
    failed: Option<AdtsError>,
    is_ended: bool,
}

/// What comes next in an ADTS stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum AdtsEvent {
    /// The following frames belong to this track. It comes before the first frame, and again when the sampling frequency, the
    /// channels or the object type change: then a new session or file starts.
    Track(Track),
    /// One frame.
    Frame(AdtsUnit),
    /// Bytes were left out.
    Skipped(AdtsSkipped),
}

/// One AAC frame of a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsUnit {
    /// The raw AAC frame, without header and checksum.
    pub data: Bytes,
    /// Offset in the stream of `data`.
    pub data_at: u64,
    /// The whole ADTS frame with its header, from which a receiver can read new settings. One that has several raw data blocks
    /// is in each of them.
    pub framed: Bytes,
    /// Offset in the stream of the header before it.
    pub at: u64,
    /// Sampling frequency of the core in Hz.
    pub sampling_frequency: u32,
    /// Samples of the core per channel: 1,024.
    pub samples: u32,
}

/// Bytes of a stream that are not whole frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AdtsSkipped {
    /// Offset in the stream of the first one.
    pub at: u64,
    /// Their number.
    pub bytes: u64,
}

impl std::fmt::Display for AdtsSkipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes from offset {} are left out: they are no whole ADTS frame", self.bytes, self.at)
    }
}

/// What the start of the input is.
enum Found {
    /// A whole frame.
    Frame(AdtsHeader),
    /// A tag of this many bytes.
    Tag(u64),
    /// Neither; this many bytes can be left out.
    Garbage(usize),
    /// More bytes are needed.
    Unknown,
}

impl AdtsSplitter {
    /// Creates a splitter; its track has this number.
    #[must_use]
    pub const fn new(number: TrackNumber) -> Self {
        Self {
            number,
            input: VecDeque::new(),
            waiting: 0,
            position: 0,
            tag: 0,
            frame_end: None,
            skipped: None,
            format: None,
            ready: VecDeque::new(),
            failed: None,
            is_ended: false,
        }
    }

    /// Appends a piece of the stream.
    pub fn push(&mut self, piece: Bytes) {
        self.waiting = self.waiting.saturating_add(piece.len());
        if !piece.is_empty() {
            self.input.push_back(piece);
        }
    }

    /// Returns what comes next; `None` if more bytes are needed.
    ///
    /// # Errors
    /// [`AdtsError::SeveralBlocks`] for a frame with several raw data blocks and no checksum, and [`AdtsError::Config`]. Later
    /// calls return the same error.
    pub fn next_event(&mut self) -> Result<Option<AdtsEvent>, AdtsError> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            if let Some(error) = self.failed {
                return Err(error);
            }
            self.drop_tag();
            match self.find() {
                Found::Unknown => return Ok(None),
                Found::Garbage(bytes) => self.skip(bytes),
                Found::Tag(bytes) => self.tag = bytes,
                Found::Frame(header) => self.failed = self.frame(&header).err(),
            }
        }
    }

    /// Like [`next_event`](Self::next_event) at the end of the stream. Call it until it returns `None`; nothing can be pushed
    /// after it.
    ///
    /// # Errors
    /// The errors of [`next_event`](Self::next_event).
    pub fn finish(&mut self) -> Result<Option<AdtsEvent>, AdtsError> {
        self.is_ended = true;
        Ok(self.next_event()?.or_else(|| self.skipped.take().map(AdtsEvent::Skipped)))
    }

    /// Returns the bytes that are kept.
    #[must_use]
    pub const fn held(&self) -> usize {
        self.waiting
    }

    fn find(&mut self) -> Found {
        if self.waiting == 0 {
            return Found::Unknown;
        }
        let (len, is_ended) = (self.waiting, self.is_ended);
        let start = self.peek(TAG_HEAD);
        match Tag::of(start) {
            Tag::Len(bytes) => return Found::Tag(bytes),
            Tag::Unknown if is_ended => return Found::Garbage(len),
            Tag::Unknown => return Found::Unknown,
            Tag::None => {}
        }
        let header = match AdtsHeader::parse_any(start) {
            Ok(header) => header,
            Err(AdtsError::Truncated { .. }) if is_ended => return Found::Garbage(len),
            Err(AdtsError::Truncated { .. }) => return Found::Unknown,
            Err(_) => return Found::Garbage(self.to_next_sync()),
        };
        let end = header.frame_len;
        if len < end {
            // A cut frame at the end of the stream; a header may still be inside it.
            return if is_ended { Found::Garbage(self.to_next_sync()) } else { Found::Unknown };
        }
        match self.is_followed(end).and_then(|is_followed| if is_followed { Some(true) } else { self.is_last(&header) })
        {
            Some(true) => Found::Frame(header),
            Some(false) => Found::Garbage(self.to_next_sync()),
            None => Found::Unknown,
        }
    }

    /// Returns whether a frame that no header follows is whole, because it continues the stream and only a trailer is behind it;
    /// `None` if that is not yet known.
    fn is_last(&mut self, header: &AdtsHeader) -> Option<bool> {
        if self.frame_end != Some(self.position) || self.format != Some(format(header)) {
            return Some(false);
        }
        let needed = header.frame_len.saturating_add(TRAILER_SEARCH);
        if self.waiting < needed && !self.is_ended {
            return None;
        }
        Some(surroundings::is_last(self.peek(needed), header.frame_len))
    }

    /// Returns whether a header, a tag or the end of the stream follows the frame that ends at `end`; `None` if that is not yet
    /// known.
    fn is_followed(&mut self, end: usize) -> Option<bool> {
        let is_ended = self.is_ended;
        let next = self.peek(end.saturating_add(SHORT_HEADER)).get(end..).unwrap_or_default();
        match AdtsHeader::parse_any(next) {
            Ok(_) => Some(true),
            Err(AdtsError::Truncated { .. }) => is_ended.then_some(true),
            Err(_) if next.is_empty() => is_ended.then_some(true),
            Err(_) if surroundings::starts(next) => Some(true),
            Err(_) if surroundings::may_start(next) => is_ended.then_some(false),
            Err(_) => Some(false),
        }
    }

    /// Returns the distance to the next byte that may start a header or a tag: at least 1.
    fn to_next_sync(&self) -> usize {
        let first = self.input.front().map_or(&[][..], |piece| piece);
        let rest = first.get(1..).unwrap_or_default();
        let found = rest.iter().position(|&byte| byte == SYNC || surroundings::may_start(&[byte]));
        found.unwrap_or(rest.len()).saturating_add(1)
    }

    fn frame(&mut self, header: &AdtsHeader) -> Result<(), AdtsError> {
        let at = usize::try_from(self.position).unwrap_or(usize::MAX);
        let frame = self.take(header.frame_len);
        let blocks = header.blocks_of(&frame).map_err(|error| error.moved(at))?;
        self.ready.extend(self.skipped.take().map(AdtsEvent::Skipped));
        let format = format(header);
        if self.format != Some(format) {
            let config = header.config().map_err(|source| AdtsError::Config { at, source })?;
            self.ready.push_back(AdtsEvent::Track(super::track(self.number, &config)));
            self.format = Some(format);
        }
        self.frame_end = Some(self.position);
        let at = self.position.saturating_sub(header.frame_len as u64);
        let sampling_frequency = header.sampling_frequency;
        let units = blocks.into_iter().map(|block| {
            let (data_at, data) = (at.saturating_add(block.start as u64), frame.slice(block));
            let framed = frame.clone();
            AdtsEvent::Frame(AdtsUnit { data, data_at, framed, at, sampling_frequency, samples: FRAME_SAMPLES })
        });
        self.ready.extend(units);
        Ok(())
    }

    fn skip(&mut self, bytes: usize) {
        let skipped = self.skipped.get_or_insert(AdtsSkipped { at: self.position, bytes: 0 });
        // Garbage on both sides of a tag counts as one: only bytes are added.
        skipped.bytes = skipped.bytes.saturating_add(bytes as u64);
        self.advance(bytes);
    }

    fn drop_tag(&mut self) {
        let bytes = usize::try_from(self.tag).unwrap_or(usize::MAX).min(self.waiting);
        self.tag = self.tag.saturating_sub(bytes as u64);
        self.advance(bytes);
    }

    /// Returns the first `len` bytes, or all if there are fewer, in one piece.
    fn peek(&mut self, len: usize) -> &[u8] {
        let len = len.min(self.waiting);
        if self.input.front().is_some_and(|first| first.len() < len) {
            let joined = self.join(len);
            self.input.push_front(joined);
        }
        self.input.front().and_then(|first| first.get(..len)).unwrap_or_default()
    }

    /// Takes the first `len` bytes, which must be there.
    fn take(&mut self, len: usize) -> Bytes {
        self.peek(len);
        let bytes = self.input.front().map(|first| first.slice(..len.min(first.len()))).unwrap_or_default();
        self.advance(len);
        bytes
    }

    /// Copies the first `len` bytes, which must be there, and removes them from the input.
    fn join(&mut self, len: usize) -> Bytes {
        let mut joined = BytesMut::with_capacity(len);
        while joined.len() < len {
            let Some(first) = self.input.front_mut() else { break };
            let part = first.split_to(first.len().min(len - joined.len()));
            joined.extend_from_slice(&part);
            if first.is_empty() {
                self.input.pop_front();
            }
        }
        joined.freeze()
    }

    fn advance(&mut self, bytes: usize) {
        let mut left = bytes.min(self.waiting);
        self.waiting = self.waiting.saturating_sub(left);
        self.position = self.position.saturating_add(left as u64);
        while left > 0 {
            let Some(first) = self.input.front_mut() else { break };
            let part = first.len().min(left);
            first.advance(part);
            left = left.saturating_sub(part);
            if first.is_empty() {
                self.input.pop_front();
            }
        }
    }
}

/// What makes a track: object type, frequency and channels.
const fn format(header: &AdtsHeader) -> (u8, u32, u8) {
    (header.object_type, header.sampling_frequency, header.channels)
}

/// First byte of a header: eight of the twelve bits of its sync word.
const SYNC: u8 = 0xff;
/// Samples of a frame: ADTS has no other length (ISO/IEC 14496-3 table 1.A.8, frameLengthFlag is 0).
const FRAME_SAMPLES: u32 = 1024;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::super::surroundings::FRAME_BYTES;
    use super::*;

    const ONE: [u8; 9] = hex!("fff15080013ffc 2110");
    /// The same at 48 kHz.
    const OTHER: [u8; 9] = hex!("fff14c80013ffc 2111");

    fn split(pieces: &[&[u8]]) -> Result<Vec<AdtsEvent>, AdtsError> {
        let mut splitter = AdtsSplitter::new(TrackNumber::TWO);
        let mut events = Vec::new();
        for piece in pieces {
            splitter.push(Bytes::copy_from_slice(piece));
            while let Some(event) = splitter.next_event()? {
                events.push(event);
            }
            assert!(splitter.held() <= piece.len() + FRAME_BYTES + TRAILER_SEARCH);
        }
        while let Some(event) = splitter.finish()? {
            events.push(event);
        }
        Ok(events)
    }

    /// Describes events: `T48000` a track, `F9` a frame at offset 9, `S1+5` five bytes left out.
    fn names(pieces: &[&[u8]]) -> String {
        let name = |event| match event {
            AdtsEvent::Track(track) => format!("T{}", track.audio.unwrap().sampling_frequency),
            AdtsEvent::Frame(frame) => format!("F{}", frame.at),
            AdtsEvent::Skipped(AdtsSkipped { at, bytes }) => format!("S{at}+{bytes}"),
        };
        split(pieces).unwrap().into_iter().map(name).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn change_of_rate_starts_a_track() {
        assert_eq!(names(&[&ONE, &ONE, &OTHER, &OTHER, &ONE]), "T44100 F0 F9 T48000 F18 F27 T44100 F36");
    }

    #[test]
    fn garbage_and_cut_frames_are_left_out() {
        assert_eq!(names(&[b"\x00\xff\xf1\xff", &ONE, &ONE]), "S0+4 T44100 F4 F13");
        assert_eq!(names(&[&ONE, &ONE[..8], &ONE, &ONE]), "T44100 F0 S9+8 F17 F26");
        assert_eq!(names(&[&ONE, &ONE[..8]]), "T44100 F0 S9+8");
        assert_eq!(names(&[&ONE, &ONE[..3]]), "T44100 F0 S9+3");
        assert_eq!(names(&[b"no ADTS stream at all, but a text"]), "S0+33");
    }

    #[test]
    fn tags_are_passed_over() {
        let tag = b"ID3\x04\0\0\0\0\0\x05hello";
        assert_eq!(names(&[tag, &ONE, tag, &ONE]), "T44100 F15 F39");
        assert_eq!(names(&[&ONE, &tag[..12]]), "T44100 F0");
        let (old, extended) = ([&b"TAG"[..], &[b'x'; 125]].concat(), [&b"TAG+"[..], &[b'x'; 223]].concat());
        let ape = [&b"APETAGEX\xd0\x07\0\0\x03\0\0\0\0\0\0\0\0\0\0\xa0"[..], &[0; 11]].concat();
        assert_eq!(names(&[&ONE, &old]), "T44100 F0");
        assert_eq!(names(&[&ONE, &extended, &old, &ONE]), "T44100 F0 F364");
        assert_eq!(names(&[&ONE, &ape, &ONE]), "T44100 F0 F44");
    }

    #[test]
    fn last_frame_before_a_trailer_is_returned() {
        let text = [b' '; 20_000];
        for trailer in [&b"a trailer"[..], &[0; 300], b"\xff\xf1", &text] {
            let bytes = trailer.len();
            assert_eq!(names(&[&ONE, &ONE, trailer]), format!("T44100 F0 F9 S18+{bytes}"));
        }
        // What continues within 16 KB shows that something is missing; a frame that was filled up with zeros was cut.
        assert_eq!(names(&[&ONE, &ONE, b"a trailer", &ONE, &ONE]), "T44100 F0 S9+18 F27 F36");
        assert_eq!(names(&[&ONE, &ONE[..8], &[0; 300]]), "T44100 F0 S9+308");
        assert_eq!(names(&[&ONE, &ONE, &text, &ONE, &ONE]), "T44100 F0 F9 S18+20000 F20018 F20027");
    }

    #[test]
    fn every_division_gives_the_same_events() {
        let stream =
            [&b"\xff\xffI"[..], &ONE, &ONE[..5], &OTHER, &OTHER, b"ID3\x04\0\0\0\0\0\x01x", &ONE, b"\xff"].concat();
        let expected = split(&[&stream]).unwrap();
        assert_eq!(expected.len(), 10, "{expected:?}");
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let pieces = [&stream[..first], &stream[first..second], &stream[second..]];
                assert_eq!(split(&pieces).unwrap(), expected, "cut at {first} and {second}");
            }
        }
        assert_eq!(split(&stream.chunks(1).collect::<Vec<_>>()).unwrap(), expected);
    }

    #[test]
    fn tag_in_garbage_is_passed_over_however_it_is_divided() {
        let ape = [&b"APETAGEX\xd0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0"[..], &[0; 8]].concat();
        let (old, id3) = ([&b"TAG"[..], &[b'x'; 125]].concat(), b"ID3\x04\0\0\0\0\0\x05hello".to_vec());
        for tag in [ape, old, id3] {
            let stream = [b"..", &tag[..], b"..", &ONE, &ONE].concat();
            let (first, second) = (4 + tag.len(), 4 + tag.len() + ONE.len());
            let expected = format!("S0+4 T44100 F{first} F{second}");
            assert_eq!(names(&[&stream]), expected);
            for at in 1..stream.len() {
                assert_eq!(names(&[&stream[..at], &stream[at..]]), expected, "cut at {at}");
            }
        }
    }

    #[test]
    fn raw_data_blocks_with_checksums_are_separated() {
        // Two blocks: position of the second one, checksum of the header, then each block with its checksum.
        let frame = hex!("fff0508002bffd 0004 aaaa 2110 bbbb 211122 cccc dddd");
        let events = split(&[&frame[..20]]).unwrap();
        assert_eq!(names(&[&frame[..20]]), "S0+20", "a frame of 21 bytes is cut");
        assert_eq!(events.len(), 1);
        let frame = hex!("fff050800 29ffd 0004 aaaa 2110 bbbb 211122 cccc");
        let events = split(&[&frame]).unwrap();
        let [_, AdtsEvent::Frame(first), AdtsEvent::Frame(second)] = &events[..] else { panic!("{events:?}") };
        assert_eq!((&first.data[..], &second.data[..]), (&hex!("2110")[..], &hex!("211122")[..]));
        let without = hex!("fff15080013ffd 2110");
        assert_eq!(split(&[&ONE, &without]), Err(AdtsError::SeveralBlocks { at: 9, blocks: 2 }));
    }
}
