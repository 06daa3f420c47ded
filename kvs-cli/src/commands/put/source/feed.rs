//! Reads pipes on a thread of its own: standard input, a FIFO, or the output of a capture program.
//!
//! A read from a pipe cannot be canceled; on its own thread it does not keep the program from ending.

use std::fs::File;
use std::io::{Cursor, Read};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use kvs_media::{Format, MediaEvent, NoticeKind, Reader, ReaderOptions};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Frame, Tag, Track, TrackKind};
use tokio::sync::mpsc;

use super::capture::Capture;
use super::raw::RawStream;
use super::times::{Clock, Times};
use crate::failure::Failure;

/// What a pipe gives.
#[derive(Debug)]
pub(crate) enum Item {
    /// The tracks of the frames that follow, and whether these tell a producer what has changed in the sound.
    Tracks(Vec<Track>, bool),
    Frame(Frame),
    /// Tags of the fragment that the frames so far belong to.
    Tags(Vec<Tag>),
    /// What was left out or happened on the way, and its kind.
    Note(&'static str, String),
}

/// Items that wait to be sent; when so many wait, the pipe is not read.
const WAITING: usize = 64;
/// Bytes read from a pipe at a time: the size of a pipe on Linux.
const CHUNK: usize = 64 * 1024;
/// Bytes from which a format is recognized: four packets of a transport stream.
const HEAD: usize = 4 * 204;

/// Where a pipe comes from.
#[derive(Debug)]
pub(crate) enum Origin {
    StandardInput,
    /// A FIFO or a device, or a file whose times are given.
    Path(PathBuf),
    /// A recording that is read as a file.
    #[cfg(feature = "gateway")]
    Recording(PathBuf),
    Program(Capture),
}

/// How a pipe is read.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) times: Option<Times>,
    pub(crate) format: Option<Format>,
    pub(crate) reader: ReaderOptions,
    /// Whether a capture program is started again when it ends.
    pub(crate) is_restarted: bool,
}

/// Starts to read.
pub(crate) fn start(origin: Origin, settings: Settings) -> mpsc::Receiver<Result<Item, Failure>> {
    let (sender, items) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        let mut feed = Feed { settings, sender, started: Instant::now(), sent: None, tracks: Vec::new(), sets: None };
        if let Err(Stop::Failed(failure)) = feed.run(&origin) {
            let _ = feed.sender.blocking_send(Err(failure));
        }
    });
    items
}

struct Feed {
    settings: Settings,
    sender: mpsc::Sender<Result<Item, Failure>>,
    started: Instant,
    /// Time of the last frame.
    sent: Option<Duration>,
    tracks: Vec<Track>,
    /// Parameter sets that the next frame of the video needs in band.
    sets: Option<Chunks>,
}

/// Why reading stops before the end.
enum Stop {
    Failed(Failure),
    /// Nobody takes the items any more.
    NotWanted,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// The wait before a capture program is started again grows from the first to the second.
const WAITS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A capture program that ran this long is started again after the shortest wait.
const STABLE: Duration = Duration::from_secs(60);

impl Feed {
    fn run(&mut self, origin: &Origin) -> Result<(), Stop> {
        match origin {
            Origin::StandardInput => self.read("standard input", Box::new(std::io::stdin())),
            Origin::Path(path) => {
                let name = path.display().to_string();
                let file = File::open(path).map_err(|error| Failure::input(error).about(&name))?;
                self.read(&name, Box::new(file))
            }
            #[cfg(feature = "gateway")]
            Origin::Recording(path) => {
                let reader = Reader::open_with(path, &self.settings.reader).map_err(Failure::of_input)?;
                self.events(reader)
            }
            Origin::Program(capture) => self.capture(capture),
        }
    }

    /// Runs a capture program again and again.
    fn capture(&mut self, capture: &Capture) -> Result<(), Stop> {
        let mut wait = WAITS.0;
        loop {
            let begun = Instant::now();
            let output = capture.start().map_err(|error| Failure::input(error).about(capture.name()))?;
            let Some(output) = output else { return Ok(()) };
            let before = self.sent;
            let read = self.read(capture.name(), Box::new(output));
            let Some(status) = capture.wait() else { return Ok(()) };
            let ended = status.map_or_else(|error| error.to_string(), |status| status.to_string());
            let text = match read {
                Err(Stop::NotWanted) => return Ok(()),
                // What never worked needs another command, not another try.
                Err(Stop::Failed(failure)) if self.sent.is_none() => {
                    return Err(Failure::input(format!("{failure} ({ended})")).into());
                }
                Err(Stop::Failed(failure)) => format!("{failure} ({ended})"),
                Ok(()) => format!("the program ended ({ended})"),
            };
            if !self.settings.is_restarted {
                return Err(Failure::run(text).into());
            }
            if self.sent.is_none() {
                return Err(Failure::input(format!("{text} and wrote no key frame")).about(capture.name()).into());
            }
            if begun.elapsed() >= STABLE && self.sent != before {
                wait = WAITS.0;
            }
            self.send(Item::Note("Restart", format!("{text}; starting it again in {} s", wait.as_secs())))?;
            if !capture.pause(wait) {
                return Ok(());
            }
            wait = (wait * 2).min(WAITS.1);
        }
    }

    /// Reads one pipe to its end.
    fn read(&mut self, name: &str, mut pipe: Box<dyn Read + Send + Sync>) -> Result<(), Stop> {
        let times = self.settings.times.clone().unwrap_or(Times::Arrival);
        // Before the first byte: a capture program may wait for the reader of its times.
        let clock = Clock::new(&times);
        let mut head = BytesMut::new();
        let mut is_end = false;
        let mut first = None;
        while head.len() < HEAD && !is_end {
            let piece = read_some(pipe.as_mut()).map_err(|error| Failure::run(error).about(name))?;
            is_end = piece.is_empty();
            first = first.or(Some(self.now()));
            head.extend_from_slice(&piece);
        }
        let head = head.freeze();
        if head.is_empty() {
            return Err(Failure::input(format!("{name}: it ended before its first byte")).into());
        }
        let format = match self.settings.format {
            Some(format) => format,
            None => kvs_media::__internal::detect(&head).map_err(|looks_like| {
                Failure::input(format!(
                    "{name}: it looks like {looks_like}; give MP4, Matroska, MPEG-TS, WAV, ADTS, or H.264 or H.265 with start \
                     codes, or state it with --format"
                ))
            })?,
        };
        let raw = match format {
            Format::H264 => RawStream::h264(clock),
            Format::H265 => RawStream::h265(clock),
            Format::Adts => RawStream::adts(&times)?,
            _ => return self.container(name, head, pipe),
        };
        self.raw(name, raw, (head, first.unwrap_or_default()), pipe)
    }

    fn raw(
        &mut self,
        name: &str,
        mut raw: RawStream,
        (head, first): (Bytes, Duration),
        mut pipe: Box<dyn Read + Send + Sync>,
    ) -> Result<(), Stop> {
        let about = |failure: Failure| failure.about(name);
        // Arrival times count from the start of all; the other clocks start again with each pipe.
        let is_arrival = matches!(self.settings.times, None | Some(Times::Arrival));
        let mut offset = Offset::new(if is_arrival { None } else { Some(self.next_start()) });
        let mut items = Vec::new();
        raw.push(head, first, &mut items).map_err(about)?;
        loop {
            self.pass(&mut items, &mut offset)?;
            let piece = read_some(pipe.as_mut()).map_err(|error| Failure::run(error).about(name))?;
            if piece.is_empty() {
                break;
            }
            let now = self.now();
            raw.push(piece, now, &mut items).map_err(about)?;
        }
        raw.finish(&mut items).map_err(about)?;
        self.pass(&mut items, &mut offset)
    }

    fn container(&mut self, name: &str, head: Bytes, pipe: Box<dyn Read + Send + Sync>) -> Result<(), Stop> {
        if self.settings.times.is_some() {
            let what = "--times is for streams without times of their own (H.264, H.265, ADTS)";
            return Err(Failure::input(what).about(name).into());
        }
        let mut options = self.settings.reader.clone();
        if let Some(format) = self.settings.format {
            options = options.format(format);
        }
        self.events(Reader::from_pipe(name, Cursor::new(head).chain(pipe), &options).map_err(Failure::of_input)?)
    }

    /// Passes on what a reader finds.
    fn events(&mut self, mut reader: Reader) -> Result<(), Stop> {
        let mut offset = Offset::new(Some(self.next_start()));
        let mut items = vec![Item::Tracks(reader.tracks().to_vec(), false)];
        let mut named = 0;
        loop {
            let next = reader.next_event();
            let notices = reader.notices().get(named..).unwrap_or_default();
            named = named.saturating_add(notices.len());
            items.extend(notices.iter().map(|notice| Item::Note(kind(notice.kind), notice.to_string())));
            match next.map_err(Failure::of_input)? {
                Some(MediaEvent::Sample(sample)) => items.push(Item::Frame(sample.into())),
                Some(MediaEvent::Tracks(tracks)) => items.push(Item::Tracks(tracks, false)),
                Some(MediaEvent::Tags(tags)) => items.push(Item::Tags(tags)),
                Some(_) => {}
                None => return self.pass(&mut items, &mut offset),
            }
            self.pass(&mut items, &mut offset)?;
        }
    }

    /// Passes items on, with times that go on behind those of the pipe before.
    fn pass(&mut self, items: &mut Vec<Item>, offset: &mut Offset) -> Result<(), Stop> {
        for mut item in items.drain(..) {
            match &mut item {
                Item::Tracks(tracks, _) => {
                    let video = |tracks: &[Track]| tracks.iter().find(|track| track.kind == TrackKind::Video).cloned();
                    if let (Some(old), Some(new)) = (video(&self.tracks), video(tracks)) {
                        self.sets = (old.codec_private != new.codec_private).then(|| sets_of(&new)).flatten();
                    }
                    self.tracks.clone_from(tracks);
                }
                Item::Frame(frame) => {
                    frame.pts = offset.apply(frame.pts);
                    self.sent = self.sent.max(Some(frame.pts));
                    let is_video =
                        self.tracks.iter().any(|track| track.number == frame.track && track.kind == TrackKind::Video);
                    if let Some(mut data) = self.sets.take_if(|_| is_video && frame.keyframe) {
                        data.append(std::mem::take(&mut frame.data));
                        frame.data = data;
                    }
                }
                Item::Tags(_) | Item::Note(..) => {}
            }
            self.sender.blocking_send(Ok(item)).map_err(|_| Stop::NotWanted)?;
        }
        Ok(())
    }

    fn send(&self, item: Item) -> Result<(), Stop> {
        self.sender.blocking_send(Ok(item)).map_err(|_| Stop::NotWanted)
    }

    /// When the first frame of the next pipe is: zero, or now if a pipe came before.
    fn next_start(&self) -> Duration {
        self.sent.map_or(Duration::ZERO, |sent| self.now().max(sent.saturating_add(Duration::from_millis(1))))
    }

    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

/// Moves the times of a pipe so that its first frame is at its start.
struct Offset {
    start: Option<Duration>,
    first: Option<Duration>,
}

impl Offset {
    /// `None` leaves times as they are.
    const fn new(start: Option<Duration>) -> Self {
        Self { start, first: None }
    }

    fn apply(&mut self, pts: Duration) -> Duration {
        let Some(start) = self.start else { return pts };
        // The first pipe keeps its times.
        if start.is_zero() {
            return pts;
        }
        let first = *self.first.get_or_insert(pts);
        start.saturating_add(pts.saturating_sub(first))
    }
}

/// The parameter sets of a track with lengths. A producer that gets them in band starts a new session where they differ.
fn sets_of(track: &Track) -> Option<Chunks> {
    let units: Vec<Bytes> = if track.codec == CodecId::H264 {
        let (sets, _) = h264::ParameterSets::from_avcc(&track.codec_private).ok()?;
        sets.sequence().iter().chain(sets.picture()).cloned().collect()
    } else if track.codec == CodecId::H265 {
        let (sets, _) = h265::ParameterSets::from_hvcc(&track.codec_private).ok()?;
        sets.video().iter().chain(sets.sequence()).chain(sets.picture()).cloned().collect()
    } else {
        return None;
    };
    let mut data = Chunks::new();
    for unit in units {
        let length = u32::try_from(unit.len()).ok()?;
        data.push(Bytes::copy_from_slice(&length.to_be_bytes()));
        data.push(unit);
    }
    Some(data)
}

/// The name of a kind of notice.
const fn kind(kind: NoticeKind) -> &'static str {
    match kind {
        NoticeKind::LeftOut => "LeftOut",
        NoticeKind::Interrupted => "Interrupted",
        NoticeKind::Skipped => "Skipped",
        NoticeKind::Preroll => "Preroll",
        NoticeKind::Ignored => "Ignored",
        NoticeKind::Lost => "Lost",
        _ => "Other",
    }
}

/// Reads what a pipe has.
fn read_some(pipe: &mut (dyn Read + Send + Sync)) -> std::io::Result<Bytes> {
    let mut buffer = vec![0; CHUNK];
    loop {
        match pipe.read(&mut buffer) {
            // Copied: a live pipe gives a few hundred bytes at a time, each of which would keep the whole buffer.
            Ok(read) => return Ok(Bytes::copy_from_slice(buffer.get(..read).unwrap_or_default())),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
