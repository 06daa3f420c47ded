//! A recording that is read frame by frame.

use std::io::{Read, Seek};
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::BytesMut;
use kvs_mkv::codec::AccessUnitSplitter;
use kvs_mkv::{Track, TrackNumber};

use super::demux::{Demuxer, Matroska, Wav};
use super::error::Fault;
use super::indexed::Indexed;
use super::input::{Input, unreadable};
use super::mp4::Mp4Pipe;
use super::mpeg_ts::MpegTs;
use super::notice::{Notice, NoticeKind};
use super::options::{Format, ReaderOptions};
use super::sniff::{self, HEAD, sniff};
use super::streamed::{self, Streamed};
use super::{MediaError, MediaEvent, Sample, adts, annex_b, mp4};

/// Reads a recording frame by frame, from a file or from a pipe.
///
/// The container is detected from the first bytes. Frames come in decoding order, the tracks of a file interleaved by decoding
/// time, those of a pipe as they arrive. Times count from the start of the recording and are rounded once, to nanoseconds.
///
/// If an audio track starts before zero (AAC priming), all tracks are moved by the same amount, so that no frame is lost and
/// audio and video stay synchronous, as with `ffmpeg -c copy`.
///
/// Memory: for MP4 and byte streams in a file 72 bytes per frame, for at most [`MAX_SAMPLES`](super::MAX_SAMPLES) frames, and
/// while the reader opens the index of an MP4 file (at most 256 MiB). Other containers are read twice from a file and take at
/// most 64 MiB of frames that wait to be interleaved. A pipe takes at most 8 MiB until its tracks are known. A frame has at most
/// [`MAX_FRAME_BYTES`](super::MAX_FRAME_BYTES).
///
/// ```no_run
/// use kvs_media::Reader;
///
/// let mut reader = Reader::open("camera.mp4")?;
/// while let Some(sample) = reader.next_sample()? {
///     println!("{} {:?} {} bytes", sample.track, sample.pts, sample.data.len());
/// }
/// for notice in reader.notices() {
///     eprintln!("{notice}");
/// }
/// # Ok::<(), kvs_media::MediaError>(())
/// ```
#[derive(Debug)]
pub struct Reader {
    path: PathBuf,
    engine: Engine,
    tracks: Vec<Track>,
    notices: Vec<Notice>,
    is_strict: bool,
}

/// Sound before the first picture that is not worth a word: priming, and frames that start with the recorder.
const UNHEARD: Duration = Duration::from_millis(200);

#[derive(Debug)]
enum Engine {
    Indexed(Box<Indexed>),
    Streamed(Box<Streamed>),
}

impl Reader {
    /// Opens a recording with the default options.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the file cannot be read, is not a recording, is damaged or has an unsupported codec.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        Self::open_with(path, &ReaderOptions::default())
    }

    /// Opens a recording.
    ///
    /// # Errors
    ///
    /// Those of [`open`](Self::open), and [`MediaError::Refused`] if the chosen tracks do not exist.
    pub fn open_with(path: impl AsRef<Path>, options: &ReaderOptions) -> Result<Self, MediaError> {
        Self::of_input(Input::open(path.as_ref())?, options)
    }

    /// Reads a recording from something else that has a size and can be read at any offset. The name is for messages.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with).
    pub fn from_seekable(
        name: impl AsRef<Path>,
        source: impl Read + Seek + Send + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, MediaError> {
        Self::of_input(Input::new(name.as_ref(), source)?, options)
    }

    /// Reads a recording that arrives, such as standard input. The name is for messages.
    ///
    /// Blocks until the tracks are known: each has a frame, or 5 s of media or 8 MiB were read. MP4 must be fragmented, or have
    /// its index in front. Frames are returned as they arrive; [`duration`](Self::duration) is unknown.
    ///
    /// # Errors
    ///
    /// Those of [`open_with`](Self::open_with).
    pub fn from_pipe(
        name: impl AsRef<Path>,
        mut pipe: impl Read + Send + Sync + 'static,
        options: &ReaderOptions,
    ) -> Result<Self, MediaError> {
        let path = name.as_ref();
        let mut head = BytesMut::new();
        while head.len() < HEAD {
            let piece = streamed::read_some(&mut pipe).map_err(|error| unreadable(path, error))?;
            // A live pipe may be slow: the first bytes are enough for most containers.
            let is_enough = head.len() + piece.len() >= sniff::ENOUGH;
            head.extend_from_slice(&piece);
            if piece.is_empty() || is_enough {
                break;
            }
        }
        let format = detect(path, &head, options)?;
        let Some(demuxer) = demuxer(format) else {
            return Err(Fault::Refused(format!("{format:?} cannot be read from a pipe; write it to a file first"))
                .in_file(path));
        };
        let mut notices = Vec::new();
        let streamed = Streamed::of_pipe(head.freeze(), Box::new(pipe), demuxer, options, &mut notices);
        let streamed = streamed.map_err(|fault| fault.in_file(path))?;
        let tracks = streamed.tracks().map_err(|fault| fault.in_file(path))?;
        let engine = Engine::Streamed(Box::new(streamed));
        Self { path: path.to_owned(), engine, tracks, notices, is_strict: options.strict }.checked()
    }

    fn of_input(input: Input, options: &ReaderOptions) -> Result<Self, MediaError> {
        let path = input.path.clone();
        let head = input.read_up_to(0, HEAD as u64).map_err(|fault| fault.in_file(&path))?;
        let format = detect(&path, &head, options)?;
        let mut notices = Vec::new();
        let engine = Engine::new(input, format, options, &mut notices).map_err(|fault| fault.in_file(&path))?;
        let tracks = engine.tracks().map_err(|fault| fault.in_file(&path))?;
        Self { path, engine, tracks, notices, is_strict: options.strict }.checked()
    }

    /// Returns the tracks, video first, as they are from the next frame on.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Returns the presentation time of the last frame, whose own duration is unknown. `None` for a pipe.
    #[must_use]
    pub fn duration(&self) -> Option<Duration> {
        match &self.engine {
            Engine::Indexed(indexed) => Some(indexed.duration()),
            Engine::Streamed(streamed) => streamed.duration(),
        }
    }

    /// Returns what was left out or is missing so far. For a file all is known when it is opened.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
    }

    /// Moves all tracks so that the first video frame is shown at zero, and drops audio before it. If that is more than 200 ms,
    /// a notice states it.
    #[must_use]
    pub fn starting_with_video(mut self) -> Self {
        let dropped = match &mut self.engine {
            Engine::Indexed(indexed) => indexed.starting_with_video(),
            Engine::Streamed(streamed) => streamed.starting_with_video(),
        };
        if dropped > UNHEARD {
            let text =
                format!("the picture starts {:.3} s late: the sound before it is left out", dropped.as_secs_f64());
            self.notices.push(Notice::new(NoticeKind::Skipped, text));
        }
        self
    }

    /// Returns what comes next, or `None` after the last frame. Blocks while a pipe has nothing.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the input cannot be read, is damaged or changes to something unsupported. With
    /// [`strict`](ReaderOptions::strict) also if a pipe was interrupted.
    pub fn next_event(&mut self) -> Result<Option<MediaEvent>, MediaError> {
        let next = match &mut self.engine {
            Engine::Indexed(indexed) => indexed.next_event(),
            Engine::Streamed(streamed) => {
                let next = streamed.next_event();
                self.notices.extend(streamed.take_notices());
                next
            }
        };
        let next = next.map_err(|fault| fault.in_file(&self.path))?;
        self.check()?;
        if let Some(MediaEvent::Tracks(tracks)) = &next {
            self.tracks.clone_from(tracks);
        }
        Ok(next)
    }

    /// Returns the next frame, or `None` after the last; other events are skipped. Blocks while a pipe has nothing.
    ///
    /// # Errors
    ///
    /// Those of [`next_event`](Self::next_event).
    pub fn next_sample(&mut self) -> Result<Option<Sample>, MediaError> {
        loop {
            match self.next_event()? {
                Some(MediaEvent::Sample(sample)) => return Ok(Some(sample)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Size of the file in bytes; `None` if it is not kept in an index.
    pub(super) fn file_bytes(&self) -> Option<u64> {
        match &self.engine {
            Engine::Indexed(indexed) => Some(indexed.file_bytes()),
            Engine::Streamed(streamed) => streamed.file_bytes(),
        }
    }

    fn checked(self) -> Result<Self, MediaError> {
        self.check()?;
        Ok(self)
    }

    /// An interrupted recording is an error if that was asked for.
    fn check(&self) -> Result<(), MediaError> {
        let interrupted = self.notices.iter().find(|notice| notice.kind == NoticeKind::Interrupted);
        match interrupted {
            Some(notice) if self.is_strict => Err(Fault::Truncated(notice.to_string()).in_file(&self.path)),
            _ => Ok(()),
        }
    }
}

fn detect(path: &Path, head: &[u8], options: &ReaderOptions) -> Result<Format, MediaError> {
    if let Some(format) = options.format {
        return Ok(format);
    }
    sniff(path, head).map_err(|looks_like| MediaError::NotMedia { path: path.to_owned(), looks_like })
}

/// The demuxer of a container that is read from start to end.
fn demuxer(format: Format) -> Option<Box<dyn Demuxer>> {
    match format {
        Format::Matroska => Some(Box::new(Matroska::new())),
        Format::MpegTs => Some(Box::new(MpegTs::new())),
        Format::Wav => Some(Box::new(Wav::new())),
        Format::Mp4 => Some(Box::new(Mp4Pipe::new())),
        Format::H264 | Format::H265 | Format::Adts => None,
    }
}

impl Engine {
    fn new(input: Input, format: Format, options: &ReaderOptions, notices: &mut Vec<Notice>) -> Result<Self, Fault> {
        let streams = match format {
            Format::Mp4 => mp4::read(&input, options, notices),
            Format::H264 => annex_b::read(&input, AccessUnitSplitter::h264(TrackNumber::ONE), notices),
            Format::H265 => annex_b::read(&input, AccessUnitSplitter::h265(TrackNumber::ONE), notices),
            Format::Adts => adts::read(&input, notices),
            Format::Matroska | Format::MpegTs | Format::Wav => {
                let make = || demuxer(format).unwrap_or_else(|| Box::new(Matroska::new()));
                return Streamed::of_file(input, make, options, notices)
                    .map(|streamed| Self::Streamed(Box::new(streamed)));
            }
        };
        Ok(Self::Indexed(Box::new(Indexed::new(input, streams?)?)))
    }

    fn tracks(&self) -> Result<Vec<Track>, Fault> {
        match self {
            Self::Indexed(indexed) => indexed.tracks(),
            Self::Streamed(streamed) => streamed.tracks(),
        }
    }
}
