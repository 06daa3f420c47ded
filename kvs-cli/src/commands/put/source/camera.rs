//! An IP camera.

use std::time::Duration;

use kvs_mkv::{Frame, Track};
#[cfg(feature = "doctor")]
use kvs_rtsp::OpenError;
pub(super) use kvs_rtsp::same_codecs;
use kvs_rtsp::{Camera, CameraEvent, CameraOptions};
use tokio::time::timeout;

use crate::commands::media::print_notice_of;
use crate::commands::put::options::{Audio, Options};
use crate::failure::Failure;
use crate::output::Output;

/// A camera that is connected again and again.
pub(super) struct CameraSource {
    camera: Camera,
    output: Output,
}

/// What a camera gives.
pub(super) enum CameraItem {
    Frame(Frame),
    /// The frames that follow are of these tracks, which may be those before.
    Tracks(Vec<Track>),
}

impl CameraSource {
    /// Connects and waits for the first key frame. A camera that is away is waited for; one whose URL, credentials or codec are
    /// wrong is not.
    pub(super) async fn open(url: &str, options: &Options, output: Output) -> Result<(Self, Vec<Track>), Failure> {
        if let Some(option) = options.unfit_for_camera() {
            return Err(Failure::input(format!("{option} is not for cameras: their frames have times of their own")));
        }
        let settings = with_credentials(CameraOptions::new())
            .clock(options.clock.into())
            .transport(options.transport.into())
            .audio(options.audio != Some(Audio::None));
        let camera = Camera::start(url, settings).map_err(Failure::of_input)?;
        let mut source = Self { camera, output };
        let limit = options.give_up_after.unwrap_or(Duration::MAX);
        match timeout(limit, source.first_tracks()).await {
            Ok(tracks) => Ok((source, tracks?)),
            Err(_) => Err(Failure::run(format!(
                "{}: given up, because it sent nothing for {} s (--give-up-after)",
                source.name(),
                limit.as_secs_f64()
            ))),
        }
    }

    /// Waits for the tracks of the first session.
    async fn first_tracks(&mut self) -> Result<Vec<Track>, Failure> {
        while let Some(event) = self.camera.next().await {
            match event {
                CameraEvent::Connected { tracks, skipped } => {
                    skipped.iter().for_each(|track| self.note("skipped", &format!("left out: {track}")));
                    return Ok(tracks);
                }
                CameraEvent::Retrying { error, .. }
                | CameraEvent::Unauthorized { error, .. }
                | CameraEvent::CameraLost { error, .. }
                    if error.needs_correction() =>
                {
                    return Err(Failure::of_input(error));
                }
                event => self.tell(&event),
            }
        }
        Err(Failure::run("the camera was stopped"))
    }

    /// The URL without credentials.
    pub(super) fn name(&self) -> &str {
        self.camera.name()
    }

    /// Waits for the next frame, or for the tracks of a session. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<CameraItem> {
        while let Some(event) = self.camera.next().await {
            match event {
                CameraEvent::Frame(frame) => return Some(CameraItem::Frame(frame)),
                CameraEvent::Connected { tracks, .. } => {
                    self.note("connected", "connected again");
                    return Some(CameraItem::Tracks(tracks));
                }
                CameraEvent::ParametersChanged { tracks } => {
                    self.note("parameters_changed", "the camera changed its picture format");
                    return Some(CameraItem::Tracks(tracks));
                }
                event => self.tell(&event),
            }
        }
        None
    }

    fn tell(&self, event: &CameraEvent) {
        if let Some((kind, text)) = describe(event) {
            self.note(kind, &text);
        }
    }

    fn note(&self, kind: &str, text: &str) {
        print_notice_of(kind, text, self.name(), self.output);
    }
}

/// Opens a camera by one attempt; a wrong URL, credentials or codec are exit code 2.
#[cfg(feature = "doctor")]
pub(crate) async fn open(url: &str, options: CameraOptions) -> Result<Camera, Failure> {
    Camera::open(url, options).await.map_err(|error| match error {
        OpenError::Url(error) => Failure::of_input(error),
        OpenError::Camera(error) if error.needs_correction() => Failure::of_input(error),
        error => Failure::of_run(error),
    })
}

/// Takes user name and password from the environment, if they are there.
pub(crate) fn with_credentials(options: CameraOptions) -> CameraOptions {
    match std::env::var("KVS_CAMERA_PASSWORD") {
        Ok(password) => options.credentials(std::env::var("KVS_CAMERA_USER").unwrap_or_default(), password),
        Err(_) => options,
    }
}

/// The kind of an event and a line about it.
fn describe(event: &CameraEvent) -> Option<(&'static str, String)> {
    Some(match event {
        CameraEvent::CameraBack { gap } => ("camera_back", format!("back after {:.1} s", gap.as_secs_f64())),
        CameraEvent::NewSession { reason } => ("new_session", reason.to_string()),
        CameraEvent::Lost { track, packets } => ("lost", format!("{packets} packets of track {track} lost on the way")),
        CameraEvent::Dropped { frames, reason } => ("dropped", format!("{frames} frames dropped: {reason}")),
        CameraEvent::CameraLost { error, retry_in } => ("camera_lost", retrying(error, *retry_in)),
        CameraEvent::Retrying { error, retry_in, .. } => ("camera_retry", retrying(error, *retry_in)),
        CameraEvent::Unauthorized { error, retry_in } => ("camera_unauthorized", retrying(error, *retry_in)),
        CameraEvent::ClockOff { reason } => ("clock_off", format!("times are of this machine: {reason}")),
        CameraEvent::ClockRight => ("clock_right", "times are of the camera".to_owned()),
        _ => return None,
    })
}

fn retrying(error: &kvs_rtsp::CameraError, retry_in: Duration) -> String {
    format!("{}; next attempt in {:.1} s", crate::failure::with_causes(error), retry_in.as_secs_f64())
}
