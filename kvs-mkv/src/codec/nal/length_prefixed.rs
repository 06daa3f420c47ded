//! The walk over length-prefixed NAL units, contiguous or in pieces.

use std::borrow::Cow;
use std::ops::Range;

use super::cursor::Cursor;
use super::{LengthSize, NalError};
use crate::Chunks;

/// Iterates over length-prefixed NAL units; empty ones are skipped. The iterator ends after the first error.
#[must_use]
pub const fn length_prefixed(data: &[u8], length_size: LengthSize) -> LengthPrefixed<'_> {
    LengthPrefixed(Units::new(Cursor::new(data), length_size))
}

/// The NAL units of a length-prefixed access unit; created by [`length_prefixed`].
#[derive(Clone, Debug)]
pub struct LengthPrefixed<'a>(Units<'a>);

impl LengthPrefixed<'_> {
    /// Returns the next NAL unit as a byte range of the data.
    pub(super) fn next_range(&mut self) -> Option<Result<Range<usize>, NalError>> {
        let unit = self.0.next()?;
        Some(unit.map(|unit| unit.begin.position()..unit.begin.position().saturating_add(unit.len)))
    }
}

impl<'a> Iterator for LengthPrefixed<'a> {
    type Item = Result<&'a [u8], NalError>;

    fn next(&mut self) -> Option<Self::Item> {
        let unit = self.0.next()?;
        Some(unit.map(|mut unit| unit.begin.peek(unit.len).unwrap_or_default()))
    }
}

/// Iterates over the length-prefixed NAL units of an access unit in any number of pieces; nothing is joined.
///
/// Empty NAL units are skipped. The iterator ends after the first error.
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::Chunks;
/// use kvs_mkv::codec::nal::{LengthSize, length_prefixed_chunks};
///
/// let pieces: Chunks = [&b"\0\0\0\x02\x67"[..], b"\x42\0\0\0\x01\x65"].into_iter().map(Bytes::from_static).collect();
/// let units: Result<Vec<_>, _> = length_prefixed_chunks(&pieces, LengthSize::FOUR).collect();
/// let units = units?;
/// assert_eq!((units[0].header(), &*units[0].bytes()), (0x67, &b"\x67\x42"[..]));
/// assert_eq!((units[1].header(), units[1].len()), (0x65, 1));
/// # Ok::<(), kvs_mkv::codec::nal::NalError>(())
/// ```
pub fn length_prefixed_chunks(
    access_unit: &Chunks,
    length_size: LengthSize,
) -> impl Iterator<Item = Result<NalUnit<'_>, NalError>> {
    Units::new(Cursor::of_pieces(access_unit), length_size)
}

/// A NAL unit that may be in several pieces; it has at least one byte.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::len_without_is_empty, reason = "the walk skips empty NAL units")]
pub struct NalUnit<'a> {
    header: u8,
    len: usize,
    /// Size of the length field in front of it.
    length_size: usize,
    begin: Cursor<'a>,
}

impl<'a> NalUnit<'a> {
    /// Returns the first byte, which in H.264 is the whole header and in H.265 contains the type.
    #[must_use]
    pub const fn header(&self) -> u8 {
        self.header
    }

    /// Returns the size in bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Checks that it begins as NAL units do. A length can also lead to a start code, or to any other byte.
    ///
    /// # Errors
    /// [`NalError::Header`], with the offset of the length field.
    #[inline]
    pub fn check_header(&self) -> Result<(), NalError> {
        // forbidden_zero_bit is 0 in every NAL unit header (H.264 7.4.1, H.265 7.4.2.2). No header begins with two zeros:
        // type 0 of H.264 is unspecified, and nuh_temporal_id_plus1 of H.265 is not 0.
        if self.header & 0x80 == 0 && self.header != 0 {
            return Ok(());
        }
        self.check_rare_header()
    }

    #[cold]
    fn check_rare_header(&self) -> Result<(), NalError> {
        let mut cursor = self.begin;
        cursor.byte();
        let second = if self.len > 1 { cursor.byte().unwrap_or_default() } else { 0 };
        if self.header == 0 && second != 0 {
            return Ok(());
        }
        let at = self.begin.position().saturating_sub(self.length_size);
        Err(NalError::Header { at, head: u16::from_be_bytes([self.header, second]) })
    }

    /// Returns the bytes: borrowed if they are in one piece, copied otherwise.
    #[must_use]
    pub fn bytes(&self) -> Cow<'a, [u8]> {
        let mut cursor = self.begin;
        if let Some(whole) = cursor.peek(self.len) {
            return Cow::Borrowed(whole);
        }
        Cow::Owned((0..self.len).map_while(|_| cursor.byte()).collect())
    }
}

/// The one walk behind the public iterators: contiguous data is one piece.
#[derive(Clone, Debug)]
pub(super) struct Units<'a> {
    /// Start of the next length; at the end after an error.
    next: Cursor<'a>,
    length_size: LengthSize,
}

impl<'a> Units<'a> {
    pub(super) const fn new(begin: Cursor<'a>, length_size: LengthSize) -> Self {
        Self { next: begin, length_size }
    }

    fn fail(&mut self, at: usize, declared: usize) -> NalError {
        let left = self.next.left();
        self.next = Cursor::new(&[]);
        NalError::Truncated { at, declared, left }
    }
}

impl<'a> Iterator for Units<'a> {
    type Item = Result<NalUnit<'a>, NalError>;

    // Almost every NAL unit has a length of four bytes and is in one piece: this part is small enough to be inlined. Without it the
    // walk was a sixth of the producer's cost of a frame.
    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.length_size == LengthSize::FOUR {
            if let Some((header, len, begin)) = self.next.unit_in_piece() {
                return Some(Ok(NalUnit { header, len, length_size: 4, begin }));
            }
        }
        self.next_in_pieces()
    }
}

impl<'a> Units<'a> {
    fn next_in_pieces(&mut self) -> Option<Result<NalUnit<'a>, NalError>> {
        let size = usize::from(self.length_size.get());
        while self.next.left() > 0 {
            let at = self.next.position();
            if self.next.left() < size {
                return Some(Err(self.fail(at, 0)));
            }
            let declared = self.next.number(size);
            if declared > self.next.left() {
                return Some(Err(self.fail(at, declared)));
            }
            // An empty NAL unit has no header and so no meaning; some encoders write one at the end.
            if declared == 0 {
                continue;
            }
            let header = self.next.peek(1).and_then(<[u8]>::first).copied().unwrap_or_default();
            let begin = self.next;
            self.next.skip(declared);
            return Some(Ok(NalUnit { header, len: declared, length_size: size, begin }));
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use hex_literal::hex;

    use super::*;

    #[test]
    fn reports_position_of_length_past_end() {
        let mut walk = length_prefixed(&hex!("00000001 65 00000009 41"), LengthSize::FOUR);
        assert_eq!(walk.next(), Some(Ok(&[0x65][..])));
        assert_eq!(walk.next(), Some(Err(NalError::Truncated { at: 5, declared: 9, left: 1 })));
        assert_eq!(walk.next(), None);
        let cut = length_prefixed(&hex!("0000"), LengthSize::FOUR).next();
        assert_eq!(cut, Some(Err(NalError::Truncated { at: 0, declared: 0, left: 2 })));
    }

    #[test]
    fn a_length_that_leads_to_no_nal_unit_is_found() {
        let check = |data: &[u8]| {
            let chunks = Chunks::from(Bytes::copy_from_slice(data));
            let units: Result<Vec<_>, _> = length_prefixed_chunks(&chunks, LengthSize::FOUR).collect();
            units?.iter().try_for_each(NalUnit::check_header)
        };
        assert_eq!(check(&hex!("00000002 6588 00000002 0001")), Ok(()), "a TRAIL_N slice of H.265 begins with a zero");
        let code = check(&hex!("00000001 09 00000006 00000001 6588"));
        assert_eq!(code, Err(NalError::Header { at: 5, head: 0 }), "a start code behind a length");
        assert_eq!(check(&hex!("00000002 fff1")), Err(NalError::Header { at: 0, head: 0xfff1 }));
        assert_eq!(check(&hex!("00000001 00")), Err(NalError::Header { at: 0, head: 0 }));
    }

    #[test]
    fn contiguous_and_cut_data_give_the_same_units_and_errors() {
        let data: &[u8] = &hex!("0002 6742 0000 0003 658884 0009 41");
        let size = LengthSize::new(2).unwrap();
        let whole: Vec<_> = length_prefixed(data, size).map(|unit| unit.map(<[u8]>::to_vec)).collect();
        assert_eq!(whole.last(), Some(&Err(NalError::Truncated { at: 11, declared: 9, left: 1 })));
        for cut in 0..=data.len() {
            let pieces: Chunks = [&data[..cut], &data[cut..]].into_iter().map(Bytes::copy_from_slice).collect();
            let units = length_prefixed_chunks(&pieces, size).map(|unit| unit.map(|unit| unit.bytes().into_owned()));
            assert_eq!(units.collect::<Vec<_>>(), whole, "cut at {cut}");
        }
    }
}
