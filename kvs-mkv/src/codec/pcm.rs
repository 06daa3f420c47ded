//! PCM: interleaved samples without compression. GetMedia returns it, but browsers, and so the console, do not play it.

use crate::{CodecId, Track, TrackKind, TrackNumber};

/// Byte order of samples.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "bytes have two orders")]
pub enum ByteOrder {
    /// Little endian: what almost every source produces.
    Little,
    /// Big endian.
    Big,
}

/// Builds an audio track for the writer: signed integers, or unsigned ones for eight bits (Matroska codec mappings).
///
/// ```
/// use kvs_mkv::TrackNumber;
/// use kvs_mkv::codec::pcm::{self, ByteOrder};
///
/// let track = pcm::track(TrackNumber::TWO, ByteOrder::Little, 48_000, 2, 16);
/// assert_eq!(track.codec.as_str(), "A_PCM/INT/LIT");
/// ```
#[must_use]
pub fn track(number: TrackNumber, order: ByteOrder, sampling_frequency: u32, channels: u16, bits: u16) -> Track {
    let codec = match order {
        ByteOrder::Little => CodecId::PCM_LITTLE_ENDIAN,
        ByteOrder::Big => CodecId::PCM_BIG_ENDIAN,
    };
    Track::new(number, TrackKind::Audio, codec).with_audio(
        sampling_frequency.into(),
        channels.into(),
        Some(bits.into()),
    )
}
