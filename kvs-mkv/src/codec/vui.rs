//! What the video usability information of H.264 (E.1.1) and H.265 (E.2.1) has in common.

use super::bit_reader::BitReader;
use crate::PixelAspect;

/// A frame rate as a fraction, in frames per second.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a fraction has two parts")]
pub struct FrameRate {
    /// Frames ...
    pub frames: u64,
    /// ... per this many seconds; never zero.
    pub seconds: u64,
}

/// How samples become colors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct VideoSignal {
    /// `video_full_range_flag`: luma uses 0 to 255 instead of 16 to 235.
    pub full_range: bool,
    /// `matrix_coefficients`: 1 BT.709, 5 and 6 BT.601, 9 BT.2020; 2 if the stream does not specify it.
    pub matrix_coefficients: u8,
}

/// `matrix_coefficients` of a stream that does not specify them (H.264 table E-5, H.265 table E.5).
const UNSPECIFIED_MATRIX: u8 = 2;
/// `aspect_ratio_idc` that is followed by a width and a height (H.264 table E-1, H.265 table E.1).
const EXTENDED_SAR: u32 = 255;
/// `aspect_ratio_idc` 1 to 16 (H.264 table E-1, H.265 table E.1).
const PIXEL_ASPECTS: [PixelAspect; 16] = {
    const fn aspect(width: u64, height: u64) -> PixelAspect {
        PixelAspect { width, height }
    }
    [
        aspect(1, 1),
        aspect(12, 11),
        aspect(10, 11),
        aspect(16, 11),
        aspect(40, 33),
        aspect(24, 11),
        aspect(20, 11),
        aspect(32, 11),
        aspect(80, 33),
        aspect(18, 11),
        aspect(15, 11),
        aspect(64, 33),
        aspect(160, 99),
        aspect(4, 3),
        aspect(3, 2),
        aspect(2, 1),
    ]
};

/// What the start of the VUI states.
#[derive(Debug, Default)]
pub(super) struct Head {
    /// `sample_aspect_ratio`; `None` if it is not stated or unknown.
    pub(super) pixel_aspect: Option<PixelAspect>,
    pub(super) video_signal: Option<VideoSignal>,
}

/// Reads from the start of the VUI to the chroma sample locations, which both standards write alike.
///
/// Fields are set as soon as they are read, so that a VUI that ends early still gives them.
pub(super) fn read_head(bits: &mut BitReader<'_>, head: &mut Head) -> Option<()> {
    if bits.flag()? {
        head.pixel_aspect = match bits.bits(8)? {
            EXTENDED_SAR => {
                let (width, height) = (bits.bits(16)?.into(), bits.bits(16)?.into());
                Some(PixelAspect { width, height }).filter(|_| width > 0 && height > 0)
            }
            index => usize::try_from(index).ok().and_then(|index| PIXEL_ASPECTS.get(index.checked_sub(1)?)).copied(),
        };
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    if bits.flag()? {
        bits.skip(3)?; // video_format
        let full_range = bits.flag()?;
        let mut matrix_coefficients = UNSPECIFIED_MATRIX;
        if bits.flag()? {
            bits.skip(16)?; // colour_primaries, transfer_characteristics
            matrix_coefficients = u8::try_from(bits.bits(8)?).ok()?;
        }
        head.video_signal = Some(VideoSignal { full_range, matrix_coefficients });
    }
    if bits.flag()? {
        bits.ue()?; // chroma_sample_loc_type_top_field
        bits.ue()?; // chroma_sample_loc_type_bottom_field
    }
    Some(())
}
