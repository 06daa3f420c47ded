//! A list of parameter sets of one kind, by number, and what a new one does to it.

use bytes::{BufMut, Bytes, BytesMut};

use super::limits;

/// What an access unit did to the parameter sets that are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetChange {
    /// It had none, or the ones that are known.
    None,
    /// It brought sets with new numbers; what was known stays valid.
    Added,
    /// It gave a known number a new content: a decoder needs a new codec private data, a session a new start.
    Replaced,
}

impl SetChange {
    /// The graver of two changes.
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Replaced, _) | (_, Self::Replaced) => Self::Replaced,
            (Self::Added, _) | (_, Self::Added) => Self::Added,
            (Self::None, Self::None) => Self::None,
        }
    }
}

/// Puts a set into the list of its kind; `number_of` reads its number, `None` for one that cannot be read.
pub(super) fn put(list: &mut Vec<Bytes>, unit: &[u8], number_of: impl Fn(&[u8]) -> Option<u32>) -> SetChange {
    if list.iter().any(|known| known == unit) {
        return SetChange::None;
    }
    let number = number_of(unit);
    let unit = Bytes::copy_from_slice(unit);
    if let Some(known) = list.iter_mut().find(|known| number.is_some() && number_of(known) == number) {
        *known = unit;
        return SetChange::Replaced;
    }
    // One more than may be: building a record then says so, and memory stays bounded.
    if list.len() <= limits::PICTURE_PARAMETER_SETS {
        list.push(unit);
    }
    SetChange::Added
}

/// Appends sets as both avcC and hvcC have them, each behind its length in 16 bits; the length that does not fit is the error.
pub(super) fn put_lengths(record: &mut BytesMut, sets: &[Bytes]) -> Result<(), usize> {
    for set in sets {
        record.put_u16(u16::try_from(set.len()).map_err(|_| set.len())?);
        record.put_slice(set);
    }
    Ok(())
}

/// Reads the fields of an avcC or hvcC; the error is where the field that does not fit begins.
#[derive(Debug)]
pub(super) struct RecordReader<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> RecordReader<'a> {
    pub(super) const fn new(record: &'a [u8]) -> Self {
        Self { record, at: 0 }
    }

    pub(super) fn bytes(&mut self, count: usize) -> Result<&'a [u8], usize> {
        let end = self.at.checked_add(count).ok_or(self.at)?;
        let bytes = self.record.get(self.at..end).ok_or(self.at)?;
        self.at = end;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Result<u8, usize> {
        Ok(self.bytes(1)?.first().copied().unwrap_or_default())
    }

    /// A big-endian number of 16 bits.
    pub(super) fn short(&mut self) -> Result<usize, usize> {
        Ok(self.bytes(2)?.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    /// Hands `count` sets, each behind its length in 16 bits, to `take`.
    pub(super) fn sets(&mut self, count: usize, take: &mut impl FnMut(&'a [u8])) -> Result<(), usize> {
        for _ in 0..count {
            let length = self.short()?;
            take(self.bytes(length)?);
        }
        Ok(())
    }
}
