//! The sequence parameter set (H.264 7.3.2.1.1).

use super::NalType;
use super::sps_vui::Vui;
use crate::PixelAspect;
use crate::codec::bit_reader::without_emulation_prevention;
use crate::codec::limits;
use crate::codec::syntax::{Cropping, Fields, SyntaxError, check_side};
use crate::codec::vui::{FrameRate, VideoSignal};

/// The fields of a sequence parameter set that containers, cutters and decoders need.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// `profile_idc`: 66 Baseline, 77 Main, 100 High, ...
    pub profile: u8,
    /// The byte of constraint flags between profile and level.
    pub constraints: u8,
    /// `level_idc`: ten times the level.
    pub level: u8,
    /// Width of the shown picture in pixels, after cropping.
    pub width: u32,
    /// Height of the shown picture in pixels, after cropping.
    pub height: u32,
    /// Width of the coded picture in pixels, a multiple of 16.
    pub coded_width: u32,
    /// Height of the coded picture in pixels, a multiple of 16.
    pub coded_height: u32,
    /// Luma samples that cropping removes on the left.
    pub crop_left: u32,
    /// Luma samples that cropping removes at the top.
    pub crop_top: u32,
    /// `chroma_format_idc`: 0 is grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample.
    pub luma_bits: u8,
    /// Bits per chroma sample.
    pub chroma_bits: u8,
    /// The shape of a pixel, if the VUI states it.
    pub pixel_aspect: Option<PixelAspect>,
    /// The frame rate, if the VUI states it.
    pub frame_rate: Option<FrameRate>,
    /// The color description, if the VUI states it.
    pub video_signal: Option<VideoSignal>,
    /// `max_num_reorder_frames`, if the VUI states it: how many frames may precede a frame in decoding order and follow it
    /// in output order.
    pub reorder_frames: Option<u32>,
    /// `max_num_ref_frames`: frames a decoder must keep as references.
    pub reference_frames: u32,
    /// How slices state the output order of their picture.
    pub picture_order: PictureOrderType,
    /// Bits of `frame_num`.
    pub frame_num_bits: u8,
    /// `gaps_in_frame_num_value_allowed_flag`: the encoder may skip values of `frame_num` on purpose.
    pub frame_num_gaps: bool,
    /// `frame_mbs_only_flag`: no picture is a field.
    pub frames_only: bool,
    /// `mb_adaptive_frame_field_flag`: macroblocks may be coded as fields.
    pub adaptive_fields: bool,
    /// `separate_colour_plane_flag`: each slice belongs to one color plane.
    pub separate_planes: bool,
}

/// `pic_order_cnt_type`: how slices state the output order of their picture (H.264 8.2.1).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PictureOrderType {
    /// Type 0: each slice has the low bits of the picture order count.
    Explicit {
        /// The number of bits.
        bits: u8,
    },
    /// Type 1: the picture order count follows from `frame_num` and a cycle of offsets.
    Cycle {
        /// `delta_pic_order_always_zero_flag`: slices have no difference to the cycle.
        always_zero: bool,
        /// `offset_for_non_ref_pic`.
        non_reference: i32,
        /// `offset_for_ref_frame`.
        offsets: Box<[i32]>,
    },
    /// Type 2: output order is decoding order.
    DecodingOrder,
}

impl Sps {
    /// Parses an SPS NAL unit, including its header of one byte and its emulation prevention bytes.
    ///
    /// # Errors
    /// [`SyntaxError`]. A VUI that ends early is not an error: its fields stay `None`.
    pub fn parse(unit: &[u8]) -> Result<Self, SyntaxError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::SPS {
            return Err(SyntaxError::WrongType { found: kind.0, expected: "sequence parameter set (type 7)" });
        }
        let bytes = without_emulation_prevention(unit.get(1..).unwrap_or_default());
        Fields::new(&bytes, unit.len()).h264_sps()
    }
}

impl Fields<'_> {
    fn h264_sps(&mut self) -> Result<Sps, SyntaxError> {
        let (profile, constraints, level) = (self.byte(8)?, self.byte(8)?, self.byte(8)?);
        let id = self.small("seq_parameter_set_id", 31)?;
        let samples = if is_high(profile) { self.sample_format()? } else { SampleFormat::EIGHT_BIT_420 };
        let frame_num_bits = self.small("log2_max_frame_num_minus4", 12)?.saturating_add(4);
        let picture_order = self.picture_order()?;
        // A valid stream has at most 16 (MaxDpbFrames, A.3.1).
        let reference_frames = self.ue("max_num_ref_frames", 32)?;
        let frame_num_gaps = self.flag()?;
        let size = self.picture_size(samples)?;
        let mut vui = Vui::default();
        if self.flag()? {
            // A VUI that ends early is common: FFmpeg warns about it and goes on, and so do we.
            let _ = vui.read(&mut self.bits);
        }
        Ok(Sps {
            id,
            profile,
            constraints,
            level,
            width: size.width,
            height: size.height,
            coded_width: size.coded_width,
            coded_height: size.coded_height,
            crop_left: size.cropping.left,
            crop_top: size.cropping.top,
            chroma_format: samples.chroma_format,
            luma_bits: samples.luma_bits,
            chroma_bits: samples.chroma_bits,
            pixel_aspect: vui.head.pixel_aspect,
            frame_rate: vui.frame_rate,
            video_signal: vui.head.video_signal,
            reorder_frames: vui.reorder_frames,
            reference_frames,
            picture_order,
            frame_num_bits,
            frame_num_gaps,
            frames_only: size.frames_only,
            adaptive_fields: size.adaptive_fields,
            separate_planes: samples.separate_planes,
        })
    }

    fn sample_format(&mut self) -> Result<SampleFormat, SyntaxError> {
        let chroma_format = self.small("chroma_format_idc", 3)?;
        let separate_planes = chroma_format == 3 && self.flag()?;
        let luma_bits = self.small("bit_depth_luma_minus8", 6)?.saturating_add(8);
        let chroma_bits = self.small("bit_depth_chroma_minus8", 6)?.saturating_add(8);
        self.flag()?; // qpprime_y_zero_transform_bypass_flag
        if self.flag()? {
            let lists = if chroma_format == 3 { 12 } else { 8 };
            for list in 0..lists {
                if self.flag()? {
                    self.scaling_list(if list < 6 { 16 } else { 64 })?;
                }
            }
        }
        Ok(SampleFormat { chroma_format, separate_planes, luma_bits, chroma_bits })
    }

    /// Skips one scaling list.
    fn scaling_list(&mut self, size: u32) -> Result<(), SyntaxError> {
        let mut last = 8i32;
        for _ in 0..size {
            let next = last.wrapping_add(self.se()?).rem_euclid(256);
            // After a scale of 0 the list has no more fields: the rest repeats the last value (7.3.2.1.1.1).
            if next == 0 {
                break;
            }
            last = next;
        }
        Ok(())
    }

    fn picture_order(&mut self) -> Result<PictureOrderType, SyntaxError> {
        match self.small("pic_order_cnt_type", 2)? {
            0 => {
                let bits = self.small("log2_max_pic_order_cnt_lsb_minus4", 12)?.saturating_add(4);
                Ok(PictureOrderType::Explicit { bits })
            }
            1 => {
                let always_zero = self.flag()?;
                let non_reference = self.se()?;
                self.se()?; // offset_for_top_to_bottom_field
                let count = self.ue("num_ref_frames_in_pic_order_cnt_cycle", 255)?;
                let offsets = (0..count).map(|_| self.se()).collect::<Result<_, _>>()?;
                Ok(PictureOrderType::Cycle { always_zero, non_reference, offsets })
            }
            _ => Ok(PictureOrderType::DecodingOrder),
        }
    }

    fn picture_size(&mut self, samples: SampleFormat) -> Result<PictureSize, SyntaxError> {
        let columns = self.ue("pic_width_in_mbs_minus1", u32::MAX)?.saturating_add(1);
        let map_units = self.ue("pic_height_in_map_units_minus1", u32::MAX)?.saturating_add(1);
        let frames_only = self.flag()?;
        let adaptive_fields = !frames_only && self.flag()?;
        self.flag()?; // direct_8x8_inference_flag
        // A map unit is two macroblocks high where fields are allowed (7.4.2.1.1).
        let fields = if frames_only { 1 } else { 2 };
        let coded_width = columns.saturating_mul(16);
        let coded_height = map_units.saturating_mul(16).saturating_mul(fields);
        check_side(coded_width, coded_height)?;
        let mut cropping = Cropping::default();
        if self.flag()? {
            let mut offset = || self.ue("frame_crop_offset", limits::PICTURE_SIDE);
            let offsets = [offset()?, offset()?, offset()?, offset()?];
            let (across, down) = samples.crop_unit();
            cropping = Cropping::new(offsets, (across, down.saturating_mul(fields)));
        }
        let (width, height) = cropping.apply(coded_width, coded_height)?;
        Ok(PictureSize { coded_width, coded_height, width, height, cropping, frames_only, adaptive_fields })
    }
}

struct PictureSize {
    coded_width: u32,
    coded_height: u32,
    width: u32,
    height: u32,
    cropping: Cropping,
    frames_only: bool,
    adaptive_fields: bool,
}

#[derive(Clone, Copy)]
struct SampleFormat {
    chroma_format: u8,
    separate_planes: bool,
    luma_bits: u8,
    chroma_bits: u8,
}

impl SampleFormat {
    /// What profiles below High have without saying so (7.4.2.1.1).
    const EIGHT_BIT_420: Self = Self { chroma_format: 1, separate_planes: false, luma_bits: 8, chroma_bits: 8 };

    /// Returns the luma samples per step of cropping, across and down (7.4.2.1.1, table 6-1).
    const fn crop_unit(self) -> (u32, u32) {
        match self.chroma_format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        }
    }
}

/// Profiles whose SPS has the sample format (7.3.2.1.1).
const fn is_high(profile: u8) -> bool {
    matches!(profile, 44 | 83 | 86 | 100 | 110 | 118 | 122 | 128 | 134 | 135 | 138 | 139 | 144 | 244)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn parses_high_profile_sps() {
        let sps = Sps::parse(&hex!("67640034 ac2b401e0078d808800001f40000ea6047a550")).unwrap();
        assert_eq!((sps.width, sps.height, sps.profile, sps.level), (3840, 1920, 100, 52));
        assert_eq!((sps.chroma_format, sps.luma_bits, sps.chroma_bits), (1, 8, 8));
        assert_eq!((sps.coded_width, sps.coded_height, sps.crop_left, sps.crop_top), (3840, 1920, 0, 0));
    }

    #[test]
    fn reports_where_sps_ends_early() {
        assert_eq!(Sps::parse(&hex!("6764")), Err(SyntaxError::Truncated { len: 2, bit: 8 }));
        let wrong = |found| Err(SyntaxError::WrongType { found, expected: "sequence parameter set (type 7)" });
        assert_eq!(Sps::parse(&hex!("68ce")), wrong(8));
        assert_eq!(Sps::parse(b""), wrong(0));
    }
}
