//! The frames of one fragment as samples with decoding times and durations.

use std::time::Duration;

use kvs_mkv::codec::nal::length_prefixed_chunks;
use kvs_mkv::{Chunks, Frame, TrackNumber};

use super::codec::{Codec, TrackSetup, VideoTrack};
use super::presentation::presentation_times;

/// The consecutive samples of one track.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// Decoding time of the first sample in ticks.
    pub start: u64,
    /// The samples in decoding order.
    pub samples: Vec<RunSample>,
}

/// One sample.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunSample {
    /// The payload.
    pub data: Chunks,
    /// Time to the next sample's decoding time in ticks.
    pub duration: u32,
    /// Presentation time minus decoding time in ticks.
    pub offset: i32,
    /// Whether decoding can start here.
    pub sync: bool,
}

/// Where the frames of a fragment go on the time axis of a player.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    /// The time in the container that is moved to `start`: the timecode of the fragment.
    pub timecode: Duration,
    /// Where it is moved to.
    pub start: Duration,
    /// Length of the fragment, its last frame included.
    pub length: Duration,
}

/// A frame that is not what its track says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("frame {index} of track {track} is not valid: {problem}")]
pub struct FrameProblem {
    /// The track.
    pub track: TrackNumber,
    /// Index of the frame in its fragment, among those of its track.
    pub index: usize,
    /// What is wrong.
    pub problem: String,
}

impl Run {
    /// Converts the frames of a track, which are in decoding order.
    ///
    /// Matroska states presentation times only; of producers that write decoding times there, the order of the pictures tells the
    /// presentation times. The decoding times of video are the same times in increasing order, as in other
    /// files without decoding times; a frame may thus be decoded after its presentation time, by a constant delay. Audio frames
    /// follow each other without gap as long as their times agree with it to 50 ms.
    ///
    /// # Errors
    /// A frame of video is not a sequence of NAL units with lengths, or audio has no samples.
    pub fn new<'a>(
        setup: &TrackSetup,
        frames: impl Iterator<Item = &'a Frame>,
        span: Span,
    ) -> Result<Self, FrameProblem> {
        let frames: Vec<&Frame> = frames.filter(|frame| frame.track == setup.number).collect();
        let at = |pts: Duration| ticks(nanos(span.start) + nanos(pts) - nanos(span.timecode), setup.timescale);
        match &setup.codec {
            Codec::Video { codec, record, length_size, .. } => {
                for (index, frame) in frames.iter().enumerate() {
                    let invalid = |problem: String| FrameProblem { track: setup.number, index, problem };
                    if frame.data.is_empty() {
                        return Err(invalid("it is empty".to_owned()));
                    }
                    for unit in length_prefixed_chunks(&frame.data, *length_size) {
                        unit.and_then(|unit| unit.check_header()).map_err(|error| invalid(error.to_string()))?;
                    }
                }
                let end = ticks(nanos(span.start) + nanos(span.length), setup.timescale);
                let track = VideoTrack { codec: *codec, record, length_size: *length_size };
                let shown = presentation_times(track, &frames).into_iter().map(at).collect();
                Ok(Self::video(&frames, shown, end))
            }
            Codec::Aac(config) => {
                let samples = u32::from(config.samples_per_frame());
                Ok(Self::audio(setup, &frames, at, |_| samples))
            }
            Codec::G711 { channels, .. } => {
                let per_byte = usize::from(*channels).max(1);
                Ok(Self::audio(setup, &frames, at, |len| u32::try_from(len / per_byte).unwrap_or(u32::MAX)))
            }
        }
    }

    /// `shown` are the presentation times of the frames in ticks.
    fn video(frames: &[&Frame], shown: Vec<i64>, end: i64) -> Self {
        let mut decoded = shown.clone();
        decoded.sort_unstable();
        let first = decoded.first().copied().unwrap_or(0);
        // Only leading pictures of the first fragment begin before the time axis does.
        let shift = first.min(0).saturating_neg();
        let before_last = decoded.len().checked_sub(2).and_then(|at| decoded.get(at..)).map(|two| match two {
            [one, next] => next.saturating_sub(*one),
            _ => 0,
        });
        let last = decoded.last().copied().unwrap_or(0);
        let tail = if end > last { end.saturating_sub(last) } else { before_last.unwrap_or(1) };
        let next = decoded.iter().skip(1).copied().chain([last.saturating_add(tail)]);
        let samples =
            frames.iter().zip(&shown).zip(decoded.iter().zip(next)).map(|((frame, shown), (decoded, next))| {
                RunSample {
                    data: frame.data.clone(),
                    duration: clamped(next.saturating_sub(*decoded)),
                    offset: i32::try_from(shown.saturating_sub(*decoded)).unwrap_or(0),
                    sync: frame.keyframe,
                }
            });
        Self { start: u64::try_from(first.saturating_add(shift)).unwrap_or(0), samples: samples.collect() }
    }

    fn audio(
        setup: &TrackSetup,
        frames: &[&Frame],
        at: impl Fn(Duration) -> i64,
        count: impl Fn(usize) -> u32,
    ) -> Self {
        let tolerance = ticks(nanos(AUDIO_TOLERANCE), setup.timescale);
        let start = frames.first().map_or(0, |first| at(first.pts)).max(0);
        let mut samples: Vec<RunSample> = Vec::with_capacity(frames.len());
        let mut expected = start;
        for frame in frames {
            let gap = at(frame.pts).saturating_sub(expected);
            if gap > tolerance
                && let Some(before) = samples.last_mut()
            {
                before.duration = before.duration.saturating_add(clamped(gap));
                expected = expected.saturating_add(gap);
            }
            let duration = count(frame.data.len());
            samples.push(RunSample { data: frame.data.clone(), duration, offset: 0, sync: true });
            expected = expected.saturating_add(duration.into());
        }
        Self { start: u64::try_from(start).unwrap_or(0), samples }
    }

    /// Returns the bytes of all samples.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.samples.iter().map(|sample| sample.data.len() as u64).sum()
    }
}

/// By how much the time of an audio frame may differ from the end of the one before it: the gap from which the service marks a
/// discontinuity. Timecodes are whole milliseconds, and cameras take them when a frame has been encoded.
const AUDIO_TOLERANCE: Duration = Duration::from_millis(50);

fn nanos(time: Duration) -> i128 {
    i128::try_from(time.as_nanos()).unwrap_or(i128::MAX / 4)
}

/// Converts ns to ticks, to the nearest.
fn ticks(nanos: i128, timescale: u32) -> i64 {
    const SECOND: i128 = 1_000_000_000;
    let scaled = nanos.saturating_mul(timescale.into()).saturating_add(SECOND / 2);
    i64::try_from(scaled.div_euclid(SECOND)).unwrap_or(i64::MAX)
}

fn clamped(ticks: i64) -> u32 {
    u32::try_from(ticks.max(0)).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use kvs_mkv::codec::aac::{self, AudioSpecificConfig};

    use super::*;

    const MS: fn(u64) -> Duration = Duration::from_millis;

    #[test]
    fn decoding_times_increase_and_sum_up_to_the_length() {
        let frames: Vec<Frame> =
            [1000, 1120, 1040, 1080].map(|at| Frame::new(TrackNumber::ONE, MS(at), vec![0, 0, 0, 1, 0x41])).into();
        let frames: Vec<&Frame> = frames.iter().collect();
        let run = Run::video(&frames, vec![7, 127, 47, 87], 167);
        assert_eq!(run.start, 7);
        let times: Vec<_> = run.samples.iter().map(|sample| (sample.duration, sample.offset)).collect();
        assert_eq!(times, [(40, 0), (40, 80), (40, -40), (40, -40)]);
    }

    #[test]
    fn audio_follows_without_gap_unless_its_times_say_so() {
        let config = AudioSpecificConfig::lc(48_000, 2).unwrap();
        let setup = TrackSetup::of(&aac::track(TrackNumber::TWO, &config)).unwrap();
        let frames = [500, 521, 543, 700].map(|at| Frame::new(TrackNumber::TWO, MS(at), vec![1]));
        let span = Span { timecode: MS(500), start: MS(1000), length: MS(250) };
        let run = Run::new(&setup, frames.iter(), span).unwrap();
        assert_eq!(run.start, 48_000);
        let durations: Vec<_> = run.samples.iter().map(|sample| sample.duration).collect();
        // 700 ms is 9,600 ticks after 500 ms.
        assert_eq!(durations, [1024, 1024, 9_600 - 2048, 1024]);
    }
}
