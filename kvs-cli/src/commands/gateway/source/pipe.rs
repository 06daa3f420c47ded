//! A capture program or a file as a camera: read by a thread as `kvs put` does, and started again when it ends.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kvs_media::{ReaderOptions, TrackChoice};
use kvs_producer::{Frame, Track, TrackKind, TrackNumber};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::SourceEvent;
use crate::commands::gateway::config::InputConfig;
use crate::commands::put::source::{Capture, Item, Origin, Settings, Stopper, is_pipe, start_feed};
use crate::failure::Failure;

/// A capture program or a file.
pub(in crate::commands::gateway) struct PipeSource {
    what: What,
    input: InputConfig,
    state: State,
    /// The wait before the next start.
    wait: Duration,
}

enum What {
    Program(String),
    File(PathBuf),
}

enum State {
    Waiting(Instant),
    Reading(Box<Reading>),
}

/// One run of the program or the file.
struct Reading {
    items: mpsc::Receiver<Result<Item, Failure>>,
    program: Option<Stopper>,
    begun: Instant,
    /// A file is sent at its own speed.
    is_paced: bool,
    /// Set until the first key frame of this track: nothing can be decoded before it.
    joining: Option<TrackNumber>,
    /// The time of the media at which this machine's clock had this time.
    anchor: Option<(Duration, SystemTime, Instant)>,
    /// A frame that waits for its time.
    early: Option<Frame>,
}

/// The wait before a program or file is started again grows from the first to the second. It starts from the first again after a
/// minute of media, as with RTSP cameras.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// A run of this length is a success.
const STABLE: Duration = Duration::from_secs(60);

impl PipeSource {
    pub(super) fn program(command: &str, input: InputConfig) -> Self {
        Self::new(What::Program(command.to_owned()), input)
    }

    pub(super) fn file(path: &Path, input: InputConfig) -> Self {
        Self::new(What::File(path.to_owned()), input)
    }

    fn new(what: What, input: InputConfig) -> Self {
        Self { what, input, state: State::Waiting(Instant::now()), wait: WAITS.0 }
    }

    pub(super) async fn next(&mut self) -> SourceEvent {
        loop {
            match &mut self.state {
                State::Waiting(until) => {
                    sleep_until(*until).await;
                    self.state = State::Reading(Box::new(self.read()));
                }
                State::Reading(reading) => match reading.next().await {
                    Ok(event) => return event,
                    Err(reason) => return self.away(reason).await,
                },
            }
        }
    }

    pub(super) async fn stop(mut self) {
        self.end_program().await;
    }

    fn read(&self) -> Reading {
        let (origin, program, is_paced) = match &self.what {
            What::Program(command) => {
                let (capture, stopper) = Capture::named(command, "exec");
                (Origin::Program(capture), Some(stopper), false)
            }
            What::File(path) if is_pipe(path) => (Origin::Path(path.clone()), None, false),
            What::File(path) if self.input.times.is_some() => (Origin::Path(path.clone()), None, true),
            What::File(path) => (Origin::Recording(path.clone()), None, true),
        };
        let reader = ReaderOptions::new().audio(if self.input.audio { TrackChoice::First } else { TrackChoice::None });
        let reader = self.input.format.into_iter().fold(reader, |reader, format| reader.format(format.into()));
        let settings = Settings {
            times: self.input.times.clone(),
            format: self.input.format.map(Into::into),
            reader,
            is_restarted: false,
        };
        Reading {
            items: start_feed(origin, settings),
            program,
            begun: Instant::now(),
            is_paced,
            joining: None,
            anchor: None,
            early: None,
        }
    }

    async fn away(&mut self, reason: String) -> SourceEvent {
        if let State::Reading(reading) = &self.state
            && reading.anchor.is_some()
            && reading.begun.elapsed() >= STABLE
        {
            self.wait = WAITS.0;
        }
        let retry_in = self.wait;
        self.wait = (self.wait * 2).min(WAITS.1);
        self.end_program().await;
        self.state = State::Waiting(Instant::now() + retry_in);
        SourceEvent::Away { reason, retry_in, is_unauthorized: false }
    }

    /// Ends the program on a thread where waiting for it holds nobody up.
    async fn end_program(&mut self) {
        if let State::Reading(reading) = &mut self.state
            && let Some(program) = reading.program.take()
        {
            let _ = tokio::task::spawn_blocking(move || drop(program)).await;
        }
    }
}

impl Reading {
    /// Returns the next event, or the reason why no more come.
    async fn next(&mut self) -> Result<SourceEvent, String> {
        loop {
            if let Some(frame) = &self.early {
                if let Some((media, _, instant)) = self.anchor.filter(|_| self.is_paced) {
                    sleep_until(instant + frame.pts.saturating_sub(media)).await;
                }
                if let Some(frame) = self.early.take() {
                    return Ok(SourceEvent::Frame(self.at_wall_time(frame)));
                }
            }
            match self.items.recv().await {
                Some(Ok(Item::Tracks(tracks, is_told))) => {
                    if self.anchor.is_none() {
                        self.joining = lead(&tracks);
                    }
                    let is_in_band = is_told || self.anchor.is_some();
                    return Ok(SourceEvent::Connected { tracks, is_in_band, skipped: None });
                }
                Some(Ok(Item::Frame(frame))) => {
                    if self.joining.is_none_or(|lead| frame.keyframe && frame.track == lead) {
                        self.joining = None;
                        self.anchor.get_or_insert_with(|| (frame.pts, SystemTime::now(), Instant::now()));
                        self.early = Some(frame);
                    }
                }
                Some(Ok(Item::Note(_, note))) => return Ok(SourceEvent::Note(note)),
                // Tags of a recording are those of another stream.
                Some(Ok(Item::Tags(_))) => {}
                Some(Err(failure)) => return Err(failure.to_string()),
                None => return Err("it ended".to_owned()),
            }
        }
    }

    /// Counts the time of a frame from the Unix epoch.
    fn at_wall_time(&self, mut frame: Frame) -> Frame {
        let Some((media, wall, _)) = self.anchor else { return frame };
        let wall = wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        frame.pts = if frame.pts >= media {
            wall.saturating_add(frame.pts - media)
        } else {
            wall.saturating_sub(media - frame.pts)
        };
        frame
    }
}

fn lead(tracks: &[Track]) -> Option<TrackNumber> {
    let video = tracks.iter().find(|track| track.kind == TrackKind::Video);
    video.or(tracks.first()).map(|track| track.number)
}
