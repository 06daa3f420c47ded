//! The result of a stop.

use crate::report::reason::HaltReason;
use crate::report::stats::{Amount, Stats, Totals};

/// The outcome of all submitted media, returned by [`Producer::stop`](super::Producer::stop).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StopReport {
    /// All submitted media by outcome. `submitted = persisted + lost`, in frames and bytes; with a spool,
    /// `submitted + recovered = persisted + lost + spooled`.
    pub totals: Totals,
    /// All statistics.
    pub stats: Stats,
    /// Why sending had been halted before the stop, if it had.
    pub halted: Option<HaltReason>,
}

impl StopReport {
    /// Returns whether all media is persisted: what was submitted, and what an earlier run had left in the spool. Parameter sets
    /// without a picture at the end are no frame, so they do not count.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.totals.held() == Amount::default() && self.totals.lost.frames == 0
    }
}
