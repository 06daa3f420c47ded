//! How NAL units are separated in an access unit, and how to detect it.

use super::cursor::Cursor;
use super::length_prefixed::Units;
use crate::Chunks;

/// How the NAL units of an access unit are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Framing {
    /// Each NAL unit follows a start code of three or four bytes; zeros around it are allowed (H.264 Annex B).
    AnnexB,
    /// Each NAL unit follows its length (ISO/IEC 14496-15 §4.3.2).
    LengthPrefixed(LengthSize),
}

impl Framing {
    /// Detects the framing of one access unit; `None` if it is neither.
    ///
    /// An access unit that four-byte lengths divide exactly is length-prefixed, even if its first length looks like a
    /// start code (`00 00 01 xx` is also the length of a NAL unit of 256 to 511 bytes).
    #[must_use]
    pub fn detect(access_unit: &[u8]) -> Option<Self> {
        Self::detect_at(Cursor::new(access_unit))
    }

    /// Like [`detect`](Self::detect), for an access unit in any number of pieces; nothing is copied.
    #[must_use]
    pub fn detect_chunks(access_unit: &Chunks) -> Option<Self> {
        Self::detect_at(Cursor::of_pieces(access_unit))
    }

    fn detect_at(begin: Cursor<'_>) -> Option<Self> {
        // Lengths first: an Annex B access unit starts with a four-byte code (H.264 B.1.2), which read as a length is 1,
        // so real Annex B data never passes as length-prefixed. The reverse test would mistake lengths for codes.
        if has_plausible_lengths(begin) {
            return Some(Self::LengthPrefixed(LengthSize::FOUR));
        }
        starts_with_code(begin).then_some(Self::AnnexB)
    }
}

fn has_plausible_lengths(begin: Cursor<'_>) -> bool {
    let mut any = false;
    for unit in Units::new(begin, LengthSize::FOUR) {
        if !unit.is_ok_and(|unit| unit.check_header().is_ok()) {
            return false;
        }
        any = true;
    }
    any
}

fn starts_with_code(mut cursor: Cursor<'_>) -> bool {
    let mut zeros = 0;
    while let Some(byte) = cursor.byte() {
        match byte {
            0 => zeros += 1,
            1 => return zeros >= 2,
            _ => return false,
        }
    }
    false
}

/// Size of the length fields in bytes: 1, 2 or 4 (`lengthSizeMinusOne` of avcC and hvcC).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LengthSize(u8);

impl LengthSize {
    /// Four bytes: what almost every file uses, and the only size this crate writes.
    pub const FOUR: Self = Self(4);

    /// Checks a size that comes from outside; 3 is not allowed (ISO/IEC 14496-15 §5.3.3.1.2).
    #[must_use]
    pub const fn new(bytes: u8) -> Option<Self> {
        match bytes {
            1 | 2 | 4 => Some(Self(bytes)),
            _ => None,
        }
    }

    /// Returns the size in bytes.
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

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn detects_framing_from_bytes() {
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

    #[test]
    fn rejects_length_size_of_three() {
        assert_eq!(LengthSize::new(3), None);
    }
}
