//! Whose clock times refer to.

use std::fmt::Display;

use clap::ValueEnum;
use kvs_aws::TimestampOrigin;

/// The clock that times on the command line refer to.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Clock {
    /// The clock of the camera.
    Producer,
    /// The clock of the service: when it received a fragment.
    Server,
}

impl Display for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Producer => "producer",
            Self::Server => "server",
        })
    }
}

impl From<Clock> for TimestampOrigin {
    fn from(clock: Clock) -> Self {
        match clock {
            Clock::Producer => Self::Producer,
            Clock::Server => Self::Server,
        }
    }
}
