//! The two outcomes of submitted media: persisted or lost.

use std::time::Duration;

use kvs_types::{AckError, FragmentNumber};

use super::span::{FragmentId, Span};

/// A fragment that the service stored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Persisted {
    /// The producer's number of the fragment.
    pub fragment: FragmentId,
    /// The service's number of the fragment, if the acknowledgement named it.
    pub number: Option<FragmentNumber>,
    /// The media that was stored.
    pub span: Span,
    /// Time from sending the last byte to receiving the acknowledgement.
    pub latency: Duration,
}

/// Media that will not be delivered.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Loss {
    /// The producer's number of the fragment; `None` for frames that never became part of a fragment.
    pub fragment: Option<FragmentId>,
    /// The media that is lost.
    pub span: Span,
    /// Why it is lost.
    pub reason: LossReason,
}

/// Why media was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LossReason {
    /// The buffer reached its size limit, and this was the oldest fragment.
    BufferFull,
    /// The buffer reached its time limit, and this was the oldest fragment.
    TooOld,
    /// The payload was sent and then released to make room, and the connection ended before the acknowledgement arrived.
    /// The service may have stored it.
    Unconfirmed,
    /// The service rejected the fragment.
    Rejected(AckError),
    /// The frames belong to a group of pictures whose key frame is missing.
    NoKeyframe,
    /// The track had stopped and started again; it joins at the next key frame of the leading track.
    TrackJoining,
    /// The fragment has no frame of a declared track, and the policy is [`MissingTrack::Drop`](crate::MissingTrack::Drop).
    TrackMissing,
    /// The frames were put while the producer was paused and are older than the pre-roll.
    Paused,
    /// The deadline of the stop passed.
    Stopped,
    /// The spool reached its limit, and this was the oldest media in it.
    SpoolFull,
    /// The bytes in the spool did not match their checksums.
    SpoolDamaged,
    /// Parameter sets, SEI or delimiters were held for the next picture of their track, and the producer finished before it
    /// came. They are no frame: the loss has bytes only.
    NoPicture,
}

impl LossReason {
    /// Returns a short name for statistics and logs.
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
            Self::SpoolFull => "spool full",
            Self::SpoolDamaged => "spool damaged",
            Self::NoPicture => "no picture",
        }
    }
}
