//! A recording read frame by frame.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
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
/// besides, or 256 KiB of another file. Frames that lie one behind the other are read together, up to 64 KiB of them, and share
/// that memory.
///
/// ```no_run
/// use kvs_media::Playback;
///
/// let mut playback = Playback::open("camera.mp4")?;
/// while let Some(sample) = playback.next_sample()? {
///     println!("{} {:?} {} bytes", sample.track, sample.pts, sample.data.len());
/// }
/// # Ok::<(), kvs_media::MediaError>(())
/// ```
#[derive(Debug)]
pub struct Playback {
    input: Input,
    reels: Vec<Reel>,
    index: Vec<Entry>,
    next: usize,
    ahead: Ahead,
}

/// What was read last: some frames that lie one behind the other.
#[derive(Debug, Default)]
struct Ahead {
    at: u64,
    bytes: Bytes,
}

/// So many bytes are read at a time where short frames lie one behind the other.
const AHEAD: u64 = 64 << 10;
/// What may lie between two frames that are read together: the head of a Matroska block.
const GAP: u64 = 64;

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
        Ok(Self { input, reels, index, next: 0, ahead: Ahead::default() })
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
        let Some(&entry) = self.index.get(self.next) else { return Ok(None) };
        let bytes = self.bytes_of(entry)?;
        let Some(reel) = self.reels.iter_mut().find(|reel| reel.track.number == entry.track) else { return Ok(None) };
        let data = reel.form.payload(bytes).map_err(|error| {
            let (track, Entry { pts, at, .. }) = (&reel.track, entry);
            self.input.damaged(format!("the frame of track {} at {pts:?}, offset {at}: {error}", track.number))
        })?;
        self.next += 1;
        Ok(Some(Sample { track: entry.track, pts: entry.pts, dts: entry.dts, keyframe: entry.keyframe, data }))
    }

    /// The bytes of the next frame, out of the file only where they were not read with those before it.
    fn bytes_of(&mut self, entry: Entry) -> Result<Bytes, MediaError> {
        if let Some(bytes) = self.ahead.bytes_of(entry) {
            return Ok(bytes);
        }
        let bytes = self.input.read_up_to(entry.at, self.together(entry))?;
        self.ahead = Ahead { at: entry.at, bytes };
        match self.ahead.bytes_of(entry) {
            Some(bytes) => Ok(bytes),
            None => self.input.read(entry.at, entry.len),
        }
    }

    /// How many bytes from the start of the next frame on are frames that come next.
    fn together(&self, first: Entry) -> u64 {
        let mut len = first.len;
        for entry in self.index.get(self.next..).unwrap_or_default().iter().skip(1) {
            let (end, next) = (first.at.saturating_add(len), entry.at.saturating_add(entry.len));
            let near = entry.at.checked_sub(end).is_some_and(|gap| gap <= GAP);
            if !near || next - first.at > AHEAD {
                break;
            }
            len = next - first.at;
        }
        len
    }

    /// Size of the file.
    pub(super) const fn file_bytes(&self) -> u64 {
        self.input.len
    }
}

impl Ahead {
    fn bytes_of(&self, entry: Entry) -> Option<Bytes> {
        let start = usize::try_from(entry.at.checked_sub(self.at)?).ok()?;
        let end = start.checked_add(usize::try_from(entry.len).ok()?)?;
        (end <= self.bytes.len()).then(|| self.bytes.slice(start..end))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_that_are_read_together_are_those_read_one_by_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("media/clock.mp4");
        let mut playback = Playback::open(path).unwrap();
        let mut reads = Vec::new();
        for (next, entry) in playback.index.clone().into_iter().enumerate() {
            playback.next = next;
            let bytes = playback.bytes_of(entry).unwrap();
            assert_eq!(bytes, playback.input.read(entry.at, entry.len).unwrap(), "{entry:?}");
            assert!(playback.ahead.bytes.len() as u64 <= AHEAD.max(entry.len));
            reads.push(playback.ahead.at);
        }
        let frames = reads.len();
        reads.dedup();
        assert!(reads.len() < frames / 4, "{} reads for {frames} frames", reads.len());
    }
}
