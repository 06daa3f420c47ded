//! One buffered fragment and its state.

use std::mem;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs_mkv::{BlockBuffer, BlockRoom, Frame};

use super::epoch::Epoch;
use crate::io::session_id::SessionId;
use crate::limits::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD};
use crate::report::outcome::LossReason;
use crate::report::span::{FragmentId, Span};
use crate::spool::message::{Parcel, RecordKey};
use crate::tags::TagSet;
use crate::time::system_time;

/// One fragment, from its first frame until it is persisted or lost.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) id: FragmentId,
    pub(crate) epoch: Arc<Epoch>,
    /// Cluster timecode in ms since the Unix epoch.
    pub(crate) start: u64,
    /// Earliest and latest frame time, in ms since the Unix epoch.
    pub(crate) earliest: u64,
    pub(crate) latest: u64,
    /// Its frames, as they are sent.
    pub(crate) blocks: BlockBuffer,
    pub(crate) frame_count: u64,
    pub(crate) bytes: u64,
    pub(crate) tags: TagSet,
    state: State,
    /// Number of sessions in which an error acknowledgement named it, and the latest of them.
    rejections: u32,
    rejected_in: Option<SessionId>,
    /// Whether it was sent completely in an earlier session.
    pub(crate) sent_before: bool,
    /// Whether the spool has it too.
    pub(crate) disk: DiskCopy,
}

/// Whether a fragment in memory is on disk too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DiskCopy {
    None,
    Writing,
    Stored(RecordKey),
    /// It does not fit into the spool: it is sent from memory.
    Unfit,
}

/// The state of a fragment.
///
/// ```text
/// Filling --complete--> Complete: Queued --first byte--> Sending --last byte--> Sent --ack--> Settled
///    |                              ^                       |                    |
///    |                              +---- end of session ---+--------------------+
///    |                                                                           `--buffer full--> Released --ack or
///    |                                                                                       end of session--> Settled
///    |                    Complete, any --lost--> Settled
///    `--rejected--> Condemned --complete--> Settled
/// ```
///
/// A fragment that is still filling may be sent already.
#[derive(Debug)]
enum State {
    /// More frames follow. `session` is the connection that sends it already.
    Filling { session: Option<SessionId> },
    /// Rejected before it was complete: its frames are only counted until it is complete, then it is lost.
    Condemned { reason: LossReason },
    /// No more frames follow.
    Complete { end: FragmentEnd, delivery: Delivery },
}

/// What tells the service that a fragment is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum FragmentEnd {
    /// The next cluster.
    NextCluster,
    /// An end-of-fragment tag, because no cluster may follow for a while.
    Mark,
}

/// The delivery of a complete fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delivery {
    Queued,
    Sending {
        session: SessionId,
    },
    Sent {
        session: SessionId,
        at: Instant,
    },
    /// Sent, and its payload freed: if the session ends before the acknowledgement arrives, it is lost.
    Released {
        session: SessionId,
        at: Instant,
    },
    /// Persisted or reported lost.
    Settled,
}

impl Fragment {
    /// Creates a fragment that is filling, with room for as many frames as another one has.
    pub(crate) fn new(id: FragmentId, epoch: Arc<Epoch>, start: u64, tags: TagSet, room: &BlockRoom) -> Self {
        Self {
            id,
            epoch,
            start,
            earliest: start,
            latest: start,
            blocks: BlockBuffer::with_room_of(Duration::from_millis(start), room),
            frame_count: 0,
            bytes: 0,
            tags,
            state: State::Filling { session: None },
            rejections: 0,
            rejected_in: None,
            sent_before: false,
            disk: DiskCopy::None,
        }
    }

    /// Creates a complete fragment from what the spool had.
    pub(super) fn of_parcel(id: FragmentId, parcel: Parcel, key: RecordKey) -> Self {
        Self {
            id,
            epoch: parcel.epoch,
            start: parcel.start,
            earliest: parcel.earliest,
            latest: parcel.latest,
            frame_count: parcel.frames,
            blocks: parcel.blocks,
            bytes: parcel.bytes,
            tags: parcel.tags,
            state: State::Complete { end: parcel.end, delivery: Delivery::Queued },
            rejections: 0,
            rejected_in: None,
            sent_before: false,
            disk: DiskCopy::Stored(key),
        }
    }

    /// What completes it; a mark if it is not complete.
    pub(super) const fn end(&self) -> FragmentEnd {
        match self.state {
            State::Complete { end, .. } => end,
            State::Filling { .. } | State::Condemned { .. } => FragmentEnd::Mark,
        }
    }

    /// Adds a frame, takes its payload, and returns how much it counts against the buffer.
    #[inline]
    pub(crate) fn push(&mut self, frame: &mut Frame, at: u64) -> usize {
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
        self.frame_count += 1;
        self.bytes += frame.data.len() as u64;
        if matches!(self.state, State::Condemned { .. }) {
            return 0;
        }
        let cost = frame.data.len() + FRAME_OVERHEAD;
        // Nothing is before the origin of relative timecodes, also not pictures that are displayed before the first one.
        frame.pts = Duration::from_millis(at.max(self.epoch.origin));
        self.blocks.push(frame).expect("the fragmenter keeps times within the range of a cluster");
        cost
    }

    pub(crate) fn span(&self) -> Span {
        Span {
            start: system_time(self.start),
            end: system_time(self.latest),
            frames: self.frame_count,
            bytes: self.bytes,
        }
    }

    /// Whether more frames may follow.
    #[inline]
    pub(crate) const fn is_open(&self) -> bool {
        matches!(self.state, State::Filling { .. } | State::Condemned { .. })
    }

    /// Whether more frames may follow, which will be sent.
    #[inline]
    pub(crate) const fn is_filling(&self) -> bool {
        matches!(self.state, State::Filling { .. })
    }

    /// Whether it waits to be sent.
    #[inline]
    pub(crate) const fn is_queued(&self) -> bool {
        matches!(self.state, State::Filling { session: None } | State::Complete { delivery: Delivery::Queued, .. })
    }

    pub(crate) const fn is_settled(&self) -> bool {
        matches!(self.state, State::Complete { delivery: Delivery::Settled, .. })
    }

    pub(crate) const fn is_released(&self) -> bool {
        matches!(self.state, State::Complete { delivery: Delivery::Released { .. }, .. })
    }

    /// Whether it is complete, holds its payload and is not being sent at this moment.
    pub(crate) const fn is_evictable(&self) -> bool {
        matches!(self.state, State::Complete { delivery: Delivery::Queued | Delivery::Sent { .. }, .. })
    }

    /// Whether all of it was sent in an earlier session, and it is not being sent at this moment.
    pub(crate) const fn was_sent_and_waits(&self) -> bool {
        self.sent_before
            && matches!(
                self.state,
                State::Complete { delivery: Delivery::Queued | Delivery::Sent { .. } | Delivery::Released { .. }, .. }
            )
    }

    /// Whether all of it was sent and its payload is held for a resend.
    pub(crate) const fn is_sent(&self) -> bool {
        matches!(self.state, State::Complete { delivery: Delivery::Sent { .. }, .. })
    }

    /// When its last byte was sent, if it waits for its acknowledgement.
    pub(crate) const fn sent_at(&self) -> Option<Instant> {
        match self.state {
            State::Complete { delivery: Delivery::Sent { at, .. } | Delivery::Released { at, .. }, .. } => Some(at),
            State::Filling { .. } | State::Condemned { .. } | State::Complete { .. } => None,
        }
    }

    /// Whether an end-of-fragment tag completes it.
    pub(crate) const fn has_end_mark(&self) -> bool {
        matches!(self.state, State::Complete { end: FragmentEnd::Mark, .. })
    }

    /// Whether a session of this epoch that is sending it must stop: it is lost, or its header changed.
    pub(crate) fn is_superseded(&self, epoch: &Epoch) -> bool {
        match self.state {
            State::Filling { session: Some(_) } | State::Complete { delivery: Delivery::Sending { .. }, .. } => {
                !epoch.carries(&self.epoch)
            }
            State::Complete { delivery, .. } => delivery == Delivery::Settled,
            State::Filling { session: None } | State::Condemned { .. } => false,
        }
    }

    /// What it counts against the buffer; zero once its payload is freed.
    pub(crate) fn cost(&self) -> usize {
        match self.state {
            State::Condemned { .. }
            | State::Complete { delivery: Delivery::Settled | Delivery::Released { .. }, .. } => 0,
            State::Filling { .. } | State::Complete { .. } => {
                let media = usize::try_from(self.bytes).unwrap_or(usize::MAX);
                let frames = usize::try_from(self.frame_count).unwrap_or(usize::MAX).saturating_mul(FRAME_OVERHEAD);
                media.saturating_add(frames).saturating_add(self.tags.bytes() + FRAGMENT_OVERHEAD)
            }
        }
    }

    /// Ends the filling. A condemned fragment is settled by this; returns why it is lost.
    pub(crate) fn complete(&mut self, end: FragmentEnd) -> Option<LossReason> {
        let (delivery, lost) = match mem::replace(&mut self.state, State::Filling { session: None }) {
            State::Filling { session: None } => (Delivery::Queued, None),
            State::Filling { session: Some(session) } => (Delivery::Sending { session }, None),
            State::Condemned { reason } => (Delivery::Settled, Some(reason)),
            State::Complete { delivery, .. } => (delivery, None),
        };
        self.state = State::Complete { end, delivery };
        self.blocks.shrink_to_fit();
        lost
    }

    /// Marks an open fragment as lost once it is complete, and frees its payload.
    pub(crate) fn condemn(&mut self, reason: LossReason) {
        debug_assert!(self.is_open(), "a complete fragment is lost at once");
        self.state = State::Condemned { reason };
        self.blocks = BlockBuffer::default();
    }

    pub(crate) fn start_sending(&mut self, by: SessionId) {
        match &mut self.state {
            State::Filling { session } => *session = Some(by),
            State::Complete { delivery, .. } => *delivery = Delivery::Sending { session: by },
            State::Condemned { .. } => {}
        }
    }

    pub(crate) fn finish_sending(&mut self, session: SessionId, at: Instant) {
        if let State::Complete { delivery, .. } = &mut self.state {
            *delivery = Delivery::Sent { session, at };
        }
    }

    /// Frees the payload of a sent fragment. Its acknowledgement may still arrive.
    pub(crate) fn release(&mut self) {
        if let State::Complete { delivery, .. } = &mut self.state
            && let Delivery::Sent { session, at } = *delivery
        {
            *delivery = Delivery::Released { session, at };
            self.blocks = BlockBuffer::default();
        }
    }

    /// Ends its delivery, persisted or lost, and frees the payload.
    pub(crate) fn settle(&mut self) {
        debug_assert!(!self.is_open(), "a fragment is complete before it is settled");
        if let State::Complete { delivery, .. } = &mut self.state {
            *delivery = Delivery::Settled;
            self.blocks = BlockBuffer::default();
        }
    }

    /// The session `ended`: what it had sent and what is not settled must be sent again.
    pub(crate) fn requeue(&mut self, ended: SessionId) -> Requeued {
        match &mut self.state {
            State::Filling { session } if *session == Some(ended) => {
                *session = None;
                Requeued::Queued
            }
            State::Complete { delivery, .. } => match *delivery {
                Delivery::Sending { session } if session == ended => {
                    *delivery = Delivery::Queued;
                    Requeued::Queued
                }
                Delivery::Sent { session, .. } if session == ended => {
                    *delivery = Delivery::Queued;
                    self.sent_before = true;
                    Requeued::Queued
                }
                Delivery::Released { session, .. } if session == ended => Requeued::PayloadFreed,
                Delivery::Queued
                | Delivery::Sending { .. }
                | Delivery::Sent { .. }
                | Delivery::Released { .. }
                | Delivery::Settled => Requeued::Unaffected,
            },
            State::Filling { .. } | State::Condemned { .. } => Requeued::Unaffected,
        }
    }

    /// Counts an error acknowledgement that names it and returns in how many sessions that happened. The service may send
    /// an acknowledgement twice, so each session counts once.
    pub(crate) fn count_rejection(&mut self, session: SessionId) -> u32 {
        if self.rejected_in.replace(session) != Some(session) {
            self.rejections += 1;
        }
        self.rejections
    }
}

/// What the end of a session means for a fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requeued {
    /// The session did not carry it, or it is settled.
    Unaffected,
    /// It waits to be sent again.
    Queued,
    /// It cannot be sent again: its payload was freed.
    PayloadFreed,
}
