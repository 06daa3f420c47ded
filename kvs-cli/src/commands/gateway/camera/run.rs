//! One run of a camera's task.

use std::collections::BTreeSet;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use kvs_producer::{Event, Frame, StopReport, Track};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use super::state::{CameraState, UploadState};
use super::uplink::Uplink;
use super::{Context, Ending, Stop};
use crate::commands::gateway::source::{Source, SourceEvent};
use crate::values::show_time;

/// One run of a camera's task.
pub(super) struct Run {
    context: Context,
    pub(super) source: Option<Source>,
    pub(super) uplink: Option<Uplink>,
    /// When the source is started again. Only set while there is no source.
    pub(super) begin_at: Option<Instant>,
    /// When the service is asked again after it has refused for good, or a producer that did not start is started again.
    pub(super) resume_at: Option<Instant>,
    /// When the camera went away.
    away_since: Option<Instant>,
    /// What the log has said since the camera was connected, and does not say again.
    told: BTreeSet<&'static str>,
    /// The tracks of the camera.
    pub(super) tracks: Vec<Track>,
}

/// What the task wakes up for.
pub(super) enum Wake {
    Source(SourceEvent),
    /// The source has panicked.
    Panicked,
    /// What the producer tells; `None` if its task has panicked.
    Uplink(Option<Event>),
    Begin,
    Resume,
    Stop,
}

/// How long after a refusal for good (no permission, no stream), or a producer that did not start, the next attempt is made.
const HALT_RETRY: Duration = Duration::from_secs(300);
/// The wait after a source or a producer has panicked, or a source could not be started.
const BEGIN_RETRY: Duration = Duration::from_secs(10);
/// How long a producer may take to send what it has before one with other tracks takes its place.
const REPLACE: Duration = Duration::from_secs(10);

impl Run {
    pub(super) const fn new(context: Context) -> Self {
        Self {
            context,
            source: None,
            uplink: None,
            begin_at: None,
            resume_at: None,
            away_since: None,
            told: BTreeSet::new(),
            tracks: Vec::new(),
        }
    }

    pub(super) async fn until_stopped(mut self, mut stop: Stop) -> Ending {
        self.camera_is(CameraState::Connecting, "");
        self.begin();
        loop {
            match self.wake(&mut stop).await {
                Wake::Source(event) => self.source_event(event).await,
                Wake::Panicked => self.source_panicked(),
                Wake::Uplink(Some(event)) => self.uplink_event(&event),
                Wake::Uplink(None) => self.uplink_panicked(),
                Wake::Begin => self.begin(),
                Wake::Resume => self.resume(),
                Wake::Stop => return self.end(stop).await,
            }
        }
    }

    pub(super) fn begin(&mut self) {
        self.begin_at = None;
        match Source::start(&self.context.config.source) {
            Ok(source) => self.source = Some(source),
            Err(reason) => {
                self.begin_at = Some(Instant::now() + BEGIN_RETRY);
                self.away(&reason, BEGIN_RETRY, false);
            }
        }
    }

    pub(super) async fn wake(&mut self, stop: &mut Stop) -> Wake {
        let (begin_at, resume_at) = (self.begin_at, self.resume_at);
        let source = async {
            match &mut self.source {
                // A fault in reading a camera's bytes must not cost what its producer holds.
                Some(source) => match AssertUnwindSafe(source.next()).catch_unwind().await {
                    Ok(Some(event)) => Wake::Source(event),
                    Ok(None) | Err(_) => Wake::Panicked,
                },
                None => std::future::pending().await,
            }
        };
        let uplink = async {
            match &mut self.uplink {
                Some(uplink) => Wake::Uplink(uplink.next_event().await),
                None => std::future::pending().await,
            }
        };
        let at = async |time: Option<Instant>| match time {
            Some(time) => sleep_until(time).await,
            None => std::future::pending().await,
        };
        tokio::select! {
            biased;
            _ = stop.wait_for(Option::is_some) => Wake::Stop,
            wake = uplink => wake,
            wake = source => wake,
            () = at(begin_at) => Wake::Begin,
            () = at(resume_at) => Wake::Resume,
        }
    }

    pub(super) async fn source_event(&mut self, event: SourceEvent) {
        match event {
            SourceEvent::Connected { tracks, is_in_band, skipped } => {
                self.connected(tracks, is_in_band).await;
                if let Some(skipped) = skipped {
                    self.note("tracks_skipped", format!("not taken: {skipped}"), json!({ "skipped": skipped }));
                }
            }
            SourceEvent::Frame(frame) => self.frame(frame),
            SourceEvent::Away { reason, retry_in, is_unauthorized } => self.away(&reason, retry_in, is_unauthorized),
            SourceEvent::LostPackets(packets) => {
                self.context.board.lost_packets(packets);
                self.note(
                    "packets_lost",
                    format!("{packets} packets were lost on the way from the camera"),
                    json!({ "packets": packets }),
                );
            }
            SourceEvent::Dropped { frames, reason } => {
                self.context.board.dropped_frames(frames);
                let text = format!("{frames} frames from the camera are not sent: {reason}");
                self.note("frames_dropped", text, json!({ "frames": frames, "reason": reason }));
            }
            SourceEvent::Note(text) => self.note("note", text, Value::Null),
        }
    }

    /// Frames of these tracks come; the producer goes on if it can.
    async fn connected(&mut self, tracks: Vec<Track>, is_in_band: bool) {
        self.told.clear();
        let described = describe(&tracks);
        self.context.board.tracks_are(&described);
        self.tracks.clone_from(&tracks);
        if let Some(old) = self.uplink.take_if(|uplink| !uplink.fits(&tracks, is_in_band)) {
            self.note("tracks_changed", format!("other tracks: {described}"), json!({ "tracks": described }));
            self.finish_uplink(old, REPLACE, std::future::pending()).await;
        }
        if self.uplink.is_none() {
            self.open_uplink();
        }
    }

    fn open_uplink(&mut self) {
        let Context { config, client, budget, board, .. } = &self.context;
        match Uplink::start(config, self.tracks.clone(), client, budget) {
            Ok((uplink, problem)) => {
                board.producer_is(uplink.producer());
                self.uplink = Some(uplink);
                self.resume_at = None;
                self.upload_is(UploadState::Connecting, "");
                if let Some(problem) = problem {
                    let text = format!("the spool cannot be used, media waits in memory only: {problem}");
                    self.note("spool_problem", text, json!({ "reason": problem }));
                }
            }
            Err(reason) => {
                // The camera may stay connected for months: its next connection is not waited for.
                self.resume_at = Some(Instant::now() + HALT_RETRY);
                self.upload_is(UploadState::Halted, &reason);
            }
        }
    }

    fn frame(&mut self, frame: Frame) {
        if let Some(since) = self.away_since.take() {
            let gap = since.elapsed();
            self.note("back", format!("back after {:.1} s", gap.as_secs_f64()), json!({ "gap_ms": millis(gap) }));
        }
        let Some(uplink) = &self.uplink else {
            // The upload is halted, with its reason. Frames that come meanwhile are counted.
            self.context.board.dropped_frames(1);
            return;
        };
        self.context.board.frame(frame.data.len(), uplink.is_video(&frame));
        if self.context.board.camera_is(CameraState::Live, "") {
            let tracks = describe(&self.tracks);
            self.note("state", format!("live: {tracks}"), json!({ "state": "live", "tracks": tracks }));
        }
        if let Err(error) = uplink.put(frame) {
            self.note_once("refused", format!("frames are refused: {error}"));
        }
    }

    fn away(&mut self, reason: &str, retry_in: Duration, is_unauthorized: bool) {
        self.away_since.get_or_insert_with(Instant::now);
        let state = if is_unauthorized { CameraState::Unauthorized } else { CameraState::Lost };
        let was_told = !self.context.board.camera_is(state, reason);
        // Attempts that fail one after the other are one state.
        if !was_told {
            let text = format!("{state}: {reason}; next attempt in {:.1} s", retry_in.as_secs_f64());
            let fields = json!({ "state": state.name(), "reason": reason, "retry_in_ms": millis(retry_in) });
            self.note("state", text, fields);
        }
    }

    pub(super) fn source_panicked(&mut self) {
        self.source = None;
        self.begin_at = Some(Instant::now() + BEGIN_RETRY);
        self.away("reading it panicked, which is a fault of this program", BEGIN_RETRY, false);
    }

    /// What the producer held is lost. Another one takes its place.
    pub(super) fn uplink_panicked(&mut self) {
        self.uplink = None;
        let frames = self.context.board.panicked();
        self.resume_at = Some(Instant::now() + BEGIN_RETRY);
        let text = format!("sending panicked, which is a fault of this program; {frames} frames in memory are lost");
        self.note("panic", text, json!({ "lost_frames": frames }));
        self.upload_is(UploadState::Halted, "sending panicked, which is a fault of this program");
    }

    pub(super) fn resume(&mut self) {
        self.resume_at = None;
        match &self.uplink {
            Some(uplink) => uplink.resume(),
            None => self.open_uplink(),
        }
    }

    pub(super) fn uplink_event(&mut self, event: &Event) {
        match event {
            Event::Opened { .. } => {
                self.resume_at = None;
                self.upload_is(UploadState::Sending, "");
            }
            Event::Retrying { failure, .. } => self.upload_is(UploadState::Retrying, &failure.to_string()),
            Event::Halted(reason) => {
                self.resume_at = Some(Instant::now() + HALT_RETRY);
                self.upload_is(UploadState::Halted, &reason.to_string());
            }
            Event::Persisted(_) => self.context.board.persisted(),
            Event::Lost(loss) => {
                let (span, reason) = (&loss.span, loss.reason.name());
                let (from, to) = (show_time(span.start), show_time(span.end));
                let text = format!("lost {} frames from {from} to {to}: {reason}", span.frames);
                self.note(
                    "loss",
                    text,
                    json!({ "frames": span.frames, "bytes": span.bytes, "from": from, "to": to, "reason": reason }),
                );
            }
            Event::Recovered { fragments, span } => {
                let text =
                    format!("an earlier run left {fragments} fragments from {} on in the spool", show_time(span.start));
                self.note("recovered", text, json!({ "fragments": fragments, "frames": span.frames }));
            }
            Event::SpoolProblem(problem) => self.note("spool_problem", format!("spool: {problem}"), Value::Null),
            Event::Rejected { diagnosis, .. } => {
                self.note("rejected", format!("the service rejected media: {diagnosis}"), Value::Null)
            }
            Event::NoProgress(report) => self.note("no_progress", format!("no progress: {report}"), Value::Null),
            Event::TimeJump { from, to, .. } => {
                let text = format!("the time of frames jumped from {} to {}", show_time(*from), show_time(*to));
                self.note("time_jump", text, Value::Null);
            }
            Event::KeyframeNeeded { elapsed, .. } => {
                let text =
                    format!("no key frame for {:.0} s: shorten the camera's key frame interval", elapsed.as_secs_f64());
                self.note_once("keyframe_needed", text);
            }
            Event::RuleViolated { violation, .. } => {
                self.note_once("rule", format!("adapted to the rules of the service: {violation}"));
            }
            Event::TrackSilent { track } => self.note_once("track_silent", format!("track {} is silent", track.get())),
            _ => {}
        }
    }

    /// Stops the source, sends what is buffered, and returns what was not persisted.
    async fn end(mut self, mut stop: Stop) -> Ending {
        self.camera_is(CameraState::Stopping, "");
        if let Some(source) = self.source.take() {
            // A capture program gets time to end, beside the sending.
            tokio::spawn(source.stop());
        }
        let Some(uplink) = self.uplink.take() else {
            self.camera_is(CameraState::Stopped, "");
            return Ending::default();
        };
        let lost_before = uplink.producer().stats().totals.lost.frames;
        let within = left(&stop);
        let shortened = async move {
            while stop.changed().await.is_ok() {
                if left(&stop).is_zero() {
                    return;
                }
            }
            std::future::pending().await
        };
        let report = self.finish_uplink(uplink, within, shortened).await;
        let totals = &report.totals;
        let ending = Ending {
            lost_frames: totals.lost.frames.saturating_sub(lost_before),
            spooled_frames: totals.spooled.frames,
        };
        let text = format!(
            "stopped: {} of {} frames persisted, {} lost, {} in the spool",
            totals.persisted.frames,
            totals.submitted.frames + totals.recovered.frames,
            totals.lost.frames,
            totals.spooled.frames
        );
        self.note("stopped", text, json!({ "state": "stopped", "persisted_frames": totals.persisted.frames, "lost_frames": totals.lost.frames, "spooled_frames": totals.spooled.frames }));
        self.context.board.camera_is(CameraState::Stopped, "");
        ending
    }

    /// Stops a producer and tells its last events; at once if the time is shortened.
    async fn finish_uplink(
        &mut self,
        mut uplink: Uplink,
        within: Duration,
        shortened: impl Future<Output = ()>,
    ) -> StopReport {
        let producer = uplink.producer();
        let stopping = async {
            tokio::select! {
                report = producer.stop(within) => report,
                () = shortened => producer.stop(Duration::ZERO).await,
            }
        };
        let (report, ()) = tokio::join!(stopping, async {
            while let Some(event) = uplink.next_event().await {
                self.uplink_event(&event);
            }
        });
        self.context.board.stopped(&report.stats);
        report
    }

    fn camera_is(&self, state: CameraState, detail: &str) {
        if self.context.board.camera_is(state, if state.is_absent() { detail } else { "" }) {
            let text = if detail.is_empty() { state.to_string() } else { format!("{state}: {detail}") };
            self.note("state", text, json!({ "state": state.name() }));
        }
    }

    fn upload_is(&self, state: UploadState, reason: &str) {
        if self.context.board.upload_is(state, reason) {
            let text = if reason.is_empty() { format!("upload {state}") } else { format!("upload {state}: {reason}") };
            self.note("upload", text, json!({ "upload": state.name(), "reason": reason }));
        }
    }

    fn note_once(&mut self, event: &'static str, text: String) {
        if self.told.insert(event) {
            self.note(event, text, Value::Null);
        }
    }

    fn note(&self, event: &str, text: String, fields: Value) {
        self.context.journal.camera(self.context.board.name(), event, text, fields);
    }
}

/// The time until a stop has to be done.
fn left(stop: &Stop) -> Duration {
    let deadline = *stop.borrow();
    deadline.map_or(Duration::ZERO, |deadline| deadline.saturating_duration_since(Instant::now()))
}

/// `H.264 1920x1080, AAC 48000 Hz`.
fn describe(tracks: &[Track]) -> String {
    let tracks = tracks.iter().map(|track| match (&track.video, &track.audio) {
        (Some(video), _) => format!("{} {}x{}", track.codec, video.width, video.height),
        (_, Some(audio)) => format!("{} {} Hz", track.codec, audio.sampling_frequency),
        _ => track.codec.to_string(),
    });
    tracks.collect::<Vec<_>>().join(", ")
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
