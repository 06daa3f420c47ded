//! Why the element cannot work, as one sentence.

use std::error::Error;
use std::path::PathBuf;

/// Why the element cannot be started with these properties.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SetupError {
    #[error("{given} is set, but {missing} is not: set both or none")]
    HalfOfKeys { given: &'static str, missing: &'static str },
    #[error("property iot-certificate has no field {field}: set endpoint, cert-path, key-path and role-aliases")]
    IotField { field: &'static str },
    #[error("property {property}: {}", path.display())]
    File {
        property: &'static str,
        path: PathBuf,
        #[source]
        error: std::io::Error,
    },
    #[error("property credential-path: {}", path.display())]
    CredentialFile {
        path: PathBuf,
        #[source]
        error: crate::credential_file::CredentialFileError,
    },
    #[error("property {property}")]
    Invalid {
        property: &'static str,
        #[source]
        error: Box<dyn Error + Send + Sync>,
    },
    #[error("property stream-tags: field {field} is not a string")]
    StreamTag { field: String },
    #[error("property track-name has {bytes} bytes, at most {limit} are allowed")]
    TrackName { bytes: usize, limit: usize },
    #[error(transparent)]
    Iot(#[from] kvs_aws::IotConfigError),
    #[error(transparent)]
    Client(#[from] kvs_aws::ConfigError),
    #[error("cannot start the threads of the element")]
    Threads(#[from] std::io::Error),
}

impl SetupError {
    pub(crate) fn invalid(property: &'static str, error: impl Error + Send + Sync + 'static) -> Self {
        Self::Invalid { property, error: Box::new(error) }
    }
}

/// The error with its causes, in one line.
pub(crate) fn sentence(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.ends_with(&next) {
            text.push_str(": ");
            text.push_str(&next);
        }
        cause = error.source();
    }
    text
}
