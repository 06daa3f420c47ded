//! AAC: building and parsing the AudioSpecificConfig, and removing ADTS headers.

mod adts;
mod config;
mod config_fields;
mod splitter;
mod surroundings;

pub use adts::{AdtsError, AdtsFrame, AdtsFrames, AdtsHeader};
pub use config::{AudioSpecificConfig, ConfigError, Replication};
pub use splitter::{AdtsEvent, AdtsSkipped, AdtsSplitter, AdtsUnit};

use crate::{CodecId, Track, TrackKind, TrackNumber};

/// Builds an audio track for the writer: codec id, AudioSpecificConfig and sample format.
///
/// ```
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::aac;
///
/// let config = aac::AudioSpecificConfig::lc(44_100, 2)?;
/// let track = aac::track(TrackNumber::TWO, &config);
/// assert_eq!(track.codec_private, [0x12, 0x10][..]);
/// # Ok::<(), aac::ConfigError>(())
/// ```
#[must_use]
pub fn track(number: TrackNumber, config: &AudioSpecificConfig) -> Track {
    Track::new(number, TrackKind::Audio, CodecId::AAC).with_codec_private(config.to_bytes()).with_audio(
        config.sampling_frequency().into(),
        config.channels().into(),
        None,
    )
}

/// Sampling frequencies by index (ISO/IEC 14496-3 table 1.18).
const FREQUENCIES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// Channels by `channelConfiguration` (ISO/IEC 14496-3 table 1.19); with 0, a program config element states them.
const CHANNELS: [u8; 15] = [0, 1, 2, 3, 4, 5, 6, 8, 0, 0, 0, 7, 8, 24, 8];
