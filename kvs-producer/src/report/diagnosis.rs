//! What an error ack means, why it likely came, and what is done about it.

use std::fmt;

use kvs_types::ErrorId;

use crate::ack::AckError;
use crate::report::event::{FragmentId, Span};

/// An error ack, explained for the session it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// What the service said.
    pub error: AckError,
    /// The fragment it concerns, where the ack names one that was sent, or the one being sent.
    pub fragment: Option<FragmentId>,
    /// What that fragment holds.
    pub span: Option<Span>,
    /// What the producer does.
    pub action: RecoveryAction,
    /// Why it likely came.
    pub likely_cause: &'static str,
    /// What a person can do.
    pub advice: &'static str,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if let (Some(fragment), Some(span)) = (self.fragment, self.span) {
            let Span { start, frames, bytes, .. } = span;
            write!(f, "; fragment {fragment} at {} ms, {frames} frames, {bytes} bytes", start.as_millis())?;
        }
        write!(f, "; likely: {}; {}; {}", self.likely_cause, self.action, self.advice)
    }
}

/// What the producer does about an error ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryAction {
    /// A new session sends the fragment again, up to [`ATTEMPTS`](crate::limits::ATTEMPTS) times.
    Resend,
    /// The fragment is reported lost; a new session goes on after it.
    SkipFragment,
    /// A new session sends it once more; refused again, it is skipped.
    ResendOnce,
    /// Sending stops and what is buffered is kept.
    Halt,
}

impl fmt::Display for RecoveryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resend => "sent again in a new session",
            Self::SkipFragment => "the fragment is skipped",
            Self::ResendOnce => "sent once more in a new session",
            Self::Halt => "sending stops, the buffer is kept",
        })
    }
}

/// One line of the table below.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remedy {
    pub(crate) action: RecoveryAction,
    pub(crate) likely_cause: &'static str,
    pub(crate) advice: &'static str,
}

/// What is done about an error id, documented or not.
pub(crate) fn remedy(id: ErrorId) -> Remedy {
    let (action, likely_cause, advice) = row(id);
    Remedy { action, likely_cause, advice }
}

/// The table: what is done, why it likely came, what a person can do.
const fn row(id: ErrorId) -> (RecoveryAction, &'static str, &'static str) {
    use RecoveryAction::{Halt, Resend, ResendOnce, SkipFragment};
    const NOTHING: &str = "nothing to do unless it comes often";
    const REPORT: &str = "report it: it should have been prevented before sending";
    const KEY: &str = "the stream's KMS key was disabled, deleted or is of another kind";
    match id {
        ErrorId::STREAM_READ_ERROR => (Resend, "the network stalled or cut the connection", NOTHING),
        ErrorId::MAX_FRAGMENT_SIZE_REACHED => {
            (SkipFragment, "too many bytes between two key frames", "lower the bit rate or the key frame interval")
        }
        ErrorId::MAX_FRAGMENT_DURATION_REACHED => (
            SkipFragment,
            "the key frame interval is longer than a fragment may last",
            "shorten the encoder's key frame interval",
        ),
        ErrorId::MAX_CONNECTION_DURATION_REACHED => {
            (Resend, "no key frame came in time for the planned rotation", "shorten the key frame interval")
        }
        ErrorId::FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS => {
            (SkipFragment, "times went back over a fragment's boundary", REPORT)
        }
        ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND => (Halt, "more tracks than the service takes", "remove a track"),
        ErrorId::INVALID_MKV_DATA => {
            (ResendOnce, "the connection broke inside an element, or idled past the service's limit", NOTHING)
        }
        ErrorId::INVALID_PRODUCER_TIMESTAMP => (
            Halt,
            "the start time of relative timecodes is not a time the service takes",
            "set the clock or the start time",
        ),
        ErrorId::STREAM_NOT_ACTIVE => {
            (Resend, "the stream is being changed or was deleted", "wait, or create it again")
        }
        ErrorId::FRAGMENT_METADATA_LIMIT_REACHED => (SkipFragment, "too many tags on the fragment", REPORT),
        ErrorId::TRACK_NUMBER_MISMATCH => (SkipFragment, "a frame of a track that the header lacks", REPORT),
        ErrorId::FRAMES_MISSING_FOR_TRACK => {
            (SkipFragment, "one track stalled while another went on", "look at the source of the silent track")
        }
        ErrorId::INVALID_FRAGMENT_METADATA => (SkipFragment, "a tag with a reserved name", REPORT),
        ErrorId::KMS_KEY_UNAVAILABLE => (Resend, "the key service is out of reach for a while", NOTHING),
        ErrorId::KMS_KEY_ACCESS_DENIED => {
            (Halt, "the policy of the key or of the role changed", "allow kms:GenerateDataKey to the role, then resume")
        }
        ErrorId::KMS_KEY_DISABLED
        | ErrorId::KMS_KEY_VALIDATION_ERROR
        | ErrorId::KMS_KEY_INVALID_USAGE
        | ErrorId::KMS_KEY_INVALID_STATE
        | ErrorId::KMS_KEY_NOT_FOUND => (Halt, KEY, "mend the key, then resume"),
        ErrorId::STREAM_DELETED => (Halt, "somebody deleted the stream", "create it again, then resume"),
        ErrorId::INTERNAL_ERROR | ErrorId::ARCHIVAL_ERROR => (Resend, "a fault of the service", NOTHING),
        ErrorId(5000..) => (Resend, "a fault of the service that this version does not know", "look the id up"),
        ErrorId(_) => (ResendOnce, "a fault of the media that this version does not know", "look the id up"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_documented_id_has_a_meaning_a_cause_and_advice() {
        for &id in ErrorId::ALL {
            let remedy = remedy(id);
            assert!(id.meaning().is_some() && !remedy.likely_cause.is_empty() && !remedy.advice.is_empty());
            assert!(!remedy.likely_cause.contains("this version"), "{id} fell through the table");
        }
    }

    #[test]
    fn keys_and_deleted_streams_halt_instead_of_eating_fragments() {
        for id in (4500..=4507).filter(|&id| id != 4503) {
            assert_eq!(remedy(ErrorId(id)).action, RecoveryAction::Halt, "{id}");
        }
        assert_eq!(remedy(ErrorId::KMS_KEY_UNAVAILABLE).action, RecoveryAction::Resend);
    }

    #[test]
    fn unknown_ids_have_an_answer_by_their_class() {
        assert_eq!(remedy(ErrorId(4999)).action, RecoveryAction::ResendOnce);
        assert_eq!(remedy(ErrorId(5999)).action, RecoveryAction::Resend);
        assert_eq!(remedy(ErrorId(0)).action, RecoveryAction::ResendOnce);
    }
}
