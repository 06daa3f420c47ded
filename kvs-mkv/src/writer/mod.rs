//! The writer: takes frames and returns the bytes of a live Matroska stream, without copying payloads.

mod block_buffer;
mod error;
mod header;
mod video;

use std::borrow::Borrow;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kvs_types::tag_names::END_OF_FRAGMENT;

use crate::ebml::put_size_in;
use crate::parser::block_flags::{DISCARDABLE, INVISIBLE, KEYFRAME};
use crate::{Chunks, Frame, SegmentInfo, Tag, Track, TrackNumber};

pub use block_buffer::{BlockBuffer, BlockPosition, BlockRoom};
pub use error::{WriteError, WriterError};

/// Writes a live Matroska stream, byte for byte in the layout of the producer SDK for C.
///
/// Segments and clusters have unknown size, so that bytes can be sent as soon as they exist. A cluster ends where tags or
/// the next cluster begin. A block is a 13-byte header followed by the payload, which is not copied.
///
/// ```text
///            start_segment         start_cluster          block
///   Nothing ──────────────► Segment ────────────► Cluster ─────┐
///                            ▲   ▲                 │  ▲        │
///                            │   └─ tags, end_of_ ─┘  └────────┘
///                 start_segment     fragment          (start_cluster: the next one)
/// ```
///
/// Times are rounded down to units of [`SegmentInfo::timecode_scale`]. Cluster times must increase, and a block must be
/// −32,768 to 32,767 units from its cluster (RFC 9559 §10.1). The service has more rules; they are in
/// [`rules::FragmentCheck`](crate::rules::FragmentCheck).
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::{CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(1280, 720);
/// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
/// let mut body = vec![writer.start_segment()];
/// body.push(writer.start_cluster(Duration::from_secs(10))?);
/// let frame = Frame::new(TrackNumber::ONE, Duration::from_secs(10), vec![0, 0, 0, 1, 0x65]).with_keyframe(true);
/// body.extend(writer.block(frame)?);
/// body.push(writer.tags(&[Tag::new("door", "open")])?);
/// assert_eq!(body.iter().map(|piece| piece.len()).collect::<Vec<_>>()[1..], [18, 13, 5, 60]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Writer {
    /// The bytes from the EBML head to Tracks.
    header: Bytes,
    /// Nanoseconds per timecode unit.
    scale: u64,
    tracks: Vec<TrackNumber>,
    state: State,
    /// Buffer from which block headers are split off, so that a frame costs no allocation. Empty between calls.
    headers: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Nothing,
    /// After the header, tags or an end-of-fragment mark; the timecode of the last cluster, if there was one.
    Segment {
        last: Option<u64>,
    },
    Cluster {
        units: u64,
    },
}

impl Writer {
    /// Creates a writer for a stream with these tracks and builds its header.
    ///
    /// # Errors
    /// [`WriterError`] for what the layout cannot express: a uid of zeros, a timecode unit outside 1 ns to 1 s, a text of more
    /// than 126 bytes, no track, a track number above 126 or used twice, an encoded track, a width or height above 65,535,
    /// more than 255 channels.
    pub fn new(info: SegmentInfo, tracks: Vec<Track>) -> Result<Self, WriterError> {
        let header = header::header(&info, &tracks)?;
        let scale = header::scale(&info)?;
        let tracks = tracks.iter().map(|track| track.number).collect();
        Ok(Self { header, scale, tracks, state: State::Nothing, headers: BytesMut::new() })
    }

    /// Starts a segment and returns its header: EBML head, Segment, Info and Tracks. Copies nothing.
    ///
    /// A later call starts the next segment, whose cluster times may be lower.
    pub fn start_segment(&mut self) -> Bytes {
        self.state = State::Segment { last: None };
        self.header.clone()
    }

    /// Returns a Tags element with one Tag that contains all names and values. The element ends the current cluster and belongs
    /// to it.
    ///
    /// # Errors
    /// [`WriteError::NoSegment`] and [`WriteError::NoTags`].
    pub fn tags(&mut self, tags: &[Tag]) -> Result<Bytes, WriteError> {
        if matches!(self.state, State::Nothing) {
            return Err(WriteError::NoSegment);
        }
        if tags.is_empty() {
            return Err(WriteError::NoTags);
        }
        self.close_cluster();
        Ok(tags_element(tags))
    }

    /// Starts a cluster: to the service, a fragment.
    ///
    /// # Errors
    /// [`WriteError::NoSegment`], [`WriteError::ClusterNotLater`] and [`WriteError::TimeTooLarge`].
    pub fn start_cluster(&mut self, at: Duration) -> Result<Bytes, WriteError> {
        let units = self.units(at)?;
        let last = match self.state {
            State::Nothing => return Err(WriteError::NoSegment),
            State::Segment { last } => last,
            State::Cluster { units } => Some(units),
        };
        if let Some(previous) = last.filter(|&last| units <= last) {
            return Err(WriteError::ClusterNotLater { units, previous });
        }
        self.state = State::Cluster { units };
        let mut head = [0; CLUSTER_HEAD.len()];
        head.copy_from_slice(&CLUSTER_HEAD);
        if let Some(place) = head.get_mut(CLUSTER_TIMECODE) {
            place.copy_from_slice(&units.to_be_bytes());
        }
        Ok(self.cut(&[&head]))
    }

    /// Returns a frame as a SimpleBlock: 13 bytes of header, followed by the pieces of the payload. If the first of several
    /// pieces has at most eight bytes, like the length of a NAL unit, it is copied into the piece of the header.
    ///
    /// [`Frame::duration`] is not written; the producer SDKs do not write it either.
    ///
    /// # Errors
    /// [`WriteError::NoCluster`], [`WriteError::UnknownTrack`], [`WriteError::TooFarFromCluster`] and
    /// [`WriteError::TimeTooLarge`].
    #[inline]
    pub fn block(&mut self, frame: Frame) -> Result<Chunks, WriteError> {
        let header = self.block_header(&frame)?;
        let mut block = frame.data;
        match block.pieces() {
            // The length of a NAL unit: in one piece with the header, the list of pieces does not grow.
            [short, _, ..] if short.len() <= SHORT_PIECE => {
                let header = self.cut(&[&header, short.as_ref()]);
                block.replace_first(header);
                Ok(block)
            }
            _ => Ok(block.behind(self.cut(&[&header]))),
        }
    }

    /// Returns frames as SimpleBlocks, one behind the other.
    ///
    /// Takes frames by value or by reference. Payloads of up to 512 bytes, such as those of audio, are copied and share pieces
    /// with their headers and with each other: a piece of their own would cost more than the copy. Larger payloads are not
    /// copied.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};
    ///
    /// let track = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::AAC);
    /// let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
    /// let mut body = vec![writer.start_segment(), writer.start_cluster(Duration::ZERO)?];
    /// let frames = [0, 21, 42].map(|ms| Frame::new(TrackNumber::ONE, Duration::from_millis(ms), vec![0; 200]));
    /// let blocks = writer.blocks(&frames)?;
    /// assert_eq!((blocks.len(), blocks.pieces().len()), (3 * (13 + 200), 1));
    /// body.extend(blocks);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The errors of [`block`](Self::block) for the first frame that cannot be written. No block is returned then; to know
    /// which frames were accepted, write them one by one.
    pub fn blocks<F: Borrow<Frame>>(&mut self, frames: impl IntoIterator<Item = F>) -> Result<Chunks, WriteError> {
        let mut out = Chunks::new();
        let frames = frames.into_iter();
        let mut expected = frames.size_hint().0.min(EXPECTED_FRAMES);
        for frame in frames {
            let frame = frame.borrow();
            if expected > 0 && frame.data.len() > COPIED_PAYLOAD {
                // A header and a piece for each of the frames that follow.
                out.reserve(2 * expected);
                expected = 0;
            }
            if let Err(error) = self.append_block(frame, &mut out) {
                self.headers.clear();
                return Err(error);
            }
        }
        self.seal(&mut out);
        Ok(out)
    }

    /// Appends a block. What is copied stays in `headers` until the next payload that is not.
    #[inline]
    fn append_block(&mut self, frame: &Frame, out: &mut Chunks) -> Result<(), WriteError> {
        let header = self.block_header(frame)?;
        let copied = if frame.data.len() <= COPIED_PAYLOAD { frame.data.len() } else { 0 };
        if self.headers.capacity() - self.headers.len() < BLOCK_HEAD_BYTES + copied {
            self.seal(out);
            self.headers = BytesMut::with_capacity(HEADERS_BYTES);
        }
        self.headers.put_slice(&header);
        if frame.data.len() <= COPIED_PAYLOAD {
            frame.data.iter().for_each(|piece| self.headers.put_slice(piece));
        } else {
            self.seal(out);
            frame.data.iter().for_each(|piece| out.push(piece.clone()));
        }
        Ok(())
    }

    /// Appends what was copied since the last piece.
    #[inline]
    fn seal(&mut self, out: &mut Chunks) {
        if !self.headers.is_empty() {
            out.push(self.headers.split().freeze());
        }
    }

    /// Checks a frame against the state of the writer and returns the header of its block.
    #[inline]
    fn block_header(&self, frame: &Frame) -> Result<[u8; BLOCK_HEAD_BYTES], WriteError> {
        let State::Cluster { units: cluster } = self.state else { return Err(WriteError::NoCluster) };
        if !self.tracks.contains(&frame.track) {
            return Err(WriteError::UnknownTrack { track: frame.track });
        }
        let units = self.units(frame.pts)?;
        let apart = WriteError::TooFarFromCluster { units, cluster };
        let Ok(relative) = i16::try_from(i128::from(units) - i128::from(cluster)) else { return Err(apart) };
        block_header(frame.data.len(), frame.track, relative, flags(frame))
    }

    /// Returns the end-of-fragment mark, with which the service completes the fragment at once: a Tags element of 84 bytes. It
    /// ends the current cluster.
    pub fn end_of_fragment(&mut self) -> Bytes {
        self.close_cluster();
        tags_element(&[Tag::new(END_OF_FRAGMENT, "")])
    }

    fn close_cluster(&mut self) {
        if let State::Cluster { units } = self.state {
            self.state = State::Segment { last: Some(units) };
        }
    }

    #[inline]
    fn units(&self, time: Duration) -> Result<u64, WriteError> {
        // The usual unit first: dividing by a constant is several times faster than by a variable.
        if self.scale == NANOS_PER_MILLISECOND {
            let seconds = time.as_secs().checked_mul(1000);
            let millis = seconds.and_then(|millis| millis.checked_add(time.subsec_millis().into()));
            return millis.ok_or(WriteError::TimeTooLarge { time });
        }
        // 64 bits of nanoseconds are 584 years.
        let seconds = time.as_secs().checked_mul(NANOS_PER_SECOND);
        let nanos = seconds.and_then(|nanos| nanos.checked_add(time.subsec_nanos().into()));
        Ok(nanos.ok_or(WriteError::TimeTooLarge { time })? / self.scale)
    }

    /// Appends a few bytes to the shared buffer and splits them off.
    #[inline]
    fn cut(&mut self, parts: &[&[u8]]) -> Bytes {
        if self.headers.capacity() < parts.iter().map(|part| part.len()).sum() {
            self.headers = BytesMut::with_capacity(HEADERS_BYTES);
        }
        for part in parts {
            self.headers.put_slice(part);
        }
        self.headers.split().freeze()
    }
}

/// Id and unknown size of one byte, Timestamp of eight bytes, Position 0: what the producer SDK for C writes.
const CLUSTER_HEAD: [u8; 18] = [0x1F, 0x43, 0xB6, 0x75, 0xFF, 0xE7, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0xA7, 0x81, 0];
/// Position of the timecode in it.
const CLUSTER_TIMECODE: std::ops::Range<usize> = 7..15;

/// Id, size of eight bytes, track number of one byte, relative timecode, flags (RFC 9559 §10.1).
const BLOCK_HEAD_BYTES: usize = 13;

#[inline]
fn block_header(
    payload: usize,
    track: TrackNumber,
    relative: i16,
    flags: u8,
) -> Result<[u8; BLOCK_HEAD_BYTES], WriteError> {
    let unknown = WriteError::UnknownTrack { track };
    let number = u8::try_from(track.get()).ok().filter(|number| *number < 0x7F).ok_or(unknown)?;
    // A payload in memory is far below 2^56 bytes.
    let [_, s1, s2, s3, s4, s5, s6, s7] = (payload as u64 + 4).to_be_bytes();
    let [high, low] = relative.to_be_bytes();
    Ok([0xA3, 0x01, s1, s2, s3, s4, s5, s6, s7, 0x80 | number, high, low, flags])
}

#[inline]
fn flags(frame: &Frame) -> u8 {
    let flag = |set: bool, bit: u8| u8::from(set) * bit;
    flag(frame.keyframe, KEYFRAME) | flag(frame.invisible, INVISIBLE) | flag(frame.discardable, DISCARDABLE)
}

/// Returns the whole milliseconds of a time; `u64::MAX` if there are more.
#[inline]
const fn whole_millis(time: Duration) -> u64 {
    time.as_secs().saturating_mul(1000).saturating_add(time.subsec_millis() as u64)
}

/// All sizes have eight bytes, as the producer SDK for C writes tags.
fn tags_element(tags: &[Tag]) -> Bytes {
    let simple_tags: usize = tags.iter().map(|tag| TAG_HEADS + tag.name.len() + tag.value.len()).sum();
    let mut out = Vec::with_capacity(simple_tags + 22);
    put_master(&mut out, &[0x12, 0x54, 0xC3, 0x67], simple_tags + 10);
    put_master(&mut out, &[0x73, 0x73], simple_tags);
    for tag in tags {
        put_master(&mut out, &[0x67, 0xC8], TAG_HEADS - 10 + tag.name.len() + tag.value.len());
        put_master(&mut out, &[0x45, 0xA3], tag.name.len());
        out.extend_from_slice(tag.name.as_bytes());
        put_master(&mut out, &[0x44, 0x87], tag.value.len());
        out.extend_from_slice(tag.value.as_bytes());
    }
    out.into()
}

fn put_master(out: &mut Vec<u8>, id: &[u8], size: usize) {
    out.extend_from_slice(id);
    put_size_in(out, size as u64, 8);
}

/// Ids of two and sizes of eight bytes of a SimpleTag, its TagName and its TagString.
const TAG_HEADS: usize = 30;
/// Largest first piece that is joined to the header rather than sent beside it.
const SHORT_PIECE: usize = 8;
/// Largest payload that [`Writer::blocks`] copies. An entry in a list and two atomic counts cost about as much.
const COPIED_PAYLOAD: usize = 512;
/// Most frames for which [`Writer::blocks`] reserves a list in advance, of 64 bytes for each.
const EXPECTED_FRAMES: usize = 1024;
/// Size of an allocation that block headers share, some 300, or with copied payloads.
const HEADERS_BYTES: usize = 4096;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;
