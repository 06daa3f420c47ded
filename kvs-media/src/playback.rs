//! A recording read frame by frame.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Track, TrackKind, TrackNumber};

use super::input::{Container, Input};
use super::payload::PayloadFormat;
use super::timeline::{self, Timed};
use super::{MediaError, Sample, adts, annex_b, matroska, mp4};

/// Reads a recording frame by frame from the file.
///
/// Tracks, times and order are those of a [`Recording`](super::Recording). Opening reads the index of an MP4 file, and
/// parses other files from start to end in pieces.
///
/// Memory: about 70 bytes per frame, for at most [`MAX_SAMPLES`](super::MAX_SAMPLES) frames; while it opens, also the index of
/// an MP4 file, or 256 KiB of another. Consecutive frames are read together, up to 64 KiB, and share that memory.
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
    playback_tracks: Vec<PlaybackTrack>,
    index: Vec<Entry>,
    next: usize,
    ahead: Ahead,
}

/// The bytes read last: some consecutive frames.
#[derive(Debug, Default)]
struct Ahead {
    at: u64,
    bytes: Bytes,
}

/// Bytes to read at a time where short frames are consecutive.
const AHEAD: u64 = 64 << 10;
/// Most bytes between two frames that are read together: the header of a Matroska block.
const GAP: u64 = 64;

/// A track and its payload format.
#[derive(Debug)]
pub(super) struct PlaybackTrack {
    pub(super) track: Track,
    pub(super) format: PayloadFormat,
}

/// One frame: its times, and its offset and length in the file.
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
    /// Opens a recording. Its container is detected from its bytes; the file name only decides between H.264 and H.265.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the file cannot be read, is not a recording, is damaged or has an unsupported codec.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, MediaError> {
        let input = Input::open(path.as_ref())?;
        let streams = match input.container {
            Container::Mp4 => mp4::read(&input),
            Container::Matroska => matroska::read(&input),
            Container::H264 => annex_b::read_h264(&input),
            Container::H265 => annex_b::read_h265(&input),
            Container::Adts => adts::read(&input),
        }?;
        let (playback_tracks, index) = timeline::interleave(&input, streams)?;
        Ok(Self { input, playback_tracks, index, next: 0, ahead: Ahead::default() })
    }

    /// Returns the tracks, video first.
    #[must_use]
    pub fn tracks(&self) -> Vec<Track> {
        self.playback_tracks.iter().map(|playback_track| playback_track.track.clone()).collect()
    }

    /// Returns the presentation time of the last frame, whose own duration is unknown.
    #[must_use]
    pub fn duration(&self) -> Duration {
        self.index.iter().map(|entry| entry.pts).max().unwrap_or_default()
    }

    /// Moves all tracks so that the first video frame is shown at zero, and drops audio before it.
    #[must_use]
    pub fn starting_with_video(mut self) -> Self {
        if let Some(video) =
            self.playback_tracks.iter().find(|playback_track| playback_track.track.kind == TrackKind::Video)
        {
            timeline::start_with(&mut self.index, video.track.number);
        }
        self
    }

    /// Reads the next frame in decoding order, tracks interleaved by decoding time. Returns `None` after the last.
    ///
    /// # Errors
    ///
    /// [`MediaError`] if the frame cannot be read or is not of its track's codec.
    pub fn next_sample(&mut self) -> Result<Option<Sample>, MediaError> {
        let Some(&entry) = self.index.get(self.next) else { return Ok(None) };
        let bytes = self.bytes_of(entry)?;
        let Some(playback_track) =
            self.playback_tracks.iter_mut().find(|playback_track| playback_track.track.number == entry.track)
        else {
            return Ok(None);
        };
        let data = playback_track.format.payload(bytes).map_err(|error| {
            let (track, Entry { pts, at, .. }) = (&playback_track.track, entry);
            self.input.damaged(format!("the frame of track {} at {pts:?}, offset {at}: {error}", track.number))
        })?;
        self.next += 1;
        Ok(Some(Sample { track: entry.track, pts: entry.pts, dts: entry.dts, keyframe: entry.keyframe, data }))
    }

    /// Returns the bytes of the next frame; reads the file only if they were not read with earlier frames.
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

    /// Returns how many bytes from the start of the next frame on are consecutive frames.
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

    /// Size of the file in bytes.
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
    use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Writer};

    use super::*;

    /// A Matroska file of 100 large video frames, each followed by five short audio frames.
    fn recording(path: &Path) {
        let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::MJPEG);
        let audio = Track::new(TrackNumber::TWO, TrackKind::Audio, CodecId::from("A_PCM/INT/LIT"));
        let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![video, audio]).unwrap();
        let mut file = Chunks::from(writer.start_segment());
        for number in 0..100_usize {
            let pts = Duration::from_millis(40 * number as u64);
            file.push(writer.start_cluster(pts).unwrap());
            let sizes = [number * 900, 100, 200, 300, 400, 500].into_iter();
            for (size, track) in sizes.zip([1, 2, 2, 2, 2, 2]) {
                let data = vec![number as u8; size.max(1)];
                let track = TrackNumber::new(track).unwrap();
                file.append(writer.block(Frame::new(track, pts, data).with_keyframe(true)).unwrap());
            }
        }
        std::fs::write(path, file.into_bytes()).unwrap();
    }

    #[test]
    fn frames_read_together_equal_frames_read_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("recording.mkv");
        recording(&path);
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
        assert_eq!(frames, 600);
        reads.dedup();
        assert!(reads.len() < frames / 4, "{} reads for {frames} frames", reads.len());
    }
}
