//! Recordings as the example programs read them: MP4, Matroska, bare H.264 and H.265, ADTS AAC.
//!
//! Frames come in decoding order, tracks interleaved, ready for a Matroska block: video is track 1, audio the track behind
//! it. A [`Playback`] reads them one by one from the file, a [`Recording`] holds them all.

mod adts;
mod annex_b;
mod error;
mod form;
mod fragment_counter;
mod input;
mod matroska;
mod mp4;
mod nal_track;
mod playback;
#[cfg(feature = "timelapse")]
pub mod timelapse;
mod timeline;

use std::path::Path;
use std::time::Duration;

use kvs_mkv::{Chunks, Frame, Track, TrackKind, TrackNumber};

pub use error::MediaError;
pub use playback::Playback;
use timeline::Timed;

/// For the programs of this family only; no promise of compatibility.
#[doc(hidden)]
pub mod __internal {
    pub use crate::fragment_counter::{FRAGMENT_MIN, FragmentCounter};
}

/// A recording: its tracks and all its frames.
///
/// Times count from the start of the recording. Where an audio track begins before zero (the priming of AAC), all tracks
/// are moved together so that nothing is lost and sound and picture stay together, as `ffmpeg -c copy` does; see
/// [`Recording::starting_with_video`] for the other choice.
///
/// Memory: the file's size, and about 150 bytes a frame. Files above [`MAX_FILE_BYTES`] are refused; a [`Playback`] takes them.
///
/// ```no_run
/// use kvs_media::Recording;
///
/// let recording = Recording::open("camera.mp4")?;
/// for sample in recording.samples() {
///     println!("{} {:?} {} bytes", sample.track, sample.pts, sample.data.len());
/// }
/// # Ok::<(), kvs_media::MediaError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Recording {
    tracks: Vec<Track>,
    samples: Vec<Sample>,
}

/// Largest file that a [`Recording`] takes: it is held in memory.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most frames that are taken; ten million are four days at 30 a second.
pub const MAX_SAMPLES: usize = 10_000_000;

/// Largest frame that is taken: the service takes no larger fragment.
pub const MAX_FRAME_BYTES: u64 = kvs_types::limits::FRAGMENT_BYTES;

/// One frame of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Its track in [`Recording::tracks`].
    pub track: TrackNumber,
    /// When it is shown or heard, from the start of the recording.
    pub pts: Duration,
    /// When it is to be decoded: never falls from one sample of a track to the next, never above `pts`; what would lie before
    /// the start is zero.
    pub dts: Duration,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// The coded bytes as a Matroska block holds them: H.264 and H.265 with lengths of four bytes, AAC without ADTS header.
    pub data: Chunks,
}

impl Recording {
    /// Reads a recording; what it is, is told from its bytes.
    ///
    /// # Errors
    /// [`MediaError`]: each is one sentence that says what is wrong and what to do.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let mut playback = Playback::open(path.as_ref())?;
        let size = playback.file_bytes();
        if size > MAX_FILE_BYTES {
            return Err(MediaError::TooLarge { path: path.as_ref().to_owned(), size, limit: MAX_FILE_BYTES });
        }
        let tracks = playback.tracks();
        let samples = std::iter::from_fn(|| playback.next_sample().transpose()).collect::<Result<_, _>>()?;
        Ok(Self { tracks, samples })
    }

    /// The tracks: video first.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// The video track, if there is one.
    #[must_use]
    pub fn video(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Video)
    }

    /// The audio track, if there is one.
    #[must_use]
    pub fn audio(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Audio)
    }

    /// All frames in decoding order, tracks interleaved by decoding time.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// The frames as the writer and the producer take them.
    pub fn into_frames(self) -> impl Iterator<Item = Frame> {
        self.samples.into_iter().map(Frame::from)
    }

    /// From zero to the last frame's time; the last frame's own duration is not known.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.samples.iter().map(|sample| sample.pts).max().unwrap_or_default()
    }

    /// Moves all tracks so that the first picture is shown at zero, and drops audio that would be heard before it.
    #[must_use]
    pub fn starting_with_video(mut self) -> Self {
        if let Some(video) = self.video().map(|track| track.number) {
            timeline::start_with(&mut self.samples, video);
        }
        self
    }
}

impl Timed for Sample {
    fn track(&self) -> TrackNumber {
        self.track
    }

    fn times(&mut self) -> (&mut Duration, &mut Duration) {
        (&mut self.pts, &mut self.dts)
    }
}

impl From<Sample> for Frame {
    fn from(sample: Sample) -> Self {
        Self::new(sample.track, sample.pts, sample.data).with_keyframe(sample.keyframe)
    }
}
