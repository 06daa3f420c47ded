//! The checks of a camera: it is watched for a while.

use std::time::{Duration, Instant};

use kvs_mkv::{CodecId, Frame, Track, TrackKind};
use kvs_rtsp::{CameraEvent, CameraOptions, CameraStats, OnLoss, SkippedTrack};

use super::findings::Findings;
use super::gop::Gop;
use crate::commands::put::{CameraTransport, camera};
use crate::failure::{Failure, with_causes};
use crate::output::Output;

/// What was seen.
struct Seen {
    tracks: Vec<Track>,
    skipped: Vec<SkippedTrack>,
    gop: Gop,
    sound_frames: u64,
    lost_packets: u64,
    /// Why the session ended meanwhile.
    ended: Vec<String>,
    jumps: Vec<String>,
    stats: CameraStats,
}

/// Watches a camera and prints what it finds.
pub(super) async fn run(url: &str, watch: Duration, transport: CameraTransport, output: Output) -> Result<(), Failure> {
    let options = camera::with_credentials(CameraOptions::new())
        .transport(transport.into())
        // What is dropped would look like a low frame rate.
        .on_loss(OnLoss::Keep)
        .keyframe_timeout(watch.max(LEAST_WATCH));
    let camera = camera::open(url, options).await?;
    let mut findings = Findings::new(output, "from the camera to the stream");
    findings.good("camera", camera.name());
    output.note(format_args!("watching {} for {} s", camera.name(), watch.as_secs_f64()));
    let seen = Seen::watch(camera, watch).await;
    seen.tell_tracks(&mut findings);
    seen.gop.tell(&mut findings);
    seen.tell_transport(&mut findings);
    seen.tell_clock(&mut findings);
    findings.end()
}

/// A camera with a key frame every 10 s is watched longer than that for the first one.
const LEAST_WATCH: Duration = Duration::from_secs(15);
/// A clock that is further off is that of a camera that was never set.
const CLOCK_OFF: u64 = 5_000;

impl Seen {
    async fn watch(mut camera: kvs_rtsp::Camera, watch: Duration) -> Self {
        let mut seen = Self {
            tracks: Vec::new(),
            skipped: Vec::new(),
            gop: Gop::default(),
            sound_frames: 0,
            lost_packets: 0,
            ended: Vec::new(),
            jumps: Vec::new(),
            stats: CameraStats::default(),
        };
        let end = Instant::now() + watch;
        while let Ok(Some(event)) = tokio::time::timeout_at(end.into(), camera.next()).await {
            seen.handle(event);
        }
        seen.stats = camera.stats();
        camera.stop().await;
        seen
    }

    fn handle(&mut self, event: CameraEvent) {
        match event {
            CameraEvent::Connected { tracks, skipped } => {
                self.gop.restart();
                (self.tracks, self.skipped) = (tracks, skipped);
            }
            CameraEvent::ParametersChanged { tracks } => self.tracks = tracks,
            CameraEvent::Frame(frame) => self.handle_frame(&frame),
            CameraEvent::Lost { packets, .. } => self.lost_packets += packets,
            CameraEvent::CameraLost { error, .. } | CameraEvent::Retrying { error, .. } => {
                self.ended.push(with_causes(&error));
            }
            CameraEvent::NewSession { reason } => {
                self.gop.restart();
                self.jumps.push(reason.to_string());
            }
            _ => {}
        }
    }

    fn handle_frame(&mut self, frame: &Frame) {
        let track = self.tracks.iter().find(|track| track.number == frame.track);
        match track {
            Some(track) if track.kind == TrackKind::Video => self.gop.handle(frame, &track.codec),
            _ => self.sound_frames += 1,
        }
    }

    fn tell_tracks(&self, findings: &mut Findings) {
        for track in &self.tracks {
            match (track.video, &track.audio) {
                (Some(video), _) => {
                    findings.good("video", format_args!("{} {}x{}", name(&track.codec), video.width, video.height));
                }
                (None, Some(audio)) => {
                    let (rate, channels) = (audio.sampling_frequency, audio.channels);
                    findings.good("audio", format_args!("{} {rate} Hz, {channels} channels", name(&track.codec)));
                }
                (None, None) => findings.good("track", &track.codec),
            }
        }
        for track in &self.skipped {
            let fix = match track.media.as_str() {
                "audio" => "set the camera's audio to AAC or G.711 if you want sound",
                "video" => "set the camera to H.264 or H.265 if you want this track",
                _ => "nothing to do: it is not media",
            };
            findings.note("left out", track, fix);
        }
        let has_video = self.tracks.iter().any(|track| track.kind == TrackKind::Video);
        if !has_video {
            findings.bad("video", "the camera sends none", "images come of video: use the URL of a stream with video");
        }
        if self.tracks.len() > 1 && self.sound_frames == 0 {
            let fix = "switch the audio of this stream off in the camera, or use kvs put --audio none";
            findings.note("audio", "it is announced, but none came", fix);
        }
    }

    fn tell_transport(&self, findings: &mut Findings) {
        match self.lost_packets {
            0 => findings.good("loss", "no packet lost"),
            lost => findings.bad(
                "loss",
                format_args!("{lost} packets lost"),
                "use --transport tcp, a cable, or a lower bit rate; kvs put drops damaged pictures up to the next key frame",
            ),
        }
        if let Some(last) = self.ended.last() {
            let fix = "look at the network, and at how many viewers the camera serves at a time";
            findings.bad("connection", format_args!("lost {} times, the last: {last}", self.ended.len()), fix);
        }
        if let Some(last) = self.jumps.last() {
            let fix = "set the camera to a time server (NTP), and let it step its clock only at its start";
            findings.note("times", format_args!("{} jumps, the last: {last}", self.jumps.len()), fix);
        }
    }

    fn tell_clock(&self, findings: &mut Findings) {
        const LINK: &str = "clock";
        match self.stats.clock.ahead_millis {
            None => findings.note(LINK, "the camera sends no sender reports", "use --clock local, the default"),
            Some(ahead) if ahead.unsigned_abs() > CLOCK_OFF => findings.note(
                LINK,
                format_args!("the camera's clock is {:.1} s {}", seconds(ahead), side(ahead)),
                "set a time server (NTP) in the camera, or use --clock local, the default",
            ),
            Some(ahead) => {
                findings.good(LINK, format_args!("the camera's clock is {:.3} s {}", seconds(ahead), side(ahead)));
            }
        }
    }
}

fn seconds(millis: i64) -> f64 {
    Duration::from_millis(millis.unsigned_abs()).as_secs_f64()
}

const fn side(millis: i64) -> &'static str {
    if millis < 0 { "behind this machine's" } else { "ahead of this machine's" }
}

/// The name that the menus of cameras use.
fn name(codec: &CodecId) -> &str {
    match codec.as_str() {
        "V_MPEG4/ISO/AVC" => "H.264",
        "V_MPEGH/ISO/HEVC" => "H.265",
        "A_AAC" => "AAC",
        "A_MS/ACM" => "G.711",
        other => other,
    }
}
