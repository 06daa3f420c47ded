//! Fragments: what the service stores and hands out, one cluster with the tags that belong to it.
//!
//! [`FragmentReader`] turns the bytes of GetMedia, GetMediaForFragmentList or a saved file into [`Fragment`]s,
//! [`FragmentMetadata`] is what the service says about one, and [`Merger`] makes one playable file of many.

mod merger;
mod metadata;
mod reader;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use merger::{Joined, MergeError, Merged, Merger, Times};
pub use metadata::{FragmentMetadata, ServiceFault};
pub use reader::{FragmentError, FragmentReader};

use crate::{Frame, SegmentInfo, Tag, Track};

/// One fragment: a cluster's frames, its tags and what the service says about it.
///
/// Cloning copies no payload.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Fragment {
    /// The segment it came in.
    pub segment: SegmentInfo,
    /// The tracks of that segment; shared by all fragments of one segment.
    pub tracks: Arc<[Track]>,
    /// The producer's tags in front of the segment's first cluster.
    pub segment_tags: Vec<Tag>,
    /// What the service says: number, timestamps, where to go on, what went wrong.
    pub metadata: FragmentMetadata,
    /// The producer's own tags, in the order they came; its marks for the service among them.
    pub tags: Vec<Tag>,
    /// The cluster's timecode: since the epoch where the producer sent absolute ones, else since its own start.
    pub at: Duration,
    /// The frames in the order of the stream. None where the service reports an error instead of media.
    pub frames: Vec<Frame>,
}

impl Fragment {
    /// An empty fragment of this segment that begins at `at`.
    #[must_use]
    pub fn new(segment: SegmentInfo, tracks: impl Into<Arc<[Track]>>, at: Duration) -> Self {
        Self {
            segment,
            tracks: tracks.into(),
            segment_tags: Vec::new(),
            metadata: FragmentMetadata::default(),
            tags: Vec::new(),
            at,
            frames: Vec::new(),
        }
    }

    /// Payload bytes of all frames.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }

    /// The earliest time in it.
    fn earliest(&self) -> Duration {
        self.frames.iter().map(|frame| frame.pts).fold(self.at, Duration::min)
    }
}

/// Shows how many frames there are, not the frames.
impl fmt::Debug for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fragment")
            .field("at", &self.at)
            .field("metadata", &self.metadata)
            .field("tags", &self.tags)
            .field("segment_tags", &self.segment_tags)
            .field("tracks", &self.tracks.len())
            .field("frames", &self.frames.len())
            .field("payload_bytes", &self.payload_bytes())
            .finish_non_exhaustive()
    }
}
