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
    pub(crate) fn has(&self, track: TrackNumber) -> bool {
        self.tracks.iter().any(|known| known.number == track)
    }

    /// Converts a time in ms since the Unix epoch to the timecode on the wire.
    pub(crate) const fn timecode(&self, at: u64) -> u64 {
        at.saturating_sub(self.origin)
    }
}
