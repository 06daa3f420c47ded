//! An H.264 or H.265 track in the making: its codec private data checked, its payloads with lengths of four bytes.

use std::error::Error;

use bytes::Bytes;
use kvs_mkv::codec::nal::{self, Framing, LengthSize, NalError};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{Chunks, CodecId, Track, TrackKind, TrackNumber};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NalCodec {
    H264,
    H265,
}

/// Takes the payloads of one track and keeps what its codec private data will be.
#[derive(Debug)]
pub(super) struct NalTrack {
    sets: Sets,
    /// The avcC or hvcC of the container, if it can stay as it is.
    config: Option<Bytes>,
    length_size: LengthSize,
    /// Width and height as the container says.
    size: (u64, u64),
}

/// The parameter sets of either codec.
#[derive(Debug)]
enum Sets {
    H264(h264::ParameterSets),
    H265(h265::ParameterSets),
}

impl NalTrack {
    /// A track whose container gave this avcC or hvcC (empty if none) and this size.
    ///
    /// A config that cannot be read counts as none: the parameter sets may still come in the payloads.
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

    /// A payload with lengths of four bytes; parameter sets in it are noted as long as some are missing.
    pub(super) fn payload(&mut self, sample: &Bytes) -> Result<Chunks, NalError> {
        // Some writers put start codes where lengths belong.
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

    /// Whether all is known that the track needs.
    pub(super) fn is_complete(&self) -> bool {
        self.sets.is_complete()
    }

    /// The track, once its payloads have been seen.
    pub(super) fn track(&self, number: TrackNumber) -> Result<Track, Box<dyn Error>> {
        // What the container has is kept as it is wherever it is fit for the payloads, even with an SPS we cannot read.
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
