//! What the producer wants of its connection.

use std::time::Instant;

use crate::report::span::FragmentId;

/// What the producer wants of its connection at this moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intent {
    /// Fragments from this one on must not be sent yet.
    pub(crate) hold: Option<FragmentId>,
    /// No media follows for a while.
    pub(crate) pause: bool,
    /// No media follows at all.
    pub(crate) finish: bool,
}

/// When a session ends its request body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndPolicy {
    /// Not yet: it waits for more media.
    KeepOpen,
    /// As soon as the buffered media is sent.
    WhenDrained,
    /// At the next fragment boundary.
    AtBoundary,
}

impl Intent {
    /// When a session that is to be replaced at `rotate_at` ends.
    pub(super) fn end_policy(&self, rotate_at: Instant, now: Instant) -> EndPolicy {
        if now >= rotate_at {
            EndPolicy::AtBoundary
        } else if self.pause || self.finish {
            EndPolicy::WhenDrained
        } else {
            EndPolicy::KeepOpen
        }
    }
}
