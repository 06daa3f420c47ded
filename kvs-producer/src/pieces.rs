//! A payload that lies in several pieces, looked at and cut as if it were one; no piece is joined or copied.

use std::borrow::Cow;
use std::sync::LazyLock;

use bytes::Bytes;
use kvs_mkv::Chunks;
use kvs_mkv::codec::limits::PARAMETER_SET_BYTES;
use kvs_mkv::codec::nal::{Framing, LengthSize};
use memchr::memmem::Finder;

/// Tells the framing of an access unit as [`Framing::detect`] does, wherever its pieces are cut.
pub(crate) fn detect(access_unit: &Chunks) -> Option<Framing> {
    if let [whole] = access_unit.pieces() {
        return Framing::detect(whole);
    }
    let mut any = false;
    let plausible = units(access_unit).all(|unit| {
        any = true;
        unit.is_ok_and(|unit| unit.header & 0x80 == 0)
    });
    if any && plausible {
        return Some(Framing::LengthPrefixed(LengthSize::FOUR));
    }
    let mut bytes = access_unit.iter().flatten().copied().skip_while(|&byte| byte == 0);
    let zeros = access_unit.iter().flatten().take_while(|&&byte| byte == 0).count();
    (zeros >= 2 && bytes.next() == Some(1)).then_some(Framing::AnnexB)
}

/// One NAL unit behind a four-byte length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unit<'a> {
    /// Its first byte.
    pub(crate) header: u8,
    len: usize,
    at: Place<'a>,
}

/// A length that goes past the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Truncated;

impl<'a> Unit<'a> {
    /// The bytes of a parameter set: where they lie, or copied together where they lie in several pieces.
    pub(crate) fn parameter_set(&self) -> Option<Cow<'a, [u8]>> {
        if let Some(whole) = self.at.rest.get(..self.len) {
            return Some(Cow::Borrowed(whole));
        }
        let mut at = self.at;
        let mut joined = Vec::with_capacity(self.len.min(PARAMETER_SET_BYTES));
        while joined.len() < self.len && self.len <= PARAMETER_SET_BYTES {
            joined.push(at.byte()?);
        }
        (joined.len() == self.len).then_some(Cow::Owned(joined))
    }
}

/// Walks length-prefixed NAL units; empty ones are passed over. After an error there is nothing more.
pub(crate) fn units(access_unit: &Chunks) -> impl Iterator<Item = Result<Unit<'_>, Truncated>> {
    let mut at = Some(Place::new(access_unit.pieces()));
    std::iter::from_fn(move || {
        loop {
            let mut place = at.take()?;
            if place.is_at_end() {
                return None;
            }
            let Some(len) = place.length() else { return Some(Err(Truncated)) };
            place.is_at_end();
            let begin = place;
            if !place.skip(len) {
                return Some(Err(Truncated));
            }
            at = Some(place);
            if let Some(&header) = begin.rest.first().filter(|_| len > 0) {
                return Some(Ok(Unit { header, len, at: begin }));
            }
        }
    })
}

/// A place in a list of pieces.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    rest: &'a [u8],
    later: &'a [Bytes],
}

impl<'a> Place<'a> {
    fn new(pieces: &'a [Bytes]) -> Self {
        Self { rest: &[], later: pieces }
    }

    /// Steps into the next piece where this one is used up; says whether there is none.
    fn is_at_end(&mut self) -> bool {
        while self.rest.is_empty() {
            let Some((next, later)) = self.later.split_first() else { return true };
            (self.rest, self.later) = (next, later);
        }
        false
    }

    fn byte(&mut self) -> Option<u8> {
        self.is_at_end();
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn length(&mut self) -> Option<usize> {
        (0..4).try_fold(0, |length, _| Some(length << 8 | usize::from(self.byte()?)))
    }

    fn skip(&mut self, mut count: usize) -> bool {
        while count > 0 {
            if self.is_at_end() {
                return false;
            }
            let step = count.min(self.rest.len());
            self.rest = self.rest.get(step..).unwrap_or_default();
            count -= step;
        }
        true
    }
}

/// Replaces start codes by four-byte lengths; `None` where something stands in front of the first code. Every payload byte
/// stays where it is, zeros around the units are left out.
pub(crate) fn annex_b_to_lengths(access_unit: &Chunks) -> Option<Chunks> {
    let mut lengths = Lengths::default();
    for piece in access_unit {
        lengths.take(piece)?;
    }
    lengths.end_unit();
    Some(lengths.out)
}

/// Cuts pieces at start codes, which may begin in one piece and end in another.
#[derive(Debug, Default)]
struct Lengths {
    out: Chunks,
    /// Slices of the unit that is being read; `None` before the first start code.
    unit: Option<Vec<Bytes>>,
    /// Zeros at the end of what was read, as far as they may belong to a start code.
    zeros: usize,
}

impl Lengths {
    fn take(&mut self, piece: &Bytes) -> Option<()> {
        let mut begin = 0;
        while let Some((code, after)) = self.next_code(piece, begin) {
            self.keep(piece.slice(begin..code.max(begin)))?;
            self.end_unit();
            self.unit = Some(Vec::new());
            self.zeros = 0;
            begin = after;
        }
        let tail = piece.slice(begin..);
        let zeros = tail.iter().rev().take_while(|&&byte| byte == 0).count();
        self.zeros = if zeros == tail.len() { self.zeros.saturating_add(zeros) } else { zeros };
        self.keep(tail)
    }

    /// The next start code from `begin` on: where it begins in this piece, and the first byte after it.
    fn next_code(&self, piece: &[u8], begin: usize) -> Option<(usize, usize)> {
        let rest = piece.get(begin..)?;
        match rest {
            [1, ..] if self.zeros >= 2 => return Some((begin, begin + 1)),
            [0, 1, ..] if self.zeros >= 1 => return Some((begin, begin + 2)),
            _ => {}
        }
        let code = START_CODE.find(rest)?;
        Some((begin + code, begin + code + 3))
    }

    /// Keeps bytes of the open unit; in front of the first start code only zeros may stand.
    fn keep(&mut self, bytes: Bytes) -> Option<()> {
        match &mut self.unit {
            Some(unit) => unit.push(bytes),
            None if bytes.iter().any(|&byte| byte != 0) => return None,
            None => {}
        }
        Some(())
    }

    /// A NAL unit never ends in a zero (H.264 7.4.1): what stands there is stuffing or a part of the next start code.
    fn end_unit(&mut self) {
        let mut unit = self.unit.take().unwrap_or_default();
        while let Some(last) = unit.last_mut() {
            let zeros = last.iter().rev().take_while(|&&byte| byte == 0).count();
            last.truncate(last.len() - zeros);
            if !last.is_empty() {
                break;
            }
            unit.pop();
        }
        let len: usize = unit.iter().map(Bytes::len).sum();
        if len > 0 {
            // A frame is smaller than a fragment may be: some 50 MB.
            let len = u32::try_from(len).unwrap_or(u32::MAX);
            self.out.push(Bytes::copy_from_slice(&len.to_be_bytes()));
            self.out.extend(unit);
        }
    }
}

/// Made once: preparing a search costs as much as searching a kilobyte.
static START_CODE: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(&[0, 0, 1]));

#[cfg(test)]
mod tests {
    use kvs_mkv::codec::nal::annex_b_to_length_prefixed;

    use super::*;

    const STREAM: &[u8] = b"\0\0\0\x01\x67\x42\0\0\x03\0\0\x01\x68\xce\0\0\0\0\x01\x65\x88\0\x84\0\0";

    fn cut_at(data: &'static [u8], cuts: [usize; 2]) -> Chunks {
        let [a, b] = cuts;
        [&data[..a], &data[a..b], &data[b..]].into_iter().map(Bytes::from_static).collect()
    }

    fn all_cuts(data: &'static [u8]) -> impl Iterator<Item = Chunks> {
        (0..=data.len()).flat_map(move |a| (a..=data.len()).map(move |b| cut_at(data, [a, b])))
    }

    #[test]
    fn start_codes_are_found_wherever_the_pieces_are_cut() {
        let whole = annex_b_to_length_prefixed(&Bytes::from_static(STREAM)).unwrap();
        for pieces in all_cuts(STREAM) {
            assert_eq!(detect(&pieces), Some(Framing::AnnexB), "{:?}", pieces.pieces());
            assert_eq!(annex_b_to_lengths(&pieces), Some(whole.clone()), "{:?}", pieces.pieces());
        }
        let bytes = STREAM.iter().map(|&byte| Bytes::from(vec![byte])).collect();
        assert_eq!(annex_b_to_lengths(&bytes), Some(whole));
    }

    #[test]
    fn no_payload_byte_is_copied() {
        let pieces = cut_at(STREAM, [6, 22]);
        let out = annex_b_to_lengths(&pieces).unwrap();
        let stream = STREAM.as_ptr_range();
        let payload = out.iter().filter(|piece| stream.contains(&piece.as_ptr()));
        assert_eq!(
            payload.map(Bytes::len).sum::<usize>(),
            out.len() - 3 * 4,
            "all but three lengths lies where it came in"
        );
    }

    #[test]
    fn what_stands_before_the_first_start_code_is_refused() {
        let data: &[u8] = b"\0\x09\0\0\x01\x65\x88";
        for pieces in all_cuts(data) {
            assert_eq!(annex_b_to_lengths(&pieces), None);
            assert_eq!(detect(&pieces), None);
        }
    }

    #[test]
    fn lengths_are_walked_wherever_the_pieces_are_cut() {
        const LENGTHS: &[u8] = b"\0\0\0\x02\x67\x42\0\0\0\0\0\0\0\x03\x65\x88\x84";
        for pieces in all_cuts(LENGTHS) {
            assert_eq!(detect(&pieces), Some(Framing::LengthPrefixed(LengthSize::FOUR)));
            let found: Vec<_> =
                units(&pieces).map(|unit| unit.unwrap().parameter_set().unwrap().into_owned()).collect();
            assert_eq!(found, [&b"\x67\x42"[..], b"\x65\x88\x84"]);
        }
        assert!(units(&Chunks::from(&b"\0\0\0\x09\x65"[..])).any(|unit| unit.is_err()));
    }
}
