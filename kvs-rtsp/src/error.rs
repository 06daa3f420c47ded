//! Why a camera gives no frames.

use std::sync::Arc;
use std::time::Duration;

use crate::address::UrlError;
use crate::event::SkippedTrack;

/// Why an attempt failed, or why a session ended. No message contains credentials.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CameraError {
    /// No connection.
    #[error("cannot connect to {camera}; check host, port and network")]
    Unreachable {
        /// The camera's URL without credentials.
        camera: String,
        /// The cause.
        source: Cause,
    },
    /// Status 401 or 403.
    #[error("{camera} rejects the credentials (RTSP {status}); {advice}")]
    Unauthorized {
        /// The camera's URL without credentials.
        camera: String,
        /// The status of the response.
        status: u16,
        /// What to do.
        advice: &'static str,
    },
    /// Status 453, 503 or 486: too many viewers, or still starting.
    #[error("{camera} is busy (RTSP {status}); it may serve only few viewers at a time")]
    Busy {
        /// The camera's URL without credentials.
        camera: String,
        /// The status of the response.
        status: u16,
    },
    /// Status 404: the path is wrong.
    #[error("{camera}: no such stream (RTSP {status}); check the path of the URL")]
    NotFound {
        /// The camera's URL without credentials.
        camera: String,
        /// The status of the response.
        status: u16,
    },
    /// Any other status.
    #[error("{camera} refuses the {step} request (RTSP {status})")]
    Refused {
        /// The camera's URL without credentials.
        camera: String,
        /// The request.
        step: &'static str,
        /// The status of the response.
        status: u16,
    },
    /// Nothing came in time.
    #[error("{camera}: no {step} within {} s", .within.as_secs_f64())]
    TimedOut {
        /// The camera's URL without credentials.
        camera: String,
        /// What was waited for: `connection`, `response to SETUP`, `frame`, `key frame`.
        step: &'static str,
        /// How long.
        within: Duration,
    },
    /// No track is of use.
    #[error("{camera} sends nothing that the service takes ({}); set the camera to H.264 or H.265", list(.skipped))]
    Unsupported {
        /// The camera's URL without credentials.
        camera: String,
        /// What it offers.
        skipped: Vec<SkippedTrack>,
    },
    /// The camera has closed the connection.
    #[error("{camera} closed the connection")]
    Closed {
        /// The camera's URL without credentials.
        camera: String,
    },
    /// What came is not RTSP or RTP as it should be, or the connection broke.
    #[error("{camera}: the session broke")]
    Broken {
        /// The camera's URL without credentials.
        camera: String,
        /// The cause.
        source: Cause,
    },
}

impl CameraError {
    /// Whether the settings have to change: URL, credentials, codec. Attempts go on nevertheless, since a camera can be
    /// set differently.
    #[must_use]
    pub const fn needs_correction(&self) -> bool {
        matches!(self, Self::Unauthorized { .. } | Self::NotFound { .. } | Self::Unsupported { .. })
    }

    /// Returns a name for metrics: `unreachable`, `unauthorized`, `busy`, `not_found`, `refused`, `timeout`, `unsupported`,
    /// `closed`, `broken`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "unreachable",
            Self::Unauthorized { .. } => "unauthorized",
            Self::Busy { .. } => "busy",
            Self::NotFound { .. } => "not_found",
            Self::Refused { .. } => "refused",
            Self::TimedOut { .. } => "timeout",
            Self::Unsupported { .. } => "unsupported",
            Self::Closed { .. } => "closed",
            Self::Broken { .. } => "broken",
        }
    }
}

fn list(skipped: &[SkippedTrack]) -> String {
    if skipped.is_empty() {
        return "it offers no track".to_owned();
    }
    let names: Vec<String> = skipped.iter().map(|track| format!("{} {}", track.media, track.encoding)).collect();
    format!("it offers {}", names.join(", "))
}

/// What the RTSP library says, on one line and without credentials.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Cause(Arc<str>);

impl Cause {
    pub(crate) fn new(text: &str) -> Self {
        Self(text.into())
    }
}

/// Why a camera could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The URL is wrong.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// The first attempt failed.
    #[error(transparent)]
    Camera(#[from] CameraError),
}
