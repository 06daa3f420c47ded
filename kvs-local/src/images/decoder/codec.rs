//! The differences between H.264 and H.265 outside the slice headers.

use kvs_mkv::codec::nal::{self, Framing};
use kvs_mkv::codec::{h264, h265};
use kvs_mkv::{CodecId, Track};

use crate::images::decoder::contained::Contained;
use crate::images::decoder::{self, AccessUnitDecoder};
use crate::images::error::DecodeError;

/// A supported codec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::images) enum Codec {
    H264,
    H265,
}

impl Codec {
    pub(in crate::images) fn of(track: &Track) -> Result<Self, DecodeError> {
        match &track.codec {
            codec if *codec == CodecId::H264 => Ok(Self::H264),
            codec if *codec == CodecId::H265 => Ok(Self::H265),
            other => Err(DecodeError::Codec { codec: other.as_str().to_owned() }),
        }
    }

    pub(in crate::images) fn decoder(self) -> Box<dyn AccessUnitDecoder> {
        match self {
            Self::H264 => Box::new(Contained::new(decoder::H264::default(), "H.264")),
            Self::H265 => Box::new(Contained::new(decoder::H265::default(), "H.265")),
        }
    }

    pub(in crate::images) fn is_slice(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => matches!(h264::NalType::of(unit), Some(h264::NalType::SLICE | h264::NalType::IDR)),
            Self::H265 => h265::NalType::of(unit).is_some_and(h265::NalType::is_slice),
        }
    }

    pub(in crate::images) fn is_parameter_set(self, unit: &[u8]) -> bool {
        match self {
            Self::H264 => h264::NalType::of(unit).is_some_and(h264::NalType::is_parameter_set),
            Self::H265 => h265::NalType::of(unit).is_some_and(h265::NalType::is_parameter_set),
        }
    }

    /// Returns the NAL unit framing of the track and the parameter sets of its codec private data.
    ///
    /// The data is an `avcC` or `hvcC` record (ISO/IEC 14496-15), which starts with version 1. Some producers send the
    /// parameter sets with start codes instead.
    pub(in crate::images) fn parse_private(self, private: &[u8]) -> Option<(Framing, Vec<&[u8]>)> {
        if private.first() == Some(&1) {
            let (units, length_size) = match self {
                Self::H264 => h264::AvcC::parse(private).map(|avcc| (avcc.units, avcc.length_size)).ok()?,
                Self::H265 => h265::HvcC::parse(private).map(|hvcc| (hvcc.units, hvcc.length_size)).ok()?,
            };
            return Some((Framing::LengthPrefixed(length_size), units));
        }
        let units: Vec<&[u8]> = nal::annex_b_lossy(private).collect();
        units.iter().any(|unit| self.is_parameter_set(unit)).then_some((Framing::AnnexB, units))
    }
}

#[cfg(test)]
mod tests {
    use kvs_mkv::codec::nal::LengthSize;

    use super::*;

    fn lengths(bytes: u8) -> Framing {
        Framing::LengthPrefixed(LengthSize::new(bytes).unwrap())
    }

    #[test]
    fn parses_framing_and_parameter_sets_of_records() {
        let avcc = [1, 66, 0, 30, 0xfd, 0xe1, 0, 2, 0x67, 66, 1, 0, 1, 0x68];
        let (framing, units) = Codec::H264.parse_private(&avcc).unwrap();
        assert_eq!((framing, units), (lengths(2), vec![&[0x67, 66][..], &[0x68][..]]));
        let mut hvcc = [0; 21].to_vec();
        hvcc[0] = 1;
        hvcc.extend([0b0000_1111, 2]);
        hvcc.extend([0xa0, 0, 1, 0, 2, 0x40, 1, 0x21, 0, 1, 0, 3, 0x42, 1, 9]);
        let (framing, units) = Codec::H265.parse_private(&hvcc).unwrap();
        assert_eq!((framing, units), (lengths(4), vec![&[0x40, 1][..], &[0x42, 1, 9][..]]));
        for cut in 0..hvcc.len() {
            assert_eq!(Codec::H265.parse_private(&hvcc[..cut]), None, "cut at {cut}");
        }
        assert_eq!(Codec::H264.parse_private(&avcc[..9]), None);
        assert_eq!(Codec::H264.parse_private(b"no parameter sets"), None);
    }

    #[test]
    fn accepts_start_codes_only_with_parameter_sets_of_the_codec() {
        let (h264, h265) = ([0, 0, 1, 0x67, 66], [0, 0, 1, 0x42, 1, 9]);
        assert!(Codec::H264.parse_private(&h264).is_some() && Codec::H265.parse_private(&h265).is_some());
        assert_eq!(Codec::H265.parse_private(&h264), None);
    }
}
