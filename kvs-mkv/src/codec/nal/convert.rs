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
        let mut walk = annex_b(data)?;
        let Some(first) = walk.next_range() else { return Ok(Chunks::new()) };
        let Some(second) = walk.next_range() else {
            let mut chunks = Chunks::from(self.prefix(&first)?);
            chunks.push(data.slice(first));
            return Ok(chunks);
        };
        let mut chunks = Chunks::with_capacity(TYPICAL_UNITS * 2);
        for range in [first, second].into_iter().chain(walk.ranges()) {
            chunks.push(self.prefix(&range)?);
            chunks.push(data.slice(range));
        }
        Ok(chunks)
    }

    /// Converts an access unit in any number of pieces, without joining them: start codes and NAL units may cross pieces.
    ///
    /// # Errors
    /// The errors of [`annex_b_to_length_prefixed`].
    pub fn convert_chunks(&mut self, access_unit: &Chunks) -> Result<Chunks, NalError> {
        if let [whole] = access_unit.pieces() {
            return self.convert(whole);
        }
        let mut chunks = Chunks::new();
        let mut splitter = PieceSplitter::new(|at, unit: Vec<Bytes>| {
            let len = unit.iter().map(Bytes::len).sum::<usize>();
            chunks.push(self.prefix(&(at..at.saturating_add(len)))?);
            chunks.extend(unit);
            Ok(())
        });
        for piece in access_unit {
            splitter.piece(piece)?;
        }
        splitter.finish()?;
        Ok(chunks)
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

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::codec::nal::length_prefixed_chunks;

    fn converted(data: &[u8]) -> Result<Vec<u8>, NalError> {
        annex_b_to_length_prefixed(&Bytes::copy_from_slice(data)).map(|chunks| chunks.into_bytes().to_vec())
    }

    #[test]
    fn replaces_start_codes_of_three_and_four_bytes() {
        assert_eq!(converted(&hex!("000001 650102")).unwrap(), hex!("00000003 650102"));
        let two = hex!("00000001 650102 000001 4103");
        assert_eq!(converted(&two).unwrap(), hex!("00000003 650102 00000002 4103"));
        let emulation = hex!("00000001 6501 00000301");
        assert_eq!(converted(&emulation).unwrap(), hex!("00000006 6501 00000301"));
    }

    #[test]
    fn drops_zero_stuffing_and_empty_units() {
        assert_eq!(converted(&hex!("00000001 6501 00000001")).unwrap(), hex!("00000002 6501"));
        assert_eq!(converted(&hex!("00000001 6501 0000")).unwrap(), hex!("00000002 6501"));
        assert_eq!(converted(&hex!("00000001 6501 00 00000001 4103")).unwrap(), hex!("00000002 6501 00000002 4103"));
        assert_eq!(converted(&hex!("0000000001 65")).unwrap(), hex!("00000001 65"));
        assert_eq!(converted(&hex!("000001 000001 65 000001 000001")).unwrap(), hex!("00000001 65"));
        assert_eq!(converted(&hex!("000001")).unwrap(), b"");
    }

    #[test]
    fn rejects_bytes_before_first_start_code_with_their_offset() {
        let error = converted(&hex!("00 08 00000001 6501")).unwrap_err();
        assert_eq!(error, NalError::BeforeStartCode { at: 1, byte: 8, start_code: 3 });
        assert_eq!(converted(b"\xff\xd8\xff\xe0 jpeg").unwrap_err(), NalError::NoStartCode { len: 9 });
        assert_eq!(converted(b"").unwrap_err(), NalError::NoStartCode { len: 0 });
    }

    #[test]
    fn does_not_copy_payload_and_shares_one_buffer_for_lengths() {
        let data = Bytes::from(hex!("00000001 650102 000001 4103").to_vec());
        let chunks = annex_b_to_length_prefixed(&data).unwrap();
        let [first, payload, second, last] = chunks.pieces() else { panic!("four pieces, not {chunks:?}") };
        assert_eq!((payload.as_ptr(), last.as_ptr()), (data[4..].as_ptr(), data[10..].as_ptr()));
        assert_eq!(first.as_ptr().wrapping_add(4), second.as_ptr());
    }

    #[test]
    fn one_prefixer_serves_a_whole_stream_without_copying() {
        let mut prefixer = LengthPrefixer::new();
        let mut kept = Vec::new();
        for nth in 0..3000u32 {
            let unit = Bytes::from([&[0, 0, 0, 1, 0x41][..], &nth.to_le_bytes(), &[0x80]].concat());
            let chunks = prefixer.convert(&unit).unwrap();
            assert_eq!(chunks.pieces()[1].as_ptr(), unit[4..].as_ptr());
            kept.push(chunks);
        }
        assert!(kept.iter().all(|chunks| chunks.pieces()[0] == [0, 0, 0, 6][..]));
    }

    #[test]
    fn converts_lengths_to_start_codes_and_widens_them() {
        let data = Bytes::from_static(&hex!("0003 650102 0000 0002 4103"));
        let size = LengthSize::new(2).unwrap();
        let codes = length_prefixed_to_annex_b(&data, size).unwrap().into_bytes();
        assert_eq!(codes, hex!("00000001 650102 00000001 4103")[..]);
        let wide = widen_lengths(&data, size).unwrap().into_bytes();
        assert_eq!(wide, hex!("00000003 650102 00000002 4103")[..]);
        assert_eq!(widen_lengths(&wide, LengthSize::FOUR).unwrap().into_bytes().as_ptr(), wide.as_ptr());
    }

    const STREAM: &[u8] = b"\0\0\0\x01\x67\x42\0\0\x03\0\0\x01\x68\xce\0\0\0\0\x01\x65\x88\0\x84\0\0";

    fn cut_at(data: &'static [u8], cuts: [usize; 2]) -> Chunks {
        let [a, b] = cuts;
        [&data[..a], &data[a..b], &data[b..]].into_iter().map(Bytes::from_static).collect()
    }

    fn all_cuts(data: &'static [u8]) -> impl Iterator<Item = Chunks> {
        (0..=data.len()).flat_map(move |a| (a..=data.len()).map(move |b| cut_at(data, [a, b])))
    }

    fn convert_chunks(pieces: &Chunks) -> Result<Chunks, NalError> {
        LengthPrefixer::new().convert_chunks(pieces)
    }

    #[test]
    fn finds_start_codes_wherever_pieces_are_cut() {
        let whole = annex_b_to_length_prefixed(&Bytes::from_static(STREAM)).unwrap();
        for pieces in all_cuts(STREAM) {
            assert_eq!(Framing::detect_chunks(&pieces), Some(Framing::AnnexB), "{:?}", pieces.pieces());
            assert_eq!(convert_chunks(&pieces), Ok(whole.clone()), "{:?}", pieces.pieces());
        }
        let bytes: Chunks = STREAM.iter().map(|&byte| Bytes::from(vec![byte])).collect();
        assert_eq!(convert_chunks(&bytes), Ok(whole));
    }

    #[test]
    fn does_not_copy_payload_of_pieces() {
        let pieces = cut_at(STREAM, [6, 22]);
        let out = convert_chunks(&pieces).unwrap();
        let stream = STREAM.as_ptr_range();
        let payload = out.iter().filter(|piece| stream.contains(&piece.as_ptr()));
        assert_eq!(payload.map(Bytes::len).sum::<usize>(), out.len() - 3 * 4, "only the three lengths are new bytes");
    }

    #[test]
    fn contiguous_and_cut_data_give_the_same_errors() {
        for data in [&b"\0\x09\0\0\x01\x65\x88"[..], b"\0\0\0", b"\xff\xd8\xff\xe0", b"\0\0\x02\0\0\x01\x65"] {
            let expected = annex_b_to_length_prefixed(&Bytes::from_static(data)).unwrap_err();
            for pieces in all_cuts(data) {
                assert_eq!(convert_chunks(&pieces), Err(expected), "{:?}", pieces.pieces());
                assert_eq!(Framing::detect_chunks(&pieces), None);
            }
        }
    }

    #[test]
    fn walks_lengths_wherever_pieces_are_cut() {
        const LENGTHS: &[u8] = b"\0\0\0\x02\x67\x42\0\0\0\0\0\0\0\x03\x65\x88\x84";
        for pieces in all_cuts(LENGTHS) {
            assert_eq!(Framing::detect_chunks(&pieces), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
            let units = length_prefixed_chunks(&pieces, LengthSize::FOUR);
            let found: Vec<_> = units.map(|unit| unit.unwrap().bytes().into_owned()).collect();
            assert_eq!(found, [&b"\x67\x42"[..], b"\x65\x88\x84"]);
        }
        let truncated = Chunks::from(&b"\0\0\0\x09\x65"[..]);
        assert!(length_prefixed_chunks(&truncated, LengthSize::FOUR).any(|unit| unit.is_err()));
    }
}
