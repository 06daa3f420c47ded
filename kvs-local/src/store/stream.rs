//! The segments of one stream.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::checked;
use super::disk::{Disk, Durability};
use super::error::StoreError;
use super::fragment::StoredFragment;
use super::index::{Entry, FragmentRecord, Index};
use super::policy::{Keep, StorePolicy, Trimmed};
use super::record::Record;
use super::segment::{self, Contents, MARK, Scan};
use crate::ingest::{IngestedFragment, NumberParts};

/// The folder of one stream: manifest, segments, and an index of them in memory.
///
/// One writer at a time; readers wait neither for writes nor for syncs.
#[derive(Debug)]
pub(super) struct StreamLog {
    disk: Arc<dyn Disk>,
    policy: StorePolicy,
    dir: PathBuf,
    writer: Mutex<Writer>,
    index: RwLock<Index>,
}

/// The write position.
#[derive(Debug)]
struct Writer {
    manifest: StreamManifest,
    active: Option<Active>,
    next_segment: u32,
    deleted: bool,
    names: Names,
}

/// Which names are not durable yet. They become so with the next fragment, before it is acked: syncing them with its data costs less
/// than syncing each on its own, and a thousand new streams at once wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Names {
    Durable,
    /// A segment was created.
    Segment,
    /// The folder itself, its manifest and a segment were created.
    Folder,
}

/// The segment that is appended to.
#[derive(Debug)]
struct Active {
    segment: u32,
    contents: Contents,
}

/// `stream.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StreamManifest {
    /// Name of the stream. It is never part of a path.
    pub(super) stream: String,
    /// Fragments up to this number are trimmed, even if their segment still exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) trimmed: Option<String>,
}

pub(super) const MANIFEST: &str = "stream.json";
/// Largest manifest in bytes: a name and a number.
const MANIFEST_BYTES: usize = 16 << 10;

impl StreamLog {
    /// Creates the folder of a new stream. Its name becomes durable with the first fragment.
    pub(super) fn create(
        disk: Arc<dyn Disk>,
        policy: StorePolicy,
        dir: PathBuf,
        stream: &str,
    ) -> Result<Self, StoreError> {
        disk.create_dir(&dir).map_err(StoreError::io("cannot create", &dir))?;
        let manifest = StreamManifest { stream: stream.to_owned(), trimmed: None };
        write_manifest(&*disk, policy, &dir, &manifest)?;
        let writer = Writer { manifest, active: None, next_segment: 0, deleted: false, names: Names::Folder };
        Ok(Self::assemble(disk, policy, dir, writer, Index::default()))
    }

    /// Opens the folder of a stream: reads the indexes of sealed segments and the record heads of the others.
    pub(super) fn open(disk: Arc<dyn Disk>, policy: StorePolicy, dir: PathBuf) -> Result<Self, StoreError> {
        let manifest = read_manifest(&*disk, &dir)?;
        let names = disk.entries(&dir).map_err(StoreError::io("cannot list", &dir))?;
        let mut segments: Vec<u32> = names.iter().filter_map(|name| name.strip_suffix(".seg")?.parse().ok()).collect();
        segments.sort_unstable();
        let mut index = Index::default();
        let mut active = None;
        for &segment in &segments {
            let is_last = Some(&segment) == segments.last();
            let (contents, len) = open_segment(&*disk, &dir, segment, is_last)?;
            for &entry in &contents.entries {
                index.insert(entry);
            }
            // A segment with a torn end is left alone, and the next fragment starts a new one.
            if is_last && contents.end == len && len >= MARK.len() as u64 {
                active = Some(Active { segment, contents });
            }
        }
        let trimmed = manifest.trimmed.as_ref().and_then(|number| NumberParts::of(&number.parse().ok()?));
        if let Some(last) = trimmed {
            index.drop_until(last);
        }
        let next_segment = segments.last().map_or(0, |last| last.saturating_add(1));
        // A crash may have left names that are not durable.
        let writer = Writer { manifest, active, next_segment, deleted: false, names: Names::Folder };
        Ok(Self::assemble(disk, policy, dir, writer, index))
    }

    const fn assemble(disk: Arc<dyn Disk>, policy: StorePolicy, dir: PathBuf, writer: Writer, index: Index) -> Self {
        Self { disk, policy, dir, writer: Mutex::new(writer), index: RwLock::new(index) }
    }

    /// Stores a fragment, as durably as the policy requires.
    pub(super) fn append(&self, fragment: &IngestedFragment) -> Result<FragmentRecord, StoreError> {
        let number = || fragment.number.clone();
        let unfit = || StoreError::Unfit { number: number(), bytes: fragment.len() as u64 };
        let record = Record::of(fragment).ok_or_else(unfit)?;
        let mut writer = self.writer();
        if writer.deleted {
            return Err(StoreError::StreamDeleted);
        }
        if self.index().find(record.parts()).is_some() {
            return Err(StoreError::Duplicate { number: number() });
        }
        self.seal_if_full(&mut writer, record.len);
        let mut active = take_active(&mut writer);
        let offset = active.contents.end.max(MARK.len() as u64);
        let entry =
            u32::try_from(offset).ok().and_then(|offset| record.entry(active.segment, offset)).ok_or_else(unfit)?;
        let path = segment_path(&self.dir, active.segment);
        let mut pieces = record.pieces;
        if active.contents.end == 0 {
            pieces.insert(0, Bytes::from_static(&MARK));
        }
        // After an error the segment may end in a torn record, which the next opening ignores; the next fragment starts a new one.
        self.disk
            .append(&path, active.contents.end, &pieces, self.policy.durability)
            .map_err(StoreError::io("cannot append to", &path))?;
        self.sync_names(&mut writer)?;
        active.contents.end = offset.saturating_add(record.len);
        active.contents.entries.push(entry);
        writer.active = Some(active);
        self.index_mut().insert(entry);
        Ok(entry.info())
    }

    fn seal_if_full(&self, writer: &mut Writer, more: u64) {
        let full = |active: &mut Active| {
            active.contents.end.saturating_add(more) > self.policy.segment_bytes && !active.contents.entries.is_empty()
        };
        if let Some(Active { segment, contents }) = writer.active.take_if(full) {
            let path = index_path(&self.dir, segment);
            if let Err(error) = segment::write_index(&*self.disk, &path, &contents, contents.end) {
                tracing::warn!(path = %path.display(), %error, "failed to write the index of a segment; the segment will be scanned instead");
            }
        }
    }

    /// Makes new names durable. Quick after the data is synced, on file systems with a journal: it has the names too.
    fn sync_names(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.names != Names::Durable && self.policy.durability == Durability::Synced {
            let parent = self.dir.parent().filter(|_| writer.names == Names::Folder);
            for dir in [Some(self.dir.as_path()), parent].into_iter().flatten() {
                self.disk.sync_dir(dir).map_err(StoreError::io("cannot sync", dir))?;
            }
        }
        writer.names = Names::Durable;
        Ok(())
    }

    /// Reads a fragment and verifies its checksums.
    pub(super) fn load(&self, number: &kvs_types::FragmentNumber) -> Result<StoredFragment, StoreError> {
        let not_found = || StoreError::NotFound { number: number.clone() };
        let parts = NumberParts::of(number).ok_or_else(not_found)?;
        let entry = self.index().find(parts).ok_or_else(not_found)?;
        let path = segment_path(&self.dir, entry.segment);
        let record = match segment::record_at(&*self.disk, &path, entry.offset.into()) {
            // Trimmed after the index lookup.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(not_found()),
            result => result.map_err(StoreError::io("cannot read", &path))?,
        };
        let damaged = || StoreError::Damaged { number: number.clone() };
        let (meta, media) = record.ok_or_else(damaged)?;
        if meta.parts() != Some(parts) {
            return Err(damaged());
        }
        StoredFragment::new(entry.info(), meta, &media).ok_or_else(damaged)
    }

    /// Trims the stream. The manifest is durable before anything is removed, so trimmed fragments never reappear.
    pub(super) fn trim(&self, keep: Keep) -> Result<Trimmed, StoreError> {
        let mut writer = self.writer();
        let Some(last) = self.index().expired_until(keep.since, keep.bytes) else { return Ok(Trimmed::default()) };
        writer.manifest.trimmed = Some(last.number().to_string());
        let active = writer.active.as_ref().map(|active| active.segment);
        if let Err(error) = self.write_manifest(&writer.manifest) {
            if !error.is_full() {
                return Err(error);
            }
            // Segments that are removed completely need no manifest entry, and removing them makes room for it.
            let whole = self.index().segments_until(last);
            self.remove(whole.into_iter().filter(|&segment| Some(segment) != active))?;
            self.write_manifest(&writer.manifest)?;
        }
        let (empty, trimmed) = {
            let mut index = self.index_mut();
            let before = (index.len(), index.bytes());
            let empty = index.drop_until(last);
            let trimmed = Trimmed { fragments: before.0 - index.len(), bytes: before.1 - index.bytes() };
            (empty, trimmed)
        };
        self.remove(empty.into_iter().filter(|&segment| Some(segment) != active))?;
        Ok(trimmed)
    }

    fn write_manifest(&self, manifest: &StreamManifest) -> Result<(), StoreError> {
        write_manifest(&*self.disk, self.policy, &self.dir, manifest)?;
        match self.policy.durability {
            Durability::Synced => self.disk.sync_dir(&self.dir).map_err(StoreError::io("cannot sync", &self.dir)),
            Durability::Written => Ok(()),
        }
    }

    fn remove(&self, segments: impl Iterator<Item = u32>) -> Result<(), StoreError> {
        for segment in segments {
            for path in [index_path(&self.dir, segment), segment_path(&self.dir, segment)] {
                self.disk.remove_file(&path).map_err(StoreError::io("cannot remove", &path))?;
            }
        }
        Ok(())
    }

    /// Rejects later appends and returns the folder.
    pub(super) fn mark_deleted(&self) -> &Path {
        self.writer().deleted = true;
        *self.index_mut() = Index::default();
        &self.dir
    }

    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn writer(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Takes the active segment, or else a new one, which is created with its first record. The caller puts it back after a successful
/// write.
fn take_active(writer: &mut Writer) -> Active {
    writer.active.take().unwrap_or_else(|| {
        let segment = writer.next_segment;
        writer.next_segment = segment.saturating_add(1);
        writer.names = writer.names.max(Names::Segment);
        Active { segment, contents: Contents::default() }
    })
}

/// Returns the contents of a segment, from its index if it has one, and its length.
fn open_segment(disk: &dyn Disk, dir: &Path, segment: u32, is_last: bool) -> Result<(Contents, u64), StoreError> {
    let path = segment_path(dir, segment);
    let len = disk.len(&path).map_err(StoreError::io("cannot read the size of", &path))?.unwrap_or(0);
    let beside = index_path(dir, segment);
    let found = segment::read_index(disk, &beside, segment, len).map_err(StoreError::io("cannot read", &beside))?;
    if let Some(contents) = found {
        return Ok((contents, len));
    }
    let Scan { contents, gaps } = segment::scan(disk, &path, segment).map_err(StoreError::io("cannot read", &path))?;
    log_damage(&path, &contents, &gaps, len);
    if !is_last && let Err(error) = segment::write_index(disk, &beside, &contents, len) {
        // A full disk must prevent neither reading nor trimming.
        tracing::warn!(path = %beside.display(), %error, "failed to write the index of a segment; the segment will be scanned again");
    }
    Ok((contents, len))
}

/// Logs what a scan could not read, and between which fragments it lies.
fn log_damage(path: &Path, contents: &Contents, gaps: &[Range<u64>], len: u64) {
    let number =
        |entry: Option<&Entry>| entry.map_or_else(|| "none".to_owned(), |entry| entry.parts.number().to_string());
    for gap in gaps {
        let next = contents.entries.partition_point(|entry| u64::from(entry.offset) < gap.end);
        let (before, after) = contents.entries.split_at_checked(next).unwrap_or_default();
        tracing::error!(
            path = %path.display(),
            from = gap.start,
            to = gap.end,
            after = number(before.last()),
            before = number(after.first()),
            "damaged segment: no whole record in these bytes; the fragments stored between these two are lost"
        );
    }
    if contents.end < len {
        tracing::warn!(
            path = %path.display(),
            from = contents.end,
            to = len,
            after = number(contents.entries.last()),
            "segment ends in bytes that are no whole record: a write that was cut off, whose fragment was never acked as PERSISTED, \
             or damage, which lost the fragments stored after this one"
        );
    }
}

/// Reads the manifest.
pub(super) fn read_manifest(disk: &dyn Disk, dir: &Path) -> Result<StreamManifest, StoreError> {
    let path = dir.join(MANIFEST);
    let bytes = disk.read(&path, 0, MANIFEST_BYTES).map_err(StoreError::io("cannot read", &path))?;
    let manifest = checked::open(&bytes).and_then(|text| serde_json::from_slice(text).ok());
    manifest.ok_or_else(|| StoreError::io("damaged manifest", &path)(std::io::ErrorKind::InvalidData.into()))
}

fn write_manifest(
    disk: &dyn Disk,
    policy: StorePolicy,
    dir: &Path,
    manifest: &StreamManifest,
) -> Result<(), StoreError> {
    let path = dir.join(MANIFEST);
    let bytes =
        serde_json::to_vec(manifest).map_err(|error| StoreError::io("cannot serialize", &path)(error.into()))?;
    disk.replace(&path, &checked::seal(bytes), policy.durability).map_err(StoreError::io("cannot write", &path))
}

fn segment_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:010}.seg"))
}

fn index_path(dir: &Path, segment: u32) -> PathBuf {
    dir.join(format!("{segment:010}.idx"))
}
