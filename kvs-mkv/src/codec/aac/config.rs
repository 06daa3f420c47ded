//! The AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): what a decoder needs to know about an AAC stream.

use bytes::Bytes;

use super::FREQUENCIES;
use super::config_fields::Fields;
use crate::codec::bit_reader::BitWriter;

/// An AudioSpecificConfig, built from the settings of the encoder or parsed from bytes, which are kept unchanged.
///
/// ```
/// use kvs_mkv::codec::aac::AudioSpecificConfig;
///
/// let config = AudioSpecificConfig::parse(&[0x11, 0x90])?;
/// assert_eq!((config.object_type(), config.sampling_frequency(), config.channels()), (2, 48_000, 2));
/// # Ok::<(), kvs_mkv::codec::aac::ConfigError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSpecificConfig {
    pub(super) object_type: u8,
    pub(super) sampling_frequency: u32,
    pub(super) channels: u8,
    pub(super) samples_per_frame: u16,
    pub(super) replication: Option<Replication>,
    pub(super) bytes: Bytes,
}

/// Spectral band replication (HE-AAC) as signaled in the config.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// Sampling frequency of the decoder's output in Hz.
    pub sampling_frequency: u32,
    /// Parametric stereo (HE-AAC v2): one coded channel, two output channels.
    pub parametric_stereo: bool,
}

/// An AudioSpecificConfig that cannot be parsed or built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The config ends inside a field.
    #[error("AudioSpecificConfig of {len} bytes ends inside the field at bit {bit}")]
    Truncated {
        /// Its size in bytes.
        len: usize,
        /// Bits read before the end.
        bit: usize,
    },
    /// The index of the sampling frequency is reserved, or the frequency is 0 or does not fit 24 bits.
    #[error("sampling frequency {value} (index or Hz) is not valid for AAC")]
    SamplingFrequency {
        /// The index or the frequency.
        value: u32,
    },
    /// The number of channels or the `channelConfiguration` is not defined.
    #[error("{value} is not a channel configuration of AAC, 1 to 6 and 8 channels are")]
    Channels {
        /// The rejected value.
        value: u8,
    },
    /// The object type is not an AAC type with a GASpecificConfig.
    #[error("audio object type {value} is not supported, only AAC types are (1 to 4, 17, 19, 23)")]
    ObjectType {
        /// The audio object type.
        value: u8,
    },
}

/// Returns whether it is AAC Main, LC, SSR, LTP or error resilient LC, LTP, LD: the types with a GASpecificConfig.
pub(super) const fn is_aac(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 17 | 19 | 23)
}

/// Low delay AAC, whose frames have half as many samples.
pub(super) const LOW_DELAY: u8 = 23;
pub(super) const SPECTRAL_BAND_REPLICATION: u8 = 5;
pub(super) const PARAMETRIC_STEREO: u8 = 29;
/// `syncExtensionType` of spectral band replication (§1.6.2.1).
pub(super) const SYNC_REPLICATION: u32 = 0x2b7;
/// `syncExtensionType` of parametric stereo.
pub(super) const SYNC_STEREO: u32 = 0x548;

impl AudioSpecificConfig {
    /// Builds a config for AAC-LC with frames of 1,024 samples, which almost every encoder produces. Channels: 1 to 6, 8.
    ///
    /// # Errors
    /// [`ConfigError::SamplingFrequency`], [`ConfigError::Channels`].
    pub fn lc(sampling_frequency: u32, channels: u8) -> Result<Self, ConfigError> {
        Self::new(2, sampling_frequency, channels)
    }

    /// Builds a config for any AAC object type except low delay, with frames of 1,024 samples and without replication.
    ///
    /// A frequency that is not one of the 13 standard ones is written in 24 bits.
    ///
    /// # Errors
    /// [`ConfigError::ObjectType`], [`ConfigError::SamplingFrequency`], [`ConfigError::Channels`].
    pub fn new(object_type: u8, sampling_frequency: u32, channels: u8) -> Result<Self, ConfigError> {
        if !is_aac(object_type) || object_type == LOW_DELAY {
            return Err(ConfigError::ObjectType { value: object_type });
        }
        let mut bits = BitWriter::default();
        bits.bits(object_type.into(), 5);
        put_frequency(&mut bits, sampling_frequency)?;
        bits.bits(channel_configuration(channels)?, 4);
        bits.bits(0, 3); // frameLengthFlag, dependsOnCoreCoder, extensionFlag
        Ok(Self {
            object_type,
            sampling_frequency,
            channels,
            samples_per_frame: 1024,
            replication: None,
            bytes: bits.into_bytes().into(),
        })
    }

    /// Adds spectral band replication in the backward compatible way, which old decoders ignore (§1.6.6.1).
    ///
    /// The output sampling frequency is usually twice that of the core.
    ///
    /// # Errors
    /// [`ConfigError::SamplingFrequency`].
    pub fn with_replication(mut self, replication: Replication) -> Result<Self, ConfigError> {
        let mut bits = BitWriter::default();
        for &byte in &self.bytes {
            bits.bits(byte.into(), 8);
        }
        bits.bits(SYNC_REPLICATION, 11);
        bits.bits(SPECTRAL_BAND_REPLICATION.into(), 5);
        bits.bits(1, 1);
        put_frequency(&mut bits, replication.sampling_frequency)?;
        if replication.parametric_stereo {
            bits.bits(SYNC_STEREO, 11);
            bits.bits(1, 1);
        }
        self.bytes = bits.into_bytes().into();
        self.replication = Some(replication);
        Ok(self)
    }

    /// Parses a config; bytes after the known fields are kept but not parsed.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Fields::new(bytes).config(bytes)
    }

    /// Returns the bytes: the codec private data of an `A_AAC` track.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// Returns the audio object type of the core: 2 for AAC-LC, also in HE-AAC.
    #[must_use]
    pub const fn object_type(&self) -> u8 {
        self.object_type
    }

    /// Returns the sampling frequency of the core in Hz.
    #[must_use]
    pub const fn sampling_frequency(&self) -> u32 {
        self.sampling_frequency
    }

    /// Returns the number of coded channels.
    #[must_use]
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// Returns the samples of the core per frame: 1,024 or 960; 512 or 480 for low delay.
    #[must_use]
    pub const fn samples_per_frame(&self) -> u16 {
        self.samples_per_frame
    }

    /// Returns the spectral band replication, if it is signaled. A stream may contain it without signaling it.
    #[must_use]
    pub const fn replication(&self) -> Option<Replication> {
        self.replication
    }
}

fn put_frequency(bits: &mut BitWriter, frequency: u32) -> Result<(), ConfigError> {
    let index = FREQUENCIES.iter().position(|&known| known == frequency).and_then(|index| u32::try_from(index).ok());
    match index {
        Some(index) => bits.bits(index, 4),
        None if (1..1 << 24).contains(&frequency) => {
            bits.bits(EXPLICIT_FREQUENCY, 4);
            bits.bits(frequency, 24);
        }
        None => return Err(ConfigError::SamplingFrequency { value: frequency }),
    }
    Ok(())
}

/// Index that is followed by a frequency of 24 bits.
pub(super) const EXPLICIT_FREQUENCY: u32 = 15;

fn channel_configuration(channels: u8) -> Result<u32, ConfigError> {
    match channels {
        1..=6 => Ok(channels.into()),
        8 => Ok(7),
        value => Err(ConfigError::Channels { value }),
    }
}

impl Replication {
    /// Creates replication to this output sampling frequency in Hz, without parametric stereo.
    #[must_use]
    pub const fn new(sampling_frequency: u32) -> Self {
        Self { sampling_frequency, parametric_stereo: false }
    }

    /// Sets whether the stream has parametric stereo. Default: no.
    #[must_use]
    pub const fn with_parametric_stereo(mut self, parametric_stereo: bool) -> Self {
        self.parametric_stereo = parametric_stereo;
        self
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn lc_config_has_two_bytes() {
        assert_eq!(AudioSpecificConfig::lc(44_100, 2).unwrap().to_bytes(), hex!("1210")[..]);
        assert_eq!(AudioSpecificConfig::lc(8_000, 1).unwrap().to_bytes(), hex!("1588")[..]);
        assert_eq!(AudioSpecificConfig::lc(48_000, 8).unwrap().to_bytes(), hex!("11b8")[..]);
    }

    #[test]
    fn writes_unusual_frequency_in_24_bits() {
        let config = AudioSpecificConfig::lc(37_800, 2).unwrap();
        assert_eq!(config.to_bytes(), hex!("17 8049d4 10")[..]);
        assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()), Ok(config));
    }

    #[test]
    fn parses_both_ways_of_signaling_replication() {
        let trailing = AudioSpecificConfig::parse(&hex!("1390 56e5 a0")).unwrap();
        assert_eq!((trailing.sampling_frequency(), trailing.object_type()), (22_050, 2));
        let built = AudioSpecificConfig::lc(22_050, 2).unwrap().with_replication(Replication::new(44_100)).unwrap();
        assert_eq!(built.replication().map(|sbr| sbr.sampling_frequency), Some(44_100));
        assert_eq!(AudioSpecificConfig::parse(&built.to_bytes()), Ok(built));
        // HE-AAC v2 in front: object type 29, 22.05 kHz, mono, 44.1 kHz out, then LC.
        let explicit = AudioSpecificConfig::parse(&hex!("eb8a 0800")).unwrap();
        let replication = Replication::new(44_100).with_parametric_stereo(true);
        assert_eq!((explicit.replication(), explicit.channels()), (Some(replication), 1));
    }

    #[test]
    fn rejects_configs_that_are_not_aac() {
        assert_eq!(AudioSpecificConfig::parse(&hex!("12")), Err(ConfigError::Truncated { len: 1, bit: 5 }));
        assert_eq!(AudioSpecificConfig::parse(&hex!("1690")), Err(ConfigError::SamplingFrequency { value: 13 }));
        assert!(matches!(AudioSpecificConfig::parse(&hex!("f94640")), Err(ConfigError::ObjectType { .. })));
        assert_eq!(AudioSpecificConfig::lc(48_000, 7), Err(ConfigError::Channels { value: 7 }));
        assert_eq!(AudioSpecificConfig::lc(1 << 24, 2), Err(ConfigError::SamplingFrequency { value: 1 << 24 }));
    }
}
