//! PCM: samples as they are, interleaved. Browsers and so the service's console do not play it; GetMedia gives it back.

use crate::{CodecId, Track, TrackKind, TrackNumber};

/// The order of the bytes of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "bytes have two orders")]
pub enum ByteOrder {
    /// The lowest first: what nearly everything gives.
    Little,
    /// The highest first.
    Big,
}

/// An audio track of signed integers (unsigned for eight bits, by Matroska's rule), ready for the writer.
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
