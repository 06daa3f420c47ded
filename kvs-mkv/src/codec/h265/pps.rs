//! The picture parameter set (H.265 7.3.2.3.1), as far as slice headers depend on it.

use super::NalType;
use crate::codec::bit_reader::without_emulation_prevention;
use crate::codec::syntax::{Fields, SyntaxError};

/// The fields of a picture parameter set that slice headers depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pps {
    pub(super) id: u8,
    pub(super) sps_id: u8,
    /// `output_flag_present_flag`.
    pub(super) output_flag: bool,
    /// `num_extra_slice_header_bits`.
    pub(super) extra_bits: u8,
}

impl Pps {
    pub(super) fn parse(unit: &[u8]) -> Result<Self, SyntaxError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::PPS {
            return Err(SyntaxError::WrongType { found: kind.0, expected: "picture parameter set (type 34)" });
        }
        let body = unit.get(2..).unwrap_or_default();
        let bytes = without_emulation_prevention(body.get(..HEAD_BYTES).unwrap_or(body));
        let mut fields = Fields::new(&bytes, unit.len());
        let id = fields.small("pps_pic_parameter_set_id", 63)?;
        let sps_id = fields.small("pps_seq_parameter_set_id", 15)?;
        fields.flag()?; // dependent_slice_segments_enabled_flag
        let output_flag = fields.flag()?;
        Ok(Self { id, sps_id, output_flag, extra_bits: fields.byte(3)? })
    }
}

/// Two Exp-Golomb codes of up to 13 and 9 bits and five bits, with room for emulation prevention.
const HEAD_BYTES: usize = 8;
