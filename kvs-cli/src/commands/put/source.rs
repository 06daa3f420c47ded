//! Where the frames come from: a recording, or a live stream on standard input.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use kvs_media::{MediaEvent, Reader};
use kvs_mkv::{CodecId, Event, Frame, Limits, Parser, Tag, Track, TrackKind, TrackNumber};
use tokio::sync::mpsc;

use super::options::{Audio, Options};
use crate::commands::media::{check_change, print_notices};
use crate::failure::Failure;
use crate::output::Output;

/// Bytes read from standard input at a time: the size of a pipe on Linux.
const CHUNK: usize = 64 * 1024;
/// Chunks that wait to be sent; when so many wait, the pipe is not read.
const CHUNKS: usize = 4;

/// Frames and the tracks they belong to.
pub(crate) struct Source {
    pub(crate) tracks: Vec<Track>,
    frames: Frames,
}

enum Frames {
    Recorded {
        reader: Box<Reader>,
        name: String,
        duration: Duration,
        /// The tracks as they are now.
        current: Vec<Track>,
    },
    Live(Box<Live>),
}

/// What is sent next.
pub(crate) enum Next {
    Frame(Timed),
    /// Tags of the fragment that is open.
    Tags(Vec<Tag>),
}

/// One frame, and when a camera would have sent it, from the start.
pub(crate) struct Timed {
    pub(crate) frame: Frame,
    pub(crate) due: Option<Duration>,
}

impl Source {
    /// Opens the input that the command line names.
    pub(crate) async fn open(options: &Options, output: Output) -> Result<Self, Failure> {
        let mut source = if options.input == "-" { Self::live().await? } else { Self::recorded(options, output)? };
        source.choose_audio(options)?;
        if source.tracks.is_empty() {
            return Err(Failure::input(format!(
                "{}: no track is left to send; use --audio differently",
                options.input
            )));
        }
        Ok(source)
    }

    fn recorded(options: &Options, output: Output) -> Result<Self, Failure> {
        let path = &options.input;
        let wanted = options.tracks.reader_options(options.audio != Some(Audio::None));
        let reader = Reader::open_with(path, &wanted).map_err(Failure::of_input)?.starting_with_video();
        print_notices(&reader, 0, path, output);
        let (tracks, duration) = (reader.tracks().to_vec(), reader.duration().unwrap_or_default());
        let current = tracks.clone();
        let frames = Frames::Recorded { reader: Box::new(reader), name: path.clone(), duration, current };
        Ok(Self { tracks, frames })
    }

    async fn live() -> Result<Self, Failure> {
        let mut live = Live::start();
        let tracks = live.tracks().await?;
        Ok(Self { tracks, frames: Frames::Live(Box::new(live)) })
    }

    fn choose_audio(&mut self, options: &Options) -> Result<(), Failure> {
        let (name, wanted) = match options.audio {
            None => return Ok(()),
            Some(Audio::None) => ("no audio", None),
            Some(Audio::Aac) => ("AAC", Some(CodecId::AAC)),
            Some(Audio::Alaw) => ("A-law", Some(CodecId::ACM)),
        };
        self.tracks.retain(|track| track.kind != TrackKind::Audio || Some(&track.codec) == wanted.as_ref());
        if wanted.is_some() && !self.tracks.iter().any(|track| track.kind == TrackKind::Audio) {
            return Err(Failure::input(format!("{} has no {name} audio; use another --audio, or none", options.input)));
        }
        Ok(())
    }

    /// The track whose key frames start fragments.
    pub(crate) fn lead(&self) -> Option<TrackNumber> {
        self.tracks.first().map(|track| track.number)
    }

    /// The length of the recording; a live stream has none.
    pub(crate) const fn duration(&self) -> Option<Duration> {
        match &self.frames {
            Frames::Recorded { duration, .. } => Some(*duration),
            Frames::Live(_) => None,
        }
    }

    /// Returns the next frame of a track that is sent, or the tags of a fragment.
    pub(crate) async fn next(&mut self) -> Result<Option<Next>, Failure> {
        loop {
            let next = match &mut self.frames {
                // Reading a file here does not hold up the runtime: the system reads ahead of consecutive frames.
                Frames::Recorded { reader, name, current, .. } => {
                    match reader.next_event().map_err(Failure::of_input)? {
                        Some(MediaEvent::Sample(sample)) => {
                            let due = Some(sample.dts);
                            Some(Timed { frame: sample.into(), due })
                        }
                        Some(MediaEvent::Tags(tags)) => return Ok(Some(Next::Tags(tags))),
                        Some(MediaEvent::Tracks(tracks)) => {
                            check_change(current, &tracks, name)?;
                            *current = tracks;
                            continue;
                        }
                        Some(_) => continue,
                        None => None,
                    }
                }
                Frames::Live(live) => live.frame().await?.map(|frame| Timed { frame, due: None }),
            };
            let Some(timed) = next else { return Ok(None) };
            if self.tracks.iter().any(|track| track.number == timed.frame.track) {
                return Ok(Some(Next::Frame(timed)));
            }
        }
    }
}

/// A Matroska stream that arrives on standard input.
struct Live {
    chunks: mpsc::Receiver<std::io::Result<Bytes>>,
    parser: Parser,
    read: u64,
    /// Set until the first key frame of this track: nothing can be decoded before it, so nothing is sent.
    joining: Option<TrackNumber>,
}

impl Live {
    fn start() -> Self {
        let (sender, chunks) = mpsc::channel(CHUNKS);
        // A read from a pipe cannot be canceled; on its own thread it does not keep the program from ending.
        std::thread::spawn(move || {
            let mut input = std::io::stdin().lock();
            let mut buffer = vec![0; CHUNK];
            loop {
                // Copied: a live pipe gives a few hundred bytes at a time, each of which would pin the whole buffer until its ack.
                let read = input.read(&mut buffer);
                let read = read.map(|count| Bytes::copy_from_slice(buffer.get(..count).unwrap_or_default()));
                let last = !matches!(&read, Ok(chunk) if !chunk.is_empty());
                if sender.blocking_send(read).is_err() || last {
                    return;
                }
            }
        });
        Self { chunks, parser: Parser::new(Limits::default()), read: 0, joining: None }
    }

    /// Returns the tracks of the segment, which come before any frame.
    async fn tracks(&mut self) -> Result<Vec<Track>, Failure> {
        loop {
            match self.event().await? {
                Some(Event::Tracks(tracks)) => {
                    self.joining = tracks.first().map(|track| track.number);
                    return Ok(tracks);
                }
                Some(_) => {}
                None => return Err(Failure::input("standard input ended before its Matroska track list")),
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
            match self.chunks.recv().await {
                Some(Ok(chunk)) if !chunk.is_empty() => {
                    self.read += chunk.len() as u64;
                    self.parser.push(chunk);
                }
                Some(Err(error)) => {
                    return Err(Failure::run(format!("standard input after {} bytes: {error}", self.read)));
                }
                Some(Ok(_)) | None => return Ok(None),
            }
        }
    }
}
