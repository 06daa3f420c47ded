//! The data folder, locked against other services.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use crate::private_file;

/// The data folder of a running service.
#[derive(Debug)]
pub(crate) struct DataDir {
    path: PathBuf,
    on_drop: OnDrop,
    /// The lock lasts as long as this file is open.
    _lock: File,
}

/// What happens to the folder when the service stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnDrop {
    Keep,
    Remove,
}

/// The folder could not be opened.
#[derive(Debug)]
pub(crate) enum DataDirError {
    /// Another service uses it.
    InUse { path: PathBuf },
    /// The file system failed.
    Io { path: PathBuf, source: io::Error },
}

impl DataDir {
    /// Opens and locks the folder, creating it if needed. Without a path, creates a temporary one that is removed on drop.
    pub(crate) fn open(path: Option<&Path>) -> Result<Self, DataDirError> {
        let (path, on_drop) = match path {
            Some(path) => (path.to_owned(), OnDrop::Keep),
            None => (std::env::temp_dir().join(format!("kvs-local-{}", uuid::Uuid::new_v4())), OnDrop::Remove),
        };
        let failed = |source: io::Error| DataDirError::Io { path: path.clone(), source };
        match on_drop {
            OnDrop::Keep => fs::create_dir_all(&path),
            // In a folder of all users: nobody else may look into it or have made it before.
            OnDrop::Remove => private_file::create_dir(&path),
        }
        .map_err(failed)?;
        let lock = path.join("lock");
        let lock = private_file::open_lock(&lock).map_err(|source| DataDirError::Io { path: lock, source })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { path, on_drop, _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse { path }),
            Err(TryLockError::Error(error)) => Err(failed(error)),
        }
    }

    /// Returns the path.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if self.on_drop == OnDrop::Remove
            && let Err(error) = fs::remove_dir_all(&self.path)
        {
            tracing::debug!(%error, path = %self.path.display(), "failed to remove the temporary data folder");
        }
    }
}
