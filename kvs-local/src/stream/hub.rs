//! What the connections of a stream share: stored media, the producer, readers that wait for new fragments.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_types::ErrorId;
use tokio::sync::watch;

use super::lease::{Contention, PutLease, ReadLease, Reader};
use super::registry::{Registry, StreamRecord};
use crate::api::{ApiError, Exception};
use crate::ingest::{IngestedFragment, NumberParts, first_sequence_after};
use crate::limits;
use crate::store::{FragmentInfo, Keep, Selection, Store, StoreError};

/// The media of all streams and their open connections. Calls that access the store block.
#[derive(Debug)]
pub(crate) struct StreamHub {
    store: Arc<Store>,
    live: Mutex<HashMap<String, Live>>,
}

/// A stream with open connections.
#[derive(Debug)]
struct Live {
    /// First sequence of the latest session. The next session starts higher, even if nothing was stored.
    sequence: u64,
    /// The session that has the put lease.
    putting: Option<u64>,
    /// Number of put sessions so far.
    sessions: u64,
    /// The latest session with the put lease. A session with another number was replaced.
    holder: watch::Sender<u64>,
    /// Open GetMedia connections.
    get_media: usize,
    /// Open GetMediaForFragmentList connections.
    fragment_list: usize,
    /// Counts stored fragments. Readers at the live edge wait for changes. Dropped when the stream is deleted.
    arrivals: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sequence: 0,
            putting: None,
            sessions: 0,
            holder: watch::Sender::new(0),
            get_media: 0,
            fragment_list: 0,
            arrivals: watch::Sender::new(0),
        }
    }
}

impl StreamHub {
    /// Opens the media in a store and deletes media whose stream is not in the registry.
    pub(crate) fn open(store: Store, registry: &Registry, now: SystemTime) -> Result<Self, StoreError> {
        let known = registry.media_keys(now);
        for orphan in store.stream_names().iter().filter(|name| !known.contains(*name)) {
            store.delete(orphan)?;
        }
        Ok(Self { store: Arc::new(store), live: Mutex::default() })
    }

    /// Returns the store.
    pub(crate) const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Acquires the put lease of a stream.
    pub(crate) fn acquire_put(self: &Arc<Self>, stream: &str, contention: Contention) -> Result<PutLease, ApiError> {
        let last = self.store.last(stream).map_err(|error| store_failed(&error))?;
        let stored = last.and_then(|last| NumberParts::of(&last.number)).map(|parts| parts.sequence);
        let mut live = self.live();
        let entry = live.entry(stream.to_owned()).or_default();
        if entry.putting.is_some() && contention == Contention::RejectNew {
            let message = "Another connection is already putting media to this stream. The limit is 1.";
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        let used = entry.sequence.checked_sub(1).map(|_| entry.sequence);
        entry.sequence = first_sequence_after(stored.max(used));
        entry.sessions = entry.sessions.saturating_add(1);
        entry.putting = Some(entry.sessions);
        entry.holder.send_replace(entry.sessions);
        Ok(PutLease {
            hub: Arc::clone(self),
            stream: stream.to_owned(),
            session: entry.sessions,
            first_sequence: entry.sequence,
            arrivals: entry.arrivals.subscribe(),
            holder: entry.holder.subscribe(),
        })
    }

    pub(super) fn release_put(&self, stream: &str, session: u64) {
        if let Some(entry) = self.live().get_mut(stream)
            && entry.putting == Some(session)
        {
            entry.putting = None;
        }
    }

    /// Acquires a lease for a reader of a stream.
    pub(crate) fn acquire_read(self: &Arc<Self>, stream: &str, reader: Reader) -> Result<ReadLease, ApiError> {
        let mut live = self.live();
        let (open, limit) = live.entry(stream.to_owned()).or_default().readers(reader);
        if *open >= limit {
            let message = format!("{open} connections are already reading this stream. The limit is {limit}.");
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        *open = open.saturating_add(1);
        Ok(ReadLease { hub: Arc::clone(self), stream: stream.to_owned(), reader })
    }

    pub(super) fn release_read(&self, stream: &str, reader: Reader) {
        if let Some(entry) = self.live().get_mut(stream) {
            let (open, _) = entry.readers(reader);
            *open = open.saturating_sub(1);
        }
    }

    /// Stores a fragment and notifies the readers at the live edge.
    pub(crate) fn append(&self, stream: &str, fragment: &IngestedFragment) -> Result<FragmentInfo, ErrorId> {
        let stored = self.store.append(stream, fragment).map_err(|error| match error {
            StoreError::StreamDeleted => ErrorId::STREAM_DELETED,
            error => {
                tracing::error!(%error, "failed to store fragment");
                ErrorId::ARCHIVAL_ERROR
            }
        })?;
        if let Some(live) = self.live().get(stream) {
            live.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(stored)
    }

    /// Returns a counter of the fragments stored from now on. It is closed when the stream is deleted.
    pub(crate) fn arrivals(&self, stream: &str) -> watch::Receiver<u64> {
        self.live().entry(stream.to_owned()).or_default().arrivals.subscribe()
    }

    /// Deletes the media of a stream that is past its retention.
    pub(crate) fn trim(&self, stream: &StreamRecord, now: SystemTime) {
        let keep = match stream.keeps_since(now) {
            Some(since) => Keep { since, bytes: u64::MAX },
            None => Keep { since: before(now, limits::UNKEPT_TIME), bytes: limits::UNKEPT_BYTES },
        };
        if let Err(error) = self.store.trim(&stream.media_key(), keep) {
            tracing::error!(%error, stream = stream.name, "failed to delete media past its retention");
        }
    }

    /// Deletes the media of a stream. Leases end with [`LeaseLost::Deleted`](super::lease::LeaseLost::Deleted), and the
    /// connections of its readers are closed.
    pub(crate) fn delete(&self, stream: &str) {
        self.live().remove(stream);
        if let Err(error) = self.store.delete(stream) {
            tracing::error!(%error, "failed to delete media of a deleted stream");
        }
    }

    /// Returns the fragments of a stream in ingestion order.
    pub(crate) fn fragments(&self, stream: &str) -> Result<Vec<FragmentInfo>, StoreError> {
        self.store.list(stream, &Selection::All)
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// Returns the number of open connections of a reader, and their limit.
    const fn readers(&mut self, reader: Reader) -> (&mut usize, usize) {
        match reader {
            Reader::GetMedia => (&mut self.get_media, limits::READERS),
            Reader::GetMediaForFragmentList => (&mut self.fragment_list, limits::LIST_READERS),
        }
    }
}

fn before(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn store_failed(error: &StoreError) -> ApiError {
    tracing::error!(%error, "failed to read the store");
    ApiError::new(Exception::InternalFailure, "failed to read the store, see the log of the service")
}
