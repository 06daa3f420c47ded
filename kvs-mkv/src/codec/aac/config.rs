//! The AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1): what a decoder must know of an AAC stream.

use bytes::Bytes;

use super::{CHANNELS, FREQUENCIES};
use crate::codec::bit_reader::{BitReader, BitWriter};

/// An AudioSpecificConfig: made from what is known of the stream, or read from its bytes, which are kept as they came.
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
    object_type: u8,
    sampling_frequency: u32,
    channels: u8,
    samples_per_frame: u16,
    replication: Option<Replication>,
    bytes: Bytes,
}

/// Spectral band replication (HE-AAC) as the config signals it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Replication {
    /// The sampling frequency that comes out of the decoder, in Hz.
    pub sampling_frequency: u32,
    /// Parametric stereo on top (HE-AAC v2): one channel coded, two heard.
    pub parametric_stereo: bool,
}

/// An AudioSpecificConfig that cannot be read or made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// It ends in the middle of a field.
    #[error("the AudioSpecificConfig of {len} bytes ends early, after bit {bit}")]
    Truncated {
        /// Its bytes.
        len: usize,
        /// Bits read before the end.
        bit: usize,
    },
    /// An index that stands for no frequency, or a frequency of zero or above 24 bits.
    #[error("sampling frequency {value} (as an index or in Hz) is not one that AAC can have")]
    SamplingFrequency {
        /// The index or the frequency.
        value: u32,
    },
    /// A number of channels or a `channelConfiguration` that is not defined.
    #[error("{value} is not a channel configuration of AAC")]
    Channels {
        /// What was given.
        value: u8,
    },
    /// An object type that is no AAC with a GASpecificConfig.
    #[error("audio object type {value} is not AAC")]
    ObjectType {
        /// The audio object type.
        value: u8,
    },
}

/// AAC Main, LC, SSR, LTP and the error resilient LC, LTP and LD: those with a GASpecificConfig.
const fn is_aac(object_type: u8) -> bool {
    matches!(object_type, 1..=4 | 17 | 19 | 23)
}

/// Low delay AAC, whose frames are half as long.
const LOW_DELAY: u8 = 23;
const SPECTRAL_BAND_REPLICATION: u8 = 5;
const PARAMETRIC_STEREO: u8 = 29;
const SYNC_REPLICATION: u32 = 0x2b7;
const SYNC_STEREO: u32 = 0x548;

impl AudioSpecificConfig {
    /// AAC-LC with frames of 1,024 samples, what nearly every encoder makes. Channels: 1 to 6, 8.
    ///
    /// # Errors
    /// [`ConfigError::SamplingFrequency`], [`ConfigError::Channels`].
    pub fn lc(sampling_frequency: u32, channels: u8) -> Result<Self, ConfigError> {
        Self::new(2, sampling_frequency, channels)
    }

    /// Any AAC object type without replication, with frames of 1,024 samples.
    ///
    /// A frequency that is not in the table of 13 is written out in 24 bits.
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

    /// The same stream with spectral band replication signalled in the way that old decoders pass over.
    ///
    /// `sampling_frequency` is what comes out of the decoder, as a rule twice that of the core.
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

    /// Reads a config; what follows what is understood is kept but not looked at.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn parse(bytes: &[u8]) -> Result<Self, ConfigError> {
        Fields { bits: BitReader::new(bytes), len: bytes.len() }.config(bytes)
    }

    /// The config as bytes: the codec private data of an `A_AAC` track.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        self.bytes.clone()
    }

    /// The audio object type of the core: 2 for AAC-LC, also under HE-AAC.
    #[must_use]
    pub const fn object_type(&self) -> u8 {
        self.object_type
    }

    /// The sampling frequency of the core in Hz.
    #[must_use]
    pub const fn sampling_frequency(&self) -> u32 {
        self.sampling_frequency
    }

    /// Coded channels.
    #[must_use]
    pub const fn channels(&self) -> u8 {
        self.channels
    }

    /// Samples of the core in one frame: 1,024 or 960; 512 or 480 for low delay.
    #[must_use]
    pub const fn samples_per_frame(&self) -> u16 {
        self.samples_per_frame
    }

    /// Spectral band replication, if it is signalled. Without a signal it may still be in the stream.
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

const EXPLICIT_FREQUENCY: u32 = 15;

fn channel_configuration(channels: u8) -> Result<u32, ConfigError> {
    match channels {
        1..=6 => Ok(channels.into()),
        8 => Ok(7),
        value => Err(ConfigError::Channels { value }),
    }
}

struct Fields<'a> {
    bits: BitReader<'a>,
    len: usize,
}

impl Fields<'_> {
    fn bits(&mut self, count: u32) -> Result<u32, ConfigError> {
        let truncated = ConfigError::Truncated { len: self.len, bit: self.bits.position() };
        self.bits.bits(count).ok_or(truncated)
    }

    fn small(&mut self, count: u32) -> Result<u8, ConfigError> {
        Ok(u8::try_from(self.bits(count)?).unwrap_or(u8::MAX))
    }

    fn object_type(&mut self) -> Result<u8, ConfigError> {
        match self.small(5)? {
            31 => Ok(self.small(6)?.saturating_add(32)),
            value => Ok(value),
        }
    }

    fn frequency(&mut self) -> Result<u32, ConfigError> {
        let index = self.bits(4)?;
        let frequency = match index {
            EXPLICIT_FREQUENCY => self.bits(24)?,
            index => usize::try_from(index).ok().and_then(|index| FREQUENCIES.get(index)).copied().unwrap_or(0),
        };
        if frequency == 0 { Err(ConfigError::SamplingFrequency { value: index }) } else { Ok(frequency) }
    }

    fn config(&mut self, bytes: &[u8]) -> Result<AudioSpecificConfig, ConfigError> {
        let mut object_type = self.object_type()?;
        let sampling_frequency = self.frequency()?;
        let configuration = self.small(4)?;
        let mut replication = None;
        if object_type == SPECTRAL_BAND_REPLICATION || object_type == PARAMETRIC_STEREO {
            let parametric_stereo = object_type == PARAMETRIC_STEREO;
            replication = Some(Replication { sampling_frequency: self.frequency()?, parametric_stereo });
            object_type = self.object_type()?;
        }
        if !is_aac(object_type) {
            return Err(ConfigError::ObjectType { value: object_type });
        }
        let (short, channels) = self.general(object_type, configuration)?;
        if replication.is_none() {
            replication = self.trailing_replication();
        }
        let samples_per_frame = match (object_type == LOW_DELAY, short) {
            (false, false) => 1024,
            (false, true) => 960,
            (true, false) => 512,
            (true, true) => 480,
        };
        let bytes = Bytes::copy_from_slice(bytes);
        Ok(AudioSpecificConfig { object_type, sampling_frequency, channels, samples_per_frame, replication, bytes })
    }

    /// The GASpecificConfig (§4.4.1): whether frames are the shorter ones, and the channels.
    fn general(&mut self, object_type: u8, configuration: u8) -> Result<(bool, u8), ConfigError> {
        let short = self.bits(1)? == 1;
        if self.bits(1)? == 1 {
            self.bits(14)?; // coreCoderDelay
        }
        let extension = self.bits(1)? == 1;
        let channels = if configuration == 0 {
            self.program_channels()?
        } else {
            CHANNELS.get(usize::from(configuration)).copied().unwrap_or(0)
        };
        if channels == 0 {
            return Err(ConfigError::Channels { value: configuration });
        }
        if extension {
            if matches!(object_type, 17 | 19 | LOW_DELAY) {
                self.bits(3)?; // resilience flags
            }
            self.bits(1)?; // extensionFlag3
        }
        Ok((short, channels))
    }

    /// The channels of a program config element (§4.4.1.1), read to its end.
    fn program_channels(&mut self) -> Result<u8, ConfigError> {
        self.bits(10)?; // tag, object type, frequency index
        let (front, side, back) = (self.small(4)?, self.small(4)?, self.small(4)?);
        let (low, data, coupling) = (self.small(2)?, self.small(3)?, self.small(4)?);
        for width in [4, 4, 3] {
            if self.bits(1)? == 1 {
                self.bits(width)?; // mono, stereo and matrix mixdown
            }
        }
        let mut channels = low;
        for _ in 0..front.saturating_add(side).saturating_add(back) {
            let pair = self.small(1)?;
            self.bits(4)?;
            channels = channels.saturating_add(1).saturating_add(pair);
        }
        self.bits(u32::from(low).saturating_mul(4))?;
        self.bits(u32::from(data).saturating_mul(4))?;
        for _ in 0..coupling {
            self.bits(5)?;
        }
        let truncated = ConfigError::Truncated { len: self.len, bit: self.bits.position() };
        self.bits.align().ok_or(truncated)?;
        let comment = self.bits(8)?;
        for _ in 0..comment {
            self.bits(8)?;
        }
        Ok(channels)
    }

    /// Replication signalled behind the config, where decoders that do not know it stop reading (§1.6.6.1).
    fn trailing_replication(&mut self) -> Option<Replication> {
        if self.bits(11).ok()? != SYNC_REPLICATION || self.object_type().ok()? != SPECTRAL_BAND_REPLICATION {
            return None;
        }
        if self.bits(1).ok()? == 0 {
            return None;
        }
        let sampling_frequency = self.frequency().ok()?;
        let stereo = self.bits(11).is_ok_and(|sync| sync == SYNC_STEREO) && self.bits(1).is_ok_and(|flag| flag == 1);
        Some(Replication { sampling_frequency, parametric_stereo: stereo })
    }
}

impl Replication {
    /// Replication to this sampling frequency in Hz, without parametric stereo.
    #[must_use]
    pub const fn new(sampling_frequency: u32) -> Self {
        Self { sampling_frequency, parametric_stereo: false }
    }

    /// Says whether parametric stereo is on top.
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
    fn lc_configs_have_two_bytes() {
        assert_eq!(AudioSpecificConfig::lc(44_100, 2).unwrap().to_bytes(), hex!("1210")[..]);
        assert_eq!(AudioSpecificConfig::lc(8_000, 1).unwrap().to_bytes(), hex!("1588")[..]);
        assert_eq!(AudioSpecificConfig::lc(48_000, 8).unwrap().to_bytes(), hex!("11b8")[..]);
    }

    #[test]
    fn a_frequency_outside_the_table_is_written_out() {
        let config = AudioSpecificConfig::lc(37_800, 2).unwrap();
        assert_eq!(config.to_bytes(), hex!("17 8049d4 10")[..]);
        assert_eq!(AudioSpecificConfig::parse(&config.to_bytes()), Ok(config));
    }

    #[test]
    fn replication_is_read_in_both_ways_of_signalling_it() {
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
    fn what_is_no_aac_is_refused() {
        assert_eq!(AudioSpecificConfig::parse(&hex!("12")), Err(ConfigError::Truncated { len: 1, bit: 5 }));
        assert_eq!(AudioSpecificConfig::parse(&hex!("1690")), Err(ConfigError::SamplingFrequency { value: 13 }));
        assert!(matches!(AudioSpecificConfig::parse(&hex!("f94640")), Err(ConfigError::ObjectType { .. })));
        assert_eq!(AudioSpecificConfig::lc(48_000, 7), Err(ConfigError::Channels { value: 7 }));
        assert_eq!(AudioSpecificConfig::lc(1 << 24, 2), Err(ConfigError::SamplingFrequency { value: 1 << 24 }));
    }
}
