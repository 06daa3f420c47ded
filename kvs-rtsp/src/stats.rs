//! What a camera has done so far.

use std::time::SystemTime;

use crate::event::ClockFault;

/// A snapshot of a camera's counters. They count from its start, over all sessions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CameraStats {
    /// What it does now.
    pub state: CameraState,
    /// Frames of video passed on.
    pub video_frames: u64,
    /// Frames of sound passed on.
    pub audio_frames: u64,
    /// Key frames among the frames of video.
    pub keyframes: u64,
    /// Bytes of all frames passed on.
    pub bytes: u64,
    /// Packets lost.
    pub lost_packets: u64,
    /// Frames that arrived and were not passed on.
    pub dropped_frames: u64,
    /// Sessions that gave at least one frame.
    pub sessions: u64,
    /// Attempts that failed, and sessions that ended by themselves.
    pub failures: u64,
    /// When the last frame arrived.
    pub last_frame: Option<SystemTime>,
    /// The clock of the camera.
    pub clock: ClockStats,
}

/// What is known of the camera's clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ClockStats {
    /// Sender reports of the current session.
    pub reports: u64,
    /// How far the camera's clock is ahead of the local one in ms, by the last sender report (negative: behind).
    pub ahead_millis: Option<i64>,
    /// Why the camera's clock is not used, although it was asked for.
    pub fault: Option<ClockFault>,
}

/// What a camera does now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CameraState {
    /// A session is being started.
    #[default]
    Connecting,
    /// Frames come.
    Streaming,
    /// The next attempt is waited for.
    Waiting,
    /// The same, after the credentials were rejected.
    Unauthorized,
    /// It was stopped.
    Stopped,
}

impl CameraState {
    /// Returns a name for metrics: `connecting`, `streaming`, `waiting`, `unauthorized`, `stopped`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Streaming => "streaming",
            Self::Waiting => "waiting",
            Self::Unauthorized => "unauthorized",
            Self::Stopped => "stopped",
        }
    }
}
