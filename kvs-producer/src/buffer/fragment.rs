//! One buffered fragment and where it stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use kvs_mkv::{Frame, Track, TrackNumber};

use crate::io::control::SessionId;
use crate::limits::{FRAGMENT_OVERHEAD, FRAME_OVERHEAD};
use crate::report::event::{FragmentId, LossReason, Span};
use crate::tags::TagSet;

/// What all fragments of a session must agree on: a session carries one epoch and never two.
#[derive(Debug)]
pub(crate) struct Epoch {
    /// Rising with each change of the tracks and each jump in time.
    pub(crate) id: u64,
    pub(crate) tracks: Vec<Track>,
    /// What relative timecodes count from, in ms since the Unix epoch; zero with absolute ones.
    pub(crate) origin: u64,
}

impl Epoch {
    pub(crate) fn has(&self, track: TrackNumber) -> bool {
        self.tracks.iter().any(|known| known.number == track)
    }

    /// A time as it stands on the wire.
    pub(crate) const fn on_wire(&self, at: u64) -> u64 {
        at.saturating_sub(self.origin)
    }
}

/// One fragment, from its first frame until its fate is known.
#[derive(Debug)]
pub(crate) struct Fragment {
    pub(crate) id: FragmentId,
    pub(crate) epoch: Arc<Epoch>,
    /// Cluster timecode in ms since the Unix epoch.
    pub(crate) start: u64,
    /// Earliest and latest frame time, in the same unit.
    pub(crate) earliest: u64,
    pub(crate) latest: u64,
    pub(crate) frames: Vec<Frame>,
    pub(crate) frame_count: u64,
    pub(crate) bytes: u64,
    pub(crate) tags: TagSet,
    pub(crate) filling: Filling,
    pub(crate) delivery: Delivery,
    /// In how many sessions an error ack spoke of it, and the last of them.
    pub(crate) refusals: u32,
    pub(crate) refused_in: Option<SessionId>,
    /// Whether all of it went out once before.
    pub(crate) sent_before: bool,
    /// Why it is lost as soon as it is complete.
    pub(crate) condemned: Option<LossReason>,
}

/// Whether frames are still to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Filling {
    Open,
    /// The next cluster ends it.
    Sealed,
    /// An end-of-fragment mark ends it: nothing may follow for long.
    Ended,
}

/// How far a fragment has come.
///
/// ```text
/// Waiting --first byte--> Sending --last byte--> Sent --ack--> Done
///    ^                       |                    |   \--buffer full--> GivenUp --ack or end of session--> Done
///    +--- end of session ----+--------------------+
/// Waiting --lost--> Done
/// Waiting, Sending --refused while frames still come--> Condemned --sealed--> Done
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    Waiting,
    Sending {
        session: SessionId,
    },
    Sent {
        session: SessionId,
        at: Instant,
    },
    /// Its payload is gone; only the ack can still save it.
    GivenUp {
        session: SessionId,
        at: Instant,
    },
    /// Refused before it was complete: frames are only counted until it is sealed.
    Condemned,
    Done,
}

impl Fragment {
    /// With room for so many frames; more make more room.
    pub(crate) fn new(id: FragmentId, epoch: Arc<Epoch>, start: u64, tags: TagSet, room: usize) -> Self {
        Self {
            id,
            epoch,
            start,
            earliest: start,
            latest: start,
            frames: Vec::with_capacity(room),
            frame_count: 0,
            bytes: 0,
            tags,
            filling: Filling::Open,
            delivery: Delivery::Waiting,
            refusals: 0,
            refused_in: None,
            sent_before: false,
            condemned: None,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, frame: Frame, at: u64) {
        self.earliest = self.earliest.min(at);
        self.latest = self.latest.max(at);
        self.frame_count += 1;
        self.bytes += frame.data.len() as u64;
        if self.delivery != Delivery::Condemned {
            self.frames.push(frame);
        }
    }

    pub(crate) fn span(&self) -> Span {
        Span {
            start: Duration::from_millis(self.start),
            end: Duration::from_millis(self.latest),
            frames: self.frame_count,
            bytes: self.bytes,
        }
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        self.filling == Filling::Open
    }

    /// What it counts against the buffer's bytes; nothing once its payload is gone.
    pub(crate) fn cost(&self) -> usize {
        match self.delivery {
            Delivery::Done | Delivery::Condemned | Delivery::GivenUp { .. } => 0,
            _ => {
                let media = usize::try_from(self.bytes).unwrap_or(usize::MAX);
                media.saturating_add(self.frames.len() * FRAME_OVERHEAD + self.tags.bytes() + FRAGMENT_OVERHEAD)
            }
        }
    }
}
