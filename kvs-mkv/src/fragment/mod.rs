//! Fragments: what the service stores and returns. A fragment is one cluster with its tags.
//!
//! [`FragmentReader`] reads [`Fragment`]s from the bytes of GetMedia, GetMediaForFragmentList or a saved file.
//! [`FragmentMetadata`] is what the service states about a fragment. [`Merger`] writes many fragments as one playable file.

mod error;
mod merger;
mod metadata;
mod reader;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use error::FragmentError;
pub use merger::{Joined, MergeError, Merged, Merger, Times};
pub use metadata::{FragmentMetadata, ServiceFault};
pub use reader::FragmentReader;

use crate::{Frame, SegmentInfo, Tag, Track};

/// A fragment: the frames of a cluster, its tags and what the service states about it.
///
/// Cloning does not copy the payload.
#[derive(Clone, PartialEq)]
#[non_exhaustive]
pub struct Fragment {
    /// The header of its segment.
    pub segment: SegmentInfo,
    /// The tracks of its segment; all fragments of a segment share them.
    pub tracks: Arc<[Track]>,
    /// The producer's tags before the first cluster of the segment.
    pub segment_tags: Vec<Tag>,
    /// What the service states: number, timestamps, continuation token, error.
    pub metadata: FragmentMetadata,
    /// The producer's tags in the order of the stream, including those that control the service.
    pub tags: Vec<Tag>,
    /// The timecode of the cluster: since the Unix epoch if the producer sent absolute timecodes, else since its start.
    pub at: Duration,
    /// The frames in the order of the stream; empty if the service reports an error instead of media.
    pub frames: Vec<Frame>,
}

impl Fragment {
    /// Creates a fragment without frames that starts at `at`.
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

    /// Returns the number of payload bytes of all frames.
    #[must_use]
    pub fn payload_bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }

    /// Returns the earliest time of the cluster and its frames.
    fn earliest(&self) -> Duration {
        self.frames.iter().map(|frame| frame.pts).fold(self.at, Duration::min)
    }
}

/// Shows the number of frames instead of the frames.
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
