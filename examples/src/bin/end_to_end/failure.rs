//! Why the program ends early, and with which exit code.

use std::fmt;
use std::process::ExitCode;

/// One clear line, and whose fault it is.
#[derive(Debug)]
pub(crate) enum Failure {
    /// What was given cannot be used: exit code 2.
    Input(String),
    /// The run failed: exit code 1.
    Failed(String),
}

impl Failure {
    /// The user's to mend.
    pub(crate) fn input(error: impl std::error::Error) -> Self {
        Self::Input(chain(&error))
    }

    /// Not the user's fault.
    pub(crate) fn failed(error: impl std::error::Error) -> Self {
        Self::Failed(chain(&error))
    }

    /// What the shell sees.
    pub(crate) fn exit_code(&self) -> ExitCode {
        match self {
            Self::Input(_) => ExitCode::from(2),
            Self::Failed(_) => ExitCode::FAILURE,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Input(line) | Self::Failed(line) => f.write_str(line),
        }
    }
}

/// An error and its causes on one line, leaving out what a cause only repeats.
fn chain(error: &dyn std::error::Error) -> String {
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
