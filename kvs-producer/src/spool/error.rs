//! Why a spool cannot be used.

use std::io;
use std::path::PathBuf;

/// Why a folder cannot be the spool of a producer. The caller must change the configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpoolError {
    /// Another producer has the folder, in this process or in another one.
    #[error("spool folder {} is in use by another producer", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// The folder or a file in it is a symbolic link or something else than it should be.
    #[error("{} is not a plain {expected}: the spool follows no links", path.display())]
    NotPlain {
        /// The folder or file.
        path: PathBuf,
        /// What it should be: `folder` or `file`.
        expected: &'static str,
    },
    /// The folder holds media of another stream.
    #[error("spool folder {} holds media of the stream {stream:?}: use one folder per stream", dir.display())]
    OtherStream {
        /// The folder.
        dir: PathBuf,
        /// The stream.
        stream: String,
    },
    /// The file system failed.
    #[error("cannot {operation} {}", path.display())]
    Io {
        /// What was attempted.
        operation: &'static str,
        /// The folder or file.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
}
