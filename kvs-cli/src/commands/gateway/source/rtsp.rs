//! A camera that speaks RTSP.

use std::time::Duration;

use kvs_rtsp::{Camera, CameraEvent, CameraOptions, ClockSource, Transport};

use super::SourceEvent;
use crate::commands::gateway::config::{CameraClock, RtspConfig};
use crate::failure::with_causes;

/// A camera that kvs-rtsp keeps connected.
pub(in crate::commands::gateway) struct RtspSource {
    camera: Camera,
}

impl RtspSource {
    pub(super) fn start(config: &RtspConfig) -> Result<Self, String> {
        let camera = Camera::start(config.url.expose(), options(config)).map_err(|error| error.to_string())?;
        Ok(Self { camera })
    }

    /// The next event; `None` if the camera's task has ended by itself, which only a panic does.
    pub(super) async fn next(&mut self) -> Option<SourceEvent> {
        loop {
            return Some(match self.camera.next().await? {
                CameraEvent::Connected { tracks, skipped } if skipped.is_empty() => {
                    SourceEvent::Connected { tracks, is_in_band: true, skipped: None }
                }
                CameraEvent::Connected { tracks, skipped } => {
                    let skipped: Vec<_> = skipped.iter().map(ToString::to_string).collect();
                    SourceEvent::Connected { tracks, is_in_band: true, skipped: Some(skipped.join("; ")) }
                }
                CameraEvent::ParametersChanged { tracks } => {
                    SourceEvent::Connected { tracks, is_in_band: true, skipped: None }
                }
                CameraEvent::Frame(frame) => SourceEvent::Frame(frame),
                CameraEvent::Lost { packets, .. } => SourceEvent::LostPackets(packets),
                CameraEvent::Dropped { frames, reason } => SourceEvent::Dropped { frames, reason: reason.to_string() },
                CameraEvent::CameraLost { error, retry_in } | CameraEvent::Retrying { error, retry_in, .. } => {
                    away(&error, retry_in, false)
                }
                CameraEvent::Unauthorized { error, retry_in } => away(&error, retry_in, true),
                CameraEvent::NewSession { reason } => SourceEvent::Note(reason.to_string()),
                CameraEvent::ClockOff { reason } => SourceEvent::Note(format!("the local clock is used: {reason}")),
                CameraEvent::ClockRight => SourceEvent::Note("the clock of the camera is used again".to_owned()),
                // CameraBack is told with its first frame.
                _ => continue,
            });
        }
    }

    pub(super) async fn stop(self) {
        self.camera.stop().await;
    }
}

fn away(error: &kvs_rtsp::CameraError, retry_in: Duration, is_unauthorized: bool) -> SourceEvent {
    SourceEvent::Away { reason: with_causes(error), retry_in, is_unauthorized }
}

fn options(config: &RtspConfig) -> CameraOptions {
    let clock = match config.clock {
        CameraClock::Local => ClockSource::Local,
        CameraClock::Camera => ClockSource::Camera,
    };
    let options = CameraOptions::new()
        .clock(clock)
        .transport(if config.udp { Transport::Udp } else { Transport::Tcp })
        .audio(config.audio)
        .user_agent(concat!("kvs-gateway/", env!("CARGO_PKG_VERSION")).to_owned());
    match (&config.user, &config.password) {
        (Some(user), password) => options.credentials(user, password.as_ref().map_or("", |password| password.expose())),
        (None, _) => options,
    }
}
