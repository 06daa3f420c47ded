//! A file system in memory whose power can be cut at any step.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

use bytes::Bytes;

use super::disk::{Disk, Durability};

/// What happens to writes that were not synced when the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process ends: the operating system has all it was given.
    Kill,
    /// The power ends: of what was not synced, any part may be there, and garbage in its place.
    PowerLoss,
}

/// Counts steps, and stops at one of them in the middle of whatever it was.
#[derive(Debug)]
pub(super) struct SimDisk {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// Folders and files as the running machine sees them.
    dirs: BTreeSet<PathBuf>,
    files: BTreeMap<PathBuf, Vec<u8>>,
    /// The same as a machine without power would find them.
    synced_names: BTreeSet<PathBuf>,
    synced_bytes: BTreeMap<PathBuf, Vec<u8>>,
    steps_left: usize,
    steps: usize,
    /// Whether the write that was under way at the end was seen.
    stopped: bool,
    /// No write finds room until a file is removed.
    full: bool,
    chance: fastrand::Rng,
    pub(super) syncs: usize,
    read: u64,
}

impl SimDisk {
    pub(super) fn new(seed: u64, steps_left: usize) -> Self {
        let state = State {
            dirs: BTreeSet::new(),
            files: BTreeMap::new(),
            synced_names: BTreeSet::new(),
            synced_bytes: BTreeMap::new(),
            steps_left,
            steps: 0,
            stopped: false,
            full: false,
            chance: fastrand::Rng::with_seed(seed),
            syncs: 0,
            read: 0,
        };
        Self { state: Mutex::new(state) }
    }

    /// How many steps were taken and how many syncs were among them.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.state();
        (state.steps, state.syncs)
    }

    /// How many bytes were read.
    pub(super) fn bytes_read(&self) -> u64 {
        self.state().read
    }

    /// Changes a file.
    pub(super) fn edit(&self, file: &Path, change: impl FnOnce(&mut Vec<u8>)) {
        change(self.state().files.get_mut(file).unwrap());
    }

    /// The disk as the machine finds it when it starts again.
    pub(super) fn restart(&self, stop: Stop) -> Self {
        let mut state = self.state();
        let seed = state.chance.u64(..);
        let next = Self::new(seed, usize::MAX);
        {
            let mut after = next.state();
            after.dirs.clone_from(&state.dirs);
            let names: Vec<PathBuf> = state.files.keys().cloned().collect();
            for name in names {
                if let Some(bytes) = state.survivor(&name, stop) {
                    after.synced_names.insert(name.clone());
                    after.synced_bytes.insert(name.clone(), bytes.clone());
                    after.files.insert(name, bytes);
                }
            }
            // Names that were synced and removed since without a sync come back, if luck wills.
            let ghosts: Vec<PathBuf> =
                state.synced_names.iter().filter(|name| !state.files.contains_key(*name)).cloned().collect();
            for name in ghosts {
                if stop == Stop::PowerLoss && state.chance.bool() {
                    let bytes = state.synced_bytes.get(&name).cloned().unwrap_or_default();
                    let parent_lives = name.parent().is_some_and(|parent| after.dirs.contains(parent));
                    if parent_lives {
                        after.files.insert(name, bytes);
                    }
                }
            }
        }
        next
    }

    /// Turns a bit of a file over.
    pub(super) fn damage(&self, matches: impl Fn(&Path) -> bool, at: usize) {
        let mut state = self.state();
        if let Some((_, bytes)) = state.files.iter_mut().find(|(path, _)| matches(path)) {
            let at = at % bytes.len();
            bytes[at] ^= 0x10;
        }
    }

    /// Damages one random file: a flipped bit, random or zeroed bytes, a file cut short or with more at its end. Returns the file
    /// and the bytes of it that are damaged.
    pub(super) fn corrupt(&self, seed: u64) -> (PathBuf, Range<u64>) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut state = self.state();
        let names: Vec<PathBuf> = state.files.keys().cloned().collect();
        let path = names[random.usize(..names.len())].clone();
        let bytes = state.files.get_mut(&path).unwrap();
        let at = random.usize(..bytes.len());
        let end = bytes.len().min(at + random.usize(1..64));
        let hit = match random.u8(..8) {
            0..=3 => {
                bytes[at] ^= 1 << random.u8(..8);
                at..at + 1
            }
            4 => {
                bytes[at..end].iter_mut().for_each(|byte| *byte = random.u8(..));
                at..end
            }
            5 => {
                bytes[at..end].fill(0);
                at..end
            }
            6 => {
                let len = bytes.len();
                bytes.truncate(at);
                at..len
            }
            _ => {
                let len = bytes.len();
                bytes.extend(std::iter::repeat_with(|| random.u8(..)).take(100));
                len..len + 100
            }
        };
        (path, hit.start as u64..hit.end as u64)
    }

    /// From now on there is no room, until a file is removed.
    pub(super) fn fill(&self) {
        self.state().full = true;
    }

    pub(super) fn file_names(&self) -> Vec<PathBuf> {
        self.state().files.keys().cloned().collect()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// One step that changes the disk, or the end.
    fn step(&self) -> (MutexGuard<'_, State>, bool) {
        let mut state = self.state();
        let alive = state.steps_left > 0;
        state.steps += 1;
        state.steps_left = state.steps_left.saturating_sub(1);
        (state, alive)
    }
}

impl State {
    fn survivor(&mut self, name: &PathBuf, stop: Stop) -> Option<Vec<u8>> {
        let bytes = self.files.get(name)?.clone();
        if stop == Stop::Kill {
            return Some(bytes);
        }
        if !self.synced_names.contains(name) && self.chance.bool() {
            return None;
        }
        let synced = self.synced_bytes.get(name).cloned().unwrap_or_default();
        if !bytes.starts_with(&synced) {
            // Replaced without a sync: the old bytes, the new ones or a part of them.
            let len = self.chance.usize(..=bytes.len());
            return Some(if self.chance.bool() { synced } else { bytes[..len].to_vec() });
        }
        // Length and contents reach the medium apart: the file may have its new length and a hole in what is new.
        let len = if self.chance.bool() { bytes.len() } else { self.chance.usize(synced.len()..=bytes.len()) };
        let mut left = bytes[..len].to_vec();
        if self.chance.bool() {
            let from = self.chance.usize(synced.len()..=len);
            let to = self.chance.usize(from..=len);
            left[from..to].fill(0);
        }
        Some(left)
    }

    fn sync_file(&mut self, file: &Path) {
        self.syncs += 1;
        let bytes = self.files.get(file).cloned().unwrap_or_default();
        self.synced_bytes.insert(file.to_owned(), bytes);
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine has stopped")
}

impl Disk for SimDisk {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        for dir in dir.ancestors() {
            state.dirs.insert(dir.to_owned());
        }
        Ok(())
    }

    fn lock(&self, _: &Path) -> io::Result<Option<File>> {
        Ok(None)
    }

    fn entries(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        let dirs = state.dirs.iter().filter(inside).map(name);
        Ok(dirs.chain(state.files.keys().filter(inside).map(name)).collect())
    }

    fn len(&self, file: &Path) -> io::Result<Option<u64>> {
        Ok(self.state().files.get(file).map(|bytes| bytes.len() as u64))
    }

    fn read(&self, file: &Path, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        let bytes = state.files.get(file).ok_or(io::ErrorKind::NotFound)?;
        let rest = bytes.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        let found = rest[..most.min(rest.len())].to_vec();
        state.read += found.len() as u64;
        Ok(found)
    }

    fn append(&self, file: &Path, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let (mut state, alive) = self.step();
        let stops_here = !alive && !std::mem::replace(&mut state.stopped, true);
        let mut new = pieces.concat();
        if alive && state.full {
            // As much as there was room for stays behind.
            let part = state.chance.usize(..=new.len().saturating_sub(1));
            state.files.entry(file.to_owned()).or_default().extend_from_slice(&new[..part]);
            return Err(io::ErrorKind::StorageFull.into());
        }
        if !alive {
            let len = if state.chance.bool() { new.len() } else { state.chance.usize(..=new.len()) };
            new.truncate(if stops_here { len } else { 0 });
        }
        let bytes = state.files.entry(file.to_owned()).or_default();
        if alive && bytes.len() as u64 != at {
            return Err(io::ErrorKind::InvalidData.into());
        }
        bytes.extend_from_slice(&new);
        if !alive {
            return Err(stopped());
        }
        if durability == Durability::Synced {
            state.sync_file(file);
        }
        Ok(())
    }

    fn replace(&self, file: &Path, bytes: &[u8], durability: Durability) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        if state.full {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.files.insert(file.to_owned(), bytes.to_vec());
        if durability == Durability::Synced {
            state.sync_file(file);
        }
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        state.syncs += 1;
        let inside: Vec<PathBuf> = state.files.keys().filter(|path| path.parent() == Some(dir)).cloned().collect();
        state.synced_names.retain(|path| path.parent() != Some(dir));
        state.synced_names.extend(inside);
        Ok(())
    }

    fn rename_dir(&self, from: &Path, to: &Path) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        let moved = |path: &PathBuf| path.strip_prefix(from).ok().map(|rest| to.join(rest));
        state.dirs.remove(from);
        state.dirs.insert(to.to_owned());
        let files = std::mem::take(&mut state.files);
        state.files = files.into_iter().map(|(path, bytes)| (moved(&path).unwrap_or(path), bytes)).collect();
        let names = std::mem::take(&mut state.synced_names);
        state.synced_names = names.into_iter().map(|path| moved(&path).unwrap_or(path)).collect();
        let synced = std::mem::take(&mut state.synced_bytes);
        state.synced_bytes = synced.into_iter().map(|(path, bytes)| (moved(&path).unwrap_or(path), bytes)).collect();
        Ok(())
    }

    fn remove_file(&self, file: &Path) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        state.full &= state.files.remove(file).is_none();
        Ok(())
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let (mut state, alive) = self.step();
        if !alive {
            return Err(stopped());
        }
        state.dirs.retain(|path| !path.starts_with(dir));
        state.files.retain(|path, _| !path.starts_with(dir));
        Ok(())
    }
}
