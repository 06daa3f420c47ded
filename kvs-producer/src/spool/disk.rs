//! The file system operations of the spool, behind a trait so that tests can end the process between any two bytes.

use std::fmt::Debug;
use std::io;

use bytes::Bytes;

/// One folder, as the spool uses it. File names have no path. Outside the crate, only simulations implement it.
#[allow(clippy::missing_errors_doc, reason = "every error is that of the file system")]
pub trait SpoolDisk: Debug + Send {
    /// Returns the names and lengths of the files.
    fn list(&self) -> io::Result<Vec<(String, u64)>>;

    /// Returns the length of a file.
    fn len(&self, name: &str) -> io::Result<u64>;

    /// Reads at most `most` bytes from `at`; fewer only at the end of the file.
    fn read(&self, name: &str, at: u64, most: usize) -> io::Result<Vec<u8>>;

    /// Appends to a file of `at` bytes; with zero it creates the file, which must not exist. If it fails, any part may be
    /// written.
    fn append(&mut self, name: &str, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()>;

    /// Removes a file; succeeds if there is none.
    fn remove(&mut self, name: &str) -> io::Result<()>;
}

/// What an append survives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "not public")]
pub enum Durability {
    /// Power loss.
    Synced,
    /// The end of the process only.
    Written,
}
