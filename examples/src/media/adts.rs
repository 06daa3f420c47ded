//! ADTS files: AAC frames with a header each.

use kvs_mkv::TrackNumber;
use kvs_mkv::codec::aac::{self, AdtsFrames};

use super::input::Input;
use super::timeline::{Stream, Unit, nanoseconds};
use super::{MAX_SAMPLES, MediaError};

/// Samples of one AAC frame.
const FRAME_SAMPLES: i64 = 1024;

pub(super) fn read(input: &Input) -> Result<Vec<Stream>, MediaError> {
    let start = id3_len(&input.data).min(input.data.len());
    let mut units: Vec<Unit> = Vec::new();
    let mut track = None;
    let mut now = 0;
    for frame in AdtsFrames::new(input.data.slice(start..)) {
        let frame = frame.map_err(|error| broken(input, error))?;
        if track.is_none() {
            let config = frame.header.config().map_err(|error| input.damaged(error))?;
            track = Some(aac::track(TrackNumber::TWO, &config));
        }
        let pts = nanoseconds(now, frame.header.sampling_frequency);
        now = now.saturating_add(FRAME_SAMPLES);
        units.push(Unit { pts, dts: pts, keyframe: true, data: frame.data.into() });
        if units.len() > MAX_SAMPLES {
            return Err(input.damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
    }
    let track = track.ok_or_else(|| input.no_frames())?;
    Ok(vec![Stream { track, units }])
}

fn broken(input: &Input, error: aac::AdtsError) -> MediaError {
    match error {
        aac::AdtsError::Truncated { .. } => input.truncated(error),
        _ => input.damaged(error),
    }
}

/// Bytes of an ID3v2 tag in front of the frames.
fn id3_len(data: &[u8]) -> usize {
    match data {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            [a, b, c, d].into_iter().fold(0, |size, &byte| size << 7 | usize::from(byte & 0x7f)) + 10
        }
        _ => 0,
    }
}
