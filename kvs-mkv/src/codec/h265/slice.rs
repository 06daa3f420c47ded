//! The start of a slice segment header (H.265 7.3.6.1): which picture the slice belongs to, and its place in output order.

use super::pps::Pps;
use super::{NalType, Sps};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};

/// The fields of a slice segment header up to the picture order count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SliceHeader {
    /// NAL unit type.
    pub kind: NalType,
    /// Temporal layer; 0 is the lowest.
    pub temporal_id: u8,
    /// `first_slice_segment_in_pic_flag`: it is the first slice segment of its picture.
    pub first: bool,
    /// `slice_pic_order_cnt_lsb`; `None` for IDR pictures and for slice segments that are not the first of their picture.
    pub order_lsb: Option<u32>,
}

/// Bytes of a slice that contain the fields read here: two Exp-Golomb codes of at most 63 bits and 28 other bits, with room
/// for emulation prevention.
const HEADER_BYTES: usize = 32;

impl SliceHeader {
    pub(super) fn parse(unit: &[u8], sps: &Sps, pps: &Pps) -> Option<Self> {
        let rbsp = Rbsp::of_slice(unit)?;
        let mut bits = BitReader::new(&rbsp.bytes);
        let first = bits.flag()?;
        let mut order_lsb = None;
        if first && !rbsp.kind.is_idr() {
            skip_to_parameter_set(&mut bits, rbsp.kind)?;
            bits.ue()?; // slice_pic_parameter_set_id
            bits.skip(pps.extra_bits.into())?;
            bits.ue()?; // slice_type
            if pps.output_flag {
                bits.flag()?; // pic_output_flag
            }
            if sps.separate_planes {
                bits.skip(2)?; // colour_plane_id
            }
            order_lsb = Some(bits.bits(sps.order_bits.into())?);
        }
        Some(Self { kind: rbsp.kind, temporal_id: rbsp.temporal_id, first, order_lsb })
    }

    /// Reads the number of the picture parameter set that a slice refers to.
    pub(super) fn parameter_set_of(unit: &[u8]) -> Option<u8> {
        let rbsp = Rbsp::of_slice(unit)?;
        let mut bits = BitReader::new(&rbsp.bytes);
        bits.flag()?; // first_slice_segment_in_pic_flag
        skip_to_parameter_set(&mut bits, rbsp.kind)?;
        u8::try_from(bits.ue()?).ok()
    }
}

/// Returns whether a slice segment is the first one of its picture; `None` if the NAL unit is not a slice or is cut.
///
/// Needs no parameter sets.
#[must_use]
pub fn starts_picture(unit: &[u8]) -> Option<bool> {
    let rbsp = Rbsp::of_slice(unit)?;
    BitReader::new(&rbsp.bytes).flag()
}

fn skip_to_parameter_set(bits: &mut BitReader<'_>, kind: NalType) -> Option<()> {
    // BLA_W_LP to RSV_IRAP_VCL23 have no_output_of_prior_pics_flag.
    if (16..=23).contains(&kind.0) {
        bits.flag()?;
    }
    Some(())
}

/// The start of a slice without emulation prevention.
struct Rbsp {
    kind: NalType,
    temporal_id: u8,
    bytes: Vec<u8>,
}

impl Rbsp {
    fn of_slice(unit: &[u8]) -> Option<Self> {
        let kind = NalType::of(unit).filter(|kind| kind.is_slice())?;
        // nuh_temporal_id_plus1 is never 0 (7.4.2.2); a damaged 0 counts as the lowest layer.
        let temporal_id = (unit.get(1)? & 7).saturating_sub(1);
        let body = unit.get(2..)?;
        let bytes = without_emulation_prevention(body.get(..HEADER_BYTES).unwrap_or(body));
        Some(Self { kind, temporal_id, bytes })
    }
}
