//! What the picture code must know of a sequence parameter set (ITU-T H.264 §7.3.2.1.1, §E.1.1).

use super::bits::Bits;
use super::decoder::picture::DisplayInfo;
use super::error::DecodeError;
use super::limits::{PICTURE_MACROBLOCKS, REFERENCE_MACROBLOCKS};
use super::render::colour::Colour;

/// One sequence parameter set, as far as finding and colouring pictures needs it.
#[derive(Clone, Debug)]
pub(super) struct Sequence {
    pub(super) id: u32,
    pub(super) frame_number_bits: u32,
    /// Frame numbers may be left out on purpose.
    pub(super) gaps: bool,
    pub(super) order: OrderKind,
    pub(super) separate_planes: bool,
    pub(super) frames_only: bool,
    pub(super) display: DisplayInfo,
}

/// How slices say in which order pictures are shown (§8.2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum OrderKind {
    /// Type 0: the low bits of the order count stand in every slice.
    LowBits(u32),
    /// Type 1: an expected cycle, and differences to it.
    Cycle { always_zero: bool, non_reference: i32, offsets: Vec<i32> },
    /// Type 2: shown as decoded.
    AsDecoded,
}

impl Sequence {
    /// Reads a whole NAL unit of type 7 and says why its pictures cannot be decoded, where that is known from here.
    pub(super) fn parse(nal: &[u8]) -> Result<Self, DecodeError> {
        let mut bits = Bits::of_nal(nal);
        let format = Format::parse(&mut bits).ok_or(DecodeError::ParameterSet)?;
        format.check()?;
        let sequence = Self::parse_rest(&mut bits, &format).ok_or(DecodeError::ParameterSet)??;
        Ok(sequence)
    }

    fn parse_rest(bits: &mut Bits, format: &Format) -> Option<Result<Self, DecodeError>> {
        let frame_number_bits = field_bits(bits.unsigned()?)?;
        let order = OrderKind::parse(bits)?;
        let references = bits.unsigned()?;
        let gaps = bits.flag()?; // gaps_in_frame_num_value_allowed_flag
        let columns = bits.unsigned()?.checked_add(1)?;
        let map_rows = bits.unsigned()?.checked_add(1)?;
        let frames_only = bits.flag()?;
        if !frames_only && bits.flag()? {
            return Some(Err(DecodeError::Interlaced));
        }
        bits.flag()?; // direct_8x8_inference_flag
        let mut display = DisplayInfo::default();
        if bits.flag()? {
            // frame_crop_*_offset in chroma samples; twice as many rows where fields are allowed (§7.4.2.1.1)
            display.left = bits.unsigned()?.checked_mul(2)?;
            bits.unsigned()?;
            display.top = bits.unsigned()?.checked_mul(if frames_only { 2 } else { 4 })?;
            bits.unsigned()?;
        }
        let rows = map_rows.checked_mul(if frames_only { 1 } else { 2 })?;
        if let Err(reason) = check_size(columns, rows, references) {
            return Some(Err(reason));
        }
        if bits.flag()? {
            display.colour = parse_vui(bits)?;
        }
        let (id, separate_planes) = (format.id, format.separate_planes);
        Some(Ok(Self { id, frame_number_bits, gaps, order, separate_planes, frames_only, display }))
    }
}

/// The first fields: profile and sample format.
struct Format {
    id: u32,
    chroma: u32,
    separate_planes: bool,
    depth: u32,
}

impl Format {
    fn parse(bits: &mut Bits) -> Option<Self> {
        let profile = bits.number(8)?;
        bits.skip(16);
        let id = bits.unsigned().filter(|id| *id <= 31)?;
        let mut format = Self { id, chroma: 1, separate_planes: false, depth: 8 };
        if !HIGH_PROFILES.contains(&profile) {
            return Some(format);
        }
        format.chroma = bits.unsigned()?;
        format.separate_planes = format.chroma == 3 && bits.flag()?;
        let luma = bits.unsigned()?;
        let chroma = bits.unsigned()?;
        format.depth = luma.max(chroma).checked_add(8)?;
        bits.flag()?; // qpprime_y_zero_transform_bypass_flag: the decoder refuses what it cannot do
        if bits.flag()? {
            skip_scaling_lists(bits, if format.chroma == 3 { 12 } else { 8 })?;
        }
        Some(format)
    }

    fn check(&self) -> Result<(), DecodeError> {
        if self.depth != 8 {
            return Err(DecodeError::BitDepth { bits: self.depth });
        }
        if self.chroma != 1 {
            return Err(DecodeError::ChromaFormat { id: self.chroma });
        }
        Ok(())
    }
}

impl OrderKind {
    fn parse(bits: &mut Bits) -> Option<Self> {
        match bits.unsigned()? {
            0 => Some(Self::LowBits(field_bits(bits.unsigned()?)?)),
            1 => {
                let always_zero = bits.flag()?;
                let non_reference = bits.signed()?;
                bits.signed()?; // offset_for_top_to_bottom_field: no fields here
                let count = bits.unsigned().filter(|count| *count <= 255)?;
                let offsets = (0..count).map(|_| bits.signed()).collect::<Option<Vec<_>>>()?;
                Some(Self::Cycle { always_zero, non_reference, offsets })
            }
            2 => Some(Self::AsDecoded),
            _ => None,
        }
    }
}

/// `log2_max_…_minus4` as a number of bits: 4 to 16.
fn field_bits(minus_four: u32) -> Option<u32> {
    (minus_four <= 12).then_some(minus_four + 4)
}

/// Refuses pictures that would take too much memory; all are counted in macroblocks of 16x16.
pub(super) fn check_size(columns: u32, rows: u32, references: u32) -> Result<(), DecodeError> {
    let macroblocks = columns.saturating_mul(rows);
    if macroblocks > PICTURE_MACROBLOCKS {
        return Err(DecodeError::TooLarge { macroblocks, limit: PICTURE_MACROBLOCKS });
    }
    let kept = macroblocks.saturating_mul(references);
    if references > 16 || kept > REFERENCE_MACROBLOCKS {
        return Err(DecodeError::TooManyReferences { macroblocks: kept, limit: REFERENCE_MACROBLOCKS });
    }
    Ok(())
}

/// Colour description of the VUI (§E.1.1); the fields behind it are of no interest here.
fn parse_vui(bits: &mut Bits) -> Option<Colour> {
    if bits.flag()? && bits.number(8)? == EXTENDED_ASPECT {
        bits.skip(32);
    }
    if bits.flag()? {
        bits.flag()?; // overscan_appropriate_flag
    }
    let mut colour = Colour::default();
    if bits.flag()? {
        bits.skip(3); // video_format
        let full = bits.flag()?;
        let matrix = if bits.flag()? {
            bits.skip(16); // colour_primaries, transfer_characteristics
            bits.number(8)?
        } else {
            UNSPECIFIED_MATRIX
        };
        colour = Colour::new(matrix, full);
    }
    Some(colour)
}

fn skip_scaling_lists(bits: &mut Bits, lists: usize) -> Option<()> {
    for list in 0..lists {
        if bits.flag()? {
            skip_scaling_list(bits, if list < 6 { 16 } else { 64 })?;
        }
    }
    Some(())
}

/// §7.3.2.1.1.1: a list ends early once the next scale is 0.
fn skip_scaling_list(bits: &mut Bits, size: usize) -> Option<()> {
    let (mut last, mut next) = (8_i32, 8_i32);
    for _ in 0..size {
        if next != 0 {
            next = last.checked_add(bits.signed()?)?.checked_add(256)?.rem_euclid(256);
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Profiles whose parameter set names a sample format (§7.3.2.1.1).
const HIGH_PROFILES: [u32; 13] = [100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135];
/// `aspect_ratio_idc` after which width and height of a sample stand (table E-1).
const EXTENDED_ASPECT: u32 = 255;
/// `matrix_coefficients` when the stream does not say (table E-5).
const UNSPECIFIED_MATRIX: u32 = 2;
