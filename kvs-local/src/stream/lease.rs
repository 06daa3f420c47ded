//! Leases: who may put media to a stream or read it, as long as the lease is not dropped.

use std::sync::Arc;

use tokio::sync::watch;

use super::hub::StreamHub;
use crate::ingest::Profile;

/// The right to put media to a stream. A stream has one producer at a time. Released on drop.
#[derive(Debug)]
pub(crate) struct PutLease {
    pub(super) hub: Arc<StreamHub>,
    pub(super) stream: String,
    pub(super) session: u64,
    /// The sequence part of the first fragment number of this session.
    pub(crate) first_sequence: u64,
    /// Closed when the stream is deleted.
    pub(super) arrivals: watch::Receiver<u64>,
    /// Changes when another session takes the lease.
    pub(super) holder: watch::Receiver<u64>,
}

/// What happens when a second producer connects to a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Contention {
    /// The new connection is rejected, as the service does today.
    RejectNew,
    /// The new connection replaces the old one, as the service did until 2021.
    ReplaceOld,
}

impl From<Profile> for Contention {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Year2022 => Self::ReplaceOld,
            Profile::Current => Self::RejectNew,
        }
    }
}

/// Why a lease was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LeaseLost {
    /// The stream was deleted.
    Deleted,
    /// Another producer has the lease.
    Replaced,
}

impl PutLease {
    /// Waits until the lease is lost.
    pub(crate) async fn lost(&mut self) -> LeaseLost {
        let Self { arrivals, holder, .. } = self;
        let deleted = async { while arrivals.changed().await.is_ok() {} };
        tokio::select! {
            // Both senders are dropped when the stream is deleted, so deletion must be checked first.
            biased;
            () = deleted => LeaseLost::Deleted,
            Ok(()) = holder.changed() => LeaseLost::Replaced,
        }
    }
}

impl Drop for PutLease {
    fn drop(&mut self) {
        self.hub.release_put(&self.stream, self.session);
    }
}

/// An operation that reads the media of a stream. Each has its own limit of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    GetMedia,
    GetMediaForFragmentList,
}

/// The right to read the media of a stream. Released on drop.
#[derive(Debug)]
pub(crate) struct ReadLease {
    pub(super) hub: Arc<StreamHub>,
    pub(super) stream: String,
    pub(super) reader: Reader,
}

impl Drop for ReadLease {
    fn drop(&mut self) {
        self.hub.release_read(&self.stream, self.reader);
    }
}
