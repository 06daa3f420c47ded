//! A recording that is read into memory as a whole.

use std::path::Path;
use std::time::Duration;

use kvs_mkv::{Frame, Track, TrackKind};

use super::error::Fault;
use super::{MAX_FILE_BYTES, MediaError, MediaEvent, Notice, Reader, Sample};

/// A recording in memory: its tracks and all its frames.
///
/// Times count from the start of the recording. If an audio track starts before zero (AAC priming), all tracks are moved by
/// the same amount, so that no frame is lost and audio and video stay synchronous, as with `ffmpeg -c copy`. See
/// [`Recording::starting_with_video`] for the alternative.
///
/// A recording has one description of each track. New parameter sets of a video track are in the frame where they start to apply;
/// a recording whose sound, or whose codec, changes is refused. [`Reader`] returns such a change as an event.
///
/// Memory: the size of the file, and about 150 bytes per frame. Files above [`MAX_FILE_BYTES`] are refused; use [`Reader`].
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
    notices: Vec<Notice>,
}

impl Recording {
    /// Reads a recording. Its container is detected from its bytes; the file name only decides between H.264 and H.265.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the file cannot be read, is not a recording, is damaged or has an unsupported codec;
    /// [`MediaError::Refused`] if its sound or a codec changes.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let mut reader = Reader::open(path.as_ref())?;
        let size = reader.file_bytes().unwrap_or(0);
        if size > MAX_FILE_BYTES {
            return Err(MediaError::TooLarge { path: path.as_ref().to_owned(), size, limit: MAX_FILE_BYTES });
        }
        let (tracks, mut samples) = (reader.tracks().to_vec(), Vec::new());
        while let Some(event) = reader.next_event()? {
            match event {
                MediaEvent::Sample(sample) => samples.push(sample),
                MediaEvent::Tracks(changed) => {
                    check_change(&tracks, &changed, samples.last()).map_err(|fault| fault.in_file(path.as_ref()))?;
                }
                MediaEvent::Tags(_) => {}
            }
        }
        Ok(Self { tracks, samples, notices: reader.notices().to_vec() })
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

    /// Returns what was left out or is missing.
    #[must_use]
    pub fn notices(&self) -> &[Notice] {
        &self.notices
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
        let Some(video) = self.video().map(|track| track.number) else { return self };
        let pictures = self.samples.iter().filter(|sample| sample.track == video);
        let first = pictures.map(|sample| sample.pts).min().unwrap_or_default();
        self.samples.retain(|sample| sample.pts >= first);
        for sample in &mut self.samples {
            sample.pts -= first;
            sample.dts = sample.dts.saturating_sub(first);
        }
        self
    }
}

/// Accepts only a change that decoders find in the frames: other parameter sets of the same codec.
fn check_change(tracks: &[Track], changed: &[Track], last: Option<&Sample>) -> Result<(), Fault> {
    let wrong = changed.iter().zip(tracks).find(|(new, old)| {
        let is_in_band = new.kind == TrackKind::Video && new.codec == old.codec;
        !is_in_band && (new.codec != old.codec || new.codec_private != old.codec_private || new.audio != old.audio)
    });
    let Some((new, old)) = wrong else { return Ok(()) };
    let at = last.map(|sample| sample.pts).unwrap_or_default();
    Err(Fault::Refused(format!(
        "track {} changes behind {at:?} from {} to {}; cut it there, or read it with Reader, which returns the change",
        old.number,
        described(old),
        described(new)
    )))
}

fn described(track: &Track) -> String {
    match track.audio {
        Some(audio) => format!("{} ({} Hz, {} channels)", track.codec, audio.sampling_frequency, audio.channels),
        None => track.codec.to_string(),
    }
}
