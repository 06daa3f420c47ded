//! What a parser finds in a stream.

use std::time::Duration;

use crate::{Frame, SegmentInfo, Tag, Track};

/// One thing that a [`Parser`](crate::Parser) found, in the order of the stream.
///
/// Where it stood is [`Parser::span`](crate::Parser::span).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
// A tag of its own in front: moving a frame out of its event is then a copy in the same steps as it was written.
#[repr(u64)]
pub enum Event {
    /// A document begins. GetMedia sends one for every fragment.
    Segment(SegmentInfo),
    /// The tracks of the segment.
    Tracks(Vec<Track>),
    /// One Tag element: a group of names and values. A Tags element with several gives several of these.
    ///
    /// After a cluster they belong to that cluster's fragment, before the first one to the segment.
    Tags(Vec<Tag>),
    /// A cluster begins: to the service, a fragment. Told when its first block begins or, if it has none, when it ends.
    Cluster {
        /// Its timecode.
        at: Duration,
    },
    /// A frame of the open cluster.
    Frame(Frame),
    /// The open cluster is complete. At the end of the stream there is none: whoever ends the stream knows.
    ClusterEnd,
}
