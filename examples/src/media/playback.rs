//! A recording read frame by frame.

use std::path::Path;
use std::time::Duration;

use kvs_mkv::{Track, TrackKind, TrackNumber};

use super::form::Form;
use super::input::{Container, Input};
use super::timeline::{self, Timed};
use super::{MediaError, Sample, adts, annex_b, matroska, mp4};

/// A recording whose frames are read from the file one by one, each when it is asked for.
///
/// Tracks, times and order are those of a [`Recording`](super::Recording). Opening reads the index of an MP4, and walks other
/// files from end to end, a piece at a time.
///
/// Memory: about 70 bytes a frame, at most [`MAX_SAMPLES`](super::MAX_SAMPLES) of them; while it is opened the index of an MP4
/// besides, or 256 KiB of another file.
///
/// ```no_run
/// use kvs_examples::media::Playback;
///
/// let mut playback = Playback::open("camera.mp4")?;
/// while let Some(sample) = playback.next_sample()? {
///     println!("{} {:?} {} bytes", sample.track, sample.pts, sample.data.len());
/// }
/// # Ok::<(), kvs_examples::media::MediaError>(())
/// ```
#[derive(Debug)]
pub struct Playback {
    input: Input,
    reels: Vec<Reel>,
    index: Vec<Entry>,
    next: usize,
}

/// A track, and what makes the payloads of it.
#[derive(Debug)]
pub(super) struct Reel {
    pub(super) track: Track,
    pub(super) form: Form,
}

/// One frame: when it is due and where in the file it lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) track: TrackNumber,
    pub(super) pts: Duration,
    pub(super) dts: Duration,
    pub(super) keyframe: bool,
    pub(super) at: u64,
    pub(super) len: u64,
}

impl Playback {
    /// Opens a recording; what it is, is told from its bytes.
    ///
    /// # Errors
    /// [`MediaError`]: each is one sentence that says what is wrong and what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let input = Input::open(path.as_ref())?;
        let streams = match input.container {
            Container::Mp4 => mp4::read(&input),
            Container::Matroska => matroska::read(&input),
            Container::H264 => annex_b::read_h264(&input),
            Container::H265 => annex_b::read_h265(&input),
            Container::Adts => adts::read(&input),
        }?;
        let (reels, index) = timeline::interleave(&input, streams)?;
        Ok(Self { input, reels, index, next: 0 })
    }

    /// The tracks: video first.
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        self.reels.iter().map(|reel| reel.track.clone()).collect()
    }

    /// From zero to the last frame's time; the last frame's own duration is not known.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.index.iter().map(|entry| entry.pts).max().unwrap_or_default()
    }

    /// Moves all tracks so that the first picture is shown at zero, and leaves out audio that would be heard before it.
    #[must_use]
    pub fn starting_with_video(mut self) -> Self {
        if let Some(video) = self.reels.iter().find(|reel| reel.track.kind == TrackKind::Video) {
            timeline::start_with(&mut self.index, video.track.number);
        }
        self
    }

    /// Reads the next frame in decoding order, tracks interleaved by decoding time; `None` behind the last.
    ///
    /// # Errors
    /// A frame that cannot be read any more, or that is not what its track says.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, MediaError> {
        let Some(entry) = self.index.get(self.next) else { return Ok(None) };
        let Some(reel) = self.reels.iter_mut().find(|reel| reel.track.number == entry.track) else { return Ok(None) };
        let bytes = self.input.read(entry.at, entry.len)?;
        let data = reel.form.payload(bytes).map_err(|error| {
            let (track, Entry { pts, at, .. }) = (&reel.track, entry);
            self.input.damaged(format!("the frame of track {} at {pts:?}, offset {at}: {error}", track.number))
        })?;
        self.next += 1;
        Ok(Some(Sample { track: entry.track, pts: entry.pts, dts: entry.dts, keyframe: entry.keyframe, data }))
    }

    /// Size of the file.
    pub(super) const fn file_bytes(&self) -> u64 {
        self.input.len
    }
}

impl Timed for Entry {
    fn track(&self) -> TrackNumber {
        self.track
    }

    fn times(&mut self) -> (&mut Duration, &mut Duration) {
        (&mut self.pts, &mut self.dts)
    }
}
