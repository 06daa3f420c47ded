//! Which media an event is about: the producer's fragment number and the time range.

use std::fmt;
use std::time::SystemTime;

/// The number that a producer gives to a fragment: 1 for its first fragment, then one more for each in the order of
/// submission. The service assigns its own [`FragmentNumber`](kvs_types::FragmentNumber) later.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentId(pub(crate) u64);

impl FragmentId {
    /// Returns the number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fragment {}", self.0)
    }
}

/// A time range of media with its size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// Time of the first frame. For a fragment this is its cluster timecode.
    pub start: SystemTime,
    /// Time of the latest frame.
    pub end: SystemTime,
    /// Number of frames.
    pub frames: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl Span {
    /// Extends the range so that it covers another one too.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}
