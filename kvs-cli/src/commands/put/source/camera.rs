//! An IP camera.

use kvs_mkv::{Frame, Track, TrackKind};
use kvs_rtsp::{Camera, CameraEvent, CameraOptions, OpenError, same_codecs};

use crate::commands::media::print_notice_of;
use crate::commands::put::options::{Audio, Options};
use crate::failure::Failure;
use crate::output::Output;

/// A camera that is connected again and again.
pub(super) struct CameraSource {
    camera: Camera,
    tracks: Vec<Track>,
    /// Whether the sound is still what the stream was opened for.
    has_sound: bool,
    output: Output,
}

impl CameraSource {
    /// Connects and waits for the first key frame.
    pub(super) async fn open(url: &str, options: &Options, output: Output) -> Result<(Self, Vec<Track>), Failure> {
        if let Some(option) = options.unfit_for_camera() {
            return Err(Failure::input(format!("{option} is not for cameras: their frames have times of their own")));
        }
        let settings = with_credentials(CameraOptions::new())
            .clock(options.clock.into())
            .transport(options.transport.into())
            .audio(options.audio != Some(Audio::None));
        let mut source = Self { camera: open(url, settings).await?, tracks: Vec::new(), has_sound: true, output };
        // It is the first event.
        while source.tracks.is_empty() {
            match source.camera.next().await {
                Some(CameraEvent::Connected { tracks, skipped }) => {
                    skipped.iter().for_each(|track| source.note("skipped", &format!("left out: {track}")));
                    source.tracks = tracks;
                }
                Some(event) => source.tell(&event),
                None => return Err(Failure::run("the camera was stopped")),
            }
        }
        let tracks = source.tracks.clone();
        Ok((source, tracks))
    }

    /// The URL without credentials.
    pub(super) fn name(&self) -> &str {
        self.camera.name()
    }

    /// Waits for the next frame. Cancel-safe.
    pub(super) async fn next(&mut self) -> Result<Option<Frame>, Failure> {
        while let Some(event) = self.camera.next().await {
            match event {
                CameraEvent::Frame(frame) => {
                    let is_lead = self.tracks.first().is_none_or(|lead| lead.number == frame.track);
                    if is_lead || self.has_sound {
                        return Ok(Some(frame));
                    }
                }
                CameraEvent::Connected { tracks, .. } => self.check(&tracks)?,
                event => self.tell(&event),
            }
        }
        Ok(None)
    }

    /// Compares the tracks after a reconnection with those that the stream was opened for.
    fn check(&mut self, tracks: &[Track]) -> Result<(), Failure> {
        self.note("connected", "connected again");
        let (Some(old), Some(new)) = (self.tracks.first(), tracks.first()) else { return Ok(()) };
        if !same_codecs(std::slice::from_ref(old), std::slice::from_ref(new)) {
            let (name, old, new) = (self.name(), &old.codec, &new.codec);
            return Err(Failure::run(format!("{name} changed from {old} to {new}; start kvs put again")));
        }
        let sound = |tracks: &[Track]| tracks.iter().find(|track| track.kind == TrackKind::Audio).cloned();
        let had_sound = self.has_sound;
        self.has_sound = match (sound(&self.tracks), sound(tracks)) {
            (Some(old), Some(new)) => same_codecs(&[old], &[new]),
            (None, new) => new.is_none(),
            (Some(_), None) => true,
        };
        if had_sound && !self.has_sound {
            self.note("skipped", "its sound has changed and is left out; start kvs put again to send it");
        }
        Ok(())
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

/// Opens a camera; a wrong URL, credentials or codec are exit code 2.
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
        CameraEvent::ParametersChanged { .. } => {
            ("parameters_changed", "the camera changed its picture format".to_owned())
        }
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

fn retrying(error: &kvs_rtsp::CameraError, retry_in: std::time::Duration) -> String {
    format!("{}; next attempt in {:.1} s", crate::failure::with_causes(error), retry_in.as_secs_f64())
}
