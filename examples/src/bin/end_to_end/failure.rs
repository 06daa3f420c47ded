//! Why the program ends without having shown the whole journey.

use std::error::Error;
use std::fmt::{self, Display};
use std::time::Duration;

use kvs_mkv::TrackNumber;

/// One line for stderr and an exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    /// 2 if the command line or the input must be corrected, 1 for everything else.
    pub(crate) code: u8,
    message: String,
}

impl Failure {
    /// The command line or the input must be corrected: exit code 2.
    pub(crate) fn input(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// The journey was started and failed: exit code 1.
    pub(crate) fn run(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// [`input`](Self::input) with an error and its causes.
    pub(crate) fn of_input(error: impl Error) -> Self {
        Self::input(with_causes(&error))
    }

    /// The same, with what had happened before.
    pub(crate) fn after(self, what: impl Display) -> Self {
        Self { message: format!("{}; {what}", self.message), ..self }
    }

    /// A frame of the recording that the producer does not accept.
    pub(crate) fn of_frame(error: impl Error, track: TrackNumber, at: Duration) -> Self {
        Self::run(format!("frame of track {track} at {:.3} s: {}", at.as_secs_f64(), with_causes(&error)))
    }

    /// [`run`](Self::run) with an error and its causes.
    pub(crate) fn of_run(error: impl Error) -> Self {
        Self::run(with_causes(&error))
    }
}

impl Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }
}

/// An error and its causes on one line.
fn with_causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        let text = next.to_string();
        if !line.contains(&text) {
            line = format!("{line}: {text}");
        }
        cause = next.source();
    }
    line
}
