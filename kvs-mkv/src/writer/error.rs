//! The errors of the writer.

use std::time::Duration;

use crate::TrackNumber;

/// A stream that cannot be written: the caller described something that the layout cannot express.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriterError {
    /// The uid is all zeros, which means that there is none.
    #[error("segment uid is all zeros")]
    ZeroUid,
    /// The timecode unit is not 1 ns to 1 s.
    #[error("timecode unit is {scale:?}, it must be 1 ns to 1 s")]
    TimecodeScale {
        /// The rejected unit.
        scale: Duration,
    },
    /// Title or program name is too long for a size of one byte.
    #[error("{field} has {length} bytes, at most {limit} are allowed")]
    Text {
        /// `title` or `app`.
        field: &'static str,
        /// Its size in bytes.
        length: usize,
        /// Largest allowed size in bytes.
        limit: usize,
    },
    /// There is no track.
    #[error("no track, at least one is needed")]
    NoTracks,
    /// A track number does not fit the one byte of a block header.
    #[error("track number {number} is too large, at most 126 is allowed")]
    TrackNumber {
        /// The rejected number.
        number: TrackNumber,
    },
    /// Two tracks have the same number or uid, or a uid is 0.
    #[error("number or uid of track {number} is already in use, or its uid is 0")]
    DuplicateTrack {
        /// The later of the two tracks.
        number: TrackNumber,
    },
    /// A setting of a track does not fit its field.
    #[error("{field} of track {number} is {value}, at most {limit} is allowed")]
    TrackSetting {
        /// The track.
        number: TrackNumber,
        /// The setting.
        field: &'static str,
        /// Its value.
        value: u64,
        /// Largest allowed value.
        limit: u64,
    },
    /// The cropping of a track leaves no pixel.
    #[error("cropping leaves no pixel of the {width}x{height} picture of track {number}")]
    CroppedAway {
        /// The track.
        number: TrackNumber,
        /// Width of the picture in pixels.
        width: u64,
        /// Height of the picture in pixels.
        height: u64,
    },
    /// An angle of a pose is not a number or out of range.
    #[error("pose of track {number} is out of range: yaw and roll must be -180 to 180 degrees, pitch -90 to 90")]
    Pose {
        /// The track.
        number: TrackNumber,
    },
    /// A sampling frequency is not a positive number.
    #[error("sampling frequency of track {number} is not a positive number")]
    SamplingFrequency {
        /// The track.
        number: TrackNumber,
    },
    /// The frames of a track are compressed or encrypted by another container.
    #[error("frames of track {number} are compressed or encrypted by another container, decode them first")]
    Encoded {
        /// The track.
        number: TrackNumber,
    },
    /// The tracks are together larger than a size of four bytes can state.
    #[error("tracks have {size} bytes, at most {limit} are allowed")]
    TracksTooLarge {
        /// Their size in bytes.
        size: usize,
        /// Largest allowed size in bytes.
        limit: usize,
    },
}

/// A call that the writer rejects in its current state; the caller must change the order or the times. The writer stays as it
/// was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// Tags or a cluster come before the first segment.
    #[error("no segment is open, call start_segment first")]
    NoSegment,
    /// A frame comes while no cluster is open: none was started, or tags ended it.
    #[error("no cluster is open, call start_cluster first")]
    NoCluster,
    /// The list of tags is empty.
    #[error("no tag to write")]
    NoTags,
    /// The time of a cluster is not later than that of the cluster before.
    #[error("cluster timecode {units} is not above {previous}, the timecode of the previous cluster")]
    ClusterNotLater {
        /// Its timecode in units.
        units: u64,
        /// The timecode of the cluster before.
        previous: u64,
    },
    /// The distance of a frame from its cluster does not fit 16 bits.
    #[error("timecode {units} is too far from its cluster at {cluster}, the distance must be -32768 to 32767")]
    TooFarFromCluster {
        /// The timecode of the frame in units.
        units: u64,
        /// The timecode of the cluster in units.
        cluster: u64,
    },
    /// The track of a frame is not declared in the header.
    #[error("track {track} is not declared in the header")]
    UnknownTrack {
        /// The track of the frame.
        track: TrackNumber,
    },
    /// A time does not fit 64 bits of nanoseconds, or of milliseconds if they are the timecode unit.
    #[error("time {time:?} is too large, at most 584 years are allowed")]
    TimeTooLarge {
        /// The time.
        time: Duration,
    },
}
