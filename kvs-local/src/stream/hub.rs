//! What the connections of a stream share: its stored media, who is putting, who is waiting for more.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use kvs_types::ErrorId;
use tokio::sync::watch;

use crate::api::{ApiError, Exception};
use crate::ingest::{IngestedFragment, NumberParts, Profile, first_sequence_after};
use crate::limits;
use crate::store::{FragmentInfo, Keep, Selection, Store, StoreError};
use crate::stream::registry::{Registry, StreamRecord};

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
    /// The session that sits now: one that is not any more has been replaced.
    seated: watch::Sender<u64>,
    followers: usize,
    listers: usize,
    /// Counts stored fragments; readers of the live edge wait for it. Dropped when the stream is deleted.
    arrivals: watch::Sender<u64>,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            sequence: 0,
            putting: None,
            sessions: 0,
            seated: watch::Sender::new(0),
            followers: 0,
            listers: 0,
            arrivals: watch::Sender::new(0),
        }
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
    alive: watch::Receiver<u64>,
    /// Changes when another session takes the seat.
    seated: watch::Receiver<u64>,
}

/// What becomes of a producer when another one comes to its stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contention {
    /// The newest is refused, as the service does today.
    RefuseNewest,
    /// The newest takes the seat, as the service did until 2021.
    ReplaceOldest,
}

impl From<Profile> for Contention {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Year2022 => Self::ReplaceOldest,
            Profile::Current => Self::RefuseNewest,
        }
    }
}

/// How a seat was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loss {
    /// The stream is gone.
    Deleted,
    /// Another producer sits there.
    Replaced,
}

impl Seat {
    /// Waits until the seat is lost.
    pub(crate) async fn lost(&mut self) -> Loss {
        let Self { alive, seated, .. } = self;
        let deleted = async { while alive.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = deleted => Loss::Deleted,
            // Its sender goes with the stream too.
            Ok(()) = seated.changed() => Loss::Replaced,
        }
    }
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
    pub(crate) fn sit_down(self: &Arc<Self>, stream: &str, contention: Contention) -> Result<Seat, ApiError> {
        let last = self.store.last(stream).map_err(|error| failed(&error))?;
        let stored = last.and_then(|last| NumberParts::of(&last.number)).map(|parts| parts.sequence);
        let mut live = self.live();
        let entry = live.entry(stream.to_owned()).or_default();
        if entry.putting.is_some() && contention == Contention::RefuseNewest {
            let message = "Another connection is putting media to this stream; there may be one at a time.";
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        let used = entry.sequence.checked_sub(1).map(|_| entry.sequence);
        entry.sequence = first_sequence_after(stored.max(used));
        entry.sessions = entry.sessions.saturating_add(1);
        entry.putting = Some(entry.sessions);
        entry.seated.send_replace(entry.sessions);
        Ok(Seat {
            media: Arc::clone(self),
            stream: stream.to_owned(),
            session: entry.sessions,
            first_sequence: entry.sequence,
            alive: entry.arrivals.subscribe(),
            seated: entry.seated.subscribe(),
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

/// The ways to read a stream's media that have so many seats each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// GetMedia.
    Follower,
    /// GetMediaForFragmentList.
    Lister,
}

/// The right to read a stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct ReaderSeat {
    media: Arc<Media>,
    stream: String,
    reader: Reader,
}

impl Media {
    /// Takes one of the seats of a stream's readers.
    pub(crate) fn join_readers(self: &Arc<Self>, stream: &str, reader: Reader) -> Result<ReaderSeat, ApiError> {
        let mut live = self.live();
        let (taken, most) = live.entry(stream.to_owned()).or_default().readers(reader);
        if *taken >= most {
            let message = format!("{most} connections read this stream already, the most there may be");
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        *taken = taken.saturating_add(1);
        Ok(ReaderSeat { media: Arc::clone(self), stream: stream.to_owned(), reader })
    }
}

impl Live {
    /// How many seats are taken, and how many there are.
    const fn readers(&mut self, reader: Reader) -> (&mut usize, usize) {
        match reader {
            Reader::Follower => (&mut self.followers, limits::READERS),
            Reader::Lister => (&mut self.listers, limits::LIST_READERS),
        }
    }
}

impl Drop for ReaderSeat {
    fn drop(&mut self) {
        if let Some(entry) = self.media.live().get_mut(&self.stream) {
            let (taken, _) = entry.readers(self.reader);
            *taken = taken.saturating_sub(1);
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
