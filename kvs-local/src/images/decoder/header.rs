//! Picture headers: what the first slice of a picture says about decoding and displaying it.

use kvs_mkv::codec::h264::{FrameNum, SyntaxError};

use super::codec::Codec;
use super::picture::DisplayInfo;
use super::{h264, h265};
use crate::images::error::DecodeError;
use crate::images::limits::{PICTURE_MACROBLOCKS, REFERENCE_MACROBLOCKS, WORKING_PICTURES};

/// The header of one picture.
#[derive(Clone, Debug)]
pub(in crate::images) struct PictureHeader {
    pub(in crate::images) random_access: RandomAccess,
    /// Whether later pictures may refer to it.
    pub(in crate::images) reference: bool,
    pub(in crate::images) display: DisplayInfo,
    /// Width and height of the visible area.
    pub(in crate::images) size: (u32, u32),
    /// Why the built-in decoders cannot decode it, although it is well-formed.
    pub(in crate::images) beyond_built_in: Option<DecodeError>,
    /// H.264 only: the decoder for H.265 detects missing references itself.
    pub(in crate::images) frame_num: Option<FrameNum>,
    /// Picture order count. Only counts of the same coded video sequence can be compared.
    pub(in crate::images) order: i64,
}

/// Whether decoding can start at a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::images) enum RandomAccess {
    /// No: the picture refers to earlier ones.
    None,
    /// Yes, but its leading pictures, which follow it and are displayed before it, may refer to earlier pictures.
    OpenGop,
    /// Yes, and no later picture refers to an earlier one.
    Idr,
}

/// Reads the headers of a track's pictures in decoding order.
#[derive(Debug)]
pub(in crate::images) enum HeaderReader {
    H264(h264::HeaderReader),
    H265(h265::HeaderReader),
}

impl HeaderReader {
    pub(in crate::images) fn new(codec: Codec) -> Self {
        match codec {
            Codec::H264 => Self::H264(h264::HeaderReader::default()),
            Codec::H265 => Self::H265(h265::HeaderReader::default()),
        }
    }

    /// Stores a parameter set. Fails for one that is damaged or whose pictures are too large.
    pub(in crate::images) fn parameter_set(&mut self, unit: &[u8]) -> Result<(), DecodeError> {
        match self {
            Self::H264(reader) => reader.parameter_set(unit),
            Self::H265(reader) => reader.parameter_set(unit),
        }
    }

    /// Returns the bytes that a decoder needs for the largest pictures of the parameter sets so far.
    pub(in crate::images) const fn decoder_bytes(&self) -> u64 {
        match self {
            Self::H264(reader) => reader.decoder_bytes,
            Self::H265(reader) => reader.decoder_bytes,
        }
    }

    /// Returns the header of the picture that starts with this slice, or `None` if the slice continues a picture.
    /// `keyframe` is the flag of the Matroska block.
    pub(in crate::images) fn slice(
        &mut self,
        unit: &[u8],
        keyframe: bool,
    ) -> Option<Result<PictureHeader, DecodeError>> {
        match self {
            Self::H264(reader) => reader.slice(unit, keyframe),
            Self::H265(reader) => reader.slice(unit),
        }
    }
}

/// The samples of a picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct SampleFormat {
    /// Bits of a sample.
    pub(super) bits: u8,
    /// `chroma_format_idc`.
    pub(super) chroma: u8,
}

impl SampleFormat {
    /// Returns why the built-in decoders cannot decode such samples: they take 4:2:0 with 8 bits.
    pub(super) fn beyond_built_in(self) -> Option<DecodeError> {
        if self.bits != 8 {
            return Some(DecodeError::BitDepth { bits: self.bits.into() });
        }
        (self.chroma != 1).then_some(DecodeError::ChromaFormat { id: self.chroma.into() })
    }

    /// Returns how many bytes such samples take where 4:2:0 with 8 bits takes `bytes`.
    pub(super) const fn scaled(self, bytes: u64) -> u64 {
        let chroma = match self.chroma {
            2 => bytes.saturating_mul(4) / 3,
            3 => bytes.saturating_mul(2),
            _ => bytes,
        };
        if self.bits > 8 { chroma.saturating_mul(2) } else { chroma }
    }
}

/// Returns the bytes that a decoder needs for pictures of this size in pixels, with this many reference pictures. Fails for those that
/// would take too much.
pub(super) fn check_size(width: u32, height: u32, references: u32, macroblock_bytes: u64) -> Result<u64, DecodeError> {
    let macroblocks = macroblocks(width, height);
    if macroblocks > PICTURE_MACROBLOCKS {
        return Err(DecodeError::TooLarge { macroblocks, limit: PICTURE_MACROBLOCKS });
    }
    let kept = macroblocks.saturating_mul(references);
    if references > 16 || kept > REFERENCE_MACROBLOCKS {
        return Err(DecodeError::TooManyReferences { macroblocks: kept, limit: REFERENCE_MACROBLOCKS });
    }
    let pictures = u64::from(references.saturating_add(WORKING_PICTURES));
    Ok(u64::from(macroblocks).saturating_mul(pictures).saturating_mul(macroblock_bytes))
}

/// Returns the decode error of a parameter set that cannot be parsed.
pub(super) fn parameter_set_error(error: SyntaxError) -> DecodeError {
    match error {
        SyntaxError::PictureTooLarge { width, height, .. } => {
            DecodeError::TooLarge { macroblocks: macroblocks(width, height), limit: PICTURE_MACROBLOCKS }
        }
        _ => DecodeError::ParameterSet,
    }
}

/// Macroblocks of 16x16 samples in a picture.
fn macroblocks(width: u32, height: u32) -> u32 {
    width.div_ceil(16).saturating_mul(height.div_ceil(16))
}
