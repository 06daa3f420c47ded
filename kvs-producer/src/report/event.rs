//! The events of a producer.

use std::time::{Duration, SystemTime};

use kvs_mkv::TrackNumber;
use kvs_mkv::rules::Violation;
use kvs_types::Ack;

use super::diagnosis::Diagnosis;
use super::no_progress::NoProgress;
use super::outcome::{Loss, Persisted};
use super::reason::{CloseReason, HaltReason, JumpHandling};
use super::span::{FragmentId, Span};
use super::spool::SpoolProblem;
use super::stats::Totals;
use crate::io::ack_parser::AckParseError;
use crate::io::failure::Failure;
use crate::io::session_id::SessionId;

/// Something that happened in a producer.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The stream exists and its endpoint is known. Frames put before are being sent.
    Ready {
        /// The data endpoint.
        endpoint: String,
    },
    /// A connection is open.
    Opened {
        /// The connection.
        session: SessionId,
    },
    /// The service sent an acknowledgement.
    Ack {
        /// The connection.
        session: SessionId,
        /// The acknowledgement.
        ack: Ack,
    },
    /// The service stored a fragment. The producer no longer holds it.
    Persisted(Persisted),
    /// Media will not be delivered.
    Lost(Loss),
    /// A fragment is in the spool, synced. If this producer does not get it persisted, the next one that uses the folder sends
    /// it.
    Spooled {
        /// The producer's number of the fragment.
        fragment: FragmentId,
        /// The media that was written.
        span: Span,
    },
    /// An earlier run left media in the spool. It is sent at its recorded time.
    Recovered {
        /// Number of fragments.
        fragments: u64,
        /// The media.
        span: Span,
    },
    /// Something is wrong with the disk of the spool or with its contents. The producer continues.
    SpoolProblem(SpoolProblem),
    /// The service rejected a fragment or the connection. The diagnosis says what it means and what the producer does.
    Rejected {
        /// The connection.
        session: SessionId,
        /// The explained error.
        diagnosis: Diagnosis,
    },
    /// A connection ended.
    Closed {
        /// The connection.
        session: SessionId,
        /// Why it ended.
        reason: CloseReason,
    },
    /// A request or a connection attempt failed. The next attempt follows after a wait.
    Retrying {
        /// Number of attempts since the last success.
        attempt: u32,
        /// Time until the next attempt.
        wait: Duration,
        /// Why the attempt failed.
        failure: Failure,
    },
    /// Several sessions in a row were reset before a whole fragment got through. The producer goes on; the numbers say what
    /// would help.
    NoProgress(NoProgress),
    /// No key frame arrived for half of the longest fragment duration. Request one from the encoder, or shorten its key frame
    /// interval; otherwise the fragment is cut without one.
    KeyframeNeeded {
        /// Time since the last key frame.
        elapsed: Duration,
        /// The time after which the fragment is cut.
        limit: Duration,
    },
    /// A fragment would violate a rule of the service. A policy of the configuration changed it before sending.
    RuleViolated {
        /// The fragment.
        fragment: FragmentId,
        /// The rule with the measured and the allowed value.
        violation: Violation,
    },
    /// Timestamps of a fragment's frames were increased so that they rise across the boundary to the previous fragment.
    TimestampsAdjusted {
        /// The fragment.
        fragment: FragmentId,
        /// Number of frames.
        frames: u32,
        /// The largest increase.
        most: Duration,
    },
    /// The timestamps of the frames jumped.
    TimeJump {
        /// The latest time before the jump.
        from: SystemTime,
        /// The time after the jump.
        to: SystemTime,
        /// How the producer handled it.
        handling: JumpHandling,
    },
    /// A track delivers no frames. Fragments are sent without it until it resumes.
    TrackSilent {
        /// The track.
        track: TrackNumber,
    },
    /// A silent track delivers frames again.
    TrackResumed {
        /// The track.
        track: TrackNumber,
    },
    /// A tag or event did not fit on its fragment. It is put on the next fragment.
    TagDeferred {
        /// The name of the tag.
        name: String,
    },
    /// The response contains something that is not an acknowledgement.
    InvalidAck {
        /// The connection.
        session: SessionId,
        /// What is wrong with it.
        error: AckParseError,
    },
    /// There is nothing to send. The connection is ended in order and reopened with the next frame.
    Idle,
    /// Sending stopped, because a retry would not help. The buffer is kept; [`resume`](crate::ProducerCore::resume) tries
    /// again.
    Halted(HaltReason),
    /// The producer has finished, after [`finish`](crate::ProducerCore::finish). This is the last event.
    Finished(Totals),
    /// Events were not read in time, and the oldest were dropped. [`Stats`](crate::Stats) still counts what they reported.
    EventsDropped {
        /// Number of dropped events.
        count: u64,
    },
}
