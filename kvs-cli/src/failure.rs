//! Why a command ends without having done its work.

use std::error::Error as StdError;
use std::fmt::Display;

use kvs_aws::{ConfigError, Error, InvalidField, TransportError};

/// One line for stderr and an exit code.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    code: u8,
    message: String,
}

impl Failure {
    /// The command line or the input has to change: exit code 2.
    pub(crate) fn input(message: impl Display) -> Self {
        Self { code: 2, message: message.to_string() }
    }

    /// The command was tried and failed: exit code 1.
    pub(crate) fn run(message: impl Display) -> Self {
        Self { code: 1, message: message.to_string() }
    }

    /// [`input`](Self::input) with an error and its causes.
    pub(crate) fn of_input(error: impl StdError) -> Self {
        Self::input(with_causes(&error))
    }

    /// [`run`](Self::run) with an error and its causes.
    pub(crate) fn of_run(error: impl StdError) -> Self {
        Self::run(with_causes(&error))
    }

    /// Puts a file, a stream or an option in front of the message.
    #[must_use]
    pub(crate) fn about(mut self, subject: impl Display) -> Self {
        self.message = format!("{subject}: {}", self.message);
        self
    }

    /// The process exit code: 1 or 2.
    pub(crate) const fn code(&self) -> u8 {
        self.code
    }
}

impl Display for Failure {
    /// Writes one line, whatever the message contains.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message.lines().map(str::trim).collect::<Vec<_>>().join(" "))
    }
}

/// An error and its causes on one line, without causes that only repeat what is already there.
pub(crate) fn with_causes(error: &dyn StdError) -> String {
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

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        match error {
            Error::Invalid(field) => Self::input(field),
            Error::Transport(TransportError::Connect { .. }) => {
                let line = with_causes(error);
                Self::input(format!("{line}; is the service running there? (--endpoint, AWS_ENDPOINT_URL)"))
            }
            Error::Credentials(_) => {
                let line = with_causes(error);
                Self::input(format!(
                    "{line}; set credentials, or name a --profile (after aws sso login, if it uses SSO)"
                ))
            }
            _ => Self::of_run(error),
        }
    }
}

impl From<InvalidField> for Failure {
    fn from(field: InvalidField) -> Self {
        Self::input(field)
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        Self::of_input(error)
    }
}
