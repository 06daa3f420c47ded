//! The ADTS frames of an AAC payload.

use std::time::Duration;

use bytes::Buf;
use kvs_mkv::Chunks;
use kvs_mkv::codec::aac::{AdtsError, AdtsHeader, AudioSpecificConfig};

use crate::limits::ADTS_FRAMES;

/// One frame of an ADTS payload, without its header.
#[derive(Debug)]
pub(crate) struct AdtsPart {
    /// What its header says; `None` if only the frame itself states its channels.
    pub(crate) config: Option<AudioSpecificConfig>,
    pub(crate) data: Chunks,
    /// Time from the first frame of the payload.
    pub(crate) after: Duration,
}

/// Why a payload cannot be split.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsplittable {
    Damaged(AdtsError),
    Empty,
    TooMany,
}

/// Whether a payload begins with an ADTS header. Raw AAC never does: the bits would be the mark at the end of a frame.
pub(crate) fn starts_with_sync(data: &Chunks) -> bool {
    let mut bytes = data.iter().flatten();
    bytes.next() == Some(&0xff) && bytes.next().is_none_or(|second| second & 0xf0 == 0xf0)
}

/// Splits a payload into its first frame and the others, if there are any. No byte of a frame is copied.
pub(crate) fn split(data: &Chunks) -> Result<(AdtsPart, Vec<AdtsPart>), Unsplittable> {
    let mut rest = data.clone();
    let (first, mut lasts) = next(&mut rest, data.len(), Duration::ZERO)?;
    let mut others = Vec::new();
    let mut after = lasts;
    while !rest.is_empty() {
        if others.len() + 1 >= ADTS_FRAMES {
            return Err(Unsplittable::TooMany);
        }
        let part;
        (part, lasts) = next(&mut rest, data.len(), after)?;
        others.push(part);
        after += lasts;
    }
    Ok((first, others))
}

/// Takes the next frame from `rest`, and returns it with its duration. `whole` is the size of the payload.
fn next(rest: &mut Chunks, whole: usize, after: Duration) -> Result<(AdtsPart, Duration), Unsplittable> {
    let at = whole - rest.len();
    let mut head = [0; HEAD];
    let header =
        AdtsHeader::parse(copy_head(rest, &mut head)).map_err(|error| Unsplittable::Damaged(moved(error, at)))?;
    let (needed, left) = (header.frame_len, rest.len());
    if needed > left {
        return Err(Unsplittable::Damaged(AdtsError::Truncated { at, needed, left }));
    }
    if header.header_len >= header.frame_len {
        return Err(Unsplittable::Empty);
    }
    let data = first_bytes(rest, header.frame_len, header.header_len);
    rest.advance(header.frame_len);
    // An AAC frame has 1024 samples at the rate of its core, which is what the header states.
    let lasts = Duration::from_nanos(SAMPLES * 1_000_000_000 / u64::from(header.sampling_frequency.max(1)));
    Ok((AdtsPart { config: header.config().ok(), data, after }, lasts))
}

/// The first `end` bytes without the first `begin` of them.
fn first_bytes(data: &Chunks, end: usize, begin: usize) -> Chunks {
    let mut first = Chunks::new();
    let mut left = end;
    for piece in data {
        let take = left.min(piece.len());
        first.push(piece.slice(..take));
        left -= take;
        if left == 0 {
            break;
        }
    }
    first.advance(begin);
    first
}

/// Copies the first bytes of a payload, as many as there are.
fn copy_head<'a>(data: &Chunks, head: &'a mut [u8; HEAD]) -> &'a [u8] {
    let mut known = 0;
    for (to, from) in head.iter_mut().zip(data.iter().flatten()) {
        *to = *from;
        known += 1;
    }
    head.get(..known).unwrap_or_default()
}

/// The same error, with its offset from the start of the payload.
const fn moved(error: AdtsError, to: usize) -> AdtsError {
    match error {
        AdtsError::NoSync { .. } => AdtsError::NoSync { at: to },
        AdtsError::Truncated { needed, left, .. } => AdtsError::Truncated { at: to, needed, left },
        AdtsError::SeveralBlocks { blocks, .. } => AdtsError::SeveralBlocks { at: to, blocks },
        AdtsError::Header { .. } => AdtsError::Header { at: to },
        other => other,
    }
}

/// Size of an ADTS header with checksum.
const HEAD: usize = 9;
/// Samples per AAC frame.
const SAMPLES: u64 = 1024;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    /// Two bytes of AAC at 44.1 kHz.
    const FRAME: &[u8] = b"\xff\xf1\x50\x80\x01\x3f\xfc\x21\x10";

    fn chunks(data: &[u8]) -> Chunks {
        Chunks::from(Bytes::copy_from_slice(data))
    }

    #[test]
    fn frames_are_split_at_their_times() {
        let (first, others) = split(&chunks(&FRAME.repeat(3))).unwrap();
        assert_eq!((first.after, first.data.into_bytes()), (Duration::ZERO, Bytes::from_static(b"\x21\x10")));
        let after: Vec<u64> = others.iter().map(|part| u64::try_from(part.after.as_micros()).unwrap()).collect();
        assert_eq!(after, [23_219, 46_439]);
    }

    #[test]
    fn damage_is_refused_with_its_position() {
        let damage = |data: &[u8]| split(&chunks(data)).unwrap_err();
        let cut = [FRAME, &FRAME[..8]].concat();
        assert_eq!(damage(&cut), Unsplittable::Damaged(AdtsError::Truncated { at: 9, needed: 9, left: 8 }));
        let head = [FRAME, &FRAME[..3]].concat();
        assert_eq!(damage(&head), Unsplittable::Damaged(AdtsError::Truncated { at: 9, needed: 7, left: 3 }));
        let junk = [FRAME, b"\0\0\0\0\0\0\0\0"].concat();
        assert_eq!(damage(&junk), Unsplittable::Damaged(AdtsError::NoSync { at: 9 }));
        assert_eq!(damage(b"\xff\xf1\x50\x80\x00\xff\xfc"), Unsplittable::Empty);
        assert_eq!(damage(&FRAME.repeat(ADTS_FRAMES + 1)), Unsplittable::TooMany);
    }

    #[test]
    fn a_frame_in_pieces_is_not_copied() {
        let whole = Bytes::from(FRAME.repeat(2));
        let pieces: Chunks = [0..3, 3..8, 8..12, 12..18].map(|range| whole.slice(range)).into_iter().collect();
        let (first, others) = split(&pieces).unwrap();
        assert_eq!(first.data, others[0].data);
        assert!(whole.as_ptr_range().contains(&first.data.pieces()[0].as_ptr()));
    }
}
