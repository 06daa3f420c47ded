//! GetClip, the calls that begin streaming sessions, and the URLs of those sessions.

mod clip;
mod media_room;
mod range;
mod resource;
mod sessions;

pub(super) use clip::GetClip;
pub(super) use media_room::MediaRoom;
pub(crate) use resource::answer;
pub(super) use resource::is_playback_path;
pub(super) use sessions::{RequestedBy, StreamingSessions};

use crate::api::{ApiError, Exception};
use crate::clock::Clock;
use crate::stream::registry::StreamRecord;

/// Checks the body of a GetClip request.
pub(super) fn validate_clip(body: &[u8], clock: &Clock) -> Result<(), ApiError> {
    clip::validate(body, clock.wall())
}

/// Checks the body of a GetHLSStreamingSessionURL request.
pub(super) fn validate_hls(body: &[u8], clock: &Clock) -> Result<(), ApiError> {
    sessions::validate_hls(body, clock.wall())
}

/// Checks the body of a GetDASHStreamingSessionURL request.
pub(super) fn validate_dash(body: &[u8], clock: &Clock) -> Result<(), ApiError> {
    sessions::validate_dash(body, clock.wall())
}

/// Refuses a stream that keeps nothing.
fn check_retention(stream: &StreamRecord) -> Result<(), ApiError> {
    if stream.retention_hours > 0 {
        return Ok(());
    }
    let message = "the stream keeps no data (DataRetentionInHours is 0), so there is nothing to play";
    Err(ApiError::new(Exception::NoDataRetention, message))
}
