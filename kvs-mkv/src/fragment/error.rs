//! The errors of the fragment reader.

use std::time::Duration;

use super::Fragment;
use crate::ParseError;

/// A stream of fragments that cannot be read; its sender is at fault, or a limit is too small.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FragmentError {
    /// The bytes are not Matroska, or an element exceeds a limit.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A fragment has more payload than [`Limits::fragment_bytes`](crate::Limits::fragment_bytes).
    #[error("fragment at {at:?} has at least {bytes} bytes, at most {limit} are allowed")]
    TooLarge {
        /// Timecode of the fragment.
        at: Duration,
        /// Bytes so far.
        bytes: usize,
        /// Largest allowed number of bytes.
        limit: usize,
    },
    /// A fragment has more frames than [`Limits::fragment_frames`](crate::Limits::fragment_frames).
    #[error("fragment at {at:?} has more than {limit} frames, which is the limit")]
    TooManyFrames {
        /// Timecode of the fragment.
        at: Duration,
        /// Largest allowed number of frames.
        limit: usize,
    },
    /// A fragment or segment has more tags than [`Limits::fragment_tags`](crate::Limits::fragment_tags).
    #[error("one fragment has more than {limit} tags, which is the limit")]
    TooManyTags {
        /// Largest allowed number of tags.
        limit: usize,
    },
    /// The tags of a fragment or segment are longer than [`Limits::tags_bytes`](crate::Limits::tags_bytes).
    #[error("tags of one fragment have {bytes} bytes, at most {limit} are allowed")]
    TagsTooLarge {
        /// Bytes so far.
        bytes: usize,
        /// Largest allowed number of bytes.
        limit: usize,
    },
    /// The stream ends inside an element.
    #[error("stream ends inside an element, so its last fragment is not complete")]
    Unfinished {
        /// Where it ends.
        #[source]
        error: ParseError,
        /// The last fragment, with the frames and tags that are complete.
        fragment: Option<Box<Fragment>>,
    },
}
