//! Input of image extraction: where fragments lie in time, and their media.

use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::{Frame, Track};
use kvs_types::{FragmentNumber, TimestampOrigin};

/// The position of a fragment in time, without its media.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a number, two clocks and a duration are all there is")]
pub struct FragmentSpan {
    /// The fragment number.
    pub number: FragmentNumber,
    /// Start of the fragment on the producer's clock, since the Unix epoch.
    pub producer_timestamp: Duration,
    /// When the service received the start of the fragment, since the Unix epoch.
    pub server_timestamp: Duration,
    /// Time from the start of the fragment to its last frame. The fragment covers both and the instants between them.
    pub duration: Duration,
}

impl FragmentSpan {
    /// Returns the start of the fragment on this clock, since the Unix epoch.
    #[must_use]
    pub const fn start(&self, origin: TimestampOrigin) -> Duration {
        match origin {
            TimestampOrigin::Producer => self.producer_timestamp,
            TimestampOrigin::Server => self.server_timestamp,
        }
    }

    /// Returns whether the fragment covers an instant: from its first to its last frame.
    #[must_use]
    pub fn covers(&self, instant: Duration, origin: TimestampOrigin) -> bool {
        let start = self.start(origin);
        start <= instant && instant <= start.saturating_add(self.duration)
    }
}

/// The media of one fragment.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "the parts of a Matroska cluster")]
pub struct FragmentMedia {
    /// The tracks of the session.
    pub tracks: Arc<[Track]>,
    /// The timecode of the cluster, on the same time axis as the presentation times of the frames.
    pub start: Duration,
    /// The frames of all tracks in the order they arrived, which is decoding order.
    pub frames: Vec<Frame>,
}

impl FragmentMedia {
    /// Returns the payload bytes of all frames.
    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }
}

/// Reads the media of fragments: from the store, or from a list in a test.
///
/// Called from several threads at the same time. The threads may block.
pub trait MediaSource: Sync {
    /// Reads the media of one fragment.
    ///
    /// # Errors
    /// The reason why the fragment cannot be read. The instants that need it fail with [`DecodeError::Storage`].
    ///
    /// [`DecodeError::Storage`]: super::DecodeError::Storage
    fn media(&self, number: &FragmentNumber) -> Result<FragmentMedia, Box<dyn std::error::Error + Send + Sync>>;
}
