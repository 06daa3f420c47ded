//! Conversion between the two framings: payloads stay slices of the input, only start codes and lengths are new bytes.

use std::ops::Range;

use bytes::{BufMut, Bytes, BytesMut};

use super::annex_b::PieceSplitter;
use super::{Framing, LengthSize, NalError, annex_b, length_prefixed};
use crate::Chunks;

/// Splits an Annex B byte stream into its NAL units; each is a slice of `data`.
///
/// # Errors
/// The errors of [`annex_b`].
pub fn split_annex_b(data: &Bytes) -> Result<Vec<Bytes>, NalError> {
    Ok(annex_b(data)?.ranges().map(|range| data.slice(range)).collect())
}

/// Replaces start codes with four-byte lengths; the payload is not copied.
///
/// For the access units of a stream, one [`LengthPrefixer`] is faster.
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::codec::nal::annex_b_to_length_prefixed;
///
/// let unit = Bytes::from_static(b"\0\0\x01\x65\x01\x02");
/// assert_eq!(annex_b_to_length_prefixed(&unit)?.into_bytes(), &b"\0\0\0\x03\x65\x01\x02"[..]);
/// # Ok::<(), kvs_mkv::codec::nal::NalError>(())
/// ```
///
/// # Errors
/// The errors of [`annex_b`], and [`NalError::TooLong`] for a NAL unit of 4 GiB or more. Data that consists of zeros and
/// start codes only gives an empty payload.
pub fn annex_b_to_length_prefixed(data: &Bytes) -> Result<Chunks, NalError> {
    let mut walk = annex_b(data)?;
    let Some(first) = walk.next_range() else { return Ok(Chunks::new()) };
    let Some(second) = walk.next_range() else { return one_prefixed(data, first) };
    let mut ranges = Vec::with_capacity(TYPICAL_UNITS);
    ranges.extend([first, second]);
    ranges.extend(walk.ranges());
    prefixed(data, &ranges, length_of)
}

/// Converts the access units of a stream from Annex B to four-byte lengths, with one shared buffer for the lengths.
///
/// An access unit with one NAL unit costs no allocation. Memory: 4 KiB, kept while any of the payloads is alive whose
/// lengths are in it (about a thousand).
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::codec::nal::LengthPrefixer;
///
/// let mut prefixer = LengthPrefixer::new();
/// let payload = prefixer.convert(&Bytes::from_static(b"\0\0\x01\x41\x9a\0\0\0\x01\x41\x9b"))?;
/// assert_eq!(payload.into_bytes(), &b"\0\0\0\x02\x41\x9a\0\0\0\x02\x41\x9b"[..]);
/// # Ok::<(), kvs_mkv::codec::nal::NalError>(())
/// ```
#[derive(Debug, Default)]
pub struct LengthPrefixer {
    lengths: BytesMut,
}

impl LengthPrefixer {
    /// Creates a converter without a buffer; the first conversion allocates it.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Converts a contiguous access unit; see [`annex_b_to_length_prefixed`].
    ///
    /// # Errors
    /// The errors of [`annex_b_to_length_prefixed`].
    #[inline]
    pub fn convert(&mut self, data: &Bytes) -> Result<Chunks, NalError> {
        let mut out = Chunks::new();
        self.append_whole(data, &mut out)?;
        Ok(out)
    }

    /// Converts an access unit in any number of pieces, without joining them: start codes and NAL units may cross pieces.
    ///
    /// # Errors
    /// The errors of [`annex_b_to_length_prefixed`].
    pub fn convert_chunks(&mut self, access_unit: &Chunks) -> Result<Chunks, NalError> {
        let mut out = Chunks::new();
        self.append_chunks(access_unit, &mut out)?;
        Ok(out)
    }

    /// Like [`convert_chunks`](Self::convert_chunks), but appends what it converts to `out`. After an error, `out` may have a part of
    /// it.
    ///
    /// # Errors
    /// The errors of [`annex_b_to_length_prefixed`].
    #[inline]
    pub fn append_chunks(&mut self, access_unit: &Chunks, out: &mut Chunks) -> Result<(), NalError> {
        if let [whole] = access_unit.pieces() {
            return self.append_whole(whole, out);
        }
        let mut splitter = PieceSplitter::new(|at, unit: Vec<Bytes>| {
            let len = unit.iter().map(Bytes::len).sum::<usize>();
            out.push(self.prefix(&(at..at.saturating_add(len)))?);
            out.extend(unit);
            Ok(())
        });
        for piece in access_unit {
            splitter.piece(piece)?;
        }
        splitter.finish()
    }

    #[inline]
    fn append_whole(&mut self, data: &Bytes, out: &mut Chunks) -> Result<(), NalError> {
        let mut walk = annex_b(data)?;
        let Some(first) = walk.next_range() else { return Ok(()) };
        let second = walk.next_range();
        if second.is_some() {
            out.reserve(TYPICAL_UNITS * 2);
        }
        for range in std::iter::once(first).chain(second).chain(walk.ranges()) {
            out.push(self.prefix(&range)?);
            out.push(data.slice(range));
        }
        Ok(())
    }

    #[inline]
    fn prefix(&mut self, range: &Range<usize>) -> Result<Bytes, NalError> {
        let length = length_of(range)?;
        if self.lengths.capacity() < 4 {
            self.lengths = BytesMut::with_capacity(LENGTHS_BYTES);
        }
        self.lengths.put_u32(length);
        Ok(self.lengths.split().freeze())
    }
}

/// Bytes of lengths that are allocated at once.
const LENGTHS_BYTES: usize = 4096;

/// Replaces lengths with four-byte start codes; the payload is not copied.
///
/// This turns frames from the service into an elementary stream. The parameter sets are in the codec private data and must
/// be written before each key frame:
///
/// ```
/// use bytes::BytesMut;
/// use kvs_mkv::codec::{h264, nal};
/// use kvs_mkv::{Frame, Track};
///
/// fn annex_b(track: &Track, frame: Frame) -> Result<BytesMut, Box<dyn std::error::Error>> {
///     let (sets, length_size) = h264::ParameterSets::from_avcc(&track.codec_private)?;
///     let mut out = BytesMut::new();
///     if frame.keyframe {
///         for set in sets.sequence().iter().chain(sets.picture()) {
///             out.extend_from_slice(b"\0\0\0\x01");
///             out.extend_from_slice(set);
///         }
///     }
///     out.extend(nal::length_prefixed_to_annex_b(&frame.data.into_bytes(), length_size)?);
///     Ok(out)
/// }
/// # let track = h264::track(kvs_mkv::TrackNumber::ONE, &h264::ParameterSets::from_annex_b(&bytes::Bytes::from_static(
/// #     b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\0\0\0\x01\x68\xce\x3c\x80"))?)?;
/// # let frame = Frame::new(kvs_mkv::TrackNumber::ONE, std::time::Duration::ZERO, vec![0, 0, 0, 2, 0x65, 0x88]);
/// # let all = annex_b(&track, frame.with_keyframe(true))?;
/// # assert!(all.starts_with(b"\0\0\0\x01\x67") && all.ends_with(b"\0\0\0\x01\x65\x88"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The errors of [`length_prefixed`].
pub fn length_prefixed_to_annex_b(data: &Bytes, length_size: LengthSize) -> Result<Chunks, NalError> {
    let ranges = ranges_by_length(data, length_size)?;
    // The four bytes of a start code, written as the number 1.
    prefixed(data, &ranges, |_| Ok(1))
}

/// Widens lengths of one or two bytes to four; the payload is not copied. Free if they have four bytes already.
///
/// # Errors
/// The errors of [`length_prefixed`].
pub fn widen_lengths(data: &Bytes, length_size: LengthSize) -> Result<Chunks, NalError> {
    let ranges = ranges_by_length(data, length_size)?;
    if length_size == LengthSize::FOUR {
        return Ok(Chunks::from(data.clone()));
    }
    prefixed(data, &ranges, length_of)
}

/// Converts an access unit of either framing to four-byte lengths, as a Matroska block carries it; the payload is not copied.
///
/// # Errors
/// The errors of [`annex_b`], and [`NalError::UnknownFraming`].
pub fn to_length_prefixed(data: &Bytes) -> Result<Chunks, NalError> {
    match Framing::detect(data) {
        Some(Framing::AnnexB) => annex_b_to_length_prefixed(data),
        Some(Framing::LengthPrefixed(_)) => Ok(Chunks::from(data.clone())),
        None => Err(NalError::UnknownFraming { len: data.len() }),
    }
}

fn ranges_by_length(data: &[u8], length_size: LengthSize) -> Result<Vec<Range<usize>>, NalError> {
    let mut walk = length_prefixed(data, length_size);
    std::iter::from_fn(move || walk.next_range()).collect()
}

fn length_of(range: &Range<usize>) -> Result<u32, NalError> {
    let len = range.len();
    u32::try_from(len).map_err(|_| NalError::TooLong { at: range.start, len })
}

/// NAL units of most access units: delimiter, parameter sets, SEI and a few slices.
const TYPICAL_UNITS: usize = 8;

/// The most common access unit, one slice and nothing else, costs one small allocation.
fn one_prefixed(data: &Bytes, range: Range<usize>) -> Result<Chunks, NalError> {
    let prefix = length_of(&range)?.to_be_bytes();
    let mut chunks = Chunks::from(Bytes::copy_from_slice(&prefix));
    chunks.push(data.slice(range));
    Ok(chunks)
}

/// Puts four bytes before each range, all of them slices of one buffer.
fn prefixed(
    data: &Bytes,
    ranges: &[Range<usize>],
    prefix: impl Fn(&Range<usize>) -> Result<u32, NalError>,
) -> Result<Chunks, NalError> {
    let mut prefixes = BytesMut::with_capacity(ranges.len().saturating_mul(4));
    for range in ranges {
        prefixes.put_u32(prefix(range)?);
    }
    let mut prefixes = prefixes.freeze();
    let mut chunks = Chunks::with_capacity(ranges.len().saturating_mul(2));
    for range in ranges {
        // The last prefix takes the buffer itself, which saves one reference count.
        let prefix = if prefixes.len() > 4 { prefixes.split_to(4) } else { std::mem::take(&mut prefixes) };
        chunks.push(prefix);
        chunks.push(data.slice(range.clone()));
    }
    Ok(chunks)
}
