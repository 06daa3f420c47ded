//! The video usability information at the end of a sequence parameter set (H.264 E.1.1).

use crate::codec::bit_reader::BitReader;
use crate::codec::vui::{self, FrameRate};

/// The video usability information (E.1.1), as far as it could be read.
#[derive(Default)]
pub(super) struct Vui {
    pub(super) head: vui::Head,
    pub(super) frame_rate: Option<FrameRate>,
    pub(super) reorder_frames: Option<u32>,
}

impl Vui {
    /// `None` if the VUI ends early.
    pub(super) fn read(&mut self, bits: &mut BitReader<'_>) -> Option<()> {
        vui::read_head(bits, &mut self.head)?;
        if bits.flag()? {
            let (tick, scale) = (bits.bits(32)?, bits.bits(32)?);
            bits.flag()?; // fixed_frame_rate_flag
            // A frame lasts two ticks, since a tick is the time of a field (E.2.1, table E-6).
            let seconds = u64::from(tick).saturating_mul(2);
            self.frame_rate = (tick > 0 && scale > 0).then_some(FrameRate { frames: scale.into(), seconds });
        }
        let has_nal_hrd = bits.flag()?;
        if has_nal_hrd {
            skip_hrd(bits)?;
        }
        let has_vcl_hrd = bits.flag()?;
        if has_vcl_hrd {
            skip_hrd(bits)?;
        }
        if has_nal_hrd || has_vcl_hrd {
            bits.flag()?; // low_delay_hrd_flag
        }
        bits.flag()?; // pic_struct_present_flag
        if bits.flag()? {
            bits.flag()?; // motion_vectors_over_pic_boundaries_flag
            for _ in 0..4 {
                bits.ue()?; // sizes and motion vector ranges
            }
            // MaxDpbFrames is 16 at most (A.3.1), and no more frames than those can be reordered.
            self.reorder_frames = bits.ue().filter(|&frames| frames <= 16);
        }
        Some(())
    }
}

/// Skips hypothetical reference decoder parameters (E.1.2).
fn skip_hrd(bits: &mut BitReader<'_>) -> Option<()> {
    let count = bits.ue().filter(|&count| count < 32)?;
    bits.skip(8)?; // bit_rate_scale, cpb_size_scale
    for _ in 0..=count {
        bits.ue()?;
        bits.ue()?;
        bits.flag()?;
    }
    bits.skip(20) // delay and time offset lengths
}
