//! The writer: frames in, the bytes of a live Matroska stream out, payloads untouched.

mod header;

use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use kvs_types::tag_names::END_OF_FRAGMENT;

use crate::ebml::put_size_in;
use crate::parser::block_flags::{DISCARDABLE, INVISIBLE, KEYFRAME};
use crate::{Chunks, Frame, SegmentInfo, Tag, Track, TrackNumber};

/// Writes a live Matroska stream in the layout Kinesis Video Streams knows from its own SDKs, byte for byte.
///
/// Segments and clusters have unknown size, so that bytes can leave as they are made; a cluster ends where tags or the
/// next cluster begin. A block leaves as a 13-byte header and the very payload that came in.
///
/// ```text
///            start_segment         start_cluster          block
///   Nothing ──────────────► Segment ────────────► Cluster ─────┐
///                            ▲   ▲                 │  ▲        │
///                            │   └─ tags, end_of_ ─┘  └────────┘
///                 start_segment     fragment          (start_cluster: the next one)
/// ```
///
/// Times are whole units of [`SegmentInfo::timecode_scale`]; what is finer is cut off. Cluster times rise, and a block lies
/// −32,768 to 32,767 units from its cluster. What the service asks for beyond that is in
/// [`service::FragmentCheck`](crate::service::FragmentCheck).
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
    /// EBML head to Tracks, made once.
    header: Bytes,
    /// Nanoseconds of a timecode unit.
    scale: u64,
    tracks: Vec<TrackNumber>,
    state: State,
    /// Room that block headers are cut from, so that a frame costs no allocation.
    room: BytesMut,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Nothing,
    /// After the header, tags or an end-of-fragment mark; the units of the last cluster, if there was one.
    Segment {
        last: Option<u64>,
    },
    Cluster {
        units: u64,
    },
}

impl Writer {
    /// Prepares the header of a stream with these tracks.
    ///
    /// # Errors
    /// What the layout cannot express: a uid of zeros, a time unit outside 1 ns to 1 s, texts of more than 126 bytes, no
    /// track, a track number above 126 or used twice, an encoded track, a picture side above 65,535, more than 255 channels.
    pub fn new(info: SegmentInfo, tracks: Vec<Track>) -> Result<Self, WriterError> {
        let header = header::header(&info, &tracks)?;
        let scale = header::scale(&info)?;
        let tracks = tracks.iter().map(|track| track.number).collect();
        Ok(Self { header, scale, tracks, state: State::Nothing, room: BytesMut::new() })
    }

    /// Begins a stream, or begins it anew: EBML head, Segment, Info and Tracks. Copies nothing.
    pub fn start_segment(&mut self) -> Bytes {
        self.state = State::Segment { last: None };
        self.header.clone()
    }

    /// One Tags element with one Tag, the names and values as siblings in it. It ends the open cluster and belongs to it.
    ///
    /// # Errors
    /// Before the first [`start_segment`](Self::start_segment), and without any tag.
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

    /// Begins a cluster: to the service, a fragment.
    ///
    /// # Errors
    /// Before the first [`start_segment`](Self::start_segment), and where the timecode is not above that of the cluster
    /// before.
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

    /// One frame as a SimpleBlock: 13 bytes of header, then the pieces of the payload as they came. Where the first of several
    /// pieces has no more than eight bytes, as the length of a NAL unit has, it leaves in one piece with the header.
    ///
    /// [`Frame::duration`] is not written, as the service's SDKs write none.
    ///
    /// # Errors
    /// Outside a cluster, for a track that the header does not declare, and for a time too far from the cluster's.
    #[inline]
    pub fn block(&mut self, frame: Frame) -> Result<Chunks, WriteError> {
        let State::Cluster { units: cluster } = self.state else { return Err(WriteError::NoCluster) };
        if !self.tracks.contains(&frame.track) {
            return Err(WriteError::UnknownTrack { track: frame.track });
        }
        let units = self.units(frame.pts)?;
        let apart = WriteError::TooFarFromCluster { units, cluster };
        let Some(Ok(relative)) = units.checked_signed_diff(cluster).map(i16::try_from) else { return Err(apart) };
        let flag = |set: bool, bit: u8| u8::from(set) * bit;
        let flags =
            flag(frame.keyframe, KEYFRAME) | flag(frame.invisible, INVISIBLE) | flag(frame.discardable, DISCARDABLE);
        let header = block_header(frame.data.len(), frame.track, relative, flags)?;
        let mut block = frame.data;
        match block.pieces() {
            // The length of a NAL unit in front of it: with the header it is one piece, and the list needs no more room.
            [short, _, ..] if short.len() <= SHORT_PIECE => {
                let header = self.cut(&[&header, short.as_ref()]);
                block.replace_first(header);
                Ok(block)
            }
            _ => Ok(block.behind(self.cut(&[&header]))),
        }
    }

    /// The mark that lets the service finish the fragment at once: a Tags element of 84 bytes. It ends the open cluster.
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
        // A duration of up to 584 years; longer ones are not times of any camera.
        let seconds = time.as_secs().checked_mul(NANOS_PER_SECOND);
        let nanos = seconds.and_then(|nanos| nanos.checked_add(time.subsec_nanos().into()));
        Ok(nanos.ok_or(WriteError::TimeTooLarge { time })? / self.scale)
    }

    /// Puts a few bytes into the shared room and cuts them off.
    #[inline]
    fn cut(&mut self, parts: &[&[u8]]) -> Bytes {
        if self.room.capacity() < parts.iter().map(|part| part.len()).sum() {
            self.room = BytesMut::with_capacity(ROOM_BYTES);
        }
        for part in parts {
            self.room.put_slice(part);
        }
        self.room.split().freeze()
    }
}

/// Why a stream cannot begin: the caller described something the layout has no room for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// A uid of zeros is no uid.
    #[error("the segment uid is all zeros")]
    ZeroUid,
    /// The time unit is no whole number of nanoseconds between 1 ns and 1 s.
    #[error("a timecode unit lasts {scale:?}, it must last 1 ns to 1 s")]
    TimecodeScale {
        /// What was given.
        scale: Duration,
    },
    /// Title or program name too long for a size of one byte.
    #[error("{field} has {length} bytes, at most {limit} allowed")]
    Text {
        /// `title` or `app`.
        field: &'static str,
        /// Bytes it has.
        length: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A stream without tracks has no frames.
    #[error("no track")]
    NoTracks,
    /// A track number that does not fit into one byte of a block header.
    #[error("track number {number} is not between 1 and 126")]
    TrackNumber {
        /// What was given.
        number: TrackNumber,
    },
    /// Two tracks of one number or uid, or a uid of zero.
    #[error("track {number} has a number or uid that is used twice, or a uid of zero")]
    DuplicateTrack {
        /// The later of the two.
        number: TrackNumber,
    },
    /// A setting of a track that the layout has no room for.
    #[error("{field} of track {number} is {value}, at most {limit} allowed")]
    TrackSetting {
        /// The track.
        number: TrackNumber,
        /// Which setting.
        field: &'static str,
        /// What was given.
        value: u64,
        /// The most there is room for.
        limit: u64,
    },
    /// A sampling frequency that is no positive number.
    #[error("the sampling frequency of track {number} is not a positive number")]
    SamplingFrequency {
        /// The track.
        number: TrackNumber,
    },
    /// A track whose frames another container compressed or encrypted.
    #[error("the frames of track {number} are compressed or encrypted, which the layout cannot say")]
    Encoded {
        /// The track.
        number: TrackNumber,
    },
    /// All tracks together are larger than a size of four bytes can say.
    #[error("the tracks have {size} bytes, at most {limit} allowed")]
    TracksTooLarge {
        /// Bytes they have.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}

/// Why something cannot be written here and now; the writer is as it was before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Tags or a cluster before the first segment.
    #[error("no segment was started")]
    NoSegment,
    /// A frame while no cluster is open: none was started, or tags ended it.
    #[error("no cluster is open")]
    NoCluster,
    /// A Tags element without tags.
    #[error("no tag to write")]
    NoTags,
    /// A cluster's time is not above that of the cluster before.
    #[error("cluster timecode {units} is not above {previous}, that of the cluster before")]
    ClusterNotLater {
        /// Its time in timecode units.
        units: u64,
        /// The time of the cluster before.
        previous: u64,
    },
    /// A frame's distance from its cluster is more than 16 signed bits hold.
    #[error("timecode {units} is not within -32768 to 32767 of its cluster at {cluster}")]
    TooFarFromCluster {
        /// The frame's time in timecode units.
        units: u64,
        /// The cluster's.
        cluster: u64,
    },
    /// A frame of a track that the header does not declare.
    #[error("track {track} is not declared in the header")]
    UnknownTrack {
        /// The frame's track.
        track: TrackNumber,
    },
    /// A time beyond 2^64 − 1 nanoseconds, or milliseconds where they are the unit.
    #[error("time {time:?} is beyond 584 years")]
    TimeTooLarge {
        /// The time.
        time: Duration,
    },
}

/// Id and one byte of unknown size, Timestamp of eight bytes, Position 0.
const CLUSTER_HEAD: [u8; 18] = [0x1F, 0x43, 0xB6, 0x75, 0xFF, 0xE7, 0x88, 0, 0, 0, 0, 0, 0, 0, 0, 0xA7, 0x81, 0];
/// Where the timecode stands in it.
const CLUSTER_TIMECODE: std::ops::Range<usize> = 7..15;

/// Id, size of eight bytes, track number of one, relative timecode, flags.
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

/// Sizes of eight bytes throughout, as the service's SDKs write tags.
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
/// Block headers that share an allocation: some 300.
const ROOM_BYTES: usize = 4096;
const NANOS_PER_SECOND: u64 = 1_000_000_000;
const NANOS_PER_MILLISECOND: u64 = 1_000_000;
