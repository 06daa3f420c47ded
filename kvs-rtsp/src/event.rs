//! What a camera gives: frames, and what happens on the way.

use std::fmt;
use std::time::Duration;

use kvs_mkv::{Frame, Track, TrackNumber};

use crate::error::CameraError;

/// One step of a camera's life, in order.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum CameraEvent {
    /// A session has begun: the next event with media is a key frame of these tracks. Video is track 1, sound the track after it.
    Connected {
        /// The tracks, with their codec private data.
        tracks: Vec<Track>,
        /// What the camera offers and is not taken.
        skipped: Vec<SkippedTrack>,
    },
    /// Frames come again after the camera was lost. Follows [`Connected`](Self::Connected).
    CameraBack {
        /// The time without frames.
        gap: Duration,
    },
    /// A frame, in decoding order. Its time counts from the Unix epoch. Video has lengths before its NAL units, and the parameter
    /// sets in band at key frames; AAC has no ADTS header.
    Frame(Frame),
    /// The next frame is a key frame with other parameters: another size, another profile.
    ParametersChanged {
        /// The tracks from now on.
        tracks: Vec<Track>,
    },
    /// The times of the camera jumped. The next frame of video is a key frame, with the right time again.
    NewSession {
        /// Why.
        reason: SessionReason,
    },
    /// Packets were lost on the way, or by the camera.
    Lost {
        /// The track that lost them.
        track: TrackNumber,
        /// How many.
        packets: u64,
    },
    /// Frames that arrived were not passed on.
    Dropped {
        /// How many.
        frames: u64,
        /// Why.
        reason: DropReason,
    },
    /// The session has ended by itself. Attempts to reconnect follow.
    CameraLost {
        /// Why.
        error: CameraError,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// An attempt to reconnect has failed.
    Retrying {
        /// Why.
        error: CameraError,
        /// When the next attempt is made.
        retry_in: Duration,
        /// How many attempts failed in a row.
        attempt: u32,
    },
    /// The camera rejects the credentials. It is asked again slowly, because cameras lock accounts.
    Unauthorized {
        /// What it answered.
        error: CameraError,
        /// When the next attempt is made.
        retry_in: Duration,
    },
    /// [`ClockSource::Camera`](crate::ClockSource::Camera) was asked for, but the local clock is used.
    ClockOff {
        /// Why.
        reason: ClockFault,
    },
    /// The clock of the camera is used after a [`ClockOff`](Self::ClockOff).
    ClockRight,
}

/// A track that is offered by the camera and not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SkippedTrack {
    /// `video`, `audio`, `application`.
    pub media: String,
    /// The name of the codec in the session description, such as `jpeg` or `g726-32`.
    pub encoding: String,
    /// Why.
    pub reason: SkipReason,
}

impl fmt::Display for SkippedTrack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.media, self.encoding, self.reason)
    }
}

/// Why a track is not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// The service takes H.264, H.265, AAC and G.711.
    Codec,
    /// Its parameters cannot be read.
    Parameters,
    /// Another track of its kind is taken.
    Second,
    /// Sound is not wanted.
    NotWanted,
    /// The camera refuses to send it.
    Refused,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Codec => "the service does not take this codec",
            Self::Parameters => "its parameters cannot be read",
            Self::Second => "another track of its kind is taken",
            Self::NotWanted => "not asked for",
            Self::Refused => "the camera refuses to send it",
        })
    }
}

/// Why a new session begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SessionReason {
    /// The RTP times of the camera went this far ahead of the frames' arrival.
    JumpForward(Duration),
    /// The RTP times of the camera went back.
    JumpBack(Duration),
    /// The times were this far from the clock that they follow: one of the two was set.
    ClockSet(Duration),
}

impl fmt::Display for SessionReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::JumpForward(by) => write!(f, "the times of the camera jumped {:.1} s ahead", by.as_secs_f64()),
            Self::JumpBack(by) => write!(f, "the times of the camera jumped {:.1} s back", by.as_secs_f64()),
            Self::ClockSet(by) => write!(f, "a clock was set: the times were {:.1} s off", by.as_secs_f64()),
        }
    }
}

/// Why frames are not passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// They follow a loss of packets, and the next key frame had not come.
    Loss,
    /// The times jumped, and the next key frame had not come.
    Jump,
    /// [`Camera::next`](crate::Camera::next) was not called often enough.
    QueueFull,
    /// Their times are those of frames that were passed on before.
    Repeated,
}

impl fmt::Display for DropReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Loss => "packets were lost before the next key frame",
            Self::Jump => "the times jumped before the next key frame",
            Self::QueueFull => "the program was too slow",
            Self::Repeated => "their times were passed on before",
        })
    }
}

/// Why the clock of the camera is not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClockFault {
    /// The camera sends no sender reports.
    NoReports,
    /// It is this many milliseconds ahead of the local clock (negative: behind).
    Off {
        /// Milliseconds.
        millis: i64,
    },
}

impl fmt::Display for ClockFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoReports => f.write_str("the camera sends no sender reports"),
            Self::Off { millis } if *millis < 0 => write!(f, "the camera's clock is {} s behind", seconds(*millis)),
            Self::Off { millis } => write!(f, "the camera's clock is {} s ahead", seconds(*millis)),
        }
    }
}

fn seconds(millis: i64) -> f64 {
    Duration::from_millis(millis.unsigned_abs()).as_secs_f64()
}
