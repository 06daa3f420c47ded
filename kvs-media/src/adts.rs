//! ADTS files: AAC frames, each with its header.

use kvs_mkv::codec::aac::{self, AdtsError, AdtsHeader};
use kvs_mkv::{TrackKind, TrackNumber};

use super::MAX_SAMPLES;
use super::error::Fault;
use super::input::Input;
use super::payload::PayloadFormat;
use super::timeline::{Stream, Unit, nanoseconds};

/// Samples per AAC frame.
const FRAME_SAMPLES: i64 = 1024;
/// Bytes of an ADTS header without its checksum, and of an ID3v2 header.
const HEADER: u64 = 10;

pub(super) fn read(input: &Input) -> Result<Vec<Stream>, Fault> {
    let mut at = id3_len(&input.read_up_to(0, HEADER)?);
    let mut units: Vec<Unit> = Vec::new();
    let mut track = None;
    let mut now = 0;
    while at < input.len {
        let header = header(input, at)?;
        if track.is_none() {
            let config = header.config().map_err(Fault::damaged)?;
            track = Some(aac::track(TrackNumber::TWO, &config));
        }
        let pts = nanoseconds(now, header.sampling_frequency);
        now = now.saturating_add(FRAME_SAMPLES);
        let (header_len, frame_len) = (header.header_len as u64, header.frame_len as u64);
        let place = (at.saturating_add(header_len), frame_len.saturating_sub(header_len));
        units.push(Unit { pts, dts: pts, keyframe: true, at: place.0, len: place.1, format: 0 });
        if units.len() > MAX_SAMPLES {
            return Err(Fault::Damaged(format!("it has more than {MAX_SAMPLES} frames")));
        }
        at = at.saturating_add(frame_len);
    }
    let track = track.ok_or(Fault::NoFrames)?;
    Ok(vec![Stream::new(TrackKind::Audio, PayloadFormat::Plain(track), units)])
}

/// Reads the header at this offset; the whole frame must be in the file.
fn header(input: &Input, at: u64) -> Result<AdtsHeader, Fault> {
    let left = input.len.saturating_sub(at);
    let header = AdtsHeader::parse(&input.read_up_to(at, HEADER)?).map_err(|error| broken(at, error))?;
    if header.frame_len as u64 > left {
        let what = format!("the ADTS frame at offset {at} needs {} bytes but {left} are left", header.frame_len);
        return Err(Fault::Truncated(what));
    }
    Ok(header)
}

fn broken(at: u64, error: AdtsError) -> Fault {
    let at = usize::try_from(at).unwrap_or(usize::MAX);
    match error {
        AdtsError::Truncated { needed, left, .. } => {
            Fault::Truncated(AdtsError::Truncated { at, needed, left }.to_string())
        }
        AdtsError::NoSync { .. } => Fault::damaged(AdtsError::NoSync { at }),
        AdtsError::Header { .. } => Fault::damaged(AdtsError::Header { at }),
        AdtsError::SeveralBlocks { blocks, .. } => Fault::damaged(AdtsError::SeveralBlocks { at, blocks }),
        error => Fault::damaged(error),
    }
}

/// Bytes of an ID3v2 tag before the frames.
fn id3_len(data: &[u8]) -> u64 {
    match data {
        [b'I', b'D', b'3', _, _, _, a, b, c, d, ..] => {
            [a, b, c, d].into_iter().fold(0, |size, &byte| size << 7 | u64::from(byte & 0x7f)) + HEADER
        }
        _ => 0,
    }
}
