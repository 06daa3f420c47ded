//! Writing fragments as one playable file.

use std::sync::Arc;
use std::time::Duration;

use super::Fragment;
use crate::{Chunks, SegmentInfo, Track, WriteError, Writer, WriterError};

/// Writes the fragments of a session as one playable Matroska segment.
///
/// GetMedia repeats the header before every fragment, and few players continue at the second header. The merger writes the
/// header once, as long as each fragment continues the one before: same tracks, same timecode unit, and a later time.
/// Otherwise the fragment starts a new segment, and [`Merged::joined`] states why. From there on the bytes are a complete
/// document, so a caller that wants files for every player can start a new file.
///
/// Tags of the producer stay with their fragment; tags of the service are left out. Payloads are not copied.
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

/// How the merger treats times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Times {
    /// Each segment starts at zero, so that players show a useful position.
    FromZero,
    /// Times stay as in the fragments; with absolute timecodes they count from the Unix epoch.
    Kept,
}

/// The current segment.
#[derive(Debug)]
struct Current {
    writer: Writer,
    tracks: Arc<[Track]>,
    unit: Duration,
    /// Subtracted from every time.
    origin: Duration,
    /// Timecode of the last fragment.
    last: Duration,
}

/// The bytes of a fragment, and how it follows the one before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Merged {
    /// Whether it continues the segment or starts a new one.
    pub joined: Joined,
    /// The bytes to append to the file. If a segment starts, a new file can start with them.
    pub bytes: Chunks,
}

/// How a fragment follows the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Joined {
    /// It is the first one and starts a segment.
    First,
    /// It continues the segment.
    Continued,
    /// It starts a segment, because its tracks or its timecode unit are different.
    OtherTracks,
    /// It starts a segment, because it is not later than the fragment before.
    NotLater,
    /// It starts a segment, because the fragment before could not be written.
    AfterError,
}

impl Merger {
    /// Creates a merger before the first fragment.
    #[must_use]
    pub const fn new(times: Times) -> Self {
        Self { times, current: None, failed: false }
    }

    /// Returns the bytes of the next fragment.
    ///
    /// # Errors
    /// [`MergeError`] for a fragment without frames and for what [`Writer`] rejects: track settings outside its layout, a frame
    /// too far from its cluster, a frame of an undeclared track. The next fragment then starts a new segment.
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
        let mut frames = fragment.frames;
        for frame in &mut frames {
            // Saturating: a damaged fragment may have a frame before the origin.
            frame.pts = frame.pts.saturating_sub(self.origin);
        }
        bytes.append(self.writer.blocks(frames)?);
        if !fragment.tags.is_empty() {
            bytes.push(self.writer.tags(&fragment.tags)?);
        }
        Ok(())
    }
}

/// Returns the header of the merged segment: identity and timecode unit of the source, written by this crate.
fn info(source: &SegmentInfo) -> SegmentInfo {
    let uid = if source.uid == [0; 16] { UID_OF_NAMELESS } else { source.uid };
    let mut info = SegmentInfo::new(uid).with_timecode_scale(source.timecode_scale);
    if source.title.len() <= TITLE_BYTES {
        info.title.clone_from(&source.title);
    }
    info
}

/// For sources without a uid: the writer requires one, and the merger has no source of randomness.
const UID_OF_NAMELESS: [u8; 16] = *b"kvs-mkv merged\0\x01";
/// The longest title that the writer accepts.
const TITLE_BYTES: usize = 126;

/// A fragment that cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// The fragment has no frames: the service reported an error instead of media.
    #[error("fragment at {at:?} has no frames")]
    NoFrames {
        /// Timecode of the fragment.
        at: Duration,
    },
    /// The tracks cannot be written.
    #[error("failed to write the header of a new segment")]
    Header(#[from] WriterError),
    /// A frame or the cluster cannot be written.
    #[error("failed to write the fragment")]
    Write(#[from] WriteError),
}
