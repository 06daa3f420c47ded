//! What all fragments of a session have in common.

use kvs_mkv::{Track, TrackNumber};

/// The tracks and the time origin of consecutive fragments. A session carries fragments of one epoch, because its header
/// declares them once.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Increases with each change of the tracks and each time jump.
    pub(crate) id: u64,
    pub(crate) tracks: Vec<Track>,
    /// What relative timecodes count from, in ms since the Unix epoch; zero with absolute timecodes.
    pub(crate) origin: u64,
}

impl Epoch {
    /// What a fragment that was read back has: its number is not that of any epoch of this run.
    #[cfg(feature = "spool")]
    pub(crate) const fn recovered(tracks: Vec<Track>, origin: u64) -> Self {
        Self { id: RECOVERED, tracks, origin }
    }

    /// Whether a session with the header of this epoch can carry fragments of another one.
    pub(crate) fn carries(&self, other: &Self) -> bool {
        if self.id != RECOVERED && other.id != RECOVERED {
            return self.id == other.id;
        }
        self.origin == other.origin && self.tracks == other.tracks
    }

    pub(crate) fn has(&self, track: TrackNumber) -> bool {
        self.tracks.iter().any(|known| known.number == track)
    }

    /// Converts a time in ms since the Unix epoch to the timecode on the wire.
    pub(crate) const fn timecode(&self, at: u64) -> u64 {
        at.saturating_sub(self.origin)
    }
}

/// The number of epochs that were read back: they are compared by content.
const RECOVERED: u64 = u64::MAX;
