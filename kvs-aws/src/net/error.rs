//! Network failures.

use std::fmt;
use std::time::Duration;

/// A network failure of a call. It may be temporary; [`Client`](crate::Client) repeats such attempts.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// No connection was established.
    #[error("cannot connect to {endpoint}")]
    Connect {
        /// Host and port of the endpoint.
        endpoint: String,
        /// The cause: name resolution, TCP, TLS, or a [`ProxyError`](crate::ProxyError).
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// A phase exceeded its timeout; see [`Timeouts`](crate::Timeouts).
    #[error("{phase} took longer than {} ms", limit.as_millis())]
    Timeout {
        /// The phase.
        phase: Phase,
        /// The timeout.
        limit: Duration,
    },
    /// The connection broke before the response was complete. The service may have processed the request.
    #[error("connection broke before the response was complete")]
    Broken {
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The response body is longer than this client reads.
    #[error("response body is longer than {limit} bytes")]
    TooLong {
        /// The limit in bytes.
        limit: usize,
    },
}

/// The phase of an exchange that timed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Phase {
    /// Name resolution, TCP, the connection through a proxy, and TLS.
    Connect,
    /// From the first byte of the request to the end of the response head.
    Head,
    /// Between two pieces of the response body.
    Body,
    /// The whole exchange, from name resolution to the last byte of the response.
    Exchange,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connect => "connecting",
            Self::Head => "waiting for the response",
            Self::Body => "waiting for more of the response",
            Self::Exchange => "the whole exchange",
        })
    }
}
