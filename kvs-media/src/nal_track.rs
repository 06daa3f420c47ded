//! Builds an H.264 or H.265 track from a container: codec private data, and payloads with four-byte lengths.

use std::error::Error;

use bytes::Bytes;
use kvs_mkv::codec::nal::{self, Framing, LengthSize, NalError};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Track, TrackKind, TrackNumber};

/// The codec of a track.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NalCodec {
    H264,
    H265,
}

/// Converts the payloads of one track and collects its codec private data.
#[derive(Debug)]
pub(super) struct NalTrack {
    sets: Sets,
    /// The avcC or hvcC of the container, if it can be used as it is.
    config: Option<Bytes>,
    length_size: LengthSize,
    /// Width and height according to the container.
    size: (u64, u64),
}

/// The parameter sets of either codec.
#[derive(Debug)]
enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

impl NalTrack {
    /// A track whose container has this avcC or hvcC (or an empty one) and this size.
    ///
    /// A configuration that cannot be read counts as missing: the parameter sets may be in the payloads.
    pub(super) fn new(codec: NalCodec, config: Bytes, size: (u64, u64)) -> Self {
        let (sets, length_size) = match codec {
            NalCodec::H264 => {
                let (sets, length_size) = h264::ParameterSets::from_avcc(&config).unwrap_or_default();
                (Sets::H264(sets), length_size)
            }
            NalCodec::H265 => {
                let (sets, length_size) = h265::ParameterSets::from_hvcc(&config).unwrap_or_default();
                (Sets::H265(sets), length_size)
            }
        };
        let fit = sets.is_complete() && length_size == LengthSize::FOUR;
        Self { sets, config: fit.then_some(config), length_size, size }
    }

    /// Returns a payload with four-byte lengths; collects parameter sets from it while some are missing.
    pub(super) fn payload(&mut self, sample: &Bytes) -> Result<Chunks, NalError> {
        // Some writers put start codes in place of lengths.
        let framing = match Framing::detect(sample) {
            Some(Framing::AnnexB) => Framing::AnnexB,
            _ => Framing::LengthPrefixed(self.length_size),
        };
        if !self.sets.is_complete() {
            self.sets.absorb(nal::units_in(sample, framing)?);
        }
        match framing {
            Framing::AnnexB => nal::annex_b_to_length_prefixed(sample),
            _ => nal::widen_lengths(sample, self.length_size),
        }
    }

    /// Whether the parameter sets are complete.
    pub(super) fn is_complete(&self) -> bool {
        self.sets.is_complete()
    }

    /// Returns the track, once its payloads have been seen.
    pub(super) fn track(&self, number: TrackNumber) -> Result<Track, Box<dyn Error>> {
        // The container's configuration is kept if it fits the payloads, even with an SPS that cannot be parsed here.
        match (self.sets.track(number), self.config.clone()) {
            (Ok(track), None) => Ok(track),
            (Ok(track), Some(config)) => Ok(track.with_codec_private(config)),
            (Err(_), Some(config)) => {
                let track = Track::new(number, TrackKind::Video, self.sets.codec()).with_codec_private(config);
                Ok(track.with_video(self.size.0, self.size.1))
            }
            (Err(error), None) => Err(error),
        }
    }
}

impl Sets {
    fn is_complete(&self) -> bool {
        match self {
            Self::H264(sets) => sets.is_complete(),
            Self::H265(sets) => sets.is_complete(),
        }
    }

    fn absorb(&mut self, units: Vec<&[u8]>) {
        match self {
            Self::H264(sets) => sets.absorb(units),
            Self::H265(sets) => sets.absorb(units),
        };
    }

    fn track(&self, number: TrackNumber) -> Result<Track, Box<dyn Error>> {
        match self {
            Self::H264(sets) => Ok(h264::track(number, sets)?),
            Self::H265(sets) => Ok(h265::track(number, sets)?),
        }
    }

    fn codec(&self) -> CodecId {
        match self {
            Self::H264(_) => CodecId::H264,
            Self::H265(_) => CodecId::H265,
        }
    }
}
