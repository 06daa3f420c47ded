//! The right to write to or read from a stream, of which each stream has a limited number.

use std::sync::Arc;

use tokio::sync::watch;

use super::hub::{ActiveStream, StreamHub};
use crate::api::{ApiError, Exception};
use crate::error_chain::error_chain;
use crate::ingest::{NumberParts, Profile, first_sequence_after};
use crate::limits;

/// The right to put media to a stream; released when dropped.
#[derive(Debug)]
pub(crate) struct PutLease {
    hub: Arc<StreamHub>,
    stream: String,
    session: u64,
    /// First sequence of this session's fragment numbers.
    pub(crate) first_sequence: u64,
    /// Closes when the stream is deleted.
    alive: watch::Receiver<u64>,
    /// Changes when another session takes the lease.
    holder: watch::Receiver<u64>,
}

/// What happens when a second producer connects to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PutConflict {
    /// The new connection is refused, as in the service today.
    RefuseNew,
    /// The new connection replaces the old one, as in the service until 2021.
    ReplaceOld,
}

impl From<Profile> for PutConflict {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Year2022 => Self::ReplaceOld,
            Profile::Current => Self::RefuseNew,
        }
    }
}

/// Why a put lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseEnd {
    /// The stream was deleted.
    StreamDeleted,
    /// Another producer took the lease.
    Replaced,
}

impl PutLease {
    /// Waits until the lease is lost.
    pub(crate) async fn lost(&mut self) -> LeaseEnd {
        let Self { alive, holder, .. } = self;
        let deleted = async { while alive.changed().await.is_ok() {} };
        tokio::select! {
            biased;
            () = deleted => LeaseEnd::StreamDeleted,
            // This sender is dropped with the stream too, so an error is no replacement.
            Ok(()) = holder.changed() => LeaseEnd::Replaced,
        }
    }
}

/// The operations that may read a stream on a limited number of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadKind {
    /// GetMedia.
    Follow,
    /// GetMediaForFragmentList.
    List,
}

/// The right to read a stream; released when dropped.
#[derive(Debug)]
pub(crate) struct ReadLease {
    hub: Arc<StreamHub>,
    stream: String,
    kind: ReadKind,
}

impl StreamHub {
    /// Takes the only put lease of a stream. Blocks: the stream's last number may have to be read.
    pub(crate) fn acquire_put(self: &Arc<Self>, stream: &str, conflict: PutConflict) -> Result<PutLease, ApiError> {
        let last = self.store().last(stream).map_err(|error| {
            tracing::error!(error = error_chain(&error), stream, "failed to read the last fragment number");
            ApiError::internal()
        })?;
        let stored = last.and_then(|last| NumberParts::of(&last.number)).map(|parts| parts.sequence);
        let mut all = self.active();
        let active = all.entry(stream.to_owned()).or_default();
        if active.putting.is_some() && conflict == PutConflict::RefuseNew {
            let message = "Another connection is putting media to this stream; one is allowed at a time.";
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        let used = active.sequence.checked_sub(1).map(|_| active.sequence);
        active.sequence = first_sequence_after(stored.max(used));
        active.sessions = active.sessions.saturating_add(1);
        active.putting = Some(active.sessions);
        active.holder.send_replace(active.sessions);
        Ok(PutLease {
            hub: Arc::clone(self),
            stream: stream.to_owned(),
            session: active.sessions,
            first_sequence: active.sequence,
            alive: active.arrivals.subscribe(),
            holder: active.holder.subscribe(),
        })
    }

    /// Takes one of the read leases of a stream.
    pub(crate) fn acquire_read(self: &Arc<Self>, stream: &str, kind: ReadKind) -> Result<ReadLease, ApiError> {
        let mut all = self.active();
        let (taken, limit) = readers(all.entry(stream.to_owned()).or_default(), kind);
        if *taken >= limit {
            let message = format!("the stream already has {limit} connections of this operation, the most allowed");
            return Err(ApiError::new(Exception::ConnectionLimitExceeded, message));
        }
        *taken = taken.saturating_add(1);
        Ok(ReadLease { hub: Arc::clone(self), stream: stream.to_owned(), kind })
    }
}

/// Returns the number of connections of a kind, and the limit.
const fn readers(active: &mut ActiveStream, kind: ReadKind) -> (&mut usize, usize) {
    match kind {
        ReadKind::Follow => (&mut active.followers, limits::READERS),
        ReadKind::List => (&mut active.listers, limits::LIST_READERS),
    }
}

impl Drop for ReadLease {
    fn drop(&mut self) {
        if let Some(active) = self.hub.active().get_mut(&self.stream) {
            let (taken, _) = readers(active, self.kind);
            *taken = taken.saturating_sub(1);
        }
    }
}

impl Drop for PutLease {
    fn drop(&mut self) {
        if let Some(active) = self.hub.active().get_mut(&self.stream)
            && active.putting == Some(self.session)
        {
            active.putting = None;
        }
    }
}
