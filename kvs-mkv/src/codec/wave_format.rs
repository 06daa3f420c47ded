//! WAVEFORMATEX: 18 bytes, little endian, the codec private data of `A_MS/ACM`.

use bytes::{BufMut, Bytes, BytesMut};

/// The fields of a WAVEFORMATEX.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WaveFormat {
    /// `wFormatTag`: 1 PCM, 6 A-law, 7 mu-law.
    pub tag: u16,
    /// `nChannels`.
    pub channels: u16,
    /// `nSamplesPerSec` in Hz.
    pub sampling_frequency: u32,
    /// `wBitsPerSample`; 0 where the writer did not say.
    pub bits: u16,
}

/// A WAVEFORMATEX too short to hold its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a WAVEFORMATEX has at least {needed} bytes, not {len}")]
#[non_exhaustive]
pub struct WaveFormatError {
    /// What there is.
    pub len: usize,
    /// What is needed.
    pub needed: usize,
}

/// Up to the bits of a sample; `cbSize` and what it counts may be missing.
const NEEDED: usize = 16;

impl WaveFormat {
    pub(super) const fn new(tag: u16, channels: u16, sampling_frequency: u32, bits: u16) -> Self {
        Self { tag, channels, sampling_frequency, bits }
    }

    /// Reads the format, without a check of the fields that follow from others: the SDKs in C fill them differently.
    ///
    /// # Errors
    /// [`WaveFormatError`] for fewer than 16 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, WaveFormatError> {
        let error = WaveFormatError { len: bytes.len(), needed: NEEDED };
        let fields = bytes.first_chunk::<NEEDED>().ok_or(error)?;
        let [t0, t1, c0, c1, r0, r1, r2, r3, .., b0, b1] = *fields;
        Ok(Self {
            tag: u16::from_le_bytes([t0, t1]),
            channels: u16::from_le_bytes([c0, c1]),
            sampling_frequency: u32::from_le_bytes([r0, r1, r2, r3]),
            bits: u16::from_le_bytes([b0, b1]),
        })
    }

    /// The 18 bytes, with block and rate as they follow from the fields and no extension.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let block = self.channels.saturating_mul(self.bits.div_ceil(8));
        let mut bytes = BytesMut::with_capacity(18);
        bytes.put_u16_le(self.tag);
        bytes.put_u16_le(self.channels);
        bytes.put_u32_le(self.sampling_frequency);
        bytes.put_u32_le(self.sampling_frequency.saturating_mul(block.into()));
        bytes.put_u16_le(block);
        bytes.put_u16_le(self.bits);
        bytes.put_u16_le(0);
        bytes.freeze()
    }
}
