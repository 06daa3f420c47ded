//! The bytes of an input that can be read at any offset.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use bytes::Bytes;

use super::MediaError;
use super::error::Fault;

/// An open file, or something else with a size and offsets. Its contents are not kept in memory.
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Its size in bytes when it was opened; less if the rest is known to be unused.
    pub(super) len: u64,
    source: Mutex<Box<dyn ReadSeek>>,
}

pub(super) trait ReadSeek: Read + Seek + Send {}

impl<T: Read + Seek + Send> ReadSeek for T {}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Self, MediaError> {
        let (file, len) = open_file(path).map_err(|source| unreadable(path, source))?;
        Ok(Self { path: path.to_owned(), len, source: Mutex::new(Box::new(file)) })
    }

    /// An input whose size is found by seeking to its end.
    pub(super) fn new(path: &Path, mut source: impl ReadSeek + 'static) -> Result<Self, MediaError> {
        let len = source.seek(SeekFrom::End(0)).map_err(|source| unreadable(path, source))?;
        Ok(Self { path: path.to_owned(), len, source: Mutex::new(Box::new(source)) })
    }

    #[cfg(test)]
    pub(super) fn in_memory(name: &str, bytes: Bytes) -> Self {
        let len = bytes.len() as u64;
        Self { path: PathBuf::from(name), len, source: Mutex::new(Box::new(io::Cursor::new(bytes))) }
    }

    /// Reads bytes that the input must have.
    pub(super) fn read(&self, at: u64, len: u64) -> Result<Bytes, Fault> {
        let bytes = self.read_up_to(at, len)?;
        if bytes.len() as u64 == len {
            return Ok(bytes);
        }
        let end = at.saturating_add(len);
        Err(Fault::Truncated(format!("{len} bytes are expected before byte {end} but {} are left", bytes.len())))
    }

    /// Reads as many of these bytes as the input has. The caller limits `len`: that much memory is allocated at once.
    pub(super) fn read_up_to(&self, at: u64, len: u64) -> Result<Bytes, Fault> {
        let len = len.min(self.len.saturating_sub(at));
        let mut bytes = Vec::with_capacity(usize::try_from(len).unwrap_or(0));
        let mut source = self.source.lock().unwrap_or_else(PoisonError::into_inner);
        source.seek(SeekFrom::Start(at))?;
        (&mut **source).take(len).read_to_end(&mut bytes)?;
        Ok(Bytes::from(bytes))
    }

    /// Gives everything behind an offset to a function, a window at a time; the last one is empty and marked as the end.
    pub(super) fn windows(
        &self,
        mut at: u64,
        mut take: impl FnMut(Bytes, bool) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        loop {
            let window = self.read_up_to(at, WINDOW)?;
            let is_end = window.is_empty();
            at = at.saturating_add(window.len() as u64);
            take(window, is_end)?;
            if is_end {
                return Ok(());
            }
        }
    }

    /// Returns the offset behind the last byte that is not zero: a recorder that reserves its file and loses power leaves
    /// zeros behind it.
    pub(super) fn end_of_content(&self) -> Result<u64, Fault> {
        let mut end = self.len;
        while end > 0 {
            let at = end.saturating_sub(WINDOW);
            let piece = self.read_up_to(at, end - at)?;
            if let Some(last) = piece.iter().rposition(|&byte| byte != 0) {
                let end = at.saturating_add(last as u64).saturating_add(1);
                return Ok(if self.len - end < FEW_ZEROS { self.len } else { end });
            }
            end = at;
        }
        Ok(0)
    }
}

/// Fewer zeros than this may be the end of a frame.
const FEW_ZEROS: u64 = 64;
/// Bytes that are read at a time.
pub(super) const WINDOW: u64 = 256 << 10;

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Input").field("path", &self.path).field("len", &self.len).finish_non_exhaustive()
    }
}

fn open_file(path: &Path) -> io::Result<(File, u64)> {
    // A pipe has no size and cannot be read twice.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let file = File::open(path)?;
    let len = file.metadata()?.len();
    Ok((file, len))
}

pub(super) fn unreadable(path: &Path, source: io::Error) -> MediaError {
    match source.kind() {
        io::ErrorKind::NotFound => MediaError::Missing { path: path.to_owned() },
        _ => MediaError::Unreadable { path: path.to_owned(), source },
    }
}
