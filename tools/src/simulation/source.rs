//! A camera: frames whose payload identifies them, in the bitstream formats of cameras.

use std::time::Duration;

use bytes::Bytes;
use fastrand::Rng;
use kvs_mkv::{Chunks, Frame, TrackNumber};

use super::payload_tracker::PayloadTracker;
use super::scenario::{Form, Scenario};

/// 2024-05-01T00:00:00Z, the start of every simulation.
pub(crate) const EPOCH: Duration = Duration::from_secs(1_714_521_600);

/// A submitted frame.
#[derive(Clone, Debug)]
pub(crate) struct Put {
    pub(crate) track: TrackNumber,
    pub(crate) keyframe: bool,
    /// Parameter set in force for this frame; only for pictures with start codes.
    pub(crate) set: Option<u8>,
    /// Length of the stored bytes.
    pub(crate) length: usize,
    filling: usize,
    /// The producer accepted it.
    pub(crate) taken: bool,
}

/// Makes frames whose content depends on their number only.
#[derive(Debug)]
pub(crate) struct Source {
    frame_ms: u64,
    group_ms: u64,
    pub(crate) long_groups: bool,
    /// Track that produces no frames.
    pub(crate) stalled: Option<TrackNumber>,
    b_frames: bool,
    form: Form,
    sounds: Vec<TrackNumber>,
    /// Parameter sets in force, and those from the next key frame on.
    set: u8,
    next_set: u8,
    /// Offset of the source's clock in ms.
    pub(crate) offset: i64,
    since_key: u64,
    pub(crate) put: Vec<Put>,
    payload_tracker: PayloadTracker,
}

impl Source {
    pub(crate) fn new(scenario: &Scenario, payload_tracker: PayloadTracker) -> Self {
        let sounds = [TrackNumber::TWO, TrackNumber::THREE];
        Self {
            frame_ms: scenario.frame_ms,
            group_ms: scenario.group_ms,
            long_groups: false,
            stalled: None,
            b_frames: scenario.b_frames,
            form: scenario.form,
            sounds: sounds.into_iter().take(scenario.tracks.saturating_sub(1)).collect(),
            set: 0,
            next_set: 0,
            offset: 0,
            since_key: u64::MAX,
            put: Vec::new(),
            payload_tracker,
        }
    }

    pub(crate) fn frame_time(&self) -> Duration {
        Duration::from_millis(self.frame_ms)
    }

    /// Changes the parameter sets from the next key frame on.
    pub(crate) fn change_sets(&mut self) {
        self.next_set = (self.set + 1) % 3;
    }

    /// Returns to the previous parameter sets: the key frame that carried new ones was refused.
    pub(crate) fn key_frame_refused(&mut self, number: u64) {
        let at = usize::try_from(number).unwrap_or(usize::MAX);
        let Some((before, after)) = self.put.split_at_mut_checked(at) else { return };
        let Some(old) = before.iter().rev().find_map(|put| put.set) else { return };
        self.set = old;
        for set in after.iter_mut().filter_map(|put| put.set.as_mut()) {
            *set = old;
        }
    }

    /// Records that the producer accepted a frame.
    pub(crate) fn taken(&mut self, number: u64) {
        if let Some(put) = usize::try_from(number).ok().and_then(|number| self.put.get_mut(number)) {
            put.taken = true;
        }
    }

    /// Returns the stored length of a frame.
    pub(crate) fn length(&self, number: u64) -> usize {
        usize::try_from(number).ok().and_then(|number| self.put.get(number)).map_or(0, |put| put.length)
    }

    /// The frames of one frame time, `at` after the beginning, in the order a camera gives them, with their numbers.
    pub(crate) fn frames(&mut self, at: Duration, rng: &mut Rng) -> Vec<(u64, Frame)> {
        let now = i64::try_from((EPOCH + at).as_millis()).unwrap_or(i64::MAX).saturating_add(self.offset);
        let group = if self.long_groups { 40_000 } else { self.group_ms };
        let key = self.since_key >= group;
        if key {
            self.set = self.next_set;
        }
        self.since_key = if key { self.frame_ms } else { self.since_key + self.frame_ms };
        let mut frames = Vec::new();
        // Every other picture is followed by one that is shown before it; after a key frame this makes an open GOP.
        let followed = key || (self.since_key / self.frame_ms).is_multiple_of(2);
        let reordered = followed && self.b_frames && !self.put.is_empty();
        frames.push(self.frame(TrackNumber::ONE, now, key, rng));
        if reordered {
            let before = now - i64::try_from(self.frame_ms / 2).unwrap_or(0);
            frames.push(self.frame(TrackNumber::ONE, before, false, rng));
        }
        for track in self.sounds.clone() {
            if self.stalled == Some(track) {
                continue;
            }
            for step in 0..2 {
                let later = now + i64::try_from(self.frame_ms).unwrap_or(0) * step / 2;
                frames.push(self.frame(track, later, false, rng));
            }
        }
        frames
    }

    fn frame(&mut self, track: TrackNumber, at: i64, keyframe: bool, rng: &mut Rng) -> (u64, Frame) {
        let filling = if keyframe { rng.usize(2_000..12_000) } else { rng.usize(16..1_500) };
        let number = self.put.len() as u64;
        let picture = track == TrackNumber::ONE && self.form == Form::StartCodes;
        let set = picture.then_some(self.set);
        let mut put = Put { track, keyframe, set, length: 0, filling, taken: false };
        put.length = put.units(number).map(|unit| unit.len() + if picture { 4 } else { 0 }).sum();
        let data = if picture { put.behind_start_codes(number, rng) } else { put.as_it_is(number) };
        let pts = u64::try_from(at).unwrap_or(0);
        let payload = self.payload_tracker.watch(number, data);
        self.put.push(put);
        let payload = if picture { in_pieces(&payload, rng) } else { Chunks::from(payload) };
        (number, Frame::new(track, Duration::from_millis(pts), payload).with_keyframe(keyframe))
    }
}

impl Put {
    /// Returns the sequence parameter set that a decoder needs for this frame.
    pub(crate) fn parameter_set(&self) -> Option<Vec<u8>> {
        self.set.map(sequence_parameter_set)
    }

    /// Returns whether these are the bytes that must be stored for a frame.
    pub(crate) fn is_stored_as(&self, number: u64, bytes: &[u8]) -> bool {
        let mut rest = bytes;
        for unit in self.units(number) {
            let length = u32::try_from(unit.len()).unwrap_or(0).to_be_bytes();
            let head: &[u8] = if self.set.is_some() { &length } else { &[] };
            let Some(behind) = rest.strip_prefix(head).and_then(|rest| unit.strip_from(rest)) else { return false };
            rest = behind;
        }
        rest.is_empty()
    }

    fn as_it_is(&self, number: u64) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.length);
        self.units(number).for_each(|unit| unit.write(&mut data));
        data
    }

    /// Writes start codes of three and four bytes, with trailing zeros after some units.
    fn behind_start_codes(&self, number: u64, rng: &mut Rng) -> Vec<u8> {
        let mut data = Vec::with_capacity(self.length + 8);
        data.push(0);
        for unit in self.units(number) {
            data.extend_from_slice(b"\0\0\x01");
            unit.write(&mut data);
            data.resize(data.len() + rng.usize(..3), 0);
        }
        data
    }

    /// The NAL units of a picture, or the sound as it is: none holds a start code or ends in a zero.
    fn units(&self, number: u64) -> impl Iterator<Item = Unit> {
        let sets = self.set.filter(|_| self.keyframe);
        let picture = Unit {
            // Seven bits a byte, so that no byte is a zero.
            head: std::array::from_fn(|at| match at {
                0 if self.keyframe => 0x65,
                0 => 0x41,
                1..NUMBERED => 0x80 | u8::try_from(number >> (70 - at * 7) & 0x7f).unwrap_or(0),
                _ => 0,
            }),
            head_length: NUMBERED,
            filling: self.filling,
            fill: 1 + u8::try_from(number % 250).unwrap_or(0),
        };
        let sequence = sets.map(|set| Unit::bare(&sequence_parameter_set(set)));
        [sequence, sets.map(|_| Unit::bare(PICTURE_PARAMETER_SET)), Some(picture)].into_iter().flatten()
    }
}

/// A NAL unit: a few bytes, then many of one value.
#[derive(Debug)]
struct Unit {
    head: [u8; 13],
    head_length: usize,
    filling: usize,
    fill: u8,
}

impl Unit {
    fn bare(bytes: &[u8]) -> Self {
        let head = std::array::from_fn(|at| bytes.get(at).copied().unwrap_or(0));
        Self { head, head_length: bytes.len(), filling: 0, fill: 0 }
    }

    const fn len(&self) -> usize {
        self.head_length + self.filling
    }

    fn head(&self) -> &[u8] {
        &self.head[..self.head_length]
    }

    fn write(&self, data: &mut Vec<u8>) {
        data.extend_from_slice(self.head());
        data.resize(data.len() + self.filling, self.fill);
    }

    /// What follows this unit.
    fn strip_from<'a>(&self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let (filling, rest) = bytes.strip_prefix(self.head())?.split_at_checked(self.filling)?;
        let differs = filling.iter().fold(0, |differs, byte| differs | (byte ^ self.fill));
        (differs == 0).then_some(rest)
    }
}

/// A unit's first byte and the number behind it.
const NUMBERED: usize = 11;

/// The number in a stored payload's last unit.
pub(crate) fn number(stored: &[u8]) -> Option<u64> {
    let is_head = |window: &[u8]| matches!(window[0], 0x41 | 0x65) && window[1..].iter().all(|byte| byte & 0x80 != 0);
    let at = stored.windows(NUMBERED).take(80).position(is_head)?;
    let digits = stored.get(at + 1..at + NUMBERED)?;
    Some(digits.iter().fold(0, |number, digit| number << 7 | u64::from(digit & 0x7f)))
}

/// Level 1.0, 1.1 and so on, as when a camera is reconfigured.
fn sequence_parameter_set(set: u8) -> Vec<u8> {
    let mut bytes = b"\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10".to_vec();
    bytes[3] += set;
    bytes
}

const PICTURE_PARAMETER_SET: &[u8] = b"\x68\xce\x3c\x80";

/// Splits at any offset, as capture buffers do.
fn in_pieces(data: &Bytes, rng: &mut Rng) -> Chunks {
    if rng.bool() {
        return Chunks::from(data.clone());
    }
    let cut = rng.usize(..data.len());
    [data.slice(..cut), data.slice(cut..)].into_iter().collect()
}
