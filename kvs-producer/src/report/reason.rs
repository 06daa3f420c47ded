//! Why connections end, why sending halts, and how time jumps are handled.

use std::fmt;
use std::time::Duration;

use kvs_types::AckError;

use crate::io::failure::Failure;

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// All media of the connection is persisted.
    Complete,
    /// The connection could not be established, or the service rejected it.
    Failed(Failure),
    /// The transport broke, or the service ended the connection early. The text is for people.
    Broken(String),
    /// The connection was silent for [`ack_timeout`](crate::ProducerConfig::ack_timeout) or
    /// [`drain_timeout`](crate::ProducerConfig::drain_timeout) although acknowledgements were due.
    Silent {
        /// How long nothing was received.
        duration: Duration,
    },
    /// The service reported an error and closed the connection.
    Error(AckError),
    /// The media being sent no longer fits the header of the connection.
    Superseded,
    /// The deadline of [`finish`](crate::ProducerCore::finish) passed.
    Deadline,
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Complete => f.write_str("complete"),
            Self::Failed(failure) => failure.fmt(f),
            Self::Broken(text) => write!(f, "broken: {text}"),
            Self::Silent { duration } => write!(f, "nothing received for {:.1} s", duration.as_secs_f64()),
            Self::Error(error) => write!(f, "error of the service: {error}"),
            Self::Superseded => f.write_str("the media needs a new header"),
            Self::Deadline => f.write_str("the deadline of the stop passed"),
        }
    }
}

/// How the producer handled a jump of the frames' timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JumpHandling {
    /// A timestamp counter wrapped; times continue without a jump.
    Unwrapped,
    /// The next key frame starts a new session at the new time.
    NewSession,
    /// Times continue from the last one.
    Rebased,
    /// The source's clock was never set; times count from the wall clock instead.
    FromWallClock,
}

/// Why sending stopped. The buffer is kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HaltReason {
    /// The stream does not exist, and the configuration does not allow creating it.
    #[error("stream not found: create it, or use StreamLookup::CreateIfMissing")]
    StreamNotFound,
    /// The service rejected a request in a way that a retry does not change: missing permissions or an invalid request.
    #[error(transparent)]
    RequestRejected(Failure),
    /// The service sent an error acknowledgement that resending does not change: the KMS key or the stream itself.
    #[error("{0}")]
    Rejected(AckError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::failure::FailureKind;

    #[test]
    fn a_close_reason_is_a_sentence() {
        let failed = CloseReason::Failed(Failure::new(FailureKind::Throttled, "one connection is allowed"));
        assert_eq!(failed.to_string(), "throttled: one connection is allowed");
        let silent = CloseReason::Silent { duration: Duration::from_millis(9_500) };
        assert_eq!(silent.to_string(), "nothing received for 9.5 s");
    }
}
