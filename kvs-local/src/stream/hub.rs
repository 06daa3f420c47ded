//! The stored media of all streams and the connections that use it now.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_types::ErrorId;
use tokio::sync::watch;

use super::registry::{Registry, StreamRecord};
use crate::error_chain::error_chain;
use crate::ingest::IngestedFragment;
use crate::limits;
use crate::store::{FragmentRecord, Keep, Selection, Store, StoreError};

/// The media of all streams. Methods that touch the store block.
#[derive(Debug)]
pub(crate) struct StreamHub {
    store: Arc<Store>,
    active: Mutex<HashMap<String, ActiveStream>>,
}

/// A stream that is being written to or read from.
#[derive(Debug)]
pub(super) struct ActiveStream {
    /// First sequence of the latest session: the next session begins higher even if nothing was stored.
    pub(super) sequence: u64,
    /// Session that holds the put lease.
    pub(super) putting: Option<u64>,
    /// Number of sessions so far.
    pub(super) sessions: u64,
    /// Changes when another session takes the put lease.
    pub(super) holder: watch::Sender<u64>,
    /// GetMedia connections.
    pub(super) followers: usize,
    /// GetMediaForFragmentList connections.
    pub(super) listers: usize,
    /// Number of fragments stored so far; readers at the live edge wait for changes. Dropped when the stream is deleted.
    pub(super) arrivals: watch::Sender<u64>,
}

impl Default for ActiveStream {
    fn default() -> Self {
        Self {
            sequence: 0,
            putting: None,
            sessions: 0,
            holder: watch::Sender::new(0),
            followers: 0,
            listers: 0,
            arrivals: watch::Sender::new(0),
        }
    }
}

impl StreamHub {
    /// Opens the media in a store and removes media that belongs to no stream of the registry.
    pub(crate) fn open(store: Store, registry: &Registry, now: SystemTime) -> Result<Self, StoreError> {
        let known = registry.media_keys(now);
        for orphan in store.stream_names().iter().filter(|key| !known.contains(*key)) {
            let stream = orphan.rsplit_once('/').map_or(orphan.as_str(), |(name, _)| name);
            if registry.is_set_aside(stream) {
                tracing::error!(
                    stream,
                    "the media of this stream is kept but not served, since its record was damaged and set aside"
                );
            } else if let Err(error) = store.delete(orphan) {
                // The other streams must stay usable.
                tracing::error!(error = error_chain(&error), stream, "failed to remove the media of a deleted stream");
            }
        }
        Ok(Self { store: Arc::new(store), active: Mutex::default() })
    }

    /// Returns the store that keeps the fragments.
    pub(crate) const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Stores a fragment and wakes readers at the live edge.
    pub(crate) fn append(&self, stream: &str, fragment: &IngestedFragment) -> Result<FragmentRecord, ErrorId> {
        let stored = self.store.append(stream, fragment).map_err(|error| match error {
            StoreError::StreamDeleted => ErrorId::STREAM_DELETED,
            error => {
                tracing::error!(error = error_chain(&error), stream, number = %fragment.number, "failed to store a fragment");
                ErrorId::ARCHIVAL_ERROR
            }
        })?;
        if let Some(active) = self.active().get(stream) {
            active.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(stored)
    }

    /// Returns a receiver that changes with each fragment stored from now on and closes when the stream is deleted.
    pub(crate) fn arrivals(&self, stream: &str) -> watch::Receiver<u64> {
        self.active().entry(stream.to_owned()).or_default().arrivals.subscribe()
    }

    /// Removes media that is past the stream's retention.
    pub(crate) fn trim(&self, stream: &StreamRecord, now: SystemTime) {
        let keep = match stream.keeps_since(now) {
            Some(since) => Keep { since, bytes: u64::MAX },
            None => Keep { since: before(now, limits::UNKEPT_TIME), bytes: limits::UNKEPT_BYTES },
        };
        if let Err(error) = self.store.trim(&stream.media_key(), keep) {
            tracing::error!(
                error = error_chain(&error),
                stream = stream.name,
                "failed to remove media past its retention"
            );
        }
    }

    /// Removes a stream's media and ends its connections.
    pub(crate) fn delete(&self, stream: &str) {
        self.active().remove(stream);
        if let Err(error) = self.store.delete(stream) {
            tracing::error!(error = error_chain(&error), stream, "failed to remove the media of a deleted stream");
        }
    }

    /// Returns the fragments of a stream in the order of their numbers.
    pub(crate) fn fragments(&self, stream: &str) -> Result<Vec<FragmentRecord>, StoreError> {
        self.store.list(stream, &Selection::All)
    }

    /// Returns whether a producer is connected to a stream.
    pub(crate) fn is_put_to(&self, stream: &str) -> bool {
        self.active().get(stream).is_some_and(|active| active.putting.is_some())
    }

    /// Returns the number of connections that read a stream: of GetMedia, and of GetMediaForFragmentList.
    pub(crate) fn readers(&self, stream: &str) -> (usize, usize) {
        self.active().get(stream).map_or((0, 0), |active| (active.followers, active.listers))
    }

    pub(super) fn active(&self) -> MutexGuard<'_, HashMap<String, ActiveStream>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn before(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}
