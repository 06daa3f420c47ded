//! A folder in memory that can stop between any two bytes, lose unsynced data, be full, be read-only and turn bits over.
//!
//! The simulation in `tools` includes this file too.
#![expect(clippy::unwrap_used, reason = "tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;

use super::disk::{Durability, SpoolDisk};

/// What happens to what was not synced when the machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The process ends: the system has all that it was given.
    Kill,
    /// The power ends: of what was not synced, any part may be there, with holes.
    PowerLoss,
}

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(super) struct SimDisk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    files: BTreeMap<String, File>,
    /// Names that survive power loss.
    synced: BTreeSet<String>,
    /// Files whose removal may not survive power loss, with their synced bytes.
    removed: BTreeMap<String, Vec<u8>>,
    /// Steps until the machine stops: each byte that is written, each sync, each removal.
    steps_left: u64,
    /// Most bytes of all files; `None` without a limit.
    capacity: Option<u64>,
    is_read_only: bool,
    /// Bytes are written, and their sync fails.
    fails_to_sync: bool,
    chance: fastrand::Rng,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    synced: usize,
}

impl SimDisk {
    pub(super) fn new(seed: u64, steps_left: u64) -> Self {
        Self(Arc::new(Mutex::new(State {
            files: BTreeMap::new(),
            synced: BTreeSet::new(),
            removed: BTreeMap::new(),
            steps_left,
            capacity: None,
            is_read_only: false,
            fails_to_sync: false,
            chance: fastrand::Rng::with_seed(seed),
        })))
    }

    /// The machine stops after this many more steps.
    pub(super) fn stop_after(&self, steps: u64) {
        self.state().steps_left = steps;
    }

    pub(super) fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    pub(super) fn set_read_only(&self, is_read_only: bool) {
        self.state().is_read_only = is_read_only;
    }

    pub(super) fn set_fails_to_sync(&self, fails: bool) {
        self.state().fails_to_sync = fails;
    }

    /// The machine has stopped: nobody hears what was under way.
    pub(super) fn has_stopped(&self) -> bool {
        self.state().steps_left == 0
    }

    pub(super) fn bytes(&self) -> u64 {
        self.state().files.values().map(|file| file.bytes.len() as u64).sum()
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.state().files.keys().cloned().collect()
    }

    /// Turns a bit over, at this part of all bytes of the files whose names end so.
    pub(super) fn damage(&self, end: &str, place: u64) {
        let mut state = self.state();
        let total: u64 =
            state.files.iter().filter(|(name, _)| name.ends_with(end)).map(|(_, f)| f.bytes.len() as u64).sum();
        let mut at = if total == 0 { return } else { place % total };
        for (_, file) in state.files.iter_mut().filter(|(name, _)| name.ends_with(end)) {
            let len = file.bytes.len() as u64;
            if at < len {
                file.bytes[usize::try_from(at).unwrap()] ^= 1 << (place % 8);
                return;
            }
            at -= len;
        }
    }

    /// Puts bytes in place of a file, durably.
    pub(super) fn put(&self, name: &str, bytes: Vec<u8>) {
        let synced = bytes.len();
        let mut state = self.state();
        state.synced.insert(name.to_owned());
        state.files.insert(name.to_owned(), File { bytes, synced });
    }

    /// The disk as the machine finds it when it starts again, as full and as broken as it was.
    pub(super) fn restart(&self, stop: Stop) -> Self {
        let mut state = self.state();
        let next = Self::new(state.chance.u64(..), u64::MAX);
        next.set_capacity(state.capacity);
        next.set_read_only(state.is_read_only);
        next.set_fails_to_sync(state.fails_to_sync);
        let mut files: Vec<(String, File)> = state.files.clone().into_iter().collect();
        if stop == Stop::PowerLoss {
            let State { removed, files: there, chance, .. } = &mut *state;
            for (name, bytes) in removed.iter().filter(|(name, _)| !there.contains_key(*name)) {
                if chance.bool() {
                    files.push((name.clone(), File { synced: bytes.len(), bytes: bytes.clone() }));
                }
            }
        }
        for (name, file) in files {
            if let Some(bytes) = state.survivor(&name, &file, stop) {
                next.put(&name, bytes);
            }
        }
        next
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

impl State {
    fn survivor(&mut self, name: &str, file: &File, stop: Stop) -> Option<Vec<u8>> {
        if stop == Stop::Kill {
            return Some(file.bytes.clone());
        }
        if !self.synced.contains(name) && self.chance.bool() {
            return None;
        }
        // Length and contents reach the medium apart: the file may have its new length and a hole in what is new.
        let (synced, len) = (file.synced, file.bytes.len());
        let len = if self.chance.bool() { len } else { self.chance.usize(synced..=len) };
        let mut left = file.bytes[..len].to_vec();
        if self.chance.bool() {
            let from = self.chance.usize(synced..=len);
            let to = self.chance.usize(from..=len);
            left[from..to].fill(0);
        }
        Some(left)
    }

    /// Takes up to `wanted` steps and returns how many there were.
    fn take(&mut self, wanted: u64) -> u64 {
        let taken = wanted.min(self.steps_left);
        self.steps_left -= taken;
        taken
    }

    fn writable(&mut self) -> io::Result<()> {
        match (self.is_read_only, self.take(1)) {
            (true, _) => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            (false, 0) => Err(stopped()),
            (false, _) => Ok(()),
        }
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine has stopped")
}

impl SpoolDisk for SimDisk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        Ok(self.state().files.iter().map(|(name, file)| (name.clone(), file.bytes.len() as u64)).collect())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.state().files.get(name).map(|file| file.bytes.len() as u64).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, name: &str, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = file.bytes.get(usize::try_from(at).unwrap()..).unwrap_or_default();
        Ok(rest[..most.min(rest.len())].to_vec())
    }

    fn append(&mut self, name: &str, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let mut state = self.state();
        state.writable()?;
        let len = state.files.get(name).map(|file| file.bytes.len() as u64);
        if len.unwrap_or(0) != at || (at == 0 && len.is_some()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let new = pieces.concat();
        let used: u64 = state.files.values().map(|file| file.bytes.len() as u64).sum();
        let room = state.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(used));
        let fits = room.min(new.len() as u64);
        let written = usize::try_from(state.take(fits)).unwrap();
        let file = state.files.entry(name.to_owned()).or_default();
        file.bytes.extend_from_slice(&new[..written]);
        if (written as u64) < fits {
            return Err(stopped());
        }
        if written < new.len() {
            return Err(io::ErrorKind::StorageFull.into());
        }
        if durability == Durability::Synced {
            if state.fails_to_sync {
                return Err(io::Error::other("the medium failed"));
            }
            if state.take(1) == 0 {
                return Err(stopped());
            }
            let file = state.files.get_mut(name).unwrap();
            file.synced = file.bytes.len();
            state.synced.insert(name.to_owned());
            if at == 0 {
                // With the name of a new file, the folder is synced.
                state.removed.clear();
            }
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.writable()?;
        let removed = state.files.remove(name).filter(|_| state.synced.contains(name));
        if let Some(mut file) = removed {
            file.bytes.truncate(file.synced);
            state.removed.insert(name.to_owned(), file.bytes);
        }
        Ok(())
    }
}
