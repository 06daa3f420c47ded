//! The errors of the RTSP library as those of a camera.

use std::time::Duration;

use tokio::time::timeout;

use crate::address::Address;
use crate::error::{CameraError, Cause};
use crate::event::SkippedTrack;

/// What was done when it failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Describe,
    Setup,
    Play,
    Media,
}

impl Step {
    const fn name(self) -> &'static str {
        match self {
            Self::Describe => "DESCRIBE",
            Self::Setup => "SETUP",
            Self::Play => "PLAY",
            Self::Media => "media",
        }
    }

    const fn waited_for(self) -> &'static str {
        match self {
            Self::Describe => "answer",
            Self::Setup => "response to SETUP",
            Self::Play => "response to PLAY",
            Self::Media => "frame",
        }
    }
}

/// Names the camera in every error, without its credentials.
#[derive(Debug)]
pub(super) struct Failures {
    address: Address,
}

impl Failures {
    pub(super) const fn new(address: Address) -> Self {
        Self { address }
    }

    /// Waits for a step, at most this long.
    pub(super) async fn within<T>(
        &self,
        limit: Duration,
        step: Step,
        work: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, CameraError> {
        match timeout(limit, work).await {
            Ok(done) => done.map_err(|error| self.of(&error, step)),
            Err(_) => Err(self.timed_out(step.waited_for(), limit)),
        }
    }

    pub(super) fn of(&self, error: &retina::Error, step: Step) -> CameraError {
        let camera = self.address.to_string();
        match error.status_code() {
            // A request of the library during play is not answered with these statuses for want of a password.
            Some(status @ (401 | 403)) if step != Step::Media => {
                CameraError::Unauthorized { camera, status, advice: self.advice() }
            }
            Some(status @ (404 | 410)) => CameraError::NotFound { camera, status },
            Some(status @ (453 | 486 | 503)) => CameraError::Busy { camera, status },
            // The library reports what it cannot use of a good answer with the status of that answer.
            Some(status) if status >= 300 => CameraError::Refused { camera, step: step.name(), status },
            _ => self.without_status(error, camera),
        }
    }

    fn without_status(&self, error: &retina::Error, camera: String) -> CameraError {
        let text = error.to_string();
        let first = text.lines().next().unwrap_or_default();
        let source = Cause::new(&self.address.scrub(&first.chars().take(MOST_LETTERS).collect::<String>()));
        // The library's errors are opaque but for their texts.
        if text.starts_with("Unable to connect") {
            CameraError::Unreachable { camera, source }
        } else {
            CameraError::Broken { camera, source }
        }
    }

    const fn advice(&self) -> &'static str {
        if self.address.credentials.is_some() {
            "check user name and password, and whether the camera has locked the account"
        } else {
            "give user name and password"
        }
    }

    pub(super) fn timed_out(&self, step: &'static str, within: Duration) -> CameraError {
        CameraError::TimedOut { camera: self.address.to_string(), step, within }
    }

    pub(super) fn closed(&self) -> CameraError {
        CameraError::Closed { camera: self.address.to_string() }
    }

    pub(super) fn unsupported(&self, skipped: Vec<SkippedTrack>) -> CameraError {
        CameraError::Unsupported { camera: self.address.to_string(), skipped }
    }
}

/// Letters of the library's message that are kept.
const MOST_LETTERS: usize = 300;
