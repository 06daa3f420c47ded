//! A folder of this machine. Files belong to their owner only (0600), and no symbolic link is followed.

use std::fs::{self, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvs_types::__internal::write_pieces;

use super::disk::{Durability, SpoolDisk};
use super::error::SpoolError;

/// A locked folder. Dropping it releases the lock.
#[derive(Debug)]
pub(super) struct StdDisk {
    dir: PathBuf,
    _lock: File,
    /// The file that was appended to last.
    open: Option<(String, File)>,
}

impl StdDisk {
    /// Creates the folder if needed and locks it.
    pub(super) fn open(dir: &Path) -> Result<Self, SpoolError> {
        let io = |operation, path: &Path| {
            let path = path.to_owned();
            move |source| SpoolError::Io { operation, path, source }
        };
        match create_dir(dir) {
            // Something else has this name.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            result => result.map_err(io("create", dir))?,
        }
        // Of the last component only: the folders above are the system's business.
        if !fs::symlink_metadata(dir).map_err(io("read", dir))?.is_dir() {
            return Err(SpoolError::NotPlain { path: dir.to_owned(), expected: "folder" });
        }
        let path = dir.join(LOCK);
        let lock = open_lock(&path).map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput => SpoolError::NotPlain { path: path.clone(), expected: "file" },
            _ => io("open", &path)(error),
        })?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _lock: lock, open: None }),
            Err(TryLockError::WouldBlock) => Err(SpoolError::InUse { dir: dir.to_owned() }),
            Err(TryLockError::Error(error)) => Err(io("lock", &path)(error)),
        }
    }

    fn handle(&mut self, name: &str, at: u64) -> io::Result<&mut File> {
        if at > 0 && self.open.as_ref().is_some_and(|(open, _)| open == name) {
            return self.open.as_mut().map(|(_, file)| file).ok_or_else(|| io::ErrorKind::NotFound.into());
        }
        let path = self.dir.join(name);
        let file = if at == 0 { create(&path)? } else { open_plain(&path, OpenOptions::new().append(true))? };
        Ok(&mut self.open.insert((name.to_owned(), file)).1)
    }
}

impl SpoolDisk for StdDisk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.dir)? {
            let entry = entry?;
            // Does not follow links: they are not files.
            let metadata = entry.metadata()?;
            if metadata.is_file() {
                files.extend(entry.file_name().into_string().ok().map(|name| (name, metadata.len())));
            }
        }
        Ok(files)
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        Ok(fs::symlink_metadata(self.dir.join(name))?.len())
    }

    fn read(&self, name: &str, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut file = open_plain(&self.dir.join(name), OpenOptions::new().read(true))?;
        let there = usize::try_from(file.metadata()?.len().saturating_sub(at)).unwrap_or(usize::MAX);
        let count = there.min(most);
        file.seek(SeekFrom::Start(at))?;
        let mut bytes = Vec::with_capacity(count);
        file.take(count as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn append(&mut self, name: &str, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let result = self.append_to(name, at, pieces, durability);
        if result.is_err() {
            self.open = None;
        }
        result
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        if self.open.as_ref().is_some_and(|(open, _)| open == name) {
            self.open = None;
        }
        match fs::remove_file(self.dir.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }
}

impl StdDisk {
    fn append_to(&mut self, name: &str, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let dir = self.dir.clone();
        let file = self.handle(name, at)?;
        if file.metadata()?.len() != at {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "another program has written to the file"));
        }
        write_pieces(file, pieces)?;
        if durability == Durability::Written {
            return Ok(());
        }
        file.sync_data()?;
        // The name of a new file. Windows opens no folders as files, and makes names durable by itself.
        if at == 0 && cfg!(unix) { File::open(dir)?.sync_all() } else { Ok(()) }
    }
}

fn create_dir(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Creates a file that must not exist. `O_EXCL` follows no link.
fn create(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.append(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Opens an existing file; `InvalidInput` if it is a link or no file.
fn open_plain(path: &Path, options: &OpenOptions) -> io::Result<File> {
    let file = options.open(path)?;
    // The opened file is the one that has this name, and the name is no link.
    if is_same(&file.metadata()?, &fs::symlink_metadata(path)?) {
        Ok(file)
    } else {
        Err(io::Error::new(io::ErrorKind::InvalidInput, "not a plain file"))
    }
}

fn is_same(opened: &Metadata, named: &Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        if (opened.dev(), opened.ino()) != (named.dev(), named.ino()) {
            return false;
        }
    }
    opened.is_file() && named.is_file()
}

/// Opens the lock file, or creates it. On a read-only disk an existing one suffices.
fn open_lock(path: &Path) -> io::Result<File> {
    match create(path) {
        Ok(file) => return Ok(file),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) if fs::symlink_metadata(path).is_err() => return Err(error),
        Err(_) => {}
    }
    // A pipe with this name would block an open.
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    open_plain(path, OpenOptions::new().read(true))
}

const LOCK: &str = "lock";
