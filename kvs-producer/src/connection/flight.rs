//! A fragment that was started in a session and waits for its acknowledgement.

use std::time::Instant;

use crate::report::span::FragmentId;

/// A fragment in flight.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flight {
    pub(super) fragment: FragmentId,
    /// When its first byte was sent, until its first acknowledgement, if it was complete by then. A fragment that is sent
    /// while it fills takes as long as it lasts, which says nothing about the link.
    pub(super) started: Option<Instant>,
}

impl Flight {
    pub(super) const fn new(fragment: FragmentId, started: Option<Instant>) -> Self {
        Self { fragment, started }
    }
}
