//! Why the store could not do what it was asked.

use std::io;
use std::path::PathBuf;

use kvs_types::FragmentNumber;

use super::limits;

/// Why the store could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system refused.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("{} is in use by another process", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// A stream's name is empty or too long.
    #[error("a stream's name has 1 to {} bytes, this one has {length}", limits::STREAM_NAME_BYTES)]
    StreamName {
        /// Bytes it has.
        length: usize,
    },
    /// No such fragment, or not any more.
    #[error("fragment {number} is not stored")]
    NotFound {
        /// Its number.
        number: FragmentNumber,
    },
    /// The stream was deleted while the call was under way.
    #[error("the stream was deleted")]
    StreamDeleted,
    /// A fragment of this number is stored already.
    #[error("fragment {number} is stored already")]
    Duplicate {
        /// Its number.
        number: FragmentNumber,
    },
    /// Larger than a record may be, or its number is not of the service's make.
    #[error(
        "fragment {number} of {bytes} bytes cannot be stored: at most {} bytes, and a number as the service makes them",
        limits::MEDIA_BYTES
    )]
    Unfit {
        /// Its number.
        number: FragmentNumber,
        /// Its size.
        bytes: u64,
    },
    /// What is on disk is not what was written.
    #[error("fragment {number} is damaged on disk")]
    Damaged {
        /// Its number.
        number: FragmentNumber,
    },
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// Whether the disk has no room left.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
