//! The file system operations of the store, behind a trait so that tests can cut the power between any two of them.

use std::fmt::Debug;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::Bytes;
use kvs_types::__internal::write_pieces;

use crate::private_file;

/// What written data survives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "written through or not")]
pub enum Durability {
    /// `fdatasync` before the call returns: survives power loss.
    #[default]
    Synced,
    /// Left to the operating system: survives any end of the process, but not power loss.
    Written,
}

/// A file system as the store uses it. Paths are absolute or relative as the store was opened.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder and its parents.
    ///
    /// # Errors
    /// Those of the file system, here and below.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks a file against other processes until the returned file is dropped.
    ///
    /// # Errors
    /// `WouldBlock` if another process has the lock.
    fn lock(&self, file: &Path) -> io::Result<Option<File>>;

    /// Returns the names in a folder, in any order; names that are not Unicode are omitted.
    ///
    /// # Errors
    /// Those of the file system.
    fn entries(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Returns the length of a file, `None` if it does not exist.
    ///
    /// # Errors
    /// Those of the file system.
    fn len(&self, file: &Path) -> io::Result<Option<u64>>;

    /// Reads at most `most` bytes from `at`; fewer only at the end of the file.
    ///
    /// # Errors
    /// Those of the file system; `NotFound` if there is no such file.
    fn read(&self, file: &Path, at: u64, most: usize) -> io::Result<Vec<u8>>;

    /// Appends pieces to a file of `at` bytes; creates it if `at` is zero.
    ///
    /// # Errors
    /// Those of the file system; any part may be written then. `InvalidData` if the file does not have `at` bytes.
    fn append(&self, file: &Path, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()>;

    /// Replaces a file atomically, or creates it. If `durability` is `Synced`, the content is durable before the name is, which
    /// becomes so with [`sync_dir`](Self::sync_dir).
    ///
    /// # Errors
    /// Those of the file system.
    fn replace(&self, file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()>;

    /// Makes the entries of a folder durable.
    ///
    /// # Errors
    /// Those of the file system.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Renames a folder within its parent.
    ///
    /// # Errors
    /// Those of the file system.
    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file; succeeds if there is none.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_file(&self, file: &Path) -> io::Result<()>;

    /// Removes a folder with its contents.
    ///
    /// # Errors
    /// Those of the file system.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;
}

/// The file system of this machine. Keeps no file open between calls, so that thousands of streams do not need thousands of
/// handles.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct LocalDisk;

impl Disk for LocalDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn lock(&self, file: &Path) -> io::Result<Option<File>> {
        let handle = private_file::open_lock(file)?;
        match handle.try_lock() {
            Ok(()) => Ok(Some(handle)),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        Ok(names)
    }

    fn len(&self, file: &Path) -> io::Result<Option<u64>> {
        match fs::metadata(file) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn read(&self, file: &Path, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut handle = File::open(file)?;
        let there = handle.metadata()?.len().saturating_sub(at);
        let count = usize::try_from(there).unwrap_or(usize::MAX).min(most);
        if at > 0 {
            handle.seek(SeekFrom::Start(at))?;
        }
        let mut bytes = Vec::with_capacity(count);
        handle.take(count as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&self, file: &Path, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let mut handle = OpenOptions::new().create(at == 0).append(true).open(file)?;
        if handle.metadata()?.len() != at {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "another hand has written to the file"));
        }
        write_pieces(&mut handle, pieces)?;
        match durability {
            Durability::Synced => handle.sync_data(),
            Durability::Written => Ok(()),
        }
    }

    fn replace(&self, file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
        let beside = file.with_extension("new");
        let mut handle = private_file::create_draft(&beside)?;
        handle.write_all(bytes)?;
        if durability == Durability::Synced {
            handle.sync_data()?;
        }
        drop(handle);
        fs::rename(&beside, file)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        // Windows opens no folders as files, and makes names durable by itself.
        if cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }

    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        match fs::remove_file(file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_appended_only_at_the_expected_offset() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.seg");
        let many: Vec<Bytes> = (0..5000_u32).map(|at| Bytes::copy_from_slice(&at.to_be_bytes())).collect();
        LocalDisk.append(&file, 0, &many, Durability::Synced).unwrap();
        assert_eq!(LocalDisk.len(&file).unwrap(), Some(20_000));
        assert_eq!(LocalDisk.read(&file, 19_996, 100).unwrap(), 4999_u32.to_be_bytes());
        let error = LocalDisk.append(&file, 7, &many, Durability::Written).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn replacing_leaves_no_other_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("stream.json");
        for text in ["first", "second"] {
            LocalDisk.replace(&file, text.as_bytes(), Durability::Synced).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), text);
        }
        assert_eq!(LocalDisk.entries(dir.path()).unwrap(), ["stream.json"]);
    }

    #[test]
    fn lock_has_one_owner_at_a_time() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("lock");
        let first = LocalDisk.lock(&file).unwrap();
        assert_eq!(LocalDisk.lock(&file).unwrap_err().kind(), io::ErrorKind::WouldBlock);
        drop(first);
        assert!(LocalDisk.lock(&file).is_ok());
    }
}
