//! Reading H.264 headers bit by bit (ITU-T H.264 §7.2, §9.1).

use super::limits::HEADER_BYTES;

/// Bits of one NAL unit's payload, most significant first, without the emulation prevention bytes.
///
/// Every read gives `None` past the end; nothing panics and nothing is allocated beyond
/// [`HEADER_BYTES`].
#[derive(Debug)]
pub(super) struct Bits {
    payload: Vec<u8>,
    at: usize,
}

impl Bits {
    /// The first bytes after the one-byte NAL unit header, at most [`HEADER_BYTES`] of them.
    pub(super) fn of_nal(nal: &[u8]) -> Self {
        let escaped = nal.get(1..).unwrap_or_default();
        Self { payload: unescape(escaped), at: 0 }
    }

    /// The next bit.
    pub(super) fn flag(&mut self) -> Option<bool> {
        let byte = self.payload.get(self.at / 8)?;
        let bit = (byte >> (7 - self.at % 8)) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// The next `count` bits as a number, `count` up to 32: `u(n)`.
    pub(super) fn number(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0_u32, |sum, _| Some((sum << 1) | u32::from(self.flag()?)))
    }

    /// An unsigned Exp-Golomb number: `ue(v)`. Refuses more than 31 leading zeros.
    pub(super) fn unsigned(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.number(zeros)?;
        Some((1_u32 << zeros) - 1 + rest)
    }

    /// A signed Exp-Golomb number: `se(v)`.
    pub(super) fn signed(&mut self) -> Option<i32> {
        let code = self.unsigned()?;
        let half = i32::try_from(code.div_ceil(2)).ok()?;
        Some(if code % 2 == 1 { half } else { -half })
    }

    /// Passes over `count` bits.
    pub(super) fn skip(&mut self, count: usize) {
        self.at = self.at.saturating_add(count);
    }
}

/// Drops the 3 of each 0 0 3 (§7.4.1.1).
fn unescape(escaped: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(escaped.len().min(HEADER_BYTES));
    let mut zeros = 0;
    for &byte in escaped {
        if payload.len() == HEADER_BYTES {
            break;
        }
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        payload.push(byte);
    }
    payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_golomb_codes_read_as_the_standard_lists_them() {
        // 1 010 011 00100 00101 00110, table 9-2
        let mut bits = Bits::of_nal(&[0x67, 0b1010_0110, 0b0100_0010, 0b1001_1000]);
        let read: Vec<_> = (0..6).map_while(|_| bits.unsigned()).collect();
        assert_eq!(read, [0, 1, 2, 3, 4, 5]);
        let mut bits = Bits::of_nal(&[0x67, 0b1010_0110, 0b0100_0010, 0b1001_1000]);
        let read: Vec<_> = (0..6).map_while(|_| bits.signed()).collect();
        assert_eq!(read, [0, 1, -1, 2, -2, 3]);
    }

    #[test]
    fn emulation_prevention_is_taken_out() {
        let mut bits = Bits::of_nal(&[0x67, 0, 0, 3, 1, 0, 0, 3, 3]);
        assert_eq!(bits.number(32), Some(0x0000_0100));
        assert_eq!(bits.number(16), Some(0x0003));
        assert_eq!(bits.flag(), None);
    }

    #[test]
    fn endless_zeros_are_refused() {
        assert_eq!(Bits::of_nal(&[0; 64]).unsigned(), None);
        assert_eq!(Bits::of_nal(&[]).unsigned(), None);
    }
}
