//! G.711: A-law and mu-law, stored as `A_MS/ACM` with a WAVEFORMATEX.

pub use super::wave_format::{WaveFormat, WaveFormatError};
use crate::{CodecId, Track, TrackKind, TrackNumber};

/// The companding law.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "G.711 has two")]
pub enum Law {
    /// A-law: most of the world.
    A,
    /// Mu-law: North America and Japan.
    Mu,
}

impl Law {
    /// Returns `wFormatTag` of the WAVEFORMATEX.
    #[must_use]
    pub const fn format_tag(self) -> u16 {
        match self {
            Self::A => 6,
            Self::Mu => 7,
        }
    }

    /// Returns the law of a format tag; `None` for other codecs.
    #[must_use]
    pub const fn from_format_tag(tag: u16) -> Option<Self> {
        match tag {
            6 => Some(Self::A),
            7 => Some(Self::Mu),
            _ => None,
        }
    }
}

/// Builds the WAVEFORMATEX of G.711: eight bits per sample, a block of one byte per channel.
#[must_use]
pub const fn wave_format(law: Law, sampling_frequency: u32, channels: u16) -> WaveFormat {
    WaveFormat::new(law.format_tag(), channels, sampling_frequency, 8)
}

/// Builds an audio track for the writer: codec id, WAVEFORMATEX and sample format.
///
/// The producer SDK for C accepts one or two channels and 8,000 to 192,000 Hz; 8,000 Hz mono plays everywhere.
///
/// ```
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::g711::{self, Law};
///
/// let track = g711::track(TrackNumber::TWO, Law::A, 8000, 1);
/// assert_eq!(track.codec_private, b"\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0"[..]);
/// ```
#[must_use]
pub fn track(number: TrackNumber, law: Law, sampling_frequency: u32, channels: u16) -> Track {
    Track::new(number, TrackKind::Audio, CodecId::ACM)
        .with_codec_private(wave_format(law, sampling_frequency, channels).to_bytes())
        .with_audio(sampling_frequency.into(), channels.into(), Some(8))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn wave_formats_round_trip() {
        for law in [Law::A, Law::Mu] {
            let format = wave_format(law, 16_000, 2);
            assert_eq!(WaveFormat::parse(&format.to_bytes()), Ok(format));
            assert_eq!(Law::from_format_tag(format.tag), Some(law));
        }
        assert_eq!(Law::from_format_tag(1), None);
    }

    #[test]
    fn parses_formats_of_the_c_sdks() {
        let mono = |bits| WaveFormat::new(6, 1, 8000, bits);
        let c = hex!("0600 0100 401f0000 e8030000 0100 0000 0000");
        let embedded = hex!("0600 0100 401f0000 401f0000 0000 0800");
        assert_eq!((WaveFormat::parse(&c), WaveFormat::parse(&embedded)), (Ok(mono(0)), Ok(mono(8))));
        assert_eq!(WaveFormat::parse(&c[..15]), Err(WaveFormatError { len: 15, needed: 16 }));
    }
}
