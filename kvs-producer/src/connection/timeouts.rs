//! The configured timeouts.

use std::time::Duration;

use crate::config::ProducerConfig;

/// How long each state of a connection may last.
#[derive(Debug)]
pub(super) struct Timeouts {
    /// A control request, or opening a connection.
    pub(super) request: Duration,
    /// From the end of the body to the last acknowledgement, without any activity.
    pub(super) drain: Duration,
    /// Silence while acknowledgements are due.
    pub(super) silence: Duration,
    /// A session, regardless of the credentials.
    pub(super) session: Duration,
}

impl Timeouts {
    pub(super) const fn new(config: &ProducerConfig) -> Self {
        Self {
            request: config.request_timeout,
            drain: config.drain_timeout,
            silence: config.ack_timeout,
            session: config.session_max,
        }
    }
}
