//! What is known when sessions bring no progress.

use std::fmt;

use super::span::{FragmentId, Span};
use crate::time::{millis, since_epoch};

/// Several sessions in a row were reset before a whole fragment and its acknowledgement got through.
///
/// The producer goes on: it sends the fragment alone in each session until one gets through. If the link breaks after fewer
/// bytes than a fragment has, that takes long or forever, and shorter fragments help.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoProgress {
    /// Number of these sessions.
    pub sessions: u32,
    /// The fragment that does not get through.
    pub fragment: FragmentId,
    /// Its time range and size.
    pub span: Span,
    /// The most body bytes that the transport took in one of these sessions. At most so many got through: the rest was in
    /// buffers on this side of the link.
    pub accepted_bytes: u64,
}

impl NoProgress {
    /// What a person can do.
    #[must_use]
    pub const fn advice(&self) -> &'static str {
        "shorten the key frame interval (GOP) of the encoder or fragment_max, or lower the bit rate: smaller fragments get \
         through before the link breaks"
    }
}

impl fmt::Display for NoProgress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sessions, fragment, span, accepted_bytes } = self;
        write!(
            f,
            "{sessions} sessions in a row were reset before fragment {fragment} at {} ms, {} bytes, was persisted; at most \
             {accepted_bytes} bytes of a session got through; {}",
            millis(since_epoch(span.start)),
            span.bytes,
            self.advice()
        )
    }
}
