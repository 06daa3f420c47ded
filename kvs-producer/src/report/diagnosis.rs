//! What an error acknowledgement means, its likely cause, and what to do about it.

use std::fmt;

use kvs_types::__internal::epoch_millis;
use kvs_types::{AckError, ErrorId};

use super::span::{FragmentId, Span};

/// An explained error acknowledgement.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The error that the service reported.
    pub error: AckError,
    /// The fragment that the acknowledgement names or, if it names none, the fragment that was being sent.
    pub fragment: Option<FragmentId>,
    /// The time range and size of the fragment.
    pub span: Option<Span>,
    /// What the producer does.
    pub action: RecoveryAction,
    /// The likely cause.
    pub likely_cause: &'static str,
    /// What a person can do.
    pub advice: &'static str,
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.error)?;
        if let (Some(fragment), Some(span)) = (self.fragment, self.span) {
            let Span { start, frames, bytes, .. } = span;
            write!(f, "; fragment {fragment} at {} ms, {frames} frames, {bytes} bytes", epoch_millis(start))?;
        }
        let Self { likely_cause, action, advice, error, .. } = self;
        write!(f, "; likely cause: {likely_cause}; {action}; {advice}; see {}", error_page(error.id))
    }
}

/// The page of the guide about error ids, relative to the top of the repository. The only place that names it.
const ERROR_PAGE: &str = "guide/src/errors.md";

/// Returns the place in the guide that says what an error id means, what causes it and what to do, relative to the top of the
/// repository.
///
/// ```
/// use kvs_producer::{ErrorId, error_page};
///
/// assert_eq!(error_page(ErrorId(4004)), "guide/src/errors.md#4004");
/// ```
#[must_use]
pub fn error_page(id: ErrorId) -> String {
    match id.code() {
        Some(_) => format!("{ERROR_PAGE}#{}", id.0),
        None => format!("{ERROR_PAGE}#other"),
    }
}

/// What the producer does after an error acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecoveryAction {
    /// A new session sends the fragment again, at most 5 times if the acknowledgement names it.
    Resend,
    /// The fragment is reported lost. A new session continues after it.
    SkipFragment,
    /// A new session sends the fragment once more. If it is rejected again, it is skipped.
    ResendOnce,
    /// Sending stops. The buffer is kept.
    Halt,
}

impl fmt::Display for RecoveryAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resend => "resending in a new session",
            Self::SkipFragment => "skipping the fragment",
            Self::ResendOnce => "resending once in a new session",
            Self::Halt => "sending stopped, buffer kept",
        })
    }
}

/// How the producer handles one error id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorHandling {
    pub(crate) action: RecoveryAction,
    pub(crate) likely_cause: &'static str,
    pub(crate) advice: &'static str,
}

/// Returns how the producer handles an error id, documented or not.
pub(crate) fn error_handling(id: ErrorId) -> ErrorHandling {
    let (action, likely_cause, advice) = row(id);
    ErrorHandling { action, likely_cause, advice }
}

/// The table: what the producer does, the likely cause, what a person can do.
const fn row(id: ErrorId) -> (RecoveryAction, &'static str, &'static str) {
    use RecoveryAction::{Halt, Resend, ResendOnce, SkipFragment};
    const NOTHING: &str = "no action needed unless it occurs often";
    const REPORT: &str = "report a bug: the producer should have prevented it";
    const KEY: &str = "the KMS key of the stream is disabled, deleted or has an unsuitable type";
    match id {
        // 4xxx ids are caused by the media or the account, 5xxx by the service
        // (https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_dataplane_PutMedia.html).
        ErrorId::STREAM_READ_ERROR => (Resend, "the network stalled or cut the connection", NOTHING),
        ErrorId::MAX_FRAGMENT_SIZE_REACHED => (
            SkipFragment,
            "too many bytes between two key frames",
            "lower the bit rate or shorten the key frame interval",
        ),
        ErrorId::MAX_FRAGMENT_DURATION_REACHED => (
            SkipFragment,
            "the key frame interval is longer than a fragment may last",
            "shorten the encoder's key frame interval",
        ),
        ErrorId::MAX_CONNECTION_DURATION_REACHED => {
            (Resend, "no key frame arrived in time for the scheduled reconnection", "shorten the key frame interval")
        }
        ErrorId::FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS => {
            (SkipFragment, "timestamps decreased across a fragment boundary", REPORT)
        }
        ErrorId::MORE_THAN_ALLOWED_TRACKS_FOUND => (Halt, "more tracks than the service accepts", "remove a track"),
        ErrorId::INVALID_MKV_DATA => (
            ResendOnce,
            "the connection broke inside an element, or was idle for longer than the service allows",
            NOTHING,
        ),
        ErrorId::INVALID_PRODUCER_TIMESTAMP => (
            Halt,
            "the service does not accept the start time of the relative timecodes",
            "set the clock or the start time",
        ),
        ErrorId::STREAM_NOT_ACTIVE => {
            (Resend, "the stream is being updated or was deleted", "wait, or create the stream again")
        }
        ErrorId::FRAGMENT_METADATA_LIMIT_REACHED => (SkipFragment, "too many tags on the fragment", REPORT),
        ErrorId::TRACK_NUMBER_MISMATCH => {
            (SkipFragment, "a frame belongs to a track that the header does not declare", REPORT)
        }
        ErrorId::FRAMES_MISSING_FOR_TRACK => {
            (SkipFragment, "one track stalled while another continued", "check the source of the silent track")
        }
        ErrorId::INVALID_FRAGMENT_METADATA => (SkipFragment, "a tag has a reserved name", REPORT),
        // 4503 is the only key error that passes without a change by a person; 4500 and the others halt, so that the
        // buffer is not emptied fragment by fragment.
        ErrorId::KMS_KEY_UNAVAILABLE => (Resend, "KMS is temporarily unavailable", NOTHING),
        ErrorId::KMS_KEY_ACCESS_DENIED => (
            Halt,
            "the policy of the key or of the role changed",
            "allow kms:GenerateDataKey for the role, then resume",
        ),
        ErrorId::KMS_KEY_DISABLED
        | ErrorId::KMS_KEY_VALIDATION_ERROR
        | ErrorId::KMS_KEY_INVALID_USAGE
        | ErrorId::KMS_KEY_INVALID_STATE
        | ErrorId::KMS_KEY_NOT_FOUND => (Halt, KEY, "fix the key, then resume"),
        ErrorId::STREAM_DELETED => (Halt, "the stream was deleted", "create the stream again, then resume"),
        ErrorId::INTERNAL_ERROR | ErrorId::ARCHIVAL_ERROR => (Resend, "an internal error of the service", NOTHING),
        ErrorId(5000..) => {
            (Resend, "a service error that this version does not know", "look up the error id in the AWS documentation")
        }
        ErrorId(_) => (
            ResendOnce,
            "a media error that this version does not know",
            "look up the error id in the AWS documentation",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_id_has_meaning_cause_and_advice() {
        for &id in ErrorId::ALL {
            let handling = error_handling(id);
            assert!(id.meaning().is_some() && !handling.likely_cause.is_empty() && !handling.advice.is_empty());
            assert!(!handling.likely_cause.contains("this version"), "{id} is missing in the table");
        }
    }

    #[test]
    fn key_errors_and_deleted_streams_halt() {
        for id in (4500..=4507).filter(|&id| id != 4503) {
            assert_eq!(error_handling(ErrorId(id)).action, RecoveryAction::Halt, "{id}");
        }
        assert_eq!(error_handling(ErrorId::KMS_KEY_UNAVAILABLE).action, RecoveryAction::Resend);
    }

    #[test]
    fn unknown_ids_are_handled_by_class() {
        assert_eq!(error_handling(ErrorId(4999)).action, RecoveryAction::ResendOnce);
        assert_eq!(error_handling(ErrorId(5999)).action, RecoveryAction::Resend);
        assert_eq!(error_handling(ErrorId(0)).action, RecoveryAction::ResendOnce);
    }
}
