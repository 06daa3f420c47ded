//! Whether an attempt that failed is worth repeating.

use std::time::Duration;

use crate::net::error::TransportError;
use crate::protocol::error::Error;
use crate::protocol::service_error::ServiceErrorKind;

/// A failed attempt, classified for the retry decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailureKind {
    /// The service limits the request rate.
    Throttled {
        /// How long the service asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// A temporary failure of the network or the service.
    Transient {
        /// How long the service asks clients to wait.
        retry_after: Option<Duration>,
    },
    /// The same request would fail again.
    Fatal,
}

impl FailureKind {
    pub(crate) fn of(error: &Error) -> Self {
        match error {
            Error::Transport(TransportError::TooLong { .. }) => Self::Fatal,
            Error::Transport(_) => Self::Transient { retry_after: None },
            Error::Service(error) => {
                let retry_after = error.retry_after;
                match error.kind {
                    ServiceErrorKind::ClientLimitExceeded
                    | ServiceErrorKind::ConnectionLimitExceeded
                    | ServiceErrorKind::Throttling => Self::Throttled { retry_after },
                    _ if error.status == 429 => Self::Throttled { retry_after },
                    ServiceErrorKind::RequestTimeout => Self::Transient { retry_after },
                    _ if error.status >= 500 => Self::Transient { retry_after },
                    _ => Self::Fatal,
                }
            }
            Error::Invalid(_) | Error::Credentials(_) | Error::Response { .. } => Self::Fatal,
        }
    }
}

impl Error {
    /// Whether the same request may succeed later: the network failed, or the service limits the request rate or has an
    /// internal error. [`Client`](crate::Client) has repeated such requests already.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        FailureKind::of(self) != FailureKind::Fatal
    }
}
