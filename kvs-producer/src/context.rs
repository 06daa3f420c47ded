//! What the parts of the core share while they handle one command or input.

use std::time::Instant;

use crate::buffer::fragment_buffer::FragmentBuffer;
use crate::report::sink::ReportSink;

/// The buffer, the sink for events and statistics, and the current time.
#[derive(Debug)]
pub(crate) struct Context {
    pub(crate) buffer: FragmentBuffer,
    pub(crate) sink: ReportSink,
    /// The `now` of the latest command or input. The core never reads a clock.
    pub(crate) now: Instant,
}

impl Context {
    pub(crate) fn new(buffer: FragmentBuffer, now: Instant) -> Self {
        Self { buffer, sink: ReportSink::default(), now }
    }
}
