//! Lists of parameter sets of one kind, and the records (avcC, hvcC) that contain them.

use bytes::{BufMut, Bytes, BytesMut};

use super::limits;

/// How the parameter sets of an access unit changed the known ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SetChange {
    /// The access unit had no sets, or only known ones.
    None,
    /// It had sets with new numbers; the known ones stay valid.
    Added,
    /// It had a known number with new content: the decoder needs new codec private data, and so the stream a new segment.
    Replaced,
}

impl SetChange {
    /// Returns the more serious of two changes.
    pub(super) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Replaced, _) | (_, Self::Replaced) => Self::Replaced,
            (Self::Added, _) | (_, Self::Added) => Self::Added,
            (Self::None, Self::None) => Self::None,
        }
    }
}

/// Adds a set to the list of its kind; `number_of` reads the number of a set, `None` if it cannot be read.
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
    // One more than a record can count: building the record then fails, and memory stays bounded.
    if list.len() <= limits::PICTURE_PARAMETER_SETS {
        list.push(unit);
    }
    SetChange::Added
}

/// Appends sets as avcC and hvcC contain them, each after its length in 16 bits. The error is the length that does not fit.
pub(super) fn put_lengths(record: &mut BytesMut, sets: &[Bytes]) -> Result<(), usize> {
    for set in sets {
        record.put_u16(u16::try_from(set.len()).map_err(|_| set.len())?);
        record.put_slice(set);
    }
    Ok(())
}

/// Reads the fields of an avcC or hvcC. The error is the offset of the field that does not fit.
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

    /// Reads a big-endian number of 16 bits.
    pub(super) fn short(&mut self) -> Result<usize, usize> {
        Ok(self.bytes(2)?.iter().fold(0, |value, &byte| value << 8 | usize::from(byte)))
    }

    /// Appends `count` sets to `units`, each read after its length in 16 bits.
    pub(super) fn sets(&mut self, count: usize, units: &mut Vec<&'a [u8]>) -> Result<(), usize> {
        for _ in 0..count {
            let length = self.short()?;
            units.push(self.bytes(length)?);
        }
        Ok(())
    }
}
