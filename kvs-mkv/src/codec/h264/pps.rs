//! The picture parameter set (H.264 7.3.2.2), as far as slice headers depend on it.

use super::NalType;
use crate::codec::bit_reader::without_emulation_prevention;
use crate::codec::syntax::{Fields, SyntaxError};

/// The fields of a picture parameter set that slice headers depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pps {
    pub(super) id: u8,
    pub(super) sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub(super) bottom_order: bool,
}

impl Pps {
    pub(super) fn parse(unit: &[u8]) -> Result<Self, SyntaxError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::PPS {
            return Err(SyntaxError::WrongType { found: kind.0, expected: "picture parameter set (type 8)" });
        }
        let body = unit.get(1..).unwrap_or_default();
        let bytes = without_emulation_prevention(body.get(..HEAD_BYTES).unwrap_or(body));
        let mut fields = Fields::new(&bytes, unit.len());
        let id = fields.small("pic_parameter_set_id", 255)?;
        let sps_id = fields.small("seq_parameter_set_id", 31)?;
        fields.flag()?; // entropy_coding_mode_flag
        Ok(Self { id, sps_id, bottom_order: fields.flag()? })
    }
}

/// Two Exp-Golomb codes of up to 17 and 11 bits and two flags, with room for emulation prevention.
const HEAD_BYTES: usize = 8;
