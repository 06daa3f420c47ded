//! The picture parameter set (H.264 7.3.2.2), as far as slice headers depend on it.

use super::NalType;
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};
use crate::codec::syntax::{Fields, SyntaxError};

/// The fields of a picture parameter set that slice headers depend on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pps {
    pub(super) id: u8,
    pub(super) sps_id: u8,
    /// `bottom_field_pic_order_in_frame_present_flag`.
    pub(super) bottom_order: bool,
    /// `redundant_pic_cnt_present_flag`.
    pub(super) redundant_pictures: bool,
}

impl Pps {
    pub(super) fn parse(unit: &[u8]) -> Result<Self, SyntaxError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::PPS {
            return Err(SyntaxError::WrongType { found: kind.0, expected: "picture parameter set (type 8)" });
        }
        let bytes = without_emulation_prevention(unit.get(1..).unwrap_or_default());
        let mut fields = Fields::new(&bytes, unit.len());
        let id = fields.small("pic_parameter_set_id", 255)?;
        let sps_id = fields.small("seq_parameter_set_id", 31)?;
        fields.flag()?; // entropy_coding_mode_flag
        let bottom_order = fields.flag()?;
        // Slices of a set that is damaged from here on can still be told apart.
        let redundant_pictures = has_redundant_pictures(&mut fields.bits).unwrap_or(false);
        Ok(Self { id, sps_id, bottom_order, redundant_pictures })
    }
}

/// Reads from `num_slice_groups_minus1` to `redundant_pic_cnt_present_flag`.
fn has_redundant_pictures(bits: &mut BitReader<'_>) -> Option<bool> {
    let groups = bits.ue().filter(|&groups| groups < 8)?;
    if groups > 0 {
        skip_slice_groups(bits, groups)?;
    }
    bits.ue()?; // num_ref_idx_l0_default_active_minus1
    bits.ue()?; // num_ref_idx_l1_default_active_minus1
    bits.skip(3)?; // weighted_pred_flag, weighted_bipred_idc
    bits.se()?; // pic_init_qp_minus26
    bits.se()?; // pic_init_qs_minus26
    bits.se()?; // chroma_qp_index_offset
    bits.skip(2)?; // deblocking_filter_control_present_flag, constrained_intra_pred_flag
    bits.flag()
}

/// Skips the map of `groups` + 1 slice groups.
fn skip_slice_groups(bits: &mut BitReader<'_>, groups: u32) -> Option<()> {
    match bits.ue()? {
        0 => {
            for _ in 0..=groups {
                bits.ue()?; // run_length_minus1
            }
        }
        2 => {
            for _ in 0..groups {
                bits.ue()?; // top_left
                bits.ue()?; // bottom_right
            }
        }
        3..=5 => {
            bits.flag()?; // slice_group_change_direction_flag
            bits.ue()?; // slice_group_change_rate_minus1
        }
        6 => {
            let units = usize::try_from(bits.ue()?).ok()?.checked_add(1)?;
            let width = match groups {
                4.. => 3,
                2.. => 2,
                _ => 1,
            };
            bits.skip(units.checked_mul(width)?)?; // slice_group_id
        }
        _ => {}
    }
    Some(())
}
