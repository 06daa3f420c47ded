//! The sequence parameter set (H.265 7.3.2.2): picture size, profile, level, frame rate.

use super::NalType;
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};
use crate::codec::limits;
use crate::codec::sps::{Fields, FrameRate, SpsError, cropped};

/// What a sequence parameter set says, as far as a container or an application wants it.
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
    /// `chroma_format_idc`: 0 grey, 1 is 4:2:0, 2 is 4:2:2, 3 is 4:4:4.
    pub chroma_format: u8,
    /// Bits of a luma sample.
    pub luma_bits: u8,
    /// Bits of a chroma sample.
    pub chroma_bits: u8,
    /// Temporal layers, 1 to 7.
    pub temporal_layers: u8,
    /// `sps_temporal_id_nesting_flag`.
    pub temporal_nesting: bool,
    /// Bits of `slice_pic_order_cnt_lsb`.
    pub order_bits: u8,
    /// The colour planes are coded apart, each slice naming its plane.
    pub separate_planes: bool,
    /// Frames a second as the VUI states them, if it does.
    pub frame_rate: Option<FrameRate>,
}

/// The twelve bytes of the general profile, tier and level (H.265 7.3.3), as they stand in SPS and hvcC.
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
    /// As in an hvcC.
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
    /// Reads an SPS NAL unit, its header of two bytes included; emulation prevention is removed here.
    ///
    /// # Errors
    /// [`SpsError`]; what stands behind the picture order count and cannot be read only leaves the frame rate empty.
    pub fn parse(unit: &[u8]) -> Result<Self, SpsError> {
        let kind = NalType::of(unit).unwrap_or(NalType(0));
        if kind != NalType::SPS {
            return Err(SpsError::NotSps { found: kind.0 });
        }
        let bytes = without_emulation_prevention(unit.get(2..).unwrap_or_default());
        Fields::new(&bytes, unit.len()).h265()
    }
}

impl Fields<'_> {
    fn h265(&mut self) -> Result<Sps, SpsError> {
        self.bits(4)?; // sps_video_parameter_set_id
        let sub_layers = self.byte(3)?;
        let temporal_nesting = self.flag()?;
        let profile_tier_level = self.profile_tier_level(sub_layers)?;
        let id = self.small("sps_seq_parameter_set_id", 15)?;
        let chroma_format = self.small("chroma_format_idc", 3)?;
        let separate_planes = chroma_format == 3 && self.flag()?;
        let (width, height) = self.size_in_window(chroma_format)?;
        let luma_bits = self.small("bit_depth_luma_minus8", 8)?.saturating_add(8);
        let chroma_bits = self.small("bit_depth_chroma_minus8", 8)?.saturating_add(8);
        let order_bits = self.small("log2_max_pic_order_cnt_lsb_minus4", 12)?.saturating_add(4);
        let frame_rate = Tail { bits: &mut self.bits, order_bits }.frame_rate(sub_layers);
        Ok(Sps {
            id,
            profile_tier_level,
            width,
            height,
            chroma_format,
            luma_bits,
            chroma_bits,
            temporal_layers: sub_layers.saturating_add(1),
            temporal_nesting,
            order_bits,
            separate_planes,
            frame_rate,
        })
    }

    fn profile_tier_level(&mut self, sub_layers: u8) -> Result<ProfileTierLevel, SpsError> {
        let profile = self.byte(8)?;
        let compatibility = self.bits(32)?;
        let constraints = u64::from(self.bits(16)?) << 32 | u64::from(self.bits(32)?);
        let level = self.byte(8)?;
        let mut present = Vec::new();
        for _ in 0..sub_layers {
            present.push((self.flag()?, self.flag()?));
        }
        if sub_layers > 0 {
            self.bits(u32::from(8 - sub_layers).saturating_mul(2))?;
        }
        for (profile, level) in present {
            let bits = if profile { 88 } else { 0 } + if level { 8 } else { 0 };
            self.bits.skip(bits).ok_or_else(|| self.truncated())?;
        }
        Ok(ProfileTierLevel { profile, compatibility, constraints, level })
    }

    /// Width and height after the conformance window.
    fn size_in_window(&mut self, chroma_format: u8) -> Result<(u32, u32), SpsError> {
        let width = self.ue("pic_width_in_luma_samples", limits::PICTURE_SIDE)?;
        let height = self.ue("pic_height_in_luma_samples", limits::PICTURE_SIDE)?;
        let mut window = [0; 4];
        if self.flag()? {
            let mut offset = || self.ue("conf_win_offset", limits::PICTURE_SIDE);
            window = [offset()?, offset()?, offset()?, offset()?];
        }
        let unit = match chroma_format {
            1 => (2, 2),
            2 => (2, 1),
            _ => (1, 1),
        };
        cropped((width, height), unit, window)
    }
}

/// What stands between the picture order count and the VUI, and the VUI itself: read for the frame rate only.
struct Tail<'a, 'b> {
    bits: &'a mut BitReader<'b>,
    order_bits: u8,
}

impl Tail<'_, '_> {
    fn frame_rate(&mut self, sub_layers: u8) -> Option<FrameRate> {
        let all = self.bits.flag()?;
        for _ in 0..if all { sub_layers.saturating_add(1) } else { 1 } {
            self.codes(3)?; // buffering, reordering, latency
        }
        self.codes(6)?; // block sizes and depths
        if self.bits.flag()? && self.bits.flag()? {
            self.scaling_lists()?;
        }
        self.bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
        if self.bits.flag()? {
            self.bits.skip(8)?; // PCM bit depths
            self.codes(2)?;
            self.bits.skip(1)?;
        }
        self.short_term_sets()?;
        if self.bits.flag()? {
            let pictures = self.bits.ue().filter(|&pictures| pictures <= 32)?;
            for _ in 0..pictures {
                self.bits.skip(usize::from(self.order_bits).saturating_add(1))?;
            }
        }
        self.bits.skip(2)?; // temporal motion vectors, intra smoothing
        if self.bits.flag()? { self.vui() } else { None }
    }

    fn codes(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.bits.ue()?;
        }
        Some(())
    }

    /// `scaling_list_data` (7.3.4).
    fn scaling_lists(&mut self) -> Option<()> {
        for size in 0..4u32 {
            let lists = if size == 3 { 2 } else { 6 };
            for _ in 0..lists {
                if !self.bits.flag()? {
                    self.bits.ue()?;
                    continue;
                }
                let coefficients = if size == 0 { 16 } else { 64 };
                let first = u32::from(size > 1);
                for _ in 0..first + coefficients {
                    self.bits.se()?;
                }
            }
        }
        Some(())
    }

    /// The `st_ref_pic_set`s (7.3.7).
    fn short_term_sets(&mut self) -> Option<()> {
        let sets = self.bits.ue().filter(|&sets| sets <= 64)?;
        let mut pictures = 0u32;
        for set in 0..sets {
            if set > 0 && self.bits.flag()? {
                pictures = self.predicted_set(pictures)?;
                continue;
            }
            let negative = self.bits.ue().filter(|&count| count <= 16)?;
            let positive = self.bits.ue().filter(|&count| count <= 16)?;
            pictures = negative.saturating_add(positive);
            for _ in 0..pictures {
                self.bits.ue()?;
                self.bits.flag()?;
            }
        }
        Some(())
    }

    /// A set predicted from the one before, which has `pictures`; how many this one has.
    fn predicted_set(&mut self, pictures: u32) -> Option<u32> {
        self.bits.flag()?; // delta_rps_sign
        self.bits.ue()?; // abs_delta_rps_minus1
        let mut kept = 0u32;
        for _ in 0..=pictures {
            let used = self.bits.flag()?;
            let in_set = used || self.bits.flag()?;
            kept = kept.saturating_add(u32::from(in_set));
        }
        Some(kept)
    }

    /// The frame rate of the VUI (E.2.1).
    fn vui(&mut self) -> Option<FrameRate> {
        if self.bits.flag()? && self.bits.bits(8)? == EXTENDED_SAR {
            self.bits.skip(32)?;
        }
        if self.bits.flag()? {
            self.bits.skip(1)?; // overscan_appropriate_flag
        }
        if self.bits.flag()? {
            self.bits.skip(4)?; // video_format, video_full_range_flag
            if self.bits.flag()? {
                self.bits.skip(24)?; // colour description
            }
        }
        if self.bits.flag()? {
            self.codes(2)?; // chroma sample locations
        }
        self.bits.skip(3)?; // neutral chroma, field sequence, frame field info
        if self.bits.flag()? {
            self.codes(4)?; // default display window
        }
        if !self.bits.flag()? {
            return None;
        }
        let (tick, scale) = (self.bits.bits(32)?, self.bits.bits(32)?);
        (tick > 0 && scale > 0).then_some(FrameRate { frames: scale.into(), seconds: tick.into() })
    }
}

/// `aspect_ratio_idc` that is followed by a width and a height (table E.1).
const EXTENDED_SAR: u32 = 255;
