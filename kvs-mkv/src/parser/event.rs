//! The events of a parsed stream.

use std::ops::Range;
use std::time::Duration;

use crate::{Frame, SegmentInfo, Tag, Track};

/// An event of a [`Parser`](crate::Parser), in the order of the stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
// With an explicit tag before the payload, a frame is moved out of its event in the same steps in which it was written.
#[repr(u64)]
pub enum Event {
    /// A document begins. GetMedia sends one for every fragment.
    Segment(SegmentInfo),
    /// The tracks of the segment.
    Tracks(Vec<Track>),
    /// One Tag element: a group of names and values. A Tags element with several groups gives several events.
    ///
    /// Tags after a cluster belong to that cluster's fragment, tags before the first cluster to the segment.
    Tags(Vec<Tag>),
    /// A cluster begins: to the service, a fragment. The event comes with the cluster's first block, or with its end if it
    /// has none.
    Cluster {
        /// The timecode of the cluster.
        at: Duration,
    },
    /// A frame of the current cluster.
    Frame(Frame),
    /// The current cluster is complete. At the end of the stream, [`Parser::finish`](crate::Parser::finish) ends it without an
    /// event.
    ClusterEnd,
}

/// Where the element of an event is, in bytes from the start of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Position {
    /// The bytes of the element.
    ///
    /// - Segment: from its EBML head to the end of Info, or to the end of the Segment's own head if Info is not the first
    ///   child;
    /// - Tracks and Tags: the whole element; all Tag groups of one Tags element have the same span;
    /// - Cluster: from its head to its first block;
    /// - Frame: the whole SimpleBlock or BlockGroup; all frames of a laced block have the same span;
    /// - ClusterEnd: empty, where the cluster ended.
    pub span: Range<u64>,
    /// Where the payload of a frame starts; `None` for other events.
    pub payload: Option<u64>,
}
