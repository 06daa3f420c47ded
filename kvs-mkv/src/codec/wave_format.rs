//! WAVEFORMATEX, the codec private data of `A_MS/ACM`: 18 bytes, little endian.

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
    /// `wBitsPerSample`; 0 if the writer did not state it.
    pub bits: u16,
}

/// A WAVEFORMATEX that is too short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("WAVEFORMATEX has {len} bytes, at least {needed} are needed")]
#[non_exhaustive]
pub struct WaveFormatError {
    /// Its size in bytes.
    pub len: usize,
    /// Smallest size in bytes.
    pub needed: usize,
}

/// Bytes up to `wBitsPerSample`; `cbSize` and the extension may be missing.
const NEEDED: usize = 16;

impl WaveFormat {
    pub(super) const fn new(tag: u16, channels: u16, sampling_frequency: u32, bits: u16) -> Self {
        Self { tag, channels, sampling_frequency, bits }
    }

    /// Parses a WAVEFORMATEX.
    ///
    /// Fields that follow from others (`nAvgBytesPerSec`, `nBlockAlign`) are not checked: the producer SDK for C and the
    /// embedded one fill them differently.
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

    /// Returns the 18 bytes, with `nAvgBytesPerSec` and `nBlockAlign` computed and no extension.
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
