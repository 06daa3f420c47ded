//! The streams of one folder.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kvs_types::FragmentNumber;

use super::disk::{Disk, LocalDisk};
use super::error::StoreError;
use super::fragment::StoredFragment;
use super::index::{FragmentInfo, Selection, TimestampKind};
use super::limits;
use super::policy::{Keep, StorePolicy, Trimmed};
use super::stream::{CARD, StreamLog, read_card};
use crate::ingest::IngestedFragment;

/// Fragments of many streams, durable, in one folder.
///
/// All calls block on the disk; from asynchronous code, make them on a thread that may. Streams do not wait for each other, and
/// readers of a stream not for its writer.
///
/// Memory: 48 bytes for each fragment of the streams that were used since the store was opened, and what a caller has loaded.
///
/// ```
/// use kvs_local::__internal::ingest::IngestedFragment;
/// use kvs_local::__internal::store::{Selection, Store, StoreError, StorePolicy};
///
/// fn keep(fragment: &IngestedFragment) -> Result<(), StoreError> {
///     let store = Store::open("data", StorePolicy::default())?;
///     let info = store.append("door", fragment)?;
///     assert_eq!(store.list("door", &Selection::All)?, [info.clone()]);
///     assert_eq!(store.load("door", &info.number)?.info, info);
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct Store {
    disk: Arc<dyn Disk>,
    policy: StorePolicy,
    root: PathBuf,
    streams: Mutex<Streams>,
    _lock: Option<File>,
}

#[derive(Debug, Default)]
struct Streams {
    by_name: BTreeMap<String, Shelf>,
    next_dir: u64,
}

/// A stream's folder, read at the first use.
#[derive(Clone, Debug)]
enum Shelf {
    Closed(PathBuf),
    Open(Arc<StreamLog>),
}

impl Store {
    /// Opens the store in a folder, making it if need be, and takes its lock.
    ///
    /// Reads one small file for each stream; what the streams hold is read when it is first asked for.
    ///
    /// # Errors
    /// Another process has it open, or the file system refuses.
    pub fn open(dir: impl AsRef<Path>, policy: StorePolicy) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(LocalDisk), dir.as_ref(), policy)
    }

    /// Opens a store on another file system than the machine's.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, policy: StorePolicy) -> Result<Self, StoreError> {
        let root = dir.join("streams");
        disk.create_dir(&root).map_err(StoreError::io("cannot make", &root))?;
        let lock = dir.join("lock");
        let lock = disk.lock(&lock).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::InUse { dir: dir.to_owned() },
            _ => StoreError::io("cannot lock", lock)(error),
        })?;
        let streams = read_streams(&*disk, &root)?;
        Ok(Self { disk, policy, root, streams: Mutex::new(streams), _lock: lock })
    }

    /// Stores a fragment of a stream, durable as the policy says when this returns.
    ///
    /// # Errors
    /// The file system refuses, the number is stored already, or the stream was deleted meanwhile. Nothing of the fragment is
    /// listed or served then.
    pub fn append(&self, stream: &str, fragment: &IngestedFragment) -> Result<FragmentInfo, StoreError> {
        self.find_or_make(stream)?.append(fragment)
    }

    /// Reads a fragment back.
    ///
    /// # Errors
    /// It is not there, or not what was written, or the file system refuses.
    pub fn load(&self, stream: &str, number: &FragmentNumber) -> Result<StoredFragment, StoreError> {
        match self.find(stream)? {
            Some(log) => log.load(number),
            None => Err(StoreError::NotFound { number: number.clone() }),
        }
    }

    /// The fragments of a stream that are meant, in the order of their numbers; none for a stream unknown.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn list(&self, stream: &str, selection: &Selection) -> Result<Vec<FragmentInfo>, StoreError> {
        self.page(stream, selection, None, usize::MAX)
    }

    /// At most so many of the fragments that are meant, with numbers above `after`.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn page(
        &self,
        stream: &str,
        selection: &Selection,
        after: Option<&FragmentNumber>,
        most: usize,
    ) -> Result<Vec<FragmentInfo>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(Vec::new()) };
        let index = log.index();
        Ok(index.after(after).filter(|entry| selection.takes(entry)).take(most).map(|entry| entry.info()).collect())
    }

    /// The latest fragment of a stream by its number.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn last(&self, stream: &str) -> Result<Option<FragmentInfo>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(None) };
        let last = log.index().last().map(|entry| entry.info());
        Ok(last)
    }

    /// The fragment that covers a time, the one of the lowest number if several do, or else the one that begins soonest after it.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn at_or_after(
        &self,
        stream: &str,
        kind: TimestampKind,
        time: SystemTime,
    ) -> Result<Option<FragmentInfo>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(None) };
        let found = log.index().at_or_after(kind, time).map(|entry| entry.info());
        Ok(found)
    }

    /// Drops what is not kept of a stream.
    ///
    /// # Errors
    /// The file system refuses; what was dropped until then stays dropped.
    pub fn trim(&self, stream: &str, keep: Keep) -> Result<Trimmed, StoreError> {
        match self.find(stream)? {
            Some(log) => log.trim(keep),
            None => Ok(Trimmed::default()),
        }
    }

    /// Deletes a stream with all its fragments; fine if there is none. A stream of that name may be begun anew at once.
    ///
    /// # Errors
    /// The file system refuses. The stream is gone for readers all the same.
    pub fn delete(&self, stream: &str) -> Result<(), StoreError> {
        let Some(shelf) = self.streams().by_name.remove(stream) else { return Ok(()) };
        let dir = match &shelf {
            Shelf::Closed(dir) => dir,
            Shelf::Open(log) => log.mark_deleted(),
        };
        // One rename makes it gone for good; the files follow.
        let gone = dir.with_extension(GONE);
        self.disk.rename_dir(dir, &gone).map_err(StoreError::io("cannot rename", dir))?;
        self.disk.sync_dir(&self.root).map_err(StoreError::io("cannot sync", &self.root))?;
        self.disk.remove_dir(&gone).map_err(StoreError::io("cannot remove", &gone))
    }

    /// The names of all streams that have or had fragments.
    #[must_use]
    pub fn stream_names(&self) -> Vec<String> {
        self.streams().by_name.keys().cloned().collect()
    }

    fn find(&self, stream: &str) -> Result<Option<Arc<StreamLog>>, StoreError> {
        let mut streams = self.streams();
        match streams.by_name.get(stream) {
            None => Ok(None),
            Some(Shelf::Open(log)) => Ok(Some(Arc::clone(log))),
            Some(Shelf::Closed(dir)) => {
                let log = Arc::new(StreamLog::open(Arc::clone(&self.disk), self.policy, dir.clone())?);
                streams.by_name.insert(stream.to_owned(), Shelf::Open(Arc::clone(&log)));
                Ok(Some(log))
            }
        }
    }

    fn find_or_make(&self, stream: &str) -> Result<Arc<StreamLog>, StoreError> {
        if stream.is_empty() || stream.len() > limits::STREAM_NAME_BYTES {
            return Err(StoreError::StreamName { length: stream.len() });
        }
        if let Some(log) = self.find(stream)? {
            return Ok(log);
        }
        let mut streams = self.streams();
        // Another thread may have made it since.
        if let Some(Shelf::Open(log)) = streams.by_name.get(stream) {
            return Ok(Arc::clone(log));
        }
        let dir = self.root.join(dir_name(stream, streams.next_dir));
        streams.next_dir = streams.next_dir.saturating_add(1);
        let log = Arc::new(StreamLog::create(Arc::clone(&self.disk), self.policy, dir, stream)?);
        streams.by_name.insert(stream.to_owned(), Shelf::Open(Arc::clone(&log)));
        Ok(log)
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        self.streams.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ending of the folders of deleted streams.
const GONE: &str = "gone";

/// Finds the folders of streams, and finishes what a deletion left.
fn read_streams(disk: &dyn Disk, root: &Path) -> Result<Streams, StoreError> {
    let mut streams = Streams::default();
    for name in disk.entries(root).map_err(StoreError::io("cannot list", root))? {
        let dir = root.join(&name);
        if name.ends_with(GONE) {
            disk.remove_dir(&dir).map_err(StoreError::io("cannot remove", &dir))?;
            continue;
        }
        let number = name.rsplit_once('-').and_then(|(_, number)| number.parse::<u64>().ok());
        let Some(number) = number else { continue };
        streams.next_dir = streams.next_dir.max(number.saturating_add(1));
        // A folder without a card is one whose making was cut short: it never held anything.
        let card = dir.join(CARD);
        if disk.len(&card).map_err(StoreError::io("cannot look at", &card))?.is_some() {
            match read_card(disk, &dir)? {
                Some(card) => {
                    if let Some(Shelf::Closed(other)) = streams.by_name.insert(card.stream, Shelf::Closed(dir)) {
                        tracing::error!(path = %other.display(), "another folder is of the same stream; this one is left out");
                    }
                }
                // The other streams are not to suffer.
                None => {
                    tracing::error!(path = %card.display(), "not understood; the stream in this folder is left out")
                }
            }
        }
    }
    Ok(streams)
}

/// A folder's name: a few harmless letters of the stream's name for people, and a number that makes it unique. What decides is
/// the name in the card; nothing from outside becomes part of a path but these letters.
fn dir_name(stream: &str, number: u64) -> String {
    let harmless = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let label: String = stream.chars().take(DIR_LABEL_CHARS).map(harmless).collect();
    format!("{label}-{number}")
}

const DIR_LABEL_CHARS: usize = 40;
