//! From fragments to one file that plays.

use std::sync::Arc;
use std::time::Duration;

use super::Fragment;
use crate::{Chunks, SegmentInfo, Track, WriteError, Writer, WriterError};

/// Writes the fragments of a session as one playable Matroska segment.
///
/// GetMedia repeats the header in front of every fragment, and few players go on at the second one. The merger writes it
/// once, as long as a fragment continues the one before: the same tracks, the same time unit, and a time after the start
/// of the fragment before. A fragment that does not begins a new segment, and [`Merged::joined`] says why: a caller that
/// wants files that play everywhere then begins a new file, since the bytes are a complete document from there on.
///
/// Tags of the producer stay with their fragment; those of the service are left out. Payloads are not copied.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::fragment::{Fragment, Joined, Merger, Times};
/// use kvs_mkv::{CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber};
///
/// let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let mut merger = Merger::new(Times::FromZero);
/// for second in [10, 12] {
///     let at = Duration::from_secs(second);
///     let mut fragment = Fragment::new(SegmentInfo::new([1; 16]), vec![track.clone()], at);
///     fragment.frames.push(Frame::new(TrackNumber::ONE, at, vec![1]).with_keyframe(true));
///     let merged = merger.fragment(fragment)?;
///     assert_eq!(merged.joined, if second == 10 { Joined::First } else { Joined::Continued });
/// }
/// # Ok::<(), kvs_mkv::fragment::MergeError>(())
/// ```
#[derive(Debug)]
pub struct Merger {
    times: Times,
    current: Option<Current>,
    failed: bool,
}

/// What becomes of times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// Each segment begins at zero, so that players show a sensible position.
    FromZero,
    /// As they are in the fragments: with absolute timecodes, since the epoch.
    Kept,
}

/// The segment that is being written.
#[derive(Debug)]
struct Current {
    writer: Writer,
    tracks: Arc<[Track]>,
    unit: Duration,
    /// What is taken off every time.
    origin: Duration,
    /// Timecode of the last fragment.
    last: Duration,
}

/// The bytes of one more fragment, and how it follows the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// Whether it went on or began a new segment.
    pub joined: Joined,
    /// What to append to the file; where a new segment began, what a new file begins with.
    pub bytes: Chunks,
}

/// How a fragment follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joined {
    /// It is the first one, and begins a segment.
    First,
    /// It goes on in the same segment.
    Continued,
    /// A new segment: its tracks or its time unit are others.
    OtherTracks,
    /// A new segment: it is not later than the fragment before.
    NotLater,
    /// A new segment: the fragment before could not be written.
    AfterError,
}

impl Merger {
    /// A merger before the first fragment.
    #[must_use]
    pub const fn new(times: Times) -> Self {
        Self { times, current: None, failed: false }
    }

    /// The bytes of one more fragment.
    ///
    /// # Errors
    /// A fragment without frames, and what [`Writer`] refuses: track settings outside its layout, a frame too far from its
    /// cluster or of a track that is not declared. The next fragment then begins a new segment.
    pub fn fragment(&mut self, fragment: Fragment) -> Result<Merged, MergeError> {
        if fragment.frames.is_empty() {
            return Err(MergeError::NoFrames { at: fragment.at });
        }
        let joined = self.join(&fragment);
        self.failed = true;
        let mut bytes = Chunks::new();
        let mut current = match self.current.take() {
            Some(current) if joined == Joined::Continued => current,
            _ => self.begin(&fragment, &mut bytes)?,
        };
        current.write(fragment, &mut bytes)?;
        self.current = Some(current);
        self.failed = false;
        Ok(Merged { joined, bytes })
    }

    fn join(&self, fragment: &Fragment) -> Joined {
        match &self.current {
            None if self.failed => Joined::AfterError,
            None => Joined::First,
            Some(current) if current.unit != fragment.segment.timecode_scale => Joined::OtherTracks,
            Some(current) if current.tracks != fragment.tracks => Joined::OtherTracks,
            Some(current) if fragment.earliest() <= current.last => Joined::NotLater,
            Some(_) => Joined::Continued,
        }
    }

    fn begin(&self, fragment: &Fragment, bytes: &mut Chunks) -> Result<Current, MergeError> {
        let mut writer = Writer::new(info(&fragment.segment), fragment.tracks.to_vec())?;
        bytes.push(writer.start_segment());
        if !fragment.segment_tags.is_empty() {
            bytes.push(writer.tags(&fragment.segment_tags)?);
        }
        let origin = match self.times {
            Times::FromZero => fragment.earliest(),
            Times::Kept => Duration::ZERO,
        };
        let unit = fragment.segment.timecode_scale;
        Ok(Current { writer, tracks: Arc::clone(&fragment.tracks), unit, origin, last: Duration::ZERO })
    }
}

impl Current {
    fn write(&mut self, fragment: Fragment, bytes: &mut Chunks) -> Result<(), MergeError> {
        self.last = fragment.at;
        bytes.push(self.writer.start_cluster(fragment.at.saturating_sub(self.origin))?);
        for mut frame in fragment.frames {
            // Never below the origin: no later fragment reaches back before the first one.
            frame.pts = frame.pts.saturating_sub(self.origin);
            bytes.append(self.writer.block(frame)?);
        }
        if !fragment.tags.is_empty() {
            bytes.push(self.writer.tags(&fragment.tags)?);
        }
        Ok(())
    }
}

/// The header of the merged segment: identity and unit of the source, named as ours.
fn info(source: &SegmentInfo) -> SegmentInfo {
    let uid = if source.uid == [0; 16] { UID_OF_NAMELESS } else { source.uid };
    let mut info = SegmentInfo::new(uid).with_timecode_scale(source.timecode_scale);
    if source.title.len() <= TITLE_BYTES {
        info.title.clone_from(&source.title);
    }
    info
}

/// For sources without a uid: a Segment of ours has one, and a merger has no chance to draw one from.
const UID_OF_NAMELESS: [u8; 16] = *b"kvs-mkv merged\0\x01";
/// The longest title the writer takes.
const TITLE_BYTES: usize = 126;

/// Why a fragment cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// There is nothing to write: the service reported an error instead of media.
    #[error("the fragment at {at:?} has no frames")]
    NoFrames {
        /// Its timecode.
        at: Duration,
    },
    /// The tracks cannot be written.
    #[error("the tracks cannot be written: {0}")]
    Header(#[from] WriterError),
    /// A frame or the cluster cannot be written.
    #[error("the fragment cannot be written: {0}")]
    Write(#[from] WriteError),
}
