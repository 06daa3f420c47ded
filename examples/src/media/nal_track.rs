//! An H.264 or H.265 track in the making: its codec private data checked, its payloads with lengths of four bytes.

use bytes::Bytes;
use kvs_mkv::codec::h264::{self, ParameterSets};
use kvs_mkv::codec::nal::{self, Framing, LengthSize, NalError};
use kvs_mkv::{Chunks, CodecId, Track, TrackKind, TrackNumber};

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NalCodec {
    H264,
    H265,
}

/// Takes the payloads of one track and keeps what its codec private data will be.
pub(super) struct NalTrack {
    codec: NalCodec,
    /// As the container has it; empty if it has none.
    config: Bytes,
    length_size: LengthSize,
    h264: ParameterSets,
    /// Width and height as the container says.
    size: (u64, u64),
}

impl NalTrack {
    /// A track whose container gave this avcC or hvcC and this size.
    pub(super) fn new(codec: NalCodec, config: Bytes, size: (u64, u64)) -> Self {
        let mut track = Self { codec, config, length_size: LengthSize::FOUR, h264: ParameterSets::new(), size };
        match codec {
            NalCodec::H264 => {
                if let Ok((sets, length_size)) = ParameterSets::from_avcc(&track.config) {
                    (track.h264, track.length_size) = (sets, length_size);
                }
            }
            NalCodec::H265 => {
                let length_size = track.config.get(21).and_then(|byte| LengthSize::new((byte & 3) + 1));
                track.length_size = length_size.unwrap_or(LengthSize::FOUR);
            }
        }
        track
    }

    /// A payload with lengths of four bytes; parameter sets in it are noted as long as some are missing.
    pub(super) fn payload(&mut self, sample: &Bytes) -> Result<Chunks, NalError> {
        // Some writers put start codes where lengths belong.
        let framing = match Framing::detect(sample) {
            Some(Framing::AnnexB) => Framing::AnnexB,
            _ => Framing::LengthPrefixed(self.length_size),
        };
        if self.codec == NalCodec::H264 && !self.h264.is_complete() {
            self.h264.absorb(nal::units_in(sample, framing)?);
        }
        match framing {
            Framing::AnnexB => nal::annex_b_to_length_prefixed(sample),
            _ => nal::widen_lengths(sample, self.length_size),
        }
    }

    /// The track, once its payloads have been seen.
    pub(super) fn into_track(self, number: TrackNumber) -> Result<Track, h264::ParameterSetsError> {
        match self.codec {
            NalCodec::H264 => {
                let track = h264::track(number, &self.h264)?;
                // What the container has is kept as it is wherever it is fit for the payloads.
                let kept = ParameterSets::from_avcc(&self.config)
                    .is_ok_and(|(sets, length_size)| sets.is_complete() && length_size == LengthSize::FOUR);
                Ok(if kept { track.with_codec_private(self.config) } else { track })
            }
            NalCodec::H265 => Ok(self.into_empty_track(number)),
        }
    }

    /// The track as the container describes it, whatever its payloads say.
    pub(super) fn into_empty_track(self, number: TrackNumber) -> Track {
        let codec = if self.codec == NalCodec::H264 { CodecId::H264 } else { CodecId::H265 };
        let (width, height) = self.size;
        Track::new(number, TrackKind::Video, codec).with_codec_private(self.config).with_video(width, height)
    }
}
