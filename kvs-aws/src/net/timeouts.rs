//! How long each phase of an exchange may take.

use std::time::Duration;

/// The longest waits of one attempt, phase by phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Timeouts {
    /// Name resolution, TCP, the way through a proxy, and TLS. Default 5 s.
    pub connect: Duration,
    /// From sending to the response's head. Default 30 s: GetImages decodes a page of pictures before it answers.
    pub head: Duration,
    /// Between two pieces of a response body. Default 30 s.
    pub body: Duration,
    /// PutMedia only: how long the first media waits for the response's head, so that a refused session can be read
    /// before media is pushed into a closing socket. Default 500 ms.
    pub put_media_head_start: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            head: Duration::from_secs(30),
            body: Duration::from_secs(30),
            put_media_head_start: Duration::from_millis(500),
        }
    }
}

impl Timeouts {
    /// Sets the limit of name resolution, TCP, the way through a proxy, and TLS.
    #[must_use]
    pub const fn connect(mut self, limit: Duration) -> Self {
        self.connect = limit;
        self
    }

    /// Sets the limit from sending to the response's head.
    #[must_use]
    pub const fn head(mut self, limit: Duration) -> Self {
        self.head = limit;
        self
    }

    /// Sets the limit between two pieces of a response body.
    #[must_use]
    pub const fn body(mut self, limit: Duration) -> Self {
        self.body = limit;
        self
    }

    /// Sets how long PutMedia's first media waits for the response's head.
    #[must_use]
    pub const fn put_media_head_start(mut self, limit: Duration) -> Self {
        self.put_media_head_start = limit;
        self
    }
}
