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
        self.0 & !RECOVERED
    }
}

impl FragmentId {
    /// Returns whether an earlier run of the program left the fragment in the spool. Such fragments are numbered from 1 in the
    /// order in which they are read, apart from those of this run.
    #[must_use]
    pub const fn is_recovered(self) -> bool {
        self.0 >= RECOVERED
    }

    pub(crate) const fn recovered(number: u64) -> Self {
        Self(RECOVERED | number)
    }

    /// Whether it belongs to the media before another fragment of this run.
    pub(crate) const fn is_before(self, other: Self) -> bool {
        self.is_recovered() || self.0 < other.0
    }
}

/// Marks the numbers of fragments of an earlier run. No run has that many fragments.
const RECOVERED: u64 = 1 << 63;

impl fmt::Display for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_recovered() {
            f.write_str("recovered ")?;
        }
        self.get().fmt(f)
    }
}

impl fmt::Debug for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fragment {self}")
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
