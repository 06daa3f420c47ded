//! NAL units written by hand.

/// Writes bits, the highest first, as numbers of the standards.
#[derive(Clone, Default)]
pub(crate) struct Bits(Vec<bool>);

impl Bits {
    pub(crate) fn u(mut self, value: u32, count: u32) -> Self {
        self.0.extend((0..count).rev().map(|bit| value >> bit & 1 == 1));
        self
    }

    pub(crate) fn ue(self, value: u32) -> Self {
        let bits = 32 - (value + 1).leading_zeros();
        self.u(0, bits - 1).u(value + 1, bits)
    }

    /// Fills the last byte with zeros and appends bytes.
    pub(crate) fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.resize(self.0.len().next_multiple_of(8), false);
        bytes.iter().fold(self, |bits, &byte| bits.u(byte.into(), 8))
    }

    /// Returns a NAL unit with this header; the fields never need emulation prevention.
    pub(crate) fn unit(mut self, header: &[u8]) -> Vec<u8> {
        self.0.push(true);
        let byte =
            |bits: &[bool]| bits.iter().enumerate().fold(0, |byte, (nth, &bit)| byte | u8::from(bit) << (7 - nth));
        header.iter().copied().chain(self.0.chunks(8).map(byte)).collect()
    }
}
