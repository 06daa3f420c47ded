//! Parsing of the AudioSpecificConfig (ISO/IEC 14496-3 §1.6.2.1, §4.4.1).

use bytes::Bytes;

use super::config::{
    EXPLICIT_FREQUENCY, LOW_DELAY, PARAMETRIC_STEREO, SPECTRAL_BAND_REPLICATION, SYNC_REPLICATION, SYNC_STEREO, is_aac,
};
use super::{AudioSpecificConfig, CHANNELS, ConfigError, FREQUENCIES, Replication};
use crate::codec::bit_reader::BitReader;

/// Reads the fields of a config and reports where it ends early.
pub(super) struct Fields<'a> {
    bits: BitReader<'a>,
    len: usize,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(config: &'a [u8]) -> Self {
        Self { bits: BitReader::new(config), len: config.len() }
    }

    fn bits(&mut self, count: u32) -> Result<u32, ConfigError> {
        let truncated = ConfigError::Truncated { len: self.len, bit: self.bits.position() };
        self.bits.bits(count).ok_or(truncated)
    }

    fn small(&mut self, count: u32) -> Result<u8, ConfigError> {
        Ok(u8::try_from(self.bits(count)?).unwrap_or(u8::MAX))
    }

    fn object_type(&mut self) -> Result<u8, ConfigError> {
        // Types from 32 on are escaped (§1.6.2.1).
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

    pub(super) fn config(&mut self, bytes: &[u8]) -> Result<AudioSpecificConfig, ConfigError> {
        let mut object_type = self.object_type()?;
        let sampling_frequency = self.frequency()?;
        let configuration = self.small(4)?;
        let mut replication = None;
        // Hierarchical signaling: the extension comes first, then the type of the core (§1.6.2.1).
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

    /// Reads the GASpecificConfig (§4.4.1): whether frames have 960 instead of 1,024 samples, and the channels.
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
            // Only the error resilient types have these flags (§4.4.1).
            if matches!(object_type, 17 | 19 | LOW_DELAY) {
                self.bits(3)?; // resilience flags
            }
            self.bits(1)?; // extensionFlag3
        }
        Ok((short, channels))
    }

    /// Reads a program config element to its end and returns its channels (§4.4.1.1).
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

    /// Reads replication that is signaled after the config, where decoders that do not know it stop reading (§1.6.6.1).
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
