//! Reading and writing bits and Exp-Golomb codes, and removing emulation prevention bytes.

/// Reads bits, the highest first; a read past the end returns `None`.
#[derive(Clone, Debug)]
pub(crate) struct BitReader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0 }
    }

    /// Returns the number of bits read so far.
    pub(crate) const fn position(&self) -> usize {
        self.at
    }

    /// Returns the number of unread bits.
    pub(crate) const fn left(&self) -> usize {
        self.data.len().saturating_mul(8).saturating_sub(self.at)
    }

    /// Reads one bit.
    pub(crate) fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|bit| bit == 1)
    }

    /// Reads `count` bits, at most 32, as a number.
    pub(crate) fn bits(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "a read is at most 32 bits");
        let mut value = 0u64;
        for _ in 0..count {
            let byte = self.data.get(self.at / 8)?;
            value = value << 1 | u64::from(byte >> (7 - self.at % 8) & 1);
            self.at = self.at.checked_add(1)?;
        }
        u32::try_from(value).ok()
    }

    /// Skips `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        if count > self.left() {
            return None;
        }
        self.at = self.at.checked_add(count)?;
        Some(())
    }

    /// Reads an unsigned Exp-Golomb code (H.264 9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.flag()? {
            zeros += 1;
            // The largest value, 2^32 − 2, has 31 leading zeros; more are damage.
            if zeros > 31 {
                return None;
            }
        }
        let suffix = self.bits(zeros)?;
        (1u32 << zeros).wrapping_sub(1).checked_add(suffix)
    }

    /// Reads a signed Exp-Golomb code (H.264 9.1.1).
    pub(crate) fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let magnitude = (code + 1) / 2;
        i32::try_from(if code % 2 == 1 { magnitude } else { -magnitude }).ok()
    }

    /// Skips to the next byte boundary.
    pub(crate) fn align(&mut self) -> Option<()> {
        self.skip((8 - self.at % 8) % 8)
    }
}

/// Returns the bytes of a NAL unit without emulation prevention: `00 00 03` becomes `00 00` (H.264 7.4.1, H.265 7.4.2).
pub(crate) fn without_emulation_prevention(nal: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        bytes.push(byte);
    }
    bytes
}

/// Writes bits, the highest first.
#[derive(Debug, Default)]
pub(crate) struct BitWriter {
    bytes: Vec<u8>,
    used: u32,
}

impl BitWriter {
    /// Appends the lowest `count` bits of `value`.
    pub(crate) fn bits(&mut self, value: u32, count: u32) {
        for shift in (0..count).rev() {
            let bit = u8::try_from(value >> shift & 1).unwrap_or_default();
            if self.used % 8 == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= bit << (7 - self.used % 8);
            }
            self.used += 1;
        }
    }

    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exp_golomb_codes_of_the_standard() {
        // 1 010 011 00100 00101 -> 0 1 2 3 4
        let data = [0b1010_0110, 0b0100_0010, 0b1000_0000];
        let mut reader = BitReader::new(&data);
        let codes: Vec<_> = (0..5).map(|_| reader.ue()).collect();
        assert_eq!(codes, [Some(0), Some(1), Some(2), Some(3), Some(4)]);
        let mut reader = BitReader::new(&data);
        let signed: Vec<_> = (0..5).map(|_| reader.se()).collect();
        assert_eq!(signed, [Some(0), Some(1), Some(-1), Some(2), Some(-2)]);
    }

    #[test]
    fn rejects_reads_past_end() {
        let mut reader = BitReader::new(&[0xff]);
        assert_eq!((reader.bits(8), reader.bits(1), reader.skip(1)), (Some(0xff), None, None));
        assert_eq!(BitReader::new(&[0; 8]).ue(), None);
    }

    #[test]
    fn removes_repeated_emulation_prevention() {
        assert_eq!(without_emulation_prevention(&[0, 0, 3, 0, 0, 3, 1, 0, 3]), [0, 0, 0, 0, 1, 0, 3]);
    }

    #[test]
    fn written_bits_round_trip() {
        let mut writer = BitWriter::default();
        writer.bits(0b10, 2);
        writer.bits(0x1234, 16);
        let bytes = writer.into_bytes();
        let mut reader = BitReader::new(&bytes);
        assert_eq!((reader.bits(2), reader.bits(16), reader.position()), (Some(2), Some(0x1234), 18));
    }
}
