//! A camera: frames that can be recognised again wherever they turn up.

use std::time::Duration;

use fastrand::Rng;
use kvs_mkv::{Frame, TrackNumber};

use super::scenario::Scenario;

/// 2024-05-01T00:00:00Z: when every world begins.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_714_521_600);

/// What was put, by its number.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) track: TrackNumber,
    pub(crate) keyframe: bool,
    pub(crate) length: usize,
}

/// Makes frames; their first eight bytes are their number, the rest follows from it.
#[derive(Debug)]
pub(crate) struct Source {
    frame_ms: u64,
    group_ms: u64,
    pub(crate) long_groups: bool,
    pub(crate) stalled: bool,
    b_frames: bool,
    audio: bool,
    /// Added to all times, in ms: where the source's clock stands.
    pub(crate) offset: i64,
    since_key: u64,
    pub(crate) put: Vec<Put>,
}

impl Source {
    pub(crate) fn new(scenario: &Scenario) -> Self {
        Self {
            frame_ms: scenario.frame_ms,
            group_ms: scenario.group_ms,
            long_groups: false,
            stalled: false,
            b_frames: scenario.b_frames,
            audio: scenario.tracks > 1,
            offset: 0,
            since_key: u64::MAX,
            put: Vec::new(),
        }
    }

    pub(crate) fn frame_time(&self) -> Duration {
        Duration::from_millis(self.frame_ms)
    }

    /// The frames of one frame time, `at` after the beginning, in the order a camera gives them.
    pub(crate) fn frames(&mut self, at: Duration, rng: &mut Rng) -> Vec<Frame> {
        let now = i64::try_from((EPOCH + at).as_millis()).unwrap_or(i64::MAX).saturating_add(self.offset);
        let group = if self.long_groups { 40_000 } else { self.group_ms };
        let key = self.since_key >= group;
        self.since_key = if key { self.frame_ms } else { self.since_key + self.frame_ms };
        let mut frames = Vec::new();
        // An open group: the key frame is followed by a picture that is shown before it.
        let leading = key && self.b_frames && !self.put.is_empty();
        frames.push(self.frame(TrackNumber::ONE, now, key, rng));
        if leading {
            let before = now - i64::try_from(self.frame_ms / 2).unwrap_or(0);
            frames.push(self.frame(TrackNumber::ONE, before, false, rng));
        }
        if self.audio && !self.stalled {
            for step in 0..2 {
                let later = now + i64::try_from(self.frame_ms).unwrap_or(0) * step / 2;
                frames.push(self.frame(TrackNumber::TWO, later, false, rng));
            }
        }
        frames
    }

    fn frame(&mut self, track: TrackNumber, at: i64, keyframe: bool, rng: &mut Rng) -> Frame {
        let length = if keyframe { rng.usize(2_000..12_000) } else { rng.usize(16..1_500) };
        let number = self.put.len() as u64;
        self.put.push(Put { track, keyframe, length });
        let pts = Duration::from_millis(u64::try_from(at).unwrap_or(0));
        Frame::new(track, pts, payload(number, length)).with_keyframe(keyframe)
    }
}

/// The bytes of a frame, from its number alone.
pub(crate) fn payload(number: u64, length: usize) -> Vec<u8> {
    let mut bytes = number.to_be_bytes().to_vec();
    let fill = u8::try_from(number % 251).unwrap_or(0);
    bytes.resize(length.max(8), fill);
    bytes
}

/// The number a payload begins with.
pub(crate) fn number(payload: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(payload.first_chunk().copied()?))
}
