//! Why a stream could not be opened.

use std::io;
use std::time::Duration;

use kvs_aws::InvalidField;

use crate::config::ConfigError;
use crate::io::failure::Failure;
use crate::report::reason::HaltReason;
#[cfg(feature = "spool")]
use crate::spool::error::SpoolError;

/// Why a stream could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The configuration is invalid. The caller must change it.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The stream name or ARN is invalid. The caller must change it.
    #[error("invalid stream name or ARN")]
    StreamId(#[from] InvalidField),
    /// The folder cannot be the spool of this producer. The caller must change the configuration.
    #[cfg(feature = "spool")]
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The system could not start a thread for the driver (in the module `blocking`) or for the spool.
    #[error("cannot start a thread of the producer")]
    Thread(#[from] io::Error),
    /// The stream does not exist and must not be created, or the service rejected a request. The owner of the account must
    /// act.
    #[error(transparent)]
    Halted {
        /// The reason.
        reason: HaltReason,
    },
    /// The stream and its endpoint were not resolved in time. The source is the last failure, if there was one.
    #[error("stream endpoint not resolved within {} s", within.as_secs_f64())]
    TimedOut {
        /// The timeout.
        within: Duration,
        /// The last failure.
        #[source]
        last: Option<Failure>,
    },
}
