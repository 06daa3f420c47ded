//! How long each phase of an exchange may take.

use std::time::Duration;

/// The timeouts of one attempt, one for each phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    pub(crate) connect: Duration,
    pub(crate) response_head: Duration,
    pub(crate) response_body: Duration,
    pub(crate) put_media_head: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            // GetImages decodes a page of images before it answers.
            response_head: Duration::from_secs(30),
            response_body: Duration::from_secs(30),
            put_media_head: Duration::from_millis(500),
        }
    }
}

impl Timeouts {
    /// Sets the timeout of name resolution, TCP, the connection through a proxy, and TLS together. Default: 5 s.
    #[must_use]
    pub const fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets the timeout from sending the request to the response head. Default: 30 s.
    #[must_use]
    pub const fn response_head(mut self, limit: Duration) -> Self {
        self.response_head = limit;
        self
    }

    /// Sets the timeout between two pieces of a response body. Default: 30 s.
    #[must_use]
    pub const fn response_body(mut self, limit: Duration) -> Self {
        self.response_body = limit;
        self
    }

    /// Sets how long [`Client::put_media`](crate::Client::put_media) waits for the response head before media is sent.
    /// Default: 500 ms.
    ///
    /// If the service rejects a session while media is sent, the socket is reset and the rejection may be lost.
    #[must_use]
    pub const fn put_media_head(mut self, limit: Duration) -> Self {
        self.put_media_head = limit;
        self
    }
}
