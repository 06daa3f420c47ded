//! Where the frames come from: a recording, or a live stream on standard input.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use kvs_media::Playback;
use kvs_mkv::{CodecId, Event, Frame, Limits, Parser, Track, TrackKind, TrackNumber};
use tokio::sync::mpsc;

use super::options::{Options, Sound};
use crate::failure::Failure;

/// Bytes read from standard input at a time: what a pipe holds.
const PIECE: usize = 64 * 1024;
/// Pieces that wait to be sent; the pipe waits for room.
const PIECES: usize = 4;

/// Frames and the tracks they belong to.
pub(crate) struct Source {
    pub(crate) tracks: Vec<Track>,
    frames: Frames,
}

enum Frames {
    Recorded { playback: Box<Playback>, duration: Duration },
    Live(Box<Live>),
}

/// One frame, and when a real camera would have sent it, from the start.
pub(crate) struct Timed {
    pub(crate) frame: Frame,
    pub(crate) due: Option<Duration>,
}

impl Source {
    /// Opens what the command line names.
    pub(crate) async fn open(options: &Options) -> Result<Self, Failure> {
        let mut source = if options.input == "-" { Self::live().await? } else { Self::recorded(&options.input)? };
        source.choose_sound(options)?;
        if source.tracks.is_empty() {
            return Err(Failure::input(format!("{}: nothing is left to send", options.input)));
        }
        Ok(source)
    }

    fn recorded(path: &str) -> Result<Self, Failure> {
        let playback = Playback::open(path).map_err(Failure::of_input)?.starting_with_video();
        let (tracks, duration) = (playback.tracks(), playback.duration());
        Ok(Self { tracks, frames: Frames::Recorded { playback: Box::new(playback), duration } })
    }

    async fn live() -> Result<Self, Failure> {
        let mut live = Live::start();
        let tracks = live.tracks().await?;
        Ok(Self { tracks, frames: Frames::Live(Box::new(live)) })
    }

    fn choose_sound(&mut self, options: &Options) -> Result<(), Failure> {
        let (name, wanted) = match options.audio {
            None => return Ok(()),
            Some(Sound::None) => ("no sound", None),
            Some(Sound::Aac) => ("AAC", Some(CodecId::AAC)),
            Some(Sound::Alaw) => ("A-law", Some(CodecId::ACM)),
        };
        self.tracks.retain(|track| track.kind != TrackKind::Audio || Some(&track.codec) == wanted.as_ref());
        if wanted.is_some() && !self.tracks.iter().any(|track| track.kind == TrackKind::Audio) {
            return Err(Failure::input(format!("{} has no sound in {name}", options.input)));
        }
        Ok(())
    }

    /// The track that begins fragments.
    pub(crate) fn lead(&self) -> Option<TrackNumber> {
        self.tracks.first().map(|track| track.number)
    }

    /// How long it is, where that is known.
    pub(crate) const fn duration(&self) -> Option<Duration> {
        match &self.frames {
            Frames::Recorded { duration, .. } => Some(*duration),
            Frames::Live(_) => None,
        }
    }

    /// The next frame of a track that is sent.
    pub(crate) async fn next(&mut self) -> Result<Option<Timed>, Failure> {
        loop {
            let next = match &mut self.frames {
                // A file answers at once: the system reads ahead of frames that lie one behind the other.
                Frames::Recorded { playback, .. } => playback.next_sample().map_err(Failure::of_input)?.map(|sample| {
                    let due = Some(sample.dts);
                    Timed { frame: sample.into(), due }
                }),
                Frames::Live(live) => live.frame().await?.map(|frame| Timed { frame, due: None }),
            };
            let Some(timed) = next else { return Ok(None) };
            if self.tracks.iter().any(|track| track.number == timed.frame.track) {
                return Ok(Some(timed));
            }
        }
    }
}

/// A Matroska stream that arrives on standard input.
struct Live {
    pieces: mpsc::Receiver<std::io::Result<Bytes>>,
    parser: Parser,
    read: u64,
    /// Until the first key frame of the first track nothing can be decoded, and nothing is sent.
    joining: Option<TrackNumber>,
}

impl Live {
    fn start() -> Self {
        let (sender, pieces) = mpsc::channel(PIECES);
        // Reading a pipe cannot be cancelled: a thread of its own does not hold up the end of the program.
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut room = vec![0; PIECE];
            loop {
                // Copied out: a live pipe gives a few hundred bytes at a time, and each would pin all of the room until its ack.
                let read = input.read(&mut room);
                let read = read.map(|count| Bytes::copy_from_slice(room.get(..count).unwrap_or_default()));
                let last = !matches!(&read, Ok(piece) if !piece.is_empty());
                if sender.blocking_send(read).is_err() || last {
                    return;
                }
            }
        });
        Self { pieces, parser: Parser::new(Limits::default()), read: 0, joining: None }
    }

    /// The tracks of the segment: they come before any frame.
    async fn tracks(&mut self) -> Result<Vec<Track>, Failure> {
        loop {
            match self.event().await? {
                Some(Event::Tracks(tracks)) => {
                    self.joining = tracks.first().map(|track| track.number);
                    return Ok(tracks);
                }
                Some(_) => {}
                None => return Err(Failure::input("standard input ended before it said which tracks it has")),
            }
        }
    }

    async fn frame(&mut self) -> Result<Option<Frame>, Failure> {
        loop {
            match self.event().await? {
                Some(Event::Frame(frame)) => {
                    let joins = self.joining.is_none_or(|lead| frame.keyframe && frame.track == lead);
                    if joins {
                        self.joining = None;
                        return Ok(Some(frame));
                    }
                }
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    async fn event(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            let event = self.parser.next_event().map_err(|error| Failure::input(format!("standard input: {error}")))?;
            if event.is_some() {
                return Ok(event);
            }
            match self.pieces.recv().await {
                Some(Ok(piece)) if !piece.is_empty() => {
                    self.read += piece.len() as u64;
                    self.parser.push(piece);
                }
                Some(Err(error)) => {
                    return Err(Failure::run(format!("standard input after {} bytes: {error}", self.read)));
                }
                Some(Ok(_)) | None => return Ok(None),
            }
        }
    }
}
