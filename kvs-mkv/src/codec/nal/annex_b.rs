//! The walk over NAL units after start codes (H.264 Annex B, H.265 Annex B).

use std::ops::Range;
use std::sync::LazyLock;

use bytes::Bytes;
use memchr::memmem;

use super::NalError;

/// Iterates over the NAL units of an Annex B byte stream, without start codes and without the zeros around them.
///
/// Start codes of three and four bytes and any number of zeros before and after a NAL unit are accepted (H.264 B.1.1);
/// empty NAL units are skipped. The search runs at the speed of [`memchr::memmem`].
///
/// # Errors
/// [`NalError::NoStartCode`] and [`NalError::BeforeStartCode`].
#[inline]
pub fn annex_b(data: &[u8]) -> Result<AnnexB<'_>, NalError> {
    // Almost every access unit begins with a start code: no search is needed, whose set-up costs as much as a kilobyte.
    match data {
        [0, 0, 1, ..] => Ok(AnnexB { data, begin: Some(START_CODE_BYTES) }),
        [0, 0, 0, 1, ..] => Ok(AnnexB { data, begin: Some(START_CODE_BYTES + 1) }),
        _ => find_first(data),
    }
}

fn find_first(data: &[u8]) -> Result<AnnexB<'_>, NalError> {
    let start_code = find_start_code(data).ok_or(NalError::NoStartCode { len: data.len() })?;
    let before = data.get(..start_code).unwrap_or_default();
    if let Some(at) = before.iter().position(|&byte| byte != 0) {
        let byte = before.get(at).copied().unwrap_or_default();
        return Err(NalError::BeforeStartCode { at, byte, start_code });
    }
    Ok(AnnexB { data, begin: Some(start_code.saturating_add(START_CODE_BYTES)) })
}

/// Like [`annex_b`], but ignores everything before the first start code; without a start code there is no NAL unit.
///
/// This is how a decoder synchronizes to a damaged byte stream (H.264 B.3).
#[must_use]
pub fn annex_b_lossy(data: &[u8]) -> AnnexB<'_> {
    let start_code = find_start_code(data);
    AnnexB { data, begin: start_code.map(|code| code.saturating_add(START_CODE_BYTES)) }
}

/// The NAL units of an Annex B byte stream; created by [`annex_b`] and [`annex_b_lossy`].
#[derive(Clone, Debug)]
pub struct AnnexB<'a> {
    data: &'a [u8],
    /// Start of the next NAL unit; `None` after the last one.
    begin: Option<usize>,
}

impl<'a> AnnexB<'a> {
    /// Iterates over the NAL units as byte ranges of the data.
    pub fn ranges(mut self) -> impl Iterator<Item = Range<usize>> + 'a {
        std::iter::from_fn(move || self.next_range())
    }

    pub(super) fn next_range(&mut self) -> Option<Range<usize>> {
        loop {
            let begin = self.begin?;
            let rest = self.data.get(begin..).unwrap_or_default();
            let code = find_start_code(rest);
            self.begin = code.map(|code| begin.saturating_add(code).saturating_add(START_CODE_BYTES));
            let unit = code.map_or(rest, |code| rest.get(..code).unwrap_or_default());
            let len = unit.len().saturating_sub(trailing_zeros(unit));
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

/// Divides an Annex B byte stream that arrives in pieces; a start code may begin in one piece and end in the next.
///
/// Pieces go in with [`piece`](Self::piece), then [`finish`](Self::finish); each NAL unit goes to `out`, as its offset and
/// slices of them.
pub(super) struct PieceSplitter<F> {
    out: F,
    /// Offset and slices of the current NAL unit; `None` before the first start code.
    unit: Option<(usize, Vec<Bytes>)>,
    /// Zeros at the end of the bytes read so far, which may be part of a start code.
    zeros: usize,
    /// Offset of the next piece.
    position: usize,
    /// Offset and value of the first byte other than zero before the first start code.
    stray: Option<(usize, u8)>,
}

impl<F: FnMut(usize, Vec<Bytes>) -> Result<(), NalError>> PieceSplitter<F> {
    pub(super) const fn new(out: F) -> Self {
        Self { out, unit: None, zeros: 0, position: 0, stray: None }
    }

    pub(super) fn piece(&mut self, piece: &Bytes) -> Result<(), NalError> {
        let mut begin = 0;
        while let Some((code, after)) = self.next_code(piece, begin) {
            self.add(piece.slice(begin..code.max(begin)), begin);
            self.check_first_code(after)?;
            self.end_unit()?;
            self.unit = Some((self.position.saturating_add(after), Vec::new()));
            self.zeros = 0;
            begin = after;
        }
        let tail = piece.slice(begin..);
        let zeros = trailing_zeros(&tail);
        self.zeros = if zeros == tail.len() { self.zeros.saturating_add(zeros) } else { zeros };
        self.add(tail, begin);
        self.position = self.position.saturating_add(piece.len());
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<(), NalError> {
        if self.unit.is_none() {
            return Err(NalError::NoStartCode { len: self.position });
        }
        self.end_unit()
    }

    /// Finds the next start code from `begin`: where it begins in this piece, and the first byte after it.
    fn next_code(&self, piece: &[u8], begin: usize) -> Option<(usize, usize)> {
        let rest = piece.get(begin..)?;
        match rest {
            [1, ..] if self.zeros >= 2 => return Some((begin, begin.saturating_add(1))),
            [0, 1, ..] if self.zeros >= 1 => return Some((begin, begin.saturating_add(2))),
            _ => {}
        }
        let code = begin.saturating_add(find_start_code(rest)?);
        Some((code, code.saturating_add(START_CODE_BYTES)))
    }

    fn add(&mut self, bytes: Bytes, offset: usize) {
        match &mut self.unit {
            Some((_, unit)) => unit.push(bytes),
            None if self.stray.is_none() => {
                let stray = bytes.iter().enumerate().find(|&(_, &byte)| byte != 0);
                let offset = self.position.saturating_add(offset);
                self.stray = stray.map(|(at, &byte)| (offset.saturating_add(at), byte));
            }
            None => {}
        }
    }

    /// Fails if there were other bytes than zeros before this start code, which ends before `after`, and it is the first.
    fn check_first_code(&self, after: usize) -> Result<(), NalError> {
        match (&self.unit, self.stray) {
            (None, Some((at, byte))) => {
                let start_code = self.position.saturating_add(after).saturating_sub(START_CODE_BYTES);
                Err(NalError::BeforeStartCode { at, byte, start_code })
            }
            _ => Ok(()),
        }
    }

    fn end_unit(&mut self) -> Result<(), NalError> {
        let Some((at, mut unit)) = self.unit.take() else { return Ok(()) };
        while let Some(last) = unit.last_mut() {
            last.truncate(last.len().saturating_sub(trailing_zeros(last)));
            if !last.is_empty() {
                break;
            }
            unit.pop();
        }
        if unit.iter().all(Bytes::is_empty) {
            return Ok(());
        }
        (self.out)(at, unit)
    }
}

/// Counts the zeros that end a unit: a NAL unit never ends in a zero (H.264 7.4.1), so they are stuffing
/// (`trailing_zero_8bits`, B.1.1) or the fourth byte of the next start code.
pub(super) fn trailing_zeros(unit: &[u8]) -> usize {
    unit.iter().rev().take_while(|&&byte| byte == 0).count()
}

pub(super) fn find_start_code(data: &[u8]) -> Option<usize> {
    START_CODE.find(data)
}

// Built once: building a searcher costs as much as searching a kilobyte.
static START_CODE: LazyLock<memmem::Finder<'static>> = LazyLock::new(|| memmem::Finder::new(&[0, 0, 1]));
pub(super) const START_CODE_BYTES: usize = 3;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lossy_walk_skips_bytes_before_first_start_code() {
        let units: Vec<&[u8]> = annex_b_lossy(b"\x09\xf0\0\0\x01\x65\x88\0\0\0\x01\x41\x9a\0").collect();
        assert_eq!(units, [&b"\x65\x88"[..], b"\x41\x9a"]);
        assert_eq!(annex_b_lossy(b"no start code").next(), None);
        assert_eq!(annex_b_lossy(b"\0\0\x01").next(), None);
    }
}
