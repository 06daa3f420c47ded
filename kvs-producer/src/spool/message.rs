//! What the core asks of the spool, and what it is told.
#![cfg_attr(not(feature = "spool"), allow(dead_code, reason = "without the feature there is no spool to talk to"))]

use std::sync::Arc;

use kvs_mkv::BlockBuffer;

use crate::buffer::epoch::Epoch;
use crate::buffer::fragment::FragmentEnd;
use crate::report::span::{FragmentId, Span};
use crate::report::spool::SpoolProblem;
use crate::tags::TagSet;

/// A request of [`ProducerCore`](crate::ProducerCore) to its [`Spool`](crate::Spool). Pass it to
/// [`Spool::handle`](crate::Spool::handle), in the order in which
/// [`poll_transmit`](crate::ProducerCore::poll_transmit) returns them.
#[cfg(feature = "spool")]
#[derive(Clone, Debug)]
pub struct SpoolRequest(pub(crate) Request);

/// A response of [`Spool`](crate::Spool). Pass it to [`ProducerCore::handle_spool`](crate::ProducerCore::handle_spool).
#[cfg(feature = "spool")]
#[derive(Clone, Debug)]
pub struct SpoolResponse(pub(crate) Response);

/// The requests.
#[derive(Clone, Debug)]
pub(crate) enum Request {
    /// Find out what an earlier run left. Always the first request.
    Open,
    /// Write a fragment. The core keeps its copy until the answer.
    Store(Parcel),
    /// The core no longer holds this fragment: it may be loaded.
    Return(RecordKey),
    /// Read the next fragment that the core does not hold, in the configured order. It has `room` bytes for it, and never
    /// more than `limit`.
    Load { room: usize, limit: usize },
    /// This fragment is persisted or reported lost: a restart does not send it.
    Settle(RecordKey),
    /// This loss is reported: a restart does not report it.
    Reported(LossSource),
    /// Nothing follows: release the folder.
    Close,
}

/// The responses.
#[derive(Clone, Debug)]
pub(crate) enum Response {
    /// What an earlier run left.
    Opened(Held),
    /// The fragment is on disk and synced.
    Stored { id: FragmentId, key: RecordKey },
    /// The fragment is not on disk: the disk failed.
    NotStored { id: FragmentId },
    /// The fragment is not on disk, and never will be: it does not fit into the spool.
    Unfit { id: FragmentId },
    /// The next fragment.
    Loaded(Loaded),
    /// The next fragment needs more memory than there was room for.
    NoRoom,
    /// There is no fragment that the core does not hold.
    Nothing,
    /// Fragments left the spool unsent. Until [`Request::Reported`] follows, a restart reports them again.
    Lost { held: Held, why: SpoolLoss, source: Option<LossSource> },
    /// The folder is released.
    Closed,
    /// Something is wrong with the disk or its contents.
    Problem(SpoolProblem),
}

/// A fragment that was read.
#[derive(Clone, Debug)]
pub(crate) struct Loaded {
    pub(crate) key: RecordKey,
    pub(crate) parcel: Parcel,
    /// It was written by an earlier run.
    pub(crate) is_recovered: bool,
}

/// Where a fragment is in the spool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordKey {
    pub(crate) segment: u32,
    pub(crate) at: u32,
}

/// Why fragments left the spool unsent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SpoolLoss {
    /// The spool had reached its size limit.
    Full,
    /// Their bytes do not match their checksums.
    Damaged,
}

/// What the spool keeps of a loss until it is reported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LossSource {
    /// The notice of this segment, which is gone.
    Notice(u32),
    /// A record that is damaged.
    Record(RecordKey),
}

/// A complete fragment with all that is needed to send it.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) id: FragmentId,
    pub(crate) epoch: Arc<Epoch>,
    /// Cluster timecode, earliest and latest frame time in ms since the Unix epoch.
    pub(crate) start: u64,
    pub(crate) earliest: u64,
    pub(crate) latest: u64,
    pub(crate) blocks: BlockBuffer,
    pub(crate) frames: u64,
    /// Payload bytes.
    pub(crate) bytes: u64,
    pub(crate) tags: TagSet,
    pub(crate) end: FragmentEnd,
}

/// An amount of media in the spool. Times are in ms since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) fragments: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) start: u64,
    pub(crate) latest: u64,
}

impl Held {
    pub(crate) fn add(&mut self, other: &Self) {
        if other.fragments == 0 {
            return;
        }
        self.start = if self.fragments == 0 { other.start } else { self.start.min(other.start) };
        self.latest = self.latest.max(other.latest);
        // Amounts that come from files of the folder may have any value.
        self.fragments = self.fragments.saturating_add(other.fragments);
        self.frames = self.frames.saturating_add(other.frames);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }

    /// Takes an amount away. The time range stays as it is, so it may become wider than what is left.
    pub(crate) const fn remove(&mut self, other: &Self) {
        self.fragments = self.fragments.saturating_sub(other.fragments);
        self.frames = self.frames.saturating_sub(other.frames);
        self.bytes = self.bytes.saturating_sub(other.bytes);
    }

    pub(crate) fn span(&self) -> Span {
        use crate::time::system_time;
        Span { start: system_time(self.start), end: system_time(self.latest), frames: self.frames, bytes: self.bytes }
    }
}
