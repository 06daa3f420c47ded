//! The streams of a store.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use kvs_types::{FragmentNumber, TimestampOrigin};

use super::disk::{Disk, LocalDisk};
use super::error::StoreError;
use super::fragment::StoredFragment;
use super::index::{FragmentRecord, Selection};
use super::limits;
use super::policy::{Keep, StorePolicy, Trimmed};
use super::stream::{MANIFEST, StreamLog, read_manifest};
use crate::error_chain::error_chain;
use crate::ingest::{IngestedFragment, NumberParts};

/// Durable fragments of many streams in one folder.
///
/// All calls block on the disk; call them from threads that may block. Streams do not wait for each other, and the readers of
/// a stream do not wait for its writer.
///
/// Memory: 48 bytes per fragment of the streams used since the store was opened, plus loaded fragments.
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
    by_name: BTreeMap<String, Arc<Mutex<StreamFolder>>>,
    next_dir: u64,
}

/// The folder of a stream. It is opened or created when first used, under a lock of its own: creating one takes several syncs,
/// which other streams must not wait for.
#[derive(Clone, Debug)]
enum StreamFolder {
    /// Not created yet; a stream without fragments.
    New(PathBuf),
    Closed(PathBuf),
    Open(Arc<StreamLog>),
    /// Deleted after the caller found it.
    Deleted,
}

impl Store {
    /// Opens and locks the store in a folder, creating it if needed. Reads one small file per stream.
    ///
    /// # Errors
    /// Another process uses the folder, or the file system failed.
    pub fn open(dir: impl AsRef<Path>, policy: StorePolicy) -> Result<Self, StoreError> {
        Self::open_on(Arc::new(LocalDisk), dir.as_ref(), policy)
    }

    /// Opens a store on another file system than that of the machine.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_on(disk: Arc<dyn Disk>, dir: &Path, policy: StorePolicy) -> Result<Self, StoreError> {
        let root = dir.join("streams");
        disk.create_dir(&root).map_err(StoreError::io("cannot create", &root))?;
        let lock = dir.join("lock");
        let lock = disk.lock(&lock).map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StoreError::InUse { dir: dir.to_owned() },
            _ => StoreError::io("cannot lock", lock)(error),
        })?;
        let streams = read_streams(&*disk, &root)?;
        Ok(Self { disk, policy, root, streams: Mutex::new(streams), _lock: lock })
    }

    /// Stores a fragment, as durably as the policy requires.
    ///
    /// # Errors
    /// The file system failed, the number is already stored, or the stream was deleted during the call. The fragment is then
    /// neither listed nor served.
    pub fn append(&self, stream: &str, fragment: &IngestedFragment) -> Result<FragmentRecord, StoreError> {
        self.find_or_make(stream)?.append(fragment)
    }

    /// Reads a fragment.
    ///
    /// # Errors
    /// The fragment is not stored or is damaged, or the file system failed.
    pub fn load(&self, stream: &str, number: &FragmentNumber) -> Result<StoredFragment, StoreError> {
        match self.find(stream)? {
            Some(log) => log.load(number),
            None => Err(StoreError::NotFound { number: number.clone() }),
        }
    }

    /// Returns the selected fragments in the order of their numbers; none for an unknown stream.
    ///
    /// # Errors
    /// The file system failed.
    pub fn list(&self, stream: &str, selection: &Selection) -> Result<Vec<FragmentRecord>, StoreError> {
        self.page(stream, selection, None, usize::MAX)
    }

    /// Returns at most `most` of the selected fragments with numbers above `after`.
    ///
    /// # Errors
    /// The file system failed.
    pub fn page(
        &self,
        stream: &str,
        selection: &Selection,
        after: Option<&FragmentNumber>,
        most: usize,
    ) -> Result<Vec<FragmentRecord>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(Vec::new()) };
        let index = log.index();
        Ok(index.after(after).filter(|entry| selection.takes(entry)).take(most).map(|entry| entry.info()).collect())
    }

    /// Returns whether a fragment is stored.
    ///
    /// # Errors
    /// The file system failed.
    pub fn contains(&self, stream: &str, number: &FragmentNumber) -> Result<bool, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(false) };
        let found = NumberParts::of(number).is_some_and(|parts| log.index().find(parts).is_some());
        Ok(found)
    }

    /// Returns the fragment with the highest number.
    ///
    /// # Errors
    /// The file system failed.
    pub fn last(&self, stream: &str) -> Result<Option<FragmentRecord>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(None) };
        let last = log.index().last().map(|entry| entry.info());
        Ok(last)
    }

    /// Returns the `most` fragments with the highest numbers, in the order of their numbers.
    ///
    /// # Errors
    /// The file system failed.
    pub fn newest(&self, stream: &str, most: usize) -> Result<Vec<FragmentRecord>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(Vec::new()) };
        let index = log.index();
        let mut newest: Vec<_> = index.after(None).rev().take(most).map(|entry| entry.info()).collect();
        newest.reverse();
        Ok(newest)
    }

    /// Returns the fragment that covers a time (the lowest number if several do), or else the next one to start.
    ///
    /// # Errors
    /// The file system failed.
    pub fn at_or_after(
        &self,
        stream: &str,
        origin: TimestampOrigin,
        time: SystemTime,
    ) -> Result<Option<FragmentRecord>, StoreError> {
        let Some(log) = self.find(stream)? else { return Ok(None) };
        let found = log.index().at_or_after(origin, time).map(|entry| entry.info());
        Ok(found)
    }

    /// Trims a stream.
    ///
    /// # Errors
    /// The file system failed. Fragments removed before that stay removed.
    pub fn trim(&self, stream: &str, keep: Keep) -> Result<Trimmed, StoreError> {
        match self.find(stream)? {
            Some(log) => log.trim(keep),
            None => Ok(Trimmed::default()),
        }
    }

    /// Deletes a stream with all its fragments; succeeds if there is none. The name can be reused at once.
    ///
    /// # Errors
    /// The file system failed. Readers no longer see the stream in any case.
    pub fn delete(&self, stream: &str) -> Result<(), StoreError> {
        let Some(folder) = self.streams().by_name.remove(stream) else { return Ok(()) };
        let folder = std::mem::replace(&mut *lock(&folder), StreamFolder::Deleted);
        let dir = match &folder {
            StreamFolder::Closed(dir) => dir,
            StreamFolder::Open(log) => log.mark_deleted(),
            StreamFolder::New(_) | StreamFolder::Deleted => return Ok(()),
        };
        // The rename is atomic: after it the stream stays deleted even if removing the files is interrupted.
        let gone = dir.with_extension(GONE);
        if let Err(error) = self.disk.rename_dir(dir, &gone) {
            // On a full disk there may be no room for a name. Removing needs none; what is left after a crash is removed at the
            // next start, since it belongs to no stream.
            tracing::warn!(%error, path = %dir.display(), "failed to rename the folder of a deleted stream; removing it as it is");
            return self.disk.remove_dir(dir).map_err(StoreError::io("cannot remove", dir));
        }
        self.disk.sync_dir(&self.root).map_err(StoreError::io("cannot sync", &self.root))?;
        self.disk.remove_dir(&gone).map_err(StoreError::io("cannot remove", &gone))
    }

    /// Returns the names of all streams that have or had fragments.
    #[must_use]
    pub fn stream_names(&self) -> Vec<String> {
        self.streams().by_name.keys().cloned().collect()
    }

    fn find(&self, stream: &str) -> Result<Option<Arc<StreamLog>>, StoreError> {
        let found = self.streams().by_name.get(stream).cloned();
        match found {
            Some(folder) => self.opened(&mut lock(&folder)),
            None => Ok(None),
        }
    }

    fn find_or_make(&self, stream: &str) -> Result<Arc<StreamLog>, StoreError> {
        if stream.is_empty() || stream.len() > limits::STREAM_NAME_BYTES {
            return Err(StoreError::StreamName { length: stream.len() });
        }
        let folder = self.folder(stream);
        let mut folder = lock(&folder);
        if let Some(log) = self.opened(&mut folder)? {
            return Ok(log);
        }
        let StreamFolder::New(dir) = &*folder else { return Err(StoreError::StreamDeleted) };
        let log = Arc::new(StreamLog::create(Arc::clone(&self.disk), self.policy, dir.clone(), stream)?);
        *folder = StreamFolder::Open(Arc::clone(&log));
        Ok(log)
    }

    /// Returns the stream of a folder, and opens it first if necessary; `None` if it is not created yet or deleted.
    fn opened(&self, folder: &mut StreamFolder) -> Result<Option<Arc<StreamLog>>, StoreError> {
        match folder {
            StreamFolder::New(_) | StreamFolder::Deleted => Ok(None),
            StreamFolder::Open(log) => Ok(Some(Arc::clone(log))),
            StreamFolder::Closed(dir) => {
                let log = Arc::new(StreamLog::open(Arc::clone(&self.disk), self.policy, dir.clone())?);
                *folder = StreamFolder::Open(Arc::clone(&log));
                Ok(Some(log))
            }
        }
    }

    /// Returns the folder of a stream, with a new path if there is none.
    fn folder(&self, stream: &str) -> Arc<Mutex<StreamFolder>> {
        let mut streams = self.streams();
        if let Some(folder) = streams.by_name.get(stream) {
            return Arc::clone(folder);
        }
        let dir = self.root.join(dir_name(stream, streams.next_dir));
        streams.next_dir = streams.next_dir.saturating_add(1);
        let folder = Arc::new(Mutex::new(StreamFolder::New(dir)));
        streams.by_name.insert(stream.to_owned(), Arc::clone(&folder));
        folder
    }

    fn streams(&self) -> MutexGuard<'_, Streams> {
        lock(&self.streams)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Extension of the folders of deleted streams.
const GONE: &str = "gone";

/// Finds the folders of streams and completes interrupted deletions.
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
        match stream_of(disk, &dir) {
            Ok(None) => {}
            Ok(Some(stream)) => {
                let folder = Arc::new(Mutex::new(StreamFolder::Closed(dir)));
                if let Some(other) = streams.by_name.insert(stream, folder) {
                    tracing::error!(folder = ?lock(&other), "duplicate folder of a stream ignored");
                }
            }
            // The manifest may be intact: without its stream, a second folder would be created for it.
            Err(StoreError::Io { what, path, source }) if source.kind() != io::ErrorKind::InvalidData => {
                return Err(StoreError::Io { what, path, source });
            }
            // The other streams must stay usable.
            Err(error) => tracing::error!(
                error = error_chain(&error),
                path = %dir.display(),
                "folder of a stream set aside: its media is kept but not served, since its manifest cannot be read"
            ),
        }
    }
    Ok(streams)
}

/// Returns the name of the stream in a folder; `None` for one without a manifest, which was never completely created and has no
/// fragments.
fn stream_of(disk: &dyn Disk, dir: &Path) -> Result<Option<String>, StoreError> {
    let manifest = dir.join(MANIFEST);
    if disk.len(&manifest).map_err(StoreError::io("cannot read the size of", &manifest))?.is_none() {
        return Ok(None);
    }
    read_manifest(disk, dir).map(|manifest| Some(manifest.stream))
}

/// Returns a folder name: some harmless characters of the stream name for people, and a number that makes it unique. The
/// name in the manifest decides; nothing else from a request becomes part of a path.
fn dir_name(stream: &str, number: u64) -> String {
    let harmless = |letter: char| if letter.is_ascii_alphanumeric() { letter.to_ascii_lowercase() } else { '_' };
    let label: String = stream.chars().take(DIR_LABEL_CHARS).map(harmless).collect();
    format!("{label}-{number}")
}

const DIR_LABEL_CHARS: usize = 40;
