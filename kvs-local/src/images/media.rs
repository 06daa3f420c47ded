//! What the picture code is given: where fragments lie in time, and what is in them.

use std::sync::Arc;
use std::time::Duration;

use kvs_mkv::{Frame, Track};
use kvs_types::FragmentNumber;

/// Where a fragment lies in time, without its media.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two clocks and a length is what time is here")]
pub struct FragmentSpan {
    /// Its number.
    pub number: FragmentNumber,
    /// When the producer stamped its start, since the Unix epoch.
    pub producer_timestamp: Duration,
    /// When the service began to receive it, since the Unix epoch.
    pub server_timestamp: Duration,
    /// How long it lasts: it covers its start and every instant before its end. Nobody can tell how long a single frame
    /// lasts; a fragment of no duration covers its start alone.
    pub duration: Duration,
}

/// Which clock instants are meant on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the service has two clocks")]
pub enum Axis {
    /// The producer's: `PRODUCER_TIMESTAMP`.
    Producer,
    /// The service's: `SERVER_TIMESTAMP`.
    Server,
}

impl FragmentSpan {
    /// When it starts on this axis, since the Unix epoch.
    #[must_use]
    pub const fn start(&self, axis: Axis) -> Duration {
        match axis {
            Axis::Producer => self.producer_timestamp,
            Axis::Server => self.server_timestamp,
        }
    }

    /// Whether an instant lies inside, the end not counted.
    #[must_use]
    pub fn covers(&self, instant: Duration, axis: Axis) -> bool {
        let start = self.start(axis);
        start <= instant && instant < start.saturating_add(self.duration.max(Duration::from_millis(1)))
    }
}

/// The media of one fragment.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "what a cluster is: its tracks, its start, its frames")]
pub struct Footage {
    /// The tracks of its session.
    pub tracks: Arc<[Track]>,
    /// The cluster's timecode: the frames' times count on the same axis.
    pub start: Duration,
    /// All frames of all tracks in the order they arrived, which is the order of decoding.
    pub frames: Vec<Frame>,
}

impl Footage {
    /// Bytes of all its frames.
    pub(super) fn bytes(&self) -> usize {
        self.frames.iter().map(|frame| frame.data.len()).sum()
    }
}

/// Where footage is read from: the store, or a list in a test.
///
/// Called from several threads at once, on threads that may block.
pub trait FootageSource: Sync {
    /// Reads the media of one fragment.
    ///
    /// # Errors
    /// Says why it cannot be read; the instants that need it become media errors.
    fn footage(&self, number: &FragmentNumber) -> Result<Footage, Box<dyn std::error::Error + Send + Sync>>;
}
