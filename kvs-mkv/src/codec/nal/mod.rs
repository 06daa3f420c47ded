//! NAL units in both framings: start codes (Annex B) and lengths (what MP4 and Matroska carry).
//!
//! ```text
//! Annex B          00 00 00 01 | 67 … | 00 00 01 | 65 …          H.264 and H.265 Annex B
//! length-prefixed  00 00 00 18 | 67 … | 00 00 1f 40 | 65 …       ISO/IEC 14496-15 §4.3.2
//! ```

use std::ops::Range;
use std::sync::LazyLock;

use bytes::{BufMut, Bytes, BytesMut};
use memchr::memmem;

use crate::Chunks;

/// How NAL units lie in an access unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// Each behind a start code of three or four bytes, zeros around it allowed.
    AnnexB,
    /// Each behind its length.
    LengthPrefixed(LengthSize),
}

impl Framing {
    /// Tells the framing from the bytes of one access unit; `None` if it is neither.
    ///
    /// The lengths are looked at first: an access unit that walks exactly to its end by four-byte lengths is taken as
    /// length-prefixed, even where its first length looks like a start code (`00 00 01 xx` is also a NAL unit of 256
    /// to 511 bytes). An Annex-B access unit begins with a four-byte code (H.264 B.1.2), which reads as a length of 1.
    #[must_use]
    pub fn detect(access_unit: &[u8]) -> Option<Self> {
        if walks_by_lengths(access_unit) {
            return Some(Self::LengthPrefixed(LengthSize::FOUR));
        }
        starts_with_code(access_unit).then_some(Self::AnnexB)
    }
}

fn walks_by_lengths(access_unit: &[u8]) -> bool {
    let mut any = false;
    for unit in length_prefixed(access_unit, LengthSize::FOUR) {
        let plausible = unit.is_ok_and(|unit| unit.first().is_some_and(|header| header & 0x80 == 0));
        if !plausible {
            return false;
        }
        any = true;
    }
    any
}

fn starts_with_code(data: &[u8]) -> bool {
    let zeros = data.iter().take_while(|&&byte| byte == 0).count();
    zeros >= 2 && data.get(zeros) == Some(&1)
}

/// How many bytes a length has: 1, 2 or 4 (`lengthSizeMinusOne` of avcC and hvcC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LengthSize(u8);

impl LengthSize {
    /// Four bytes: what everyone writes, and the only size this crate writes.
    pub const FOUR: Self = Self(4);

    /// Checks a number of bytes that came from outside; 3 is not allowed (ISO/IEC 14496-15 §5.3.3.1.2).
    #[must_use]
    pub const fn new(bytes: u8) -> Option<Self> {
        match bytes {
            1 | 2 | 4 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl Default for LengthSize {
    fn default() -> Self {
        Self::FOUR
    }
}

/// An access unit that cannot be walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NalError {
    /// Not one start code in it.
    #[error("no start code in {len} bytes")]
    NoStartCode {
        /// Bytes searched.
        len: usize,
    },
    /// Bytes other than zero in front of the first start code.
    #[error("byte {byte:#04x} at offset {at} lies in front of the first start code, which is at offset {start_code}")]
    BeforeStartCode {
        /// Offset of the first such byte.
        at: usize,
        /// That byte.
        byte: u8,
        /// Offset of the first start code's `00 00 01`.
        start_code: usize,
    },
    /// A length goes past the end.
    #[error("the length at offset {at} says {declared} bytes but {left} are left")]
    Truncated {
        /// Offset of the length.
        at: usize,
        /// What it says.
        declared: usize,
        /// Bytes behind it; fewer than the length's own size if it is cut itself.
        left: usize,
    },
    /// A NAL unit whose length does not fit four bytes.
    #[error("a NAL unit of {len} bytes at offset {at} does not fit a four-byte length")]
    TooLong {
        /// Offset of its first byte.
        at: usize,
        /// Its size.
        len: usize,
    },
    /// Neither start codes nor lengths.
    #[error("the access unit of {len} bytes has neither start codes nor four-byte lengths")]
    UnknownFraming {
        /// Bytes looked at.
        len: usize,
    },
}

/// Walks an Annex-B byte stream: one slice a NAL unit, without start code and without the zeros around it.
///
/// Start codes of three and four bytes and any number of zeros before and after are taken (H.264 B.1.1); empty NAL units
/// are passed over. The search runs at the speed of [`memchr::memmem`].
///
/// # Errors
/// [`NalError::NoStartCode`] and [`NalError::BeforeStartCode`].
pub fn annex_b(data: &[u8]) -> Result<AnnexB<'_>, NalError> {
    let start_code = START_CODE.find(data).ok_or(NalError::NoStartCode { len: data.len() })?;
    let before = data.get(..start_code).unwrap_or_default();
    if let Some(at) = before.iter().position(|&byte| byte != 0) {
        let byte = before.get(at).copied().unwrap_or_default();
        return Err(NalError::BeforeStartCode { at, byte, start_code });
    }
    Ok(AnnexB { data, begin: Some(start_code.saturating_add(START_CODE_BYTES)) })
}

/// Made once: preparing a search costs as much as searching a kilobyte.
static START_CODE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(&[0, 0, 1]));
const START_CODE_BYTES: usize = 3;

/// The NAL units of an Annex-B byte stream; made by [`annex_b`].
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    data: &'a [u8],
    /// Where the next NAL unit begins; `None` behind the last one.
    begin: Option<usize>,
}

impl<'a> AnnexB<'a> {
    /// The same walk as byte ranges of the data.
    pub fn ranges(mut self) -> impl Iterator<Item = Range<usize>> + 'a {
        std::iter::from_fn(move || self.next_range())
    }

    fn next_range(&mut self) -> Option<Range<usize>> {
        loop {
            let begin = self.begin?;
            let rest = self.data.get(begin..).unwrap_or_default();
            let code = START_CODE.find(rest);
            self.begin = code.map(|code| begin.saturating_add(code).saturating_add(START_CODE_BYTES));
            // A NAL unit never ends in a zero (H.264 7.4.1): what stands there is stuffing or the fourth byte of a code.
            let unit = code.map_or(rest, |code| rest.get(..code).unwrap_or_default());
            let zeros = unit.iter().rev().take_while(|&&byte| byte == 0).count();
            let len = unit.len().saturating_sub(zeros);
            if len > 0 {
                return Some(begin..begin.saturating_add(len));
            }
        }
    }
}

impl<'a> Iterator for AnnexB<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let range = self.next_range()?;
        self.data.get(range)
    }
}

/// Walks length-prefixed NAL units; empty ones are passed over. After an error there is nothing more.
#[must_use]
pub const fn length_prefixed(data: &[u8], length_size: LengthSize) -> LengthPrefixed<'_> {
    LengthPrefixed { data, at: 0, length_size }
}

/// The NAL units of a length-prefixed access unit; made by [`length_prefixed`].
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a> {
    data: &'a [u8],
    at: usize,
    length_size: LengthSize,
}

impl LengthPrefixed<'_> {
    fn next_range(&mut self) -> Option<Result<Range<usize>, NalError>> {
        loop {
            let rest = self.data.get(self.at..).filter(|rest| !rest.is_empty())?;
            let at = self.at;
            self.at = self.data.len();
            let Some((length, body)) = rest.split_at_checked(usize::from(self.length_size.get())) else {
                return Some(Err(NalError::Truncated { at, declared: 0, left: rest.len() }));
            };
            let declared = length.iter().fold(0usize, |value, &byte| value << 8 | usize::from(byte));
            if declared > body.len() {
                return Some(Err(NalError::Truncated { at, declared, left: body.len() }));
            }
            let begin = at.saturating_add(length.len());
            let end = begin.saturating_add(declared);
            self.at = end;
            if begin < end {
                return Some(Ok(begin..end));
            }
        }
    }
}

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = Result<&'a [u8], NalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let range = self.next_range()?;
        Some(range.map(|range| self.data.get(range).unwrap_or_default()))
    }
}

/// The NAL units of one access unit in whichever framing it has, as slices of it.
///
/// # Errors
/// [`NalError::UnknownFraming`], or what [`annex_b`] says.
pub fn units(access_unit: &[u8]) -> Result<Vec<&[u8]>, NalError> {
    match Framing::detect(access_unit) {
        Some(framing) => units_in(access_unit, framing),
        None => Err(NalError::UnknownFraming { len: access_unit.len() }),
    }
}

/// The NAL units of one access unit whose framing is known, as slices of it.
///
/// # Errors
/// What [`annex_b`] and [`length_prefixed`] say.
pub fn units_in(access_unit: &[u8], framing: Framing) -> Result<Vec<&[u8]>, NalError> {
    match framing {
        Framing::AnnexB => annex_b(access_unit).map(Iterator::collect),
        Framing::LengthPrefixed(size) => length_prefixed(access_unit, size).collect(),
    }
}

/// Cuts an Annex-B byte stream into its NAL units; each is a slice of `data`, nothing is copied.
///
/// # Errors
/// As [`annex_b`].
pub fn split_annex_b(data: &Bytes) -> Result<Vec<Bytes>, NalError> {
    Ok(annex_b(data)?.ranges().map(|range| data.slice(range)).collect())
}

/// Replaces start codes by four-byte lengths: the payload as slices of `data`, the lengths as new bytes beside it.
///
/// A stream of access units is converted faster by one [`LengthPrefixer`].
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
/// As [`annex_b`], and [`NalError::TooLong`] for a NAL unit of 4 GiB or more. Data of zeros and start codes alone gives
/// an empty payload.
pub fn annex_b_to_length_prefixed(data: &Bytes) -> Result<Chunks, NalError> {
    let mut walk = annex_b(data)?;
    let Some(first) = walk.next_range() else { return Ok(Chunks::new()) };
    let Some(second) = walk.next_range() else { return one_prefixed(data, first) };
    let mut ranges = Vec::with_capacity(FEW);
    ranges.extend([first, second]);
    ranges.extend(walk.ranges());
    prefixed(data, &ranges, length_of)
}

/// Converts the access units of a stream one after the other, all lengths cut from one small buffer at a time.
///
/// An access unit of one slice costs no allocation. Memory: 4 KiB, kept as long as one of the payloads whose lengths lie in
/// it, about a thousand.
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
    room: BytesMut,
}

impl LengthPrefixer {
    /// With no buffer yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`annex_b_to_length_prefixed`].
    ///
    /// # Errors
    /// As [`annex_b_to_length_prefixed`].
    #[inline]
    pub fn convert(&mut self, data: &Bytes) -> Result<Chunks, NalError> {
        let mut walk = annex_b(data)?;
        let Some(first) = walk.next_range() else { return Ok(Chunks::new()) };
        let Some(second) = walk.next_range() else {
            let mut chunks = Chunks::from(self.prefix(&first)?);
            chunks.push(data.slice(first));
            return Ok(chunks);
        };
        let mut chunks = Chunks::with_capacity(FEW * 2);
        for range in [first, second].into_iter().chain(walk.ranges()) {
            chunks.push(self.prefix(&range)?);
            chunks.push(data.slice(range));
        }
        Ok(chunks)
    }

    #[inline]
    fn prefix(&mut self, range: &Range<usize>) -> Result<Bytes, NalError> {
        let length = length_of(range)?;
        if self.room.capacity() < 4 {
            self.room = BytesMut::with_capacity(ROOM_BYTES);
        }
        self.room.put_u32(length);
        Ok(self.room.split().freeze())
    }
}

/// Bytes of lengths that are allocated at once.
const ROOM_BYTES: usize = 4096;

/// Replaces four-byte (or shorter) lengths by four-byte start codes, the payload as slices of `data`.
///
/// What comes from the service as an elementary stream: parameter sets, which stand in the codec private data, go in front
/// of each key frame.
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
/// As [`length_prefixed`].
pub fn length_prefixed_to_annex_b(data: &Bytes, length_size: LengthSize) -> Result<Chunks, NalError> {
    let ranges = ranges_by_length(data, length_size)?;
    prefixed(data, &ranges, |_| Ok(1))
}

/// Widens lengths of one or two bytes to four, the payload as slices of `data`; free where they have four already.
///
/// # Errors
/// As [`length_prefixed`].
pub fn widen_lengths(data: &Bytes, length_size: LengthSize) -> Result<Chunks, NalError> {
    let ranges = ranges_by_length(data, length_size)?;
    if length_size == LengthSize::FOUR {
        return Ok(Chunks::from(data.clone()));
    }
    prefixed(data, &ranges, length_of)
}

/// Length-prefixed with four bytes, whatever `data` is: what a Matroska block carries. The payload is not copied.
///
/// # Errors
/// As [`annex_b`], and [`NalError::UnknownFraming`].
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
const FEW: usize = 8;

/// The commonest access unit, one slice and nothing else, costs one small allocation.
fn one_prefixed(data: &Bytes, range: Range<usize>) -> Result<Chunks, NalError> {
    let prefix = length_of(&range)?.to_be_bytes();
    let mut chunks = Chunks::from(Bytes::copy_from_slice(&prefix));
    chunks.push(data.slice(range));
    Ok(chunks)
}

/// Four bytes in front of each range, all of them slices of one buffer.
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
        // The last prefix is what is left: no reference more is taken.
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

    fn converted(data: &[u8]) -> Result<Vec<u8>, NalError> {
        annex_b_to_length_prefixed(&Bytes::copy_from_slice(data)).map(|chunks| chunks.into_bytes().to_vec())
    }

    #[test]
    fn start_codes_of_both_kinds_become_lengths() {
        assert_eq!(converted(&hex!("000001 650102")).unwrap(), hex!("00000003 650102"));
        let two = hex!("00000001 650102 000001 4103");
        assert_eq!(converted(&two).unwrap(), hex!("00000003 650102 00000002 4103"));
        let emulation = hex!("00000001 6501 00000301");
        assert_eq!(converted(&emulation).unwrap(), hex!("00000006 6501 00000301"));
    }

    #[test]
    fn zero_stuffing_and_empty_units_leave_no_trace() {
        assert_eq!(converted(&hex!("00000001 6501 00000001")).unwrap(), hex!("00000002 6501"));
        assert_eq!(converted(&hex!("00000001 6501 0000")).unwrap(), hex!("00000002 6501"));
        assert_eq!(converted(&hex!("00000001 6501 00 00000001 4103")).unwrap(), hex!("00000002 6501 00000002 4103"));
        assert_eq!(converted(&hex!("0000000001 65")).unwrap(), hex!("00000001 65"));
        assert_eq!(converted(&hex!("000001 000001 65 000001 000001")).unwrap(), hex!("00000001 65"));
        assert_eq!(converted(&hex!("000001")).unwrap(), b"");
    }

    #[test]
    fn bytes_in_front_of_the_first_start_code_are_refused_with_their_position() {
        let error = converted(&hex!("00 08 00000001 6501")).unwrap_err();
        assert_eq!(error, NalError::BeforeStartCode { at: 1, byte: 8, start_code: 3 });
        assert_eq!(converted(b"\xff\xd8\xff\xe0 jpeg").unwrap_err(), NalError::NoStartCode { len: 9 });
        assert_eq!(converted(b"").unwrap_err(), NalError::NoStartCode { len: 0 });
    }

    #[test]
    fn the_payload_is_not_copied_and_the_lengths_share_one_buffer() {
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
    fn lengths_become_start_codes_and_widen() {
        let data = Bytes::from_static(&hex!("0003 650102 0000 0002 4103"));
        let size = LengthSize::new(2).unwrap();
        let codes = length_prefixed_to_annex_b(&data, size).unwrap().into_bytes();
        assert_eq!(codes, hex!("00000001 650102 00000001 4103")[..]);
        let wide = widen_lengths(&data, size).unwrap().into_bytes();
        assert_eq!(wide, hex!("00000003 650102 00000002 4103")[..]);
        assert_eq!(widen_lengths(&wide, LengthSize::FOUR).unwrap().into_bytes().as_ptr(), wide.as_ptr());
        assert_eq!(LengthSize::new(3), None);
    }

    #[test]
    fn a_length_past_the_end_is_refused_with_its_position() {
        let mut walk = length_prefixed(&hex!("00000001 65 00000009 41"), LengthSize::FOUR);
        assert_eq!(walk.next(), Some(Ok(&[0x65][..])));
        assert_eq!(walk.next(), Some(Err(NalError::Truncated { at: 5, declared: 9, left: 1 })));
        assert_eq!(walk.next(), None);
        let cut = length_prefixed(&hex!("0000"), LengthSize::FOUR).next();
        assert_eq!(cut, Some(Err(NalError::Truncated { at: 0, declared: 0, left: 2 })));
    }

    #[test]
    fn the_framing_is_told_from_the_bytes() {
        assert_eq!(Framing::detect(&hex!("00000001 6501")), Some(Framing::AnnexB));
        assert_eq!(Framing::detect(&hex!("000001 6501")), Some(Framing::AnnexB));
        assert_eq!(Framing::detect(&hex!("00000002 6501")), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
        assert_eq!(Framing::detect(b"\xff\xd8\xff\xe0 jpeg"), None);
        assert_eq!(Framing::detect(b""), None);
        // A length of 300 looks like a three-byte start code.
        let mut long = hex!("0000012c 41").to_vec();
        long.resize(304, 0x55);
        assert_eq!(Framing::detect(&long), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
    }
}
