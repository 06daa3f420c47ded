//! Where the frames come from: a recording, a camera, or a live stream from a pipe or a capture program.

#[cfg(feature = "camera")]
pub(crate) mod camera;
#[cfg(not(feature = "camera"))]
#[path = "no_camera.rs"]
mod camera;
mod capture;
mod feed;
mod raw;
mod reorder;
mod times;

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvs_media::{MediaEvent, Reader, ReaderOptions};
use kvs_mkv::{CodecId, Frame, Tag, Track, TrackKind, TrackNumber};
use tokio::sync::mpsc;

use super::options::{Audio, Options};
use crate::commands::media::{check_change, print_notice_of, print_notices};
use crate::failure::Failure;
use crate::output::Output;

use camera::{CameraItem, CameraSource, same_codecs};
pub(crate) use capture::{Capture, Stopper};
#[cfg(feature = "gateway")]
pub(crate) use feed::start as start_feed;
pub(crate) use feed::{Item, Origin, Settings};
pub(crate) use times::Times;

/// Frames and the tracks they belong to.
pub(crate) struct Source {
    pub(crate) tracks: Vec<Track>,
    /// All tracks of the input as they are now.
    current: Vec<Track>,
    frames: Frames,
    wanted_audio: Option<Audio>,
    output: Output,
    name: String,
}

enum Frames {
    Recorded(Recorded),
    Piped(Piped),
    Camera(Box<CameraSource>),
}

/// A recording.
struct Recorded {
    reader: Box<Reader>,
    /// What was read ahead to find the first picture.
    ahead: VecDeque<MediaEvent>,
}

/// A stream that arrives.
struct Piped {
    items: mpsc::Receiver<Result<Item, Failure>>,
    /// Set until the first key frame of this track: nothing can be decoded before it, so nothing is sent.
    joining: Option<TrackNumber>,
    /// A file is sent at its own speed.
    is_paced: bool,
    _program: Option<Stopper>,
}

/// What is sent next.
pub(crate) enum Next {
    Frame(Timed),
    /// Tags of the fragment that is open.
    Tags(Vec<Tag>),
    /// What follows needs another session: the tracks of the source are not those before.
    OtherTracks,
}

/// One frame, and when a camera would have sent it, from the start.
pub(crate) struct Timed {
    pub(crate) frame: Frame,
    pub(crate) due: Option<Duration>,
}

impl Source {
    /// Opens the input that the command line names.
    pub(crate) async fn open(options: &Options, output: Output) -> Result<Self, Failure> {
        let mut source = match (&options.exec, options.input.as_deref()) {
            (Some(command), _) => {
                let (capture, stopper) = Capture::new(command);
                Self::piped(options, output, command, Origin::Program(capture), Some(stopper)).await?
            }
            (None, Some(url)) if options.camera().is_some() => {
                let (camera, tracks) = CameraSource::open(url, options, output).await?;
                let name = camera.name().to_owned();
                Self::new(tracks, Frames::Camera(Box::new(camera)), output, &name)
            }
            (None, None | Some("-")) => {
                Self::piped(options, output, "standard input", Origin::StandardInput, None).await?
            }
            (None, Some(path)) if options.times.is_some() || is_pipe(Path::new(path)) => {
                Self::piped(options, output, path, Origin::Path(PathBuf::from(path)), None).await?
            }
            (None, Some(path)) => Self::recorded(options, output, path)?,
        };
        source.wanted_audio = options.audio;
        source.tracks = source.chosen(&source.tracks);
        source.check_audio()?;
        if source.tracks.is_empty() {
            let name = &source.name;
            return Err(Failure::input(format!("{name}: no track is left to send; use --audio differently")));
        }
        Ok(source)
    }

    fn new(tracks: Vec<Track>, frames: Frames, output: Output, name: &str) -> Self {
        Self { current: tracks.clone(), tracks, frames, wanted_audio: None, output, name: name.to_owned() }
    }

    fn recorded(options: &Options, output: Output, path: &str) -> Result<Self, Failure> {
        let reader = Reader::open_with(path, &reader_options(options)).map_err(Failure::of_input)?;
        print_notices(&reader, 0, path, output);
        let tracks = reader.tracks().to_vec();
        let mut recorded = Recorded { reader: Box::new(reader), ahead: VecDeque::new() };
        if let Some(video) = tracks.iter().find(|track| track.kind == TrackKind::Video) {
            recorded.read_ahead_to(video.number)?;
        }
        let frames = Frames::Recorded(recorded);
        Ok(Self::new(tracks, frames, output, path))
    }

    async fn piped(
        options: &Options,
        output: Output,
        name: &str,
        origin: Origin,
        program: Option<Stopper>,
    ) -> Result<Self, Failure> {
        let is_paced = matches!(&origin, Origin::Path(path) if !is_pipe(path));
        let settings = Settings {
            times: options.times.clone(),
            format: options.format.map(Into::into),
            reader: reader_options(options),
            is_restarted: true,
        };
        let mut items = feed::start(origin, settings);
        let tracks = loop {
            match items.recv().await.transpose()? {
                Some(Item::Tracks(tracks, _)) => break tracks,
                Some(Item::Note(kind, note)) => print_notice_of(kind, &note, name, output),
                Some(Item::Frame(_) | Item::Tags(_)) => {}
                None => return Err(Failure::input(format!("{name}: it ended before its first key frame"))),
            }
        };
        let joining = tracks.first().map(|track| track.number);
        let frames = Frames::Piped(Piped { items, joining, is_paced, _program: program });
        Ok(Self::new(tracks, frames, output, name))
    }

    /// The tracks that are sent: those of pictures, and the sound that is wanted.
    fn chosen(&self, tracks: &[Track]) -> Vec<Track> {
        let is_chosen = |track: &&Track| match self.wanted_audio {
            Some(wanted) if track.kind == TrackKind::Audio => Some(&track.codec) == codec_of(wanted).as_ref(),
            _ => true,
        };
        tracks.iter().filter(is_chosen).cloned().collect()
    }

    fn check_audio(&self) -> Result<(), Failure> {
        let is_there = self.tracks.iter().any(|track| track.kind == TrackKind::Audio);
        let name = match self.wanted_audio {
            Some(Audio::Aac) if !is_there => "AAC",
            Some(Audio::Alaw) if !is_there => "A-law",
            _ => return Ok(()),
        };
        Err(Failure::input(format!("{} has no {name} audio; use another --audio, or none", self.name)))
    }

    /// Takes the tracks of a session of a camera; returns whether they need another session.
    fn take_tracks(&mut self, tracks: &[Track]) -> Result<bool, Failure> {
        let chosen = self.chosen(tracks);
        if same_codecs(&self.tracks, &chosen) {
            return Ok(false);
        }
        if chosen.is_empty() {
            let name = &self.name;
            return Err(Failure::run(format!(
                "{name} has only tracks that --audio excludes; use another --audio, or none"
            )));
        }
        let text = format!("it changed from {} to {}: a new session begins", named(&self.tracks), named(&chosen));
        print_notice_of("tracks_changed", &text, &self.name, self.output);
        self.tracks = chosen;
        Ok(true)
    }

    /// The track whose key frames start fragments.
    pub(crate) fn lead(&self) -> Option<TrackNumber> {
        self.tracks.first().map(|track| track.number)
    }

    /// The length of the recording; a live stream has none.
    pub(crate) fn duration(&self) -> Option<Duration> {
        match &self.frames {
            Frames::Recorded(recorded) => Some(recorded.reader.duration().unwrap_or_default()),
            Frames::Piped(_) | Frames::Camera(_) => None,
        }
    }

    /// Whether it is a camera: its frames have the time of day, and one that is refused does not end the run.
    pub(crate) const fn is_camera(&self) -> bool {
        matches!(self.frames, Frames::Camera(_))
    }

    /// The name of the input, without credentials.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Where to print what happens.
    pub(crate) const fn output(&self) -> Output {
        self.output
    }

    /// How long before the first picture of a recording its sound begins, if nobody hears that: encoders of AAC need some samples
    /// before the first one.
    pub(crate) fn priming(&self) -> Duration {
        let Frames::Recorded(recorded) = &self.frames else { return Duration::ZERO };
        let samples = recorded.ahead.iter().filter_map(|event| match event {
            MediaEvent::Sample(sample) => Some(sample),
            _ => None,
        });
        let mut sent = samples.filter(|sample| self.tracks.iter().any(|track| track.number == sample.track));
        let (first, last) = (sent.next(), sent.last());
        let (Some(first), Some(last)) = (first, last.filter(|last| Some(last.track) == self.lead())) else {
            return Duration::ZERO;
        };
        let priming = last.pts.saturating_sub(first.pts);
        if priming <= UNHEARD { priming } else { Duration::ZERO }
    }

    /// Returns the next frame of a track that is sent, or the tags of a fragment.
    pub(crate) async fn next(&mut self) -> Result<Option<Next>, Failure> {
        loop {
            let Some(next) = self.next_of_all().await? else { return Ok(None) };
            match next {
                Arrived::Frame(timed) if self.tracks.iter().any(|track| track.number == timed.frame.track) => {
                    return Ok(Some(Next::Frame(timed)));
                }
                Arrived::Frame(_) => {}
                Arrived::Tags(tags) => return Ok(Some(Next::Tags(tags))),
                Arrived::Session(tracks) => {
                    if self.take_tracks(&tracks)? {
                        return Ok(Some(Next::OtherTracks));
                    }
                }
                Arrived::Tracks(tracks, true) => self.current = tracks,
                Arrived::Tracks(tracks, false) => {
                    check_change(&self.current, &tracks, &self.name)?;
                    self.current = tracks;
                }
            }
        }
    }

    async fn next_of_all(&mut self) -> Result<Option<Arrived>, Failure> {
        let (output, name) = (self.output, &self.name);
        match &mut self.frames {
            // Reading a file here does not hold up the runtime: the system reads ahead of consecutive frames.
            Frames::Recorded(recorded) => loop {
                match recorded.next()? {
                    Some(MediaEvent::Sample(sample)) => {
                        let due = Some(sample.dts);
                        return Ok(Some(Arrived::Frame(Timed { frame: sample.into(), due })));
                    }
                    Some(MediaEvent::Tags(tags)) => return Ok(Some(Arrived::Tags(tags))),
                    Some(MediaEvent::Tracks(tracks)) => return Ok(Some(Arrived::Tracks(tracks, false))),
                    Some(_) => {}
                    None => return Ok(None),
                }
            },
            Frames::Camera(camera) => {
                let item = camera.next().await;
                Ok(item.map(|item| match item {
                    CameraItem::Frame(frame) => Arrived::Frame(Timed { frame, due: None }),
                    CameraItem::Tracks(tracks) => Arrived::Session(tracks),
                }))
            }
            Frames::Piped(piped) => loop {
                match piped.items.recv().await.transpose()? {
                    Some(Item::Frame(frame)) => {
                        let joins = piped.joining.is_none_or(|lead| frame.keyframe && frame.track == lead);
                        if joins {
                            piped.joining = None;
                            let due = piped.is_paced.then_some(frame.pts);
                            return Ok(Some(Arrived::Frame(Timed { frame, due })));
                        }
                    }
                    Some(Item::Note(kind, note)) => print_notice_of(kind, &note, name, output),
                    Some(Item::Tags(tags)) if piped.joining.is_none() => return Ok(Some(Arrived::Tags(tags))),
                    Some(Item::Tags(_)) => {}
                    Some(Item::Tracks(tracks, told)) => return Ok(Some(Arrived::Tracks(tracks, told))),
                    None => return Ok(None),
                }
            },
        }
    }
}

impl Recorded {
    /// Reads up to the first frame of a track, or a little further than what is not heard.
    fn read_ahead_to(&mut self, track: TrackNumber) -> Result<(), Failure> {
        let mut first = None;
        while let Some(event) = self.reader.next_event().map_err(Failure::of_input)? {
            let is_far = if let MediaEvent::Sample(sample) = &event {
                let first = *first.get_or_insert(sample.pts);
                sample.track == track || sample.pts.saturating_sub(first) > UNHEARD
            } else {
                false
            };
            self.ahead.push_back(event);
            if is_far {
                break;
            }
        }
        Ok(())
    }

    fn next(&mut self) -> Result<Option<MediaEvent>, Failure> {
        match self.ahead.pop_front() {
            Some(event) => Ok(Some(event)),
            None => self.reader.next_event().map_err(Failure::of_input),
        }
    }
}

/// Longest time before the first picture in which nobody misses sound. kvs-media names what is longer.
const UNHEARD: Duration = Duration::from_millis(200);

/// What arrives.
enum Arrived {
    Frame(Timed),
    Tags(Vec<Tag>),
    /// Tracks that replace those so far, and whether the frames tell a producer what has changed in the sound.
    Tracks(Vec<Track>, bool),
    /// A session of a camera with these tracks begins.
    Session(Vec<Track>),
}

/// The codec of the sound that is wanted.
const fn codec_of(audio: Audio) -> Option<CodecId> {
    match audio {
        Audio::None => None,
        Audio::Aac => Some(CodecId::AAC),
        Audio::Alaw => Some(CodecId::ACM),
    }
}

/// `V_MPEG4/ISO/AVC, A_AAC`.
fn named(tracks: &[Track]) -> String {
    tracks.iter().map(|track| track.codec.as_str()).collect::<Vec<_>>().join(", ")
}

fn reader_options(options: &Options) -> ReaderOptions {
    let reader = options.tracks.reader_options(options.audio != Some(Audio::None));
    match options.format {
        Some(format) => reader.format(format.into()),
        None => reader,
    }
}

/// Whether it can be read once only: a FIFO, a socket or a device.
pub(crate) fn is_pipe(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| !data.is_file() && !data.is_dir())
}
