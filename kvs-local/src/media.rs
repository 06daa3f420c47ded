//! What the connections of a stream share: its stored media, who is putting, who is waiting for more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_mkv::service::ErrorId;
use tokio::sync::watch;

use crate::control::{Registry, StreamRecord};
use crate::exception::{ApiError, Exception};
use crate::ingest::{IngestedFragment, NumberParts, first_sequence_after};
use crate::limits;
use crate::store::{FragmentInfo, Keep, Selection, Store, StoreError};

/// The media of all streams. Calls that touch the store block.
#[derive(Debug)]
pub(crate) struct Media {
    store: Store,
    live: Mutex<HashMap<String, Live>>,
}

/// A stream that somebody is putting to or reading from now.
#[derive(Debug)]
struct Live {
    /// First sequence of the session that began last: the next one begins higher even if nothing was stored.
    sequence: u64,
    putting: Option<u64>,
    sessions: u64,
    readers: usize,
    /// Counts stored fragments; readers of the live edge wait for it. Dropped when the stream is deleted.
    arrivals: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self { sequence: 0, putting: None, sessions: 0, readers: 0, arrivals: watch::Sender::new(0) }
    }
}

/// The right to put to a stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Seat {
    media: Arc<Media>,
    stream: String,
    session: u64,
    /// Where the numbers of this session's fragments begin.
    pub(crate) first_sequence: u64,
    /// Ends when the stream is deleted.
    pub(crate) alive: watch::Receiver<u64>,
}

impl Media {
    /// The media in a store; what belongs to no stream of the registry any more is removed.
    pub(crate) fn open(store: Store, registry: &Registry, now: SystemTime) -> Result<Self, StoreError> {
        let known = registry.media_keys(now);
        for orphan in store.stream_names().iter().filter(|name| !known.contains(*name)) {
            store.delete(orphan)?;
        }
        Ok(Self { store, live: Mutex::default() })
    }

    /// Where fragments are kept.
    pub(crate) const fn store(&self) -> &Store {
        &self.store
    }

    /// Takes the one seat of a stream.
    pub(crate) fn sit_down(self: &Arc<Self>, stream: &str) -> Result<Seat, ApiError> {
        let last = self.store.last(stream).map_err(|error| failed(&error))?;
        let stored = last.and_then(|last| NumberParts::of(&last.number)).map(|parts| parts.sequence);
        let mut live = self.live();
        let entry = live.entry(stream.to_owned()).or_default();
        if entry.putting.is_some() {
            let message = "Another connection is putting media to this stream; there may be one at a time.";
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        let used = entry.sequence.checked_sub(1).map(|_| entry.sequence);
        entry.sequence = first_sequence_after(stored.max(used));
        entry.sessions = entry.sessions.saturating_add(1);
        entry.putting = Some(entry.sessions);
        Ok(Seat {
            media: Arc::clone(self),
            stream: stream.to_owned(),
            session: entry.sessions,
            first_sequence: entry.sequence,
            alive: entry.arrivals.subscribe(),
        })
    }

    /// Stores a fragment and tells who waits for it.
    pub(crate) fn append(&self, stream: &str, fragment: &IngestedFragment) -> Result<FragmentInfo, ErrorId> {
        let stored = self.store.append(stream, fragment).map_err(|error| match error {
            StoreError::StreamDeleted => ErrorId::STREAM_DELETED,
            error => {
                tracing::error!(%error, "a fragment could not be stored");
                ErrorId::ARCHIVAL_ERROR
            }
        })?;
        if let Some(live) = self.live().get(stream) {
            live.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(stored)
    }

    /// Counts the fragments stored from now on; ends when the stream is deleted.
    pub(crate) fn arrivals(&self, stream: &str) -> watch::Receiver<u64> {
        self.live().entry(stream.to_owned()).or_default().arrivals.subscribe()
    }

    /// Drops what a stream's retention does not cover.
    pub(crate) fn trim(&self, stream: &StreamRecord, now: SystemTime) {
        let keep = match stream.keeps_since(now) {
            Some(since) => Keep { since, bytes: u64::MAX },
            None => Keep { since: before(now, limits::UNKEPT_TIME), bytes: limits::UNKEPT_BYTES },
        };
        if let Err(error) = self.store.trim(&stream.media_key(), keep) {
            tracing::error!(%error, stream = stream.name, "media past its retention could not be removed");
        }
    }

    /// Removes a stream's media and ends who puts or reads it.
    pub(crate) fn delete(&self, stream: &str) {
        self.live().remove(stream);
        if let Err(error) = self.store.delete(stream) {
            tracing::error!(%error, "media of a deleted stream could not be removed");
        }
    }

    /// The fragments of a stream in the order they came.
    pub(crate) fn fragments(&self, stream: &str) -> Result<Vec<FragmentInfo>, StoreError> {
        self.store.list(stream, &Selection::All)
    }

    fn live(&self) -> MutexGuard<'_, HashMap<String, Live>> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to follow a stream with GetMedia; given back when dropped.
#[derive(Debug)]
pub(crate) struct ReaderSeat {
    media: Arc<Media>,
    stream: String,
}

impl Media {
    /// Takes one of the seats of a stream's readers.
    pub(crate) fn join_readers(self: &Arc<Self>, stream: &str) -> Result<ReaderSeat, ApiError> {
        let mut live = self.live();
        let entry = live.entry(stream.to_owned()).or_default();
        if entry.readers >= limits::READERS {
            let message = format!("{} connections read this stream already, the most there may be", limits::READERS);
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        entry.readers = entry.readers.saturating_add(1);
        Ok(ReaderSeat { media: Arc::clone(self), stream: stream.to_owned() })
    }
}

impl Drop for ReaderSeat {
    fn drop(&mut self) {
        if let Some(entry) = self.media.live().get_mut(&self.stream) {
            entry.readers = entry.readers.saturating_sub(1);
        }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut live = self.media.live();
        if let Some(entry) = live.get_mut(&self.stream)
            && entry.putting == Some(self.session)
        {
            entry.putting = None;
        }
    }
}

fn before(now: SystemTime, by: Duration) -> SystemTime {
    now.checked_sub(by).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn failed(error: &StoreError) -> ApiError {
    tracing::error!(%error, "the store failed");
    ApiError::new(Exception::InternalFailure, "the store failed; the service's log says more")
}
