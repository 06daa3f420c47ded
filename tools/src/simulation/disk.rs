//! A folder in memory with the faults of disks: full, read-only, a sync that fails, a stop between any two bytes.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use fastrand::Rng;
use kvs_producer::__internal::{Durability, SpoolDisk};

/// A disk; clones are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Disk(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    files: BTreeMap<String, File>,
    state: DiskState,
    /// Bytes until the machine stops.
    bytes_left: u64,
    rng: Rng,
}

#[derive(Clone, Debug, Default)]
struct File {
    bytes: Vec<u8>,
    /// So many of them survive the loss of power.
    synced: usize,
}

/// What is wrong with a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskState {
    Sound,
    /// This many bytes still fit.
    Full(u64),
    ReadOnly,
    /// Bytes are written, and syncing them fails.
    NoSync,
}

/// How a machine stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Crash {
    /// The process is killed: the system has what was written.
    Kill,
    /// Any part of what was not synced is gone, or is zeros.
    PowerLoss,
}

impl Disk {
    pub(crate) fn new(seed: u64) -> Self {
        let (files, rng) = (BTreeMap::new(), Rng::with_seed(seed));
        Self(Arc::new(Mutex::new(State { files, state: DiskState::Sound, bytes_left: u64::MAX, rng })))
    }

    pub(crate) fn set_state(&self, state: DiskState) {
        self.state().state = state;
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.state().bytes()
    }

    /// The machine stops after so many more written bytes.
    pub(crate) fn stop_after(&self, bytes: u64) {
        self.state().bytes_left = bytes;
    }

    /// The machine starts again after a crash.
    pub(crate) fn restart(&self, crash: Crash) {
        let mut state = self.state();
        state.bytes_left = u64::MAX;
        if crash == Crash::Kill {
            return;
        }
        let State { files, rng, .. } = &mut *state;
        for file in files.values_mut() {
            file.bytes.truncate(rng.usize(file.synced..=file.bytes.len()));
            if rng.bool() {
                let from = rng.usize(file.synced..=file.bytes.len());
                file.bytes[from..].fill(0);
            }
            file.synced = file.bytes.len();
        }
        // The name of a file that was never synced may be lost too.
        files.retain(|_, file| !file.bytes.is_empty());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn bytes(&self) -> u64 {
        self.files.values().map(|file| file.bytes.len() as u64).sum()
    }

    fn check_writable(&self) -> io::Result<()> {
        match self.state {
            DiskState::ReadOnly => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
            _ if self.bytes_left == 0 => Err(stopped()),
            _ => Ok(()),
        }
    }

    /// How many of these bytes are written, and what stops the rest.
    fn fits(&mut self, bytes: usize) -> (usize, Option<io::Error>) {
        let before_stop = usize::try_from(self.bytes_left).unwrap_or(usize::MAX);
        let room = match self.state {
            DiskState::Full(room) => usize::try_from(room).unwrap_or(usize::MAX),
            _ => usize::MAX,
        };
        let fits = bytes.min(before_stop).min(room);
        self.bytes_left -= fits as u64;
        if let DiskState::Full(room) = &mut self.state {
            *room -= fits as u64;
        }
        let error = match (fits < bytes, before_stop <= room) {
            (false, _) => None,
            (true, true) => Some(stopped()),
            (true, false) => Some(io::ErrorKind::StorageFull.into()),
        };
        (fits, error)
    }
}

fn stopped() -> io::Error {
    io::Error::other("the machine has stopped")
}

impl SpoolDisk for Disk {
    fn list(&self) -> io::Result<Vec<(String, u64)>> {
        Ok(self.state().files.iter().map(|(name, file)| (name.clone(), file.bytes.len() as u64)).collect())
    }

    fn len(&self, name: &str) -> io::Result<u64> {
        self.state().files.get(name).map(|file| file.bytes.len() as u64).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn read(&self, name: &str, at: u64, most: usize) -> io::Result<Vec<u8>> {
        let state = self.state();
        let file = state.files.get(name).ok_or(io::ErrorKind::NotFound)?;
        let rest = usize::try_from(at).ok().and_then(|at| file.bytes.get(at..)).unwrap_or_default();
        Ok(rest[..most.min(rest.len())].to_vec())
    }

    fn append(&mut self, name: &str, at: u64, pieces: &[Bytes], durability: Durability) -> io::Result<()> {
        let mut state = self.state();
        state.check_writable()?;
        let len = state.files.get(name).map(|file| file.bytes.len() as u64);
        if len.unwrap_or(0) != at || (at == 0 && len.is_some()) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let new = pieces.concat();
        let (fits, error) = state.fits(new.len());
        let fails_to_sync = state.state == DiskState::NoSync;
        let file = state.files.entry(name.to_owned()).or_default();
        file.bytes.extend_from_slice(&new[..fits]);
        if let Some(error) = error {
            return Err(error);
        }
        if durability == Durability::Synced {
            if fails_to_sync {
                return Err(io::Error::other("the sync failed"));
            }
            file.synced = file.bytes.len();
        }
        Ok(())
    }

    fn remove(&mut self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        state.check_writable()?;
        if let (Some(file), DiskState::Full(room)) = (state.files.remove(name), state.state) {
            state.state = DiskState::Full(room + file.bytes.len() as u64);
        }
        Ok(())
    }
}
