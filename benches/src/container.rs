//! Live Matroska streams in memory, and the minimum work of any reader.

use std::hint::black_box;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Track, TrackKind, TrackNumber, Writer};

/// The frame sizes of a stream.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Sizes {
    /// 1080p: a key frame of 60 kB every 50 frames, the others 8 kB.
    Mix,
    /// Audio: 200 B.
    Audio,
}

impl Sizes {
    /// Returns the payload bytes of the nth frame.
    #[must_use]
    pub const fn of(self, nth: usize) -> usize {
        match self {
            Self::Mix if nth.is_multiple_of(50) => 60_000,
            Self::Mix => 8_000,
            Self::Audio => 200,
        }
    }
}

/// Creates a writer with one video track.
///
/// # Panics
/// Never: the header is valid.
#[must_use]
pub fn writer() -> Writer {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(1920, 1080);
    Writer::new(SegmentInfo::new([1; 16]), vec![track]).expect("one plain track makes a header")
}

/// Writes a live stream of this many frames, 40 ms apart, 50 per cluster, with Segment and Clusters of unknown size.
///
/// # Panics
/// Never: the times increase.
#[must_use]
pub fn live(frames: usize, sizes: Sizes) -> Bytes {
    let mut writer = writer();
    let payload =
        Bytes::from((0..60_000u32).map(|nth| nth.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect::<Vec<_>>());
    let mut stream = Chunks::from(writer.start_segment());
    for nth in 0..frames {
        let at = Duration::from_millis(nth as u64 * 40);
        if nth % 50 == 0 {
            stream.push(writer.start_cluster(at).expect("times rise"));
        }
        let frame = Frame::new(TrackNumber::ONE, at, payload.slice(..sizes.of(nth))).with_keyframe(nth % 50 == 0);
        stream.append(writer.block(frame).expect("a cluster is open"));
    }
    stream.into_bytes()
}

/// Reads every block header of a stream of [`live`] and skips the payloads: the bound that memory access sets for any reader.
/// Returns the number of frames and a sum of the bytes read.
#[must_use]
pub fn walk(stream: &[u8]) -> (u64, u64) {
    let (mut frames, mut sum) = (0, 0);
    let mut rest = stream;
    while let Some((&first, _)) = rest.split_first() {
        let id_bytes = first.leading_zeros() as usize + 1;
        let (Some(_), Some(size)) = (rest.get(..id_bytes), rest.get(id_bytes..)) else { break };
        let Some((size, size_bytes)) = size_of_element(size) else { break };
        let body = rest.get(id_bytes + size_bytes..).unwrap_or_default();
        let Some(size) = size else {
            rest = body;
            continue;
        };
        if first == 0xA3 {
            let Some(&[track, high, low, flags]) = body.first_chunk() else { break };
            frames += 1;
            sum += u64::from(track) + u64::from(u16::from_be_bytes([high, low])) + u64::from(flags);
        }
        rest = usize::try_from(size).ok().and_then(|size| body.get(size..)).unwrap_or_default();
    }
    (frames, sum)
}

/// Does what a program without a producer would do: copies header and payload of each frame into one buffer per group of 50
/// frames. Returns the number of bytes.
#[must_use]
pub fn frame_by_hand(payloads: &[Bytes]) -> usize {
    let mut body = Vec::new();
    let mut made = 0;
    for (nth, payload) in payloads.iter().enumerate() {
        if nth.is_multiple_of(50) {
            made += black_box(&body).len();
            body.clear();
        }
        let [_, size @ ..] = (payload.len() as u64 + 4).to_be_bytes();
        body.extend_from_slice(&[0xA3, 0x01]);
        body.extend_from_slice(&size);
        body.extend_from_slice(&[0x81, 0, 40, 0]);
        body.extend_from_slice(payload);
    }
    made + body.len()
}

fn size_of_element(bytes: &[u8]) -> Option<(Option<u64>, usize)> {
    let len = bytes.first()?.leading_zeros() as usize + 1;
    if len > 8 {
        return None;
    }
    let value = u64::from_be_bytes(*bytes.first_chunk()?) >> (64 - 8 * len);
    let mask = (1 << (7 * len)) - 1;
    Some(((value & mask != mask).then_some(value & mask), len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_walk_finds_every_frame() {
        for sizes in [Sizes::Mix, Sizes::Audio] {
            assert_eq!(walk(&live(120, sizes)).0, 120);
        }
    }
}
