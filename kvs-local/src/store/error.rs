//! Errors of the store.

use std::io;
use std::path::PathBuf;

use kvs_types::FragmentNumber;

use super::limits;

/// A store operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The file system failed.
    #[error("{what} {}", path.display())]
    Io {
        /// The attempted operation.
        what: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The error of the system.
        source: io::Error,
    },
    /// Another process has the folder open.
    #[error("store folder {} is in use by another process", dir.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
    },
    /// A stream's name is empty or too long.
    #[error("invalid stream name: {length} bytes, expected 1 to {}", limits::STREAM_NAME_BYTES)]
    StreamName {
        /// Length in bytes.
        length: usize,
    },
    /// There is no such fragment, or it was trimmed.
    #[error("fragment {number} is not stored")]
    NotFound {
        /// The fragment number.
        number: FragmentNumber,
    },
    /// The stream was deleted during the call.
    #[error("the stream was deleted")]
    StreamDeleted,
    /// A fragment with this number is already stored.
    #[error("duplicate fragment {number}")]
    Duplicate {
        /// The fragment number.
        number: FragmentNumber,
    },
    /// The fragment is too large, or its number does not have the format of the service.
    #[error(
        "cannot store fragment {number} of {bytes} bytes: the limit is {} bytes, and the number must have the format of the service",
        limits::MEDIA_BYTES
    )]
    Unfit {
        /// The fragment number.
        number: FragmentNumber,
        /// Size in bytes.
        bytes: u64,
    },
    /// The checksum on disk does not match.
    #[error("fragment {number} is damaged on disk")]
    Damaged {
        /// The fragment number.
        number: FragmentNumber,
    },
}

impl StoreError {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { what, path, source }
    }

    /// Returns whether the disk is full.
    pub(super) fn is_full(&self) -> bool {
        use io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(self, Self::Io { source, .. } if matches!(source.kind(), StorageFull | QuotaExceeded))
    }
}
