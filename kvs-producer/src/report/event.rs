//! What the producer tells its user.

use std::fmt;
use std::time::Duration;

use kvs_mkv::TrackNumber;
use kvs_mkv::rules::Violation;
use kvs_types::FragmentNumber;

use crate::ack::{Ack, AckError};
use crate::io::ack_parser::AckParseError;
use crate::io::control::{Failure, SessionId};
use crate::report::diagnosis::Diagnosis;
use crate::report::stats::Totals;

/// The number a producer gives a fragment: 1 for its first, then rising by one in the order of submission.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FragmentId(pub(crate) u64);

impl FragmentId {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for FragmentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fragment {}", self.0)
    }
}

/// One thing that happened, out of [`poll_event`](crate::ProducerCore::poll_event).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The stream is there and its endpoint is known; frames put before are on their way.
    Ready {
        /// The data endpoint.
        endpoint: String,
    },
    /// A connection is open.
    Opened {
        /// Which one.
        session: SessionId,
    },
    /// An ack came.
    Ack {
        /// On which connection.
        session: SessionId,
        /// The ack.
        ack: Ack,
    },
    /// A fragment is stored by the service and no longer held here.
    Persisted(Persisted),
    /// Media that will not be delivered.
    Lost(Loss),
    /// The service refused a fragment or the connection; says what it means and what is done about it.
    Rejected {
        /// On which connection.
        session: SessionId,
        /// The error, explained.
        diagnosis: Diagnosis,
    },
    /// A connection ended.
    Closed {
        /// Which one.
        session: SessionId,
        /// Why.
        reason: CloseReason,
    },
    /// An attempt failed; the next one follows after a wait.
    Retrying {
        /// Attempts since the last success.
        attempt: u32,
        /// Until the next one.
        wait: Duration,
        /// Why.
        failure: Failure,
    },
    /// No key frame for long: the fragment nears the service's limit. Ask the encoder for one, or shorten its interval.
    KeyframeNeeded {
        /// Since the last key frame.
        elapsed: Duration,
        /// When the fragment will be cut without one.
        limit: Duration,
    },
    /// A fragment breaks a rule of the service and a policy changed it before sending.
    RuleViolated {
        /// Which fragment.
        fragment: FragmentId,
        /// The rule, what was measured and what is allowed.
        violation: Violation,
    },
    /// Times of a fragment's frames were moved to keep them rising over the fragment's boundary.
    TimestampsAdjusted {
        /// Which fragment.
        fragment: FragmentId,
        /// How many frames.
        frames: u32,
        /// By how much at most.
        most: Duration,
    },
    /// The frames' time jumped; says what was made of it.
    TimeJump {
        /// The time that was expected, since the epoch.
        from: Duration,
        /// The time that came.
        to: Duration,
        /// What was made of it.
        handling: JumpHandling,
    },
    /// A track gives no frames: fragments go out without it until it does again.
    TrackSilent {
        /// Which one.
        track: TrackNumber,
    },
    /// A silent track gives frames again.
    TrackResumed {
        /// Which one.
        track: TrackNumber,
    },
    /// A tag did not fit on the fragment it was meant for and goes with the next one.
    TagDeferred {
        /// Its name.
        name: String,
    },
    /// The service's answer holds something that is not an ack.
    InvalidAck {
        /// On which connection.
        session: SessionId,
        /// What it is.
        error: AckParseError,
    },
    /// Nothing to send: the connection is ended in order and opened again with the next frame.
    Idle,
    /// Sending stopped for a reason that waiting does not mend. What is buffered is kept;
    /// [`resume`](crate::ProducerCore::resume) tries again.
    Halted(HaltReason),
    /// All is done after [`finish`](crate::ProducerCore::finish).
    Finished(Totals),
    /// Nobody polled for so long that this many events were dropped; [`stats`](crate::ProducerCore::stats) counted them all the same.
    EventsDropped {
        /// How many.
        count: u64,
    },
}

/// A fragment that the service stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persisted {
    /// Our number.
    pub fragment: FragmentId,
    /// The service's number, where the ack named it.
    pub number: Option<FragmentNumber>,
    /// What was stored.
    pub span: Span,
    /// From the last byte sent to the ack.
    pub latency: Duration,
}

/// Media that will not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// Its fragment; `None` for frames that never became part of one.
    pub fragment: Option<FragmentId>,
    /// What is lost.
    pub span: Span,
    /// Why.
    pub reason: LossReason,
}

/// A stretch of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Span {
    /// The first frame's time, since the epoch: the cluster timecode.
    pub start: Duration,
    /// The latest frame's time.
    pub end: Duration,
    /// Frames.
    pub frames: u64,
    /// Payload bytes.
    pub bytes: u64,
}

impl Span {
    /// Covers another stretch too.
    pub(crate) fn extend(&mut self, other: &Self) {
        self.start = self.start.min(other.start);
        self.end = self.end.max(other.end);
        self.frames += other.frames;
        self.bytes += other.bytes;
    }
}

/// Why media was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The buffer reached its bytes and the oldest had to go.
    BufferFull,
    /// It was buffered longer than the buffer's time.
    TooOld,
    /// Sent, given up by the buffer, and the connection ended before its ack.
    Unconfirmed,
    /// The service refused it.
    Rejected(AckError),
    /// It belongs to a picture group whose key frame is not there.
    NoKeyframe,
    /// Its track came back and joins at the next key frame.
    TrackJoining,
    /// It lacks a frame of a track its header declares, and the policy is to drop it.
    TrackMissing,
    /// It was put while the stream was paused and is older than the pre-roll.
    Paused,
    /// The deadline of the stop passed.
    Stopped,
}

impl LossReason {
    /// A short name for counts and logs.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::BufferFull => "buffer full",
            Self::TooOld => "too old",
            Self::Unconfirmed => "unconfirmed",
            Self::Rejected(_) => "rejected",
            Self::NoKeyframe => "no key frame",
            Self::TrackJoining => "track joining",
            Self::TrackMissing => "track missing",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
        }
    }
}

/// Why a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// All it carried is persisted.
    Complete,
    /// It was not accepted, or could not be made.
    Failed(Failure),
    /// The transport broke, or the service ended it early.
    Broken(String),
    /// Nothing was heard for the configured time although media is waiting for acks.
    Silent {
        /// How long nothing was heard.
        duration: Duration,
    },
    /// The service reported an error and closed.
    Error(AckError),
    /// The media no longer fits the session's header.
    Superseded,
    /// [`finish`](crate::ProducerCore::finish)'s deadline passed.
    Deadline,
}

/// What a jump in time was made into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JumpHandling {
    /// A counter wrapped: the times go on without a jump.
    Unwrapped,
    /// The next key frame begins a new session at the new time.
    NewSession,
    /// The times go on from where they were.
    Rebased,
    /// The clock was never set: the times count from the wall clock instead.
    FromWallClock,
}

/// Why sending stopped with the buffer kept.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HaltReason {
    /// There is no such stream and none may be created.
    StreamNotFound,
    /// The caller may not do what is needed, or the request is wrong.
    RequestRejected(Failure),
    /// An error ack that sending again does not mend: the KMS key or the stream itself.
    Rejected(AckError),
}

impl fmt::Display for HaltReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StreamNotFound => {
                f.write_str("there is no such stream and the configuration does not allow to create it")
            }
            Self::RequestRejected(failure) => failure.fmt(f),
            Self::Rejected(error) => error.fmt(f),
        }
    }
}
