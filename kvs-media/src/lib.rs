#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adts;
mod annex_b;
mod error;
mod fragment_counter;
mod input;
mod matroska;
mod mp4;
mod nal_track;
mod payload;
mod playback;
#[cfg(feature = "timelapse")]
#[cfg_attr(docsrs, doc(cfg(feature = "timelapse")))]
pub mod timelapse;
mod timeline;

use std::path::Path;
use std::time::Duration;

use kvs_mkv::{Chunks, Frame, Track, TrackKind, TrackNumber};

pub use error::MediaError;
pub use playback::Playback;
use timeline::Timed;

/// For the programs of this family only: may change in any release.
#[doc(hidden)]
pub mod __internal {
    pub use crate::fragment_counter::{FRAGMENT_MIN, FragmentCounter};
}

/// A recording in memory: its tracks and all its frames.
///
/// Times count from the start of the recording. If an audio track starts before zero (AAC priming), all tracks are moved by
/// the same amount, so that no frame is lost and audio and video stay synchronous, as with `ffmpeg -c copy`. See
/// [`Recording::starting_with_video`] for the alternative.
///
/// Memory: the size of the file, and about 150 bytes per frame. Files above [`MAX_FILE_BYTES`] are refused; use [`Playback`].
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

/// Largest file that [`Recording`] reads into memory: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most frames per track. Ten million are four days at 30 frames per second.
pub const MAX_SAMPLES: usize = 10_000_000;

/// Largest frame in bytes: the service accepts no larger fragment.
pub const MAX_FRAME_BYTES: u64 = kvs_types::limits::FRAGMENT_BYTES;

/// One frame of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of its track.
    pub track: TrackNumber,
    /// Presentation time from the start of the recording.
    pub pts: Duration,
    /// Decoding time: never decreases within a track and is never later than `pts`. A negative one is zero.
    pub dts: Duration,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// The payload of a Matroska block: H.264 and H.265 with four-byte lengths, AAC without ADTS header.
    pub data: Chunks,
}

impl Recording {
    /// Reads a recording. Its container is detected from its bytes; the file name only decides between H.264 and H.265.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the file cannot be read, is not a recording, is damaged or has an unsupported codec.
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

    /// Returns the tracks, video first.
    #[must_use]
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Returns the video track, if there is one.
    #[must_use]
    pub fn video(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Video)
    }

    /// Returns the audio track, if there is one.
    #[must_use]
    pub fn audio(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Audio)
    }

    /// Returns all frames in decoding order, tracks interleaved by decoding time.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
    }

    /// Converts the samples to frames as the writer and the producer accept them.
    pub fn into_frames(self) -> impl Iterator<Item = Frame> {
        self.samples.into_iter().map(Frame::from)
    }

    /// Returns the presentation time of the last frame, whose own duration is unknown.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.samples.iter().map(|sample| sample.pts).max().unwrap_or_default()
    }

    /// Moves all tracks so that the first video frame is shown at zero, and drops audio before it.
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
