//! Why a configuration is invalid.

use std::time::Duration;

use kvs_mkv::{TrackNumber, WriterError};

use crate::tags::PutTagError;

/// Why a configuration is invalid. The caller must change it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The stream name or ARN is empty or too long.
    #[error("stream name or ARN of {bytes} bytes, must have 1 to {limit}")]
    StreamName {
        /// Its length.
        bytes: usize,
        /// The largest length: 256 for a name, 1,024 for an ARN.
        limit: usize,
    },
    /// There is no track, or more than the service accepts.
    #[error("{count} tracks, must be 1 to {limit}")]
    Tracks {
        /// The number of tracks.
        count: usize,
        /// The largest number: 3.
        limit: usize,
    },
    /// Two tracks have the same number or UID.
    #[error("duplicate number or UID of track {track}")]
    DuplicateTrack {
        /// The number of the first of them.
        track: TrackNumber,
    },
    /// The buffer is too small for a key frame.
    #[error("buffer of {bytes} bytes is too small, must have at least {least}")]
    BufferTooSmall {
        /// The configured size.
        bytes: usize,
        /// The smallest size: 64 KiB.
        least: usize,
    },
    /// The limit of the spool is too small for a key frame.
    #[error("spool of {bytes} bytes is too small, must have at least {least}")]
    SpoolTooSmall {
        /// The configured limit.
        bytes: u64,
        /// The smallest limit: 1 MiB.
        least: u64,
    },
    /// The service would reject a periodic event.
    #[error("invalid periodic event")]
    Event(#[from] PutTagError),
    /// The Matroska header cannot represent a track or the name of the writing application.
    #[error("tracks or writing application do not fit into a Matroska header")]
    Header(#[from] WriterError),
    /// A fragment duration is outside of what the service accepts.
    #[error("fragment durations of {shortest:?} to {longest:?}, must be between {least:?} and {most:?}")]
    FragmentDuration {
        /// The shortest configured duration.
        shortest: Duration,
        /// The longest configured duration.
        longest: Duration,
        /// The shortest duration: 250 ms.
        least: Duration,
        /// The longest duration: 20 s.
        most: Duration,
    },
}
