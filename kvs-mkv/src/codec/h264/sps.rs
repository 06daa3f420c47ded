//! The sequence parameter set (H.264 7.3.2.1.1): picture size, profile, level, frame rate.

use crate::codec::bit_reader::{BitReader, without_emulation_prevention};
use crate::codec::limits;
use crate::codec::sps::{Fields, FrameRate, SpsError, cropped};

use super::NalType;

/// What a sequence parameter set says, as far as a container or an application wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High, ...
    pub profile: u8,
    /// The constraint flags as they stand between profile and level.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Width of the shown picture in pixels, after cropping.
    pub width: u32,
    /// Height of the shown picture in pixels, after cropping.
    pub height: u32,
    /// `chroma_format_idc`: 0 grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Bits of a chroma sample.
    pub chroma_bits: u8,
    /// Frames a second as the VUI states them, if it does.
    pub frame_rate: Option<FrameRate>,
    /// Frames may reach back in showing order at most this far, if the VUI says (`max_num_reorder_frames`).
    pub reorder_frames: Option<u32>,
    /// How the order of showing is coded.
    pub picture_order: PictureOrderType,
    /// Bits of `frame_num`.
    pub frame_num_bits: u8,
    /// Every picture is a whole frame, none a field.
    pub frames_only: bool,
    /// The colour planes are coded apart, each slice naming its plane.
    pub separate_planes: bool,
}

/// `pic_order_cnt_type`: how slices say when their picture is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureOrderType {
    /// Each slice gives the lowest bits of the count.
    Explicit {
        /// How many bits.
        bits: u8,
    },
    /// From `frame_num` and offsets of the SPS.
    Cycle {
        /// Slices give no difference to it (`delta_pic_order_always_zero_flag`).
        always_zero: bool,
    },
    /// Shown as decoded.
    DecodingOrder,
}

impl Sps {
    /// Reads an SPS NAL unit, its one-byte header included; emulation prevention is removed here.
    ///
    /// # Errors
    /// [`SpsError`]; a VUI that cannot be read only leaves the fields it would have filled empty.
    pub fn parse(unit: &[u8]) -> Result<Self, SpsError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::SPS {
            return Err(SpsError::NotSps { found: kind.0 });
        }
        let bytes = without_emulation_prevention(unit.get(1..).unwrap_or_default());
        Fields::new(&bytes, unit.len()).h264()
    }
}

impl Fields<'_> {
    fn h264(&mut self) -> Result<Sps, SpsError> {
        let (profile, constraints, level) = (self.byte(8)?, self.byte(8)?, self.byte(8)?);
        let id = self.small("seq_parameter_set_id", 31)?;
        let chroma = if is_high(profile) { self.chroma()? } else { Chroma::EIGHT_BIT_420 };
        let frame_num_bits = self.small("log2_max_frame_num_minus4", 12)?.saturating_add(4);
        let picture_order = self.picture_order()?;
        self.ue("max_num_ref_frames", 32)?;
        self.flag()?; // gaps_in_frame_num_value_allowed_flag
        let (width, height, frames_only) = self.size_and_fields(chroma)?;
        let vui = if self.flag()? { self.vui() } else { None };
        Ok(Sps {
            id,
            profile,
            constraints,
            level,
            width,
            height,
            chroma_format: chroma.format,
            luma_bits: chroma.luma_bits,
            chroma_bits: chroma.chroma_bits,
            frame_rate: vui.and_then(|vui| vui.frame_rate),
            reorder_frames: vui.and_then(|vui| vui.reorder_frames),
            picture_order,
            frame_num_bits,
            frames_only,
            separate_planes: chroma.separate_planes,
        })
    }

    fn chroma(&mut self) -> Result<Chroma, SpsError> {
        let format = self.small("chroma_format_idc", 3)?;
        let separate_planes = format == 3 && self.flag()?;
        let luma_bits = self.small("bit_depth_luma_minus8", 6)?.saturating_add(8);
        let chroma_bits = self.small("bit_depth_chroma_minus8", 6)?.saturating_add(8);
        self.flag()?; // qpprime_y_zero_transform_bypass_flag
        if self.flag()? {
            let lists = if format == 3 { 12 } else { 8 };
            for list in 0..lists {
                if self.flag()? {
                    self.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(Chroma { format, separate_planes, luma_bits, chroma_bits })
    }

    /// Passes over one scaling list (7.3.2.1.1.1).
    fn scaling_list(&mut self, size: u32) -> Result<(), SpsError> {
        let mut last = 8i32;
        for _ in 0..size {
            let delta = self.bits.se().ok_or_else(|| self.truncated())?;
            let next = last.wrapping_add(delta).rem_euclid(256);
            if next == 0 {
                break;
            }
            last = next;
        }
        Ok(())
    }

    fn picture_order(&mut self) -> Result<PictureOrderType, SpsError> {
        match self.small("pic_order_cnt_type", 2)? {
            0 => {
                let bits = self.small("log2_max_pic_order_cnt_lsb_minus4", 12)?.saturating_add(4);
                Ok(PictureOrderType::Explicit { bits })
            }
            1 => {
                let always_zero = self.flag()?;
                self.bits.se().ok_or_else(|| self.truncated())?; // offset_for_non_ref_pic
                self.bits.se().ok_or_else(|| self.truncated())?; // offset_for_top_to_bottom_field
                for _ in 0..self.ue("num_ref_frames_in_pic_order_cnt_cycle", 255)? {
                    self.bits.se().ok_or_else(|| self.truncated())?;
                }
                Ok(PictureOrderType::Cycle { always_zero })
            }
            _ => Ok(PictureOrderType::DecodingOrder),
        }
    }

    /// Width and height after cropping, and whether all pictures are frames.
    fn size_and_fields(&mut self, chroma: Chroma) -> Result<(u32, u32, bool), SpsError> {
        const MACROBLOCKS: u32 = limits::PICTURE_SIDE / 16;
        let columns = self.ue("pic_width_in_mbs_minus1", MACROBLOCKS)?.saturating_add(1);
        let rows = self.ue("pic_height_in_map_units_minus1", MACROBLOCKS)?.saturating_add(1);
        let frames_only = self.flag()?;
        if !frames_only {
            self.flag()?; // mb_adaptive_frame_field_flag
        }
        self.flag()?; // direct_8x8_inference_flag
        let fields = if frames_only { 1 } else { 2 };
        let (width, height) = (columns.saturating_mul(16), rows.saturating_mul(16).saturating_mul(fields));
        if !self.flag()? {
            return Ok((width, height, frames_only));
        }
        let (unit_x, unit_y) = chroma.crop_unit();
        let mut crop = || self.ue("frame_crop_offset", limits::PICTURE_SIDE);
        let away = [crop()?, crop()?, crop()?, crop()?];
        let (width, height) = cropped((width, height), (unit_x, unit_y.saturating_mul(fields)), away)?;
        Ok((width, height, frames_only))
    }

    /// The frame rate and the reordering of the VUI (E.1.1); `None` if it ends early.
    fn vui(&mut self) -> Option<Vui> {
        let bits = &mut self.bits;
        if bits.flag()? && bits.bits(8)? == EXTENDED_SAR {
            bits.skip(32)?;
        }
        if bits.flag()? {
            bits.flag()?; // overscan_appropriate_flag
        }
        if bits.flag()? {
            bits.skip(4)?; // video_format, video_full_range_flag
            if bits.flag()? {
                bits.skip(24)?; // colour description
            }
        }
        if bits.flag()? {
            bits.ue()?;
            bits.ue()?; // chroma sample locations
        }
        let mut vui = Vui { frame_rate: None, reorder_frames: None };
        if bits.flag()? {
            let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
            bits.flag()?; // fixed_frame_rate_flag
            // A frame lasts two ticks, one a field (E.2.1, table E-6).
            let seconds = u64::from(tick).saturating_mul(2);
            vui.frame_rate = (tick > 0 && scale > 0).then_some(FrameRate { frames: scale.into(), seconds });
        }
        vui.reorder_frames = reorder_frames(bits);
        Some(vui)
    }
}

/// `max_num_reorder_frames` from what follows the timing of the VUI.
fn reorder_frames(bits: &mut BitReader<'_>) -> Option<u32> {
    let nal = bits.flag()?;
    if nal {
        skip_hrd(bits)?;
    }
    let vcl = bits.flag()?;
    if vcl {
        skip_hrd(bits)?;
    }
    if nal || vcl {
        bits.flag()?; // low_delay_hrd_flag
    }
    bits.flag()?; // pic_struct_present_flag
    if !bits.flag()? {
        return None;
    }
    bits.flag()?; // motion_vectors_over_pic_boundaries_flag
    for _ in 0..4 {
        bits.ue()?;
    }
    bits.ue().filter(|&frames| frames <= 16)
}

fn skip_hrd(bits: &mut BitReader<'_>) -> Option<()> {
    let count = bits.ue().filter(|&count| count < 32)?;
    bits.skip(8)?;
    for _ in 0..=count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20)
}

#[derive(Clone, Copy)]
struct Vui {
    frame_rate: Option<FrameRate>,
    reorder_frames: Option<u32>,
}

#[derive(Clone, Copy)]
struct Chroma {
    format: u8,
    separate_planes: bool,
    luma_bits: u8,
    chroma_bits: u8,
}

impl Chroma {
    const EIGHT_BIT_420: Self = Self { format: 1, separate_planes: false, luma_bits: 8, chroma_bits: 8 };

    /// What one step of cropping takes off, in pixels across and down (7.4.2.1.1, table 6-1).
    const fn crop_unit(self) -> (u32, u32) {
        match self.format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

/// `aspect_ratio_idc` that is followed by a width and a height (table E-1).
const EXTENDED_SAR: u32 = 255;

/// Profiles whose SPS has the chroma fields (7.3.2.1.1).
const fn is_high(profile: u8) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 144 | 244)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn a_high_profile_sps_gives_size_profile_and_level() {
        let sps = Sps::parse(&hex!("67640034 ac2b401e0078d808800001f40000ea6047a550")).unwrap();
        assert_eq!((sps.width, sps.height, sps.profile, sps.level), (3840, 1920, 100, 52));
        assert_eq!((sps.chroma_format, sps.luma_bits, sps.chroma_bits), (1, 8, 8));
    }

    #[test]
    fn an_sps_that_ends_early_says_where() {
        assert_eq!(Sps::parse(&hex!("6764")), Err(SpsError::Truncated { len: 2, bit: 8 }));
        assert_eq!(Sps::parse(&hex!("68ce")), Err(SpsError::NotSps { found: 8 }));
        assert_eq!(Sps::parse(b""), Err(SpsError::NotSps { found: 0 }));
    }
}
