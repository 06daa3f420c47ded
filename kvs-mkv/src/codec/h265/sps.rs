//! The sequence parameter set (H.265 7.3.2.2).

use super::NalType;
use super::sps_tail::Tail;
use crate::PixelAspect;
use crate::codec::bit_reader::without_emulation_prevention;
use crate::codec::limits;
use crate::codec::syntax::{Cropping, Fields, SyntaxError, check_side};
use crate::codec::vui::{FrameRate, VideoSignal};

/// The fields of a sequence parameter set that containers, cutters and decoders need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u8,
    /// Profile, tier and level.
    pub profile_tier_level: ProfileTierLevel,
    /// Width of the shown picture in pixels, after the conformance window.
    pub width: u32,
    /// Height of the shown picture in pixels, after the conformance window.
    pub height: u32,
    /// Width of the coded picture in pixels.
    pub coded_width: u32,
    /// Height of the coded picture in pixels.
    pub coded_height: u32,
    /// `chroma_format_idc`: 0 is grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits per luma sample.
    pub luma_bits: u8,
    /// Bits per chroma sample.
    pub chroma_bits: u8,
    /// Number of temporal layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_nesting: bool,
    /// Bits of `slice_pic_order_cnt_lsb`.
    pub order_bits: u8,
    /// `separate_colour_plane_flag`: each slice belongs to one color plane.
    pub separate_planes: bool,
    /// `sps_max_dec_pic_buffering` of the layer that needs most: pictures a decoder must keep, the current one included.
    /// `None` if the fields after the picture order count cannot be read.
    pub buffered_pictures: Option<u32>,
    /// `sps_max_num_reorder_pics` of the layer with most: how many pictures may precede a picture in decoding order and follow
    /// it in output order.
    pub reordered_pictures: Option<u32>,
    /// The shape of a pixel, if the VUI states it.
    pub pixel_aspect: Option<PixelAspect>,
    /// The frame rate, if the VUI states it.
    pub frame_rate: Option<FrameRate>,
    /// The color description, if the VUI states it.
    pub video_signal: Option<VideoSignal>,
}

/// The twelve bytes of general profile, tier and level (H.265 7.3.3), which SPS and hvcC contain alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProfileTierLevel {
    /// Profile space, tier flag and profile.
    pub profile: u8,
    /// `general_profile_compatibility_flag`s, the first in the highest bit.
    pub compatibility: u32,
    /// The 48 bits of progressive, interlaced and constraint flags.
    pub constraints: u64,
    /// `general_level_idc`: thirty times the level.
    pub level: u8,
}

impl ProfileTierLevel {
    /// Returns the bytes as in an hvcC.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 12] {
        let [_, _, constraints @ ..] = self.constraints.to_be_bytes();
        let mut bytes = [0; 12];
        let fields = [self.profile].into_iter().chain(self.compatibility.to_be_bytes()).chain(constraints);
        for (byte, field) in bytes.iter_mut().zip(fields.chain([self.level])) {
            *byte = field;
        }
        bytes
    }
}

impl Sps {
    /// Parses an SPS NAL unit, including its header of two bytes and its emulation prevention bytes.
    ///
    /// # Errors
    /// [`SyntaxError`]. Fields after the picture order count that cannot be read are not an error: they stay `None`.
    pub fn parse(unit: &[u8]) -> Result<Self, SyntaxError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::SPS {
            return Err(SyntaxError::WrongType { found: kind.0, expected: "sequence parameter set (type 33)" });
        }
        let bytes = without_emulation_prevention(unit.get(2..).unwrap_or_default());
        Fields::new(&bytes, unit.len()).h265_sps()
    }
}

impl Fields<'_> {
    fn h265_sps(&mut self) -> Result<Sps, SyntaxError> {
        self.bits(4)?; // sps_video_parameter_set_id
        let sub_layers = self.byte(3)?;
        let temporal_nesting = self.flag()?;
        let profile_tier_level = self.profile_tier_level(sub_layers)?;
        let id = self.small("sps_seq_parameter_set_id", 15)?;
        let chroma_format = self.small("chroma_format_idc", 3)?;
        let separate_planes = chroma_format == 3 && self.flag()?;
        let coded_width = self.ue("pic_width_in_luma_samples", u32::MAX)?;
        let coded_height = self.ue("pic_height_in_luma_samples", u32::MAX)?;
        check_side(coded_width, coded_height)?;
        let (width, height) = self.conformance_window(chroma_format)?.apply(coded_width, coded_height)?;
        let luma_bits = self.small("bit_depth_luma_minus8", 8)?.saturating_add(8);
        let chroma_bits = self.small("bit_depth_chroma_minus8", 8)?.saturating_add(8);
        let order_bits = self.small("log2_max_pic_order_cnt_lsb_minus4", 12)?.saturating_add(4);
        let tail = Tail::read(&mut self.bits, sub_layers, order_bits);
        Ok(Sps {
            id,
            profile_tier_level,
            width,
            height,
            coded_width,
            coded_height,
            chroma_format,
            luma_bits,
            chroma_bits,
            temporal_layers: sub_layers.saturating_add(1),
            temporal_nesting,
            order_bits,
            separate_planes,
            buffered_pictures: tail.buffered_pictures,
            reordered_pictures: tail.reordered_pictures,
            pixel_aspect: tail.vui_head.pixel_aspect,
            frame_rate: tail.frame_rate,
            video_signal: tail.vui_head.video_signal,
        })
    }

    /// Reads `profile_tier_level` (7.3.3) and skips the entries of the temporal sub-layers.
    fn profile_tier_level(&mut self, sub_layers: u8) -> Result<ProfileTierLevel, SyntaxError> {
        let profile = self.byte(8)?;
        let compatibility = self.bits(32)?;
        let constraints = u64::from(self.bits(16)?) << 32 | u64::from(self.bits(32)?);
        let level = self.byte(8)?;
        let mut present = Vec::new();
        for _ in 0..sub_layers {
            present.push((self.flag()?, self.flag()?));
        }
        // The flags are padded to eight layers of two bits, but only if there is any layer.
        if sub_layers > 0 {
            self.bits(u32::from(8 - sub_layers).saturating_mul(2))?;
        }
        for (profile, level) in present {
            let bits = if profile { 88 } else { 0 } + if level { 8 } else { 0 };
            self.bits.skip(bits).ok_or_else(|| self.truncated())?;
        }
        Ok(ProfileTierLevel { profile, compatibility, constraints, level })
    }

    fn conformance_window(&mut self, chroma_format: u8) -> Result<Cropping, SyntaxError> {
        if !self.flag()? {
            return Ok(Cropping::default());
        }
        let mut offset = || self.ue("conf_win_offset", limits::PICTURE_SIDE);
        let offsets = [offset()?, offset()?, offset()?, offset()?];
        // SubWidthC and SubHeightC (table 6-1).
        let unit = match chroma_format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        Ok(Cropping::new(offsets, unit))
    }
}
