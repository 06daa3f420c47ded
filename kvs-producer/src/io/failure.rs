//! Why a request or a connection attempt failed.

use std::fmt;
use std::time::Duration;

/// Why a request or a connection attempt failed, as far as the producer needs to know to decide what to do next.
///
/// It is a plain value: a driver of any transport creates it, the core keeps it, and events that contain it are cloned and
/// compared. The errors of transports are neither `Clone` nor `Eq`, so [`message`](Self::message) contains their texts, causes
/// included, and `source()` is `None`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
#[non_exhaustive]
pub struct Failure {
    /// Decides what the producer does next.
    pub kind: FailureKind,
    /// What the service or the transport reported, for people.
    pub message: String,
    /// The shortest wait that the service asked for (`Retry-After`).
    pub retry_after: Option<Duration>,
}

impl Failure {
    /// Creates a failure with a message for people.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), retry_after: None }
    }

    /// Sets the shortest wait that the service asked for.
    #[must_use]
    pub const fn with_retry_after(mut self, wait: Option<Duration>) -> Self {
        self.retry_after = wait;
        self
    }
}

/// The kinds of failures, by what to do about them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// The stream does not exist.
    NotFound,
    /// Too many requests or connections (429, 503, `ClientLimitExceeded`, `ConnectionLimitExceeded`). Retried after a wait.
    Throttled,
    /// The caller is not authorized. Halts the producer before the first connection, retried afterwards.
    AccessDenied,
    /// The credentials expired. Retried once with new ones.
    CredentialsExpired,
    /// The time of the signature is outside the accepted range. Retried; the tokio driver corrects its clock by the
    /// service's.
    ClockSkew,
    /// The request is invalid. Halts the producer before the first connection, retried afterwards.
    InvalidRequest,
    /// Network, name resolution or TLS failed. Retried.
    Unreachable,
    /// No response in time. Retried.
    TimedOut,
    /// The service failed (5xx). Retried.
    Service,
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotFound => "not found",
            Self::Throttled => "throttled",
            Self::AccessDenied => "access denied",
            Self::CredentialsExpired => "credentials expired",
            Self::ClockSkew => "clock skew",
            Self::InvalidRequest => "invalid request",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Service => "service failure",
        })
    }
}
