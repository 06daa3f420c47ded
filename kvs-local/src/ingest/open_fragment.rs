//! The fragment that is being received.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_mkv::{Chunks, FrameRef, Position, Tag, Track, TrackNumber};
use kvs_types::ErrorId;

use super::acked_fragment::AckedFragment;
use super::fragment::{self, FrameSpan, IngestedFragment};
use super::limits;

/// A fragment whose end has not been received.
#[derive(Debug)]
pub(super) struct OpenFragment {
    pub(super) acked: AckedFragment,
    pub(super) timecode: Duration,
    pub(super) producer_timestamp: SystemTime,
    pub(super) server_timestamp: SystemTime,
    /// Offset of the cluster in the body.
    pub(super) start: u64,
    pub(super) part: Part,
    /// Bytes after the end-of-fragment tag of the previous fragment.
    pub(super) early: Chunks,
    pub(super) tags: Vec<Vec<Tag>>,
    pub(super) frames: Frames,
}

/// The progress of a fragment.
///
/// ```text
///   Cluster ──cluster over──> Tags ──end-of-fragment mark──> Marked
/// ```
#[derive(Debug)]
pub(super) enum Part {
    /// Blocks may follow.
    Cluster,
    /// The cluster has ended; tags may follow.
    Tags { cluster: Chunks },
    /// An end-of-fragment tag was found in the element that ends at `end`.
    Marked { cluster: Chunks, end: u64 },
}

/// The frames so far.
#[derive(Debug, Default)]
pub(super) struct Frames {
    spans: Vec<FrameSpan>,
    /// Earliest and latest timestamp.
    extent: Option<(Duration, Duration)>,
}

/// A frame of the body without its payload: the payload stays in the buffer of the body.
#[derive(Clone, Copy, Debug)]
pub(super) struct FrameHead {
    pub(super) track: TrackNumber,
    pub(super) pts: Duration,
    pub(super) len: u64,
    keyframe: bool,
    duration: Option<Duration>,
    /// Offset of the payload in the body.
    payload: u64,
    /// Offset of the end of its block in the body.
    pub(super) end: u64,
}

impl FrameHead {
    pub(super) fn of(frame: &FrameRef<'_>) -> Self {
        let Position { span, payload, .. } = frame.position();
        Self {
            track: frame.track,
            pts: frame.pts,
            len: frame.len() as u64,
            keyframe: frame.keyframe,
            duration: frame.duration,
            payload: payload.unwrap_or(span.start),
            end: span.end,
        }
    }
}

impl Frames {
    /// Adds a frame of a cluster that starts at `cluster` in the body.
    pub(super) fn push(&mut self, frame: FrameHead, cluster: u64, longest: Duration) -> Result<(), ErrorId> {
        let offset = frame.payload.saturating_sub(cluster);
        let start = u32::try_from(offset).map_err(|_| ErrorId::MAX_FRAGMENT_SIZE_REACHED)?;
        let len = u32::try_from(frame.len).map_err(|_| ErrorId::MAX_FRAGMENT_SIZE_REACHED)?;
        let end = start.checked_add(len).ok_or(ErrorId::MAX_FRAGMENT_SIZE_REACHED)?;
        if self.spans.len() >= limits::FRAGMENT_FRAMES {
            tracing::info!(limit = limits::FRAGMENT_FRAMES, "fragment has too many frames");
            return Err(ErrorId::MAX_FRAGMENT_SIZE_REACHED);
        }
        let (first, last) = self.extent.unwrap_or((frame.pts, frame.pts));
        let (first, last) = (first.min(frame.pts), last.max(frame.pts));
        self.extent = Some((first, last));
        self.spans.push(FrameSpan {
            track: frame.track,
            pts: frame.pts,
            keyframe: frame.keyframe,
            payload: start..end,
            duration: frame.duration,
        });
        if last.saturating_sub(first) > longest { Err(ErrorId::MAX_FRAGMENT_DURATION_REACHED) } else { Ok(()) }
    }
}

impl OpenFragment {
    /// Marks the fragment as ended by a tag in the element that ends at `end`.
    pub(super) fn mark(&mut self, end: u64) {
        if let Part::Tags { cluster } = &mut self.part {
            self.part = Part::Marked { cluster: std::mem::take(cluster), end };
        }
    }

    /// Completes the fragment with `rest`, its bytes that are still in the buffer.
    pub(super) fn complete(self, header: Chunks, tracks: Arc<[Track]>, rest: Chunks) -> IngestedFragment {
        let mut trailing = self.early;
        let cluster = match self.part {
            Part::Cluster => rest,
            Part::Tags { cluster } | Part::Marked { cluster, .. } => {
                trailing.append(rest);
                cluster
            }
        };
        IngestedFragment {
            number: self.acked.number,
            timecode: self.timecode,
            producer_timestamp: self.producer_timestamp,
            server_timestamp: self.server_timestamp,
            duration: fragment::duration(self.timecode, &self.frames.spans),
            header,
            cluster,
            trailing,
            tags: self.tags,
            tracks,
            frames: self.frames.spans,
        }
    }
}
