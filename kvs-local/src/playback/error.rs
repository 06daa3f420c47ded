//! The errors of playback, with the messages of the service where they are known.

use kvs_media::__internal::{FrameProblem, SetupError};

use crate::api::{ApiError, Exception};
use crate::error_chain::error_chain;
use crate::store::StoreError;

/// Nothing in the range, or nothing live. `what` is `streaming` or `clip`.
pub(crate) fn no_fragments(what: &str) -> ApiError {
    ApiError::new(Exception::ResourceNotFound, format!("No fragments found in the stream for the {what} request."))
}

/// The text of the service; its exception is not known.
pub(crate) fn session_expired() -> ApiError {
    ApiError::new(Exception::NotAuthorized, "Streaming session token is expired")
}

/// A token that this service did not issue, or whose session went with a restart.
pub(crate) fn session_unknown() -> ApiError {
    let message = "Streaming session token is not valid: ask for a new session URL";
    ApiError::new(Exception::NotAuthorized, message)
}

/// The message of the API model, and what was found.
pub(super) fn unsupported(found: &str) -> ApiError {
    let message = format!(
        "The type of the media (for example, h.264 or h.265 video or ACC or G.711 audio) could not be determined from the codec IDs \
         of the tracks in the first fragment for a playback session: {found}"
    );
    ApiError::new(Exception::UnsupportedStreamMediaType, message)
}

pub(super) fn bad_setup(error: &SetupError) -> ApiError {
    match error {
        SetupError::Codec { .. } => unsupported(&error.to_string()),
        SetupError::Missing { track } => ApiError::new(
            Exception::MissingCodecPrivateData,
            format!("Missing codec private data in fragment for track {track}."),
        ),
        SetupError::Invalid { .. } => ApiError::new(Exception::InvalidCodecPrivateData, error.to_string()),
    }
}

pub(super) fn bad_frame(number: &str, error: &FrameProblem) -> ApiError {
    ApiError::new(Exception::InvalidMediaFrame, format!("fragment {number}: {error}"))
}

pub(super) fn changed_setup(number: &str) -> ApiError {
    let message = format!("the codec private data changes at fragment {number}, which only HLS can play");
    ApiError::new(Exception::InvalidCodecPrivateData, message)
}

pub(super) fn changed_tracks(number: &str) -> ApiError {
    let message = format!("the tracks or their codecs change at fragment {number}: play it in a session of its own");
    ApiError::new(Exception::UnsupportedStreamMediaType, message)
}

/// Tracks that cannot be played at all, in a fragment after the first one: they have changed.
pub(super) fn of_later_fragment(error: ApiError, number: &str) -> ApiError {
    if error.exception == Exception::UnsupportedStreamMediaType { changed_tracks(number) } else { error }
}

/// A fragment cannot be read: it was trimmed in the meantime, or the store failed.
pub(crate) fn read_failed(error: &StoreError) -> ApiError {
    if let StoreError::NotFound { number } = error {
        return ApiError::new(Exception::ResourceNotFound, format!("the fragment {number} is not stored any more"));
    }
    tracing::error!(error = error_chain(error), "failed to read stored media");
    ApiError::internal()
}
