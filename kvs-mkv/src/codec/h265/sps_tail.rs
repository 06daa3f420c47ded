//! The fields of a sequence parameter set after the picture order count, and the VUI (H.265 7.3.2.2.1, E.2.1).

use crate::codec::bit_reader::BitReader;
use crate::codec::vui::{self, FrameRate};

/// What could be read of the tail; a field that the stream does not state, or that is damaged, is `None`.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) buffered_pictures: Option<u32>,
    pub(super) reordered_pictures: Option<u32>,
    pub(super) vui_head: vui::Head,
    pub(super) frame_rate: Option<FrameRate>,
}

impl Tail {
    pub(super) fn read(bits: &mut BitReader<'_>, sub_layers: u8, order_bits: u8) -> Self {
        let mut tail = Self::default();
        // A container needs none of these fields, so damage here does not fail the whole set.
        let _ = tail.read_fields(&mut Reader { bits, order_bits }, sub_layers);
        tail
    }

    /// `None` if the set ends early or has a value out of range.
    fn read_fields(&mut self, reader: &mut Reader<'_, '_>, sub_layers: u8) -> Option<()> {
        let for_all_layers = reader.bits.flag()?;
        let (mut buffered, mut reordered) = (0, 0);
        for _ in 0..if for_all_layers { sub_layers.saturating_add(1) } else { 1 } {
            buffered = buffered.max(reader.bits.ue()?.saturating_add(1));
            reordered = reordered.max(reader.bits.ue()?);
            reader.bits.ue()?; // sps_max_latency_increase_plus1
        }
        self.buffered_pictures = Some(buffered);
        // sps_max_dec_pic_buffering_minus1 is 15 at most (A.4.2), and no more pictures than those can be reordered.
        self.reordered_pictures = Some(reordered).filter(|&pictures| pictures <= 16);
        reader.codes(6)?; // block sizes and depths
        if reader.bits.flag()? && reader.bits.flag()? {
            reader.scaling_lists()?;
        }
        reader.bits.skip(2)?; // amp_enabled_flag, sample_adaptive_offset_enabled_flag
        if reader.bits.flag()? {
            reader.bits.skip(8)?; // PCM bit depths
            reader.codes(2)?; // PCM block sizes
            reader.bits.skip(1)?; // pcm_loop_filter_disabled_flag
        }
        reader.short_term_sets()?;
        if reader.bits.flag()? {
            reader.long_term_pictures()?;
        }
        reader.bits.skip(2)?; // sps_temporal_mvp_enabled_flag, strong_intra_smoothing_enabled_flag
        if reader.bits.flag()? { self.vui(reader) } else { Some(()) }
    }

    fn vui(&mut self, reader: &mut Reader<'_, '_>) -> Option<()> {
        vui::read_head(reader.bits, &mut self.vui_head)?;
        reader.bits.skip(3)?; // neutral_chroma_indication_flag, field_seq_flag, frame_field_info_present_flag
        if reader.bits.flag()? {
            reader.codes(4)?; // default display window
        }
        if reader.bits.flag()? {
            let (tick, scale) = (reader.bits.bits(32)?, reader.bits.bits(32)?);
            // A tick is a frame here, unlike in H.264 (E.3.1).
            self.frame_rate =
                (tick > 0 && scale > 0).then_some(FrameRate { frames: scale.into(), seconds: tick.into() });
        }
        Some(())
    }
}

/// Skips the fields before the VUI that are not needed.
struct Reader<'a, 'b> {
    bits: &'a mut BitReader<'b>,
    order_bits: u8,
}

impl Reader<'_, '_> {
    fn codes(&mut self, count: u32) -> Option<()> {
        for _ in 0..count {
            self.bits.ue()?;
        }
        Some(())
    }

    /// Skips `scaling_list_data` (7.3.4).
    fn scaling_lists(&mut self) -> Option<()> {
        for size in 0..4u32 {
            // 32x32 has two lists, the other sizes six.
            let lists = if size == 3 { 2 } else { 6 };
            for _ in 0..lists {
                if !self.bits.flag()? {
                    self.bits.ue()?; // scaling_list_pred_matrix_id_delta
                    continue;
                }
                let coefficients = if size == 0 { 16 } else { 64 };
                let dc = u32::from(size > 1);
                for _ in 0..dc + coefficients {
                    self.bits.se()?;
                }
            }
        }
        Some(())
    }

    /// Skips the `st_ref_pic_set`s (7.3.7), whose number is at most 64 and whose pictures are at most 16 each way.
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
                self.bits.ue()?; // delta_poc_minus1
                self.bits.flag()?; // used_by_curr_pic_flag
            }
        }
        Some(())
    }

    /// Skips a set that is predicted from the one before, which has `pictures`; returns how many this one has.
    fn predicted_set(&mut self, pictures: u32) -> Option<u32> {
        self.bits.flag()?; // delta_rps_sign
        self.bits.ue()?; // abs_delta_rps_minus1
        let mut kept = 0u32;
        for _ in 0..=pictures {
            let used = self.bits.flag()?;
            // use_delta_flag is only there if used_by_curr_pic_flag is 0.
            let in_set = used || self.bits.flag()?;
            kept = kept.saturating_add(u32::from(in_set));
        }
        Some(kept)
    }

    fn long_term_pictures(&mut self) -> Option<()> {
        let pictures = self.bits.ue().filter(|&pictures| pictures <= 32)?;
        for _ in 0..pictures {
            self.bits.skip(usize::from(self.order_bits).saturating_add(1))?;
        }
        Some(())
    }
}
