//! How fields of parameter sets are read in H.264 and H.265, and what can be wrong with them.

use super::bit_reader::BitReader;
use super::limits;

/// A parameter set that cannot be read; the encoder is wrong, or the bytes are damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SyntaxError {
    /// The NAL unit has another type.
    #[error("NAL unit type {found} is not a {expected}")]
    WrongType {
        /// The type of the NAL unit; 0 for an empty one.
        found: u8,
        /// What it should be.
        expected: &'static str,
    },
    /// The NAL unit ends inside a field.
    #[error("the parameter set of {len} bytes ends inside the field at bit {bit}")]
    Truncated {
        /// Size of the NAL unit in bytes.
        len: usize,
        /// Bits read before the end, without the NAL unit header.
        bit: usize,
    },
    /// A field has a larger value than the standard allows.
    #[error("{field} is {value}, the largest allowed value is {limit}")]
    OutOfRange {
        /// Its name in the standard.
        field: &'static str,
        /// Its value.
        value: u32,
        /// The largest allowed value.
        limit: u32,
    },
    /// The coded picture is larger than any level allows.
    #[error("a picture of {width}x{height} pixels is too large, at most {limit} are allowed per side")]
    PictureTooLarge {
        /// Coded width in pixels.
        width: u32,
        /// Coded height in pixels.
        height: u32,
        /// [`PICTURE_SIDE`](super::limits::PICTURE_SIDE).
        limit: u32,
    },
    /// The cropping rectangle (H.264) or conformance window (H.265) leaves no pixel.
    #[error("cropping leaves no pixel of a {width}x{height} picture")]
    CroppedAway {
        /// Coded width in pixels.
        width: u32,
        /// Coded height in pixels.
        height: u32,
    },
}

/// Reads the fields of a parameter set and reports which one is wrong.
pub(super) struct Fields<'a> {
    pub(super) bits: BitReader<'a>,
    len: usize,
}

impl<'a> Fields<'a> {
    /// Reads `rbsp`, the bytes after the header of a NAL unit of `len` bytes, without emulation prevention.
    pub(super) const fn new(rbsp: &'a [u8], len: usize) -> Self {
        Self { bits: BitReader::new(rbsp), len }
    }

    pub(super) fn truncated(&self) -> SyntaxError {
        SyntaxError::Truncated { len: self.len, bit: self.bits.position() }
    }

    /// Reads an unsigned number of up to 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, SyntaxError> {
        self.bits.bits(count).ok_or_else(|| self.truncated())
    }

    /// Reads an unsigned number of up to 8 bits.
    pub(super) fn byte(&mut self, count: u32) -> Result<u8, SyntaxError> {
        Ok(u8::try_from(self.bits(count)?).unwrap_or_default())
    }

    pub(super) fn flag(&mut self) -> Result<bool, SyntaxError> {
        self.bits.flag().ok_or_else(|| self.truncated())
    }

    /// Reads an unsigned Exp-Golomb number of at most `limit`; `field` is its name in the standard, for the error.
    pub(super) fn ue(&mut self, field: &'static str, limit: u32) -> Result<u32, SyntaxError> {
        let value = self.bits.ue().ok_or_else(|| self.truncated())?;
        if value > limit { Err(SyntaxError::OutOfRange { field, value, limit }) } else { Ok(value) }
    }

    /// Reads an unsigned Exp-Golomb number that fits a byte; see [`ue`](Self::ue).
    pub(super) fn small(&mut self, field: &'static str, limit: u8) -> Result<u8, SyntaxError> {
        let value = self.ue(field, limit.into())?;
        Ok(u8::try_from(value).unwrap_or_default())
    }

    /// Reads a signed Exp-Golomb number.
    pub(super) fn se(&mut self) -> Result<i32, SyntaxError> {
        self.bits.se().ok_or_else(|| self.truncated())
    }
}

/// Checks the size of a coded picture in pixels.
pub(super) const fn check_side(width: u32, height: u32) -> Result<(), SyntaxError> {
    let limit = limits::PICTURE_SIDE;
    if width > limit || height > limit {
        return Err(SyntaxError::PictureTooLarge { width, height, limit });
    }
    Ok(())
}

/// What cropping removes at each side of a picture, in luma samples.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Cropping {
    pub(super) left: u32,
    pub(super) right: u32,
    pub(super) top: u32,
    pub(super) bottom: u32,
}

impl Cropping {
    /// Converts `left`, `right`, `top` and `bottom`, counted in units of `unit` luma samples across and down.
    pub(super) fn new([left, right, top, bottom]: [u32; 4], unit: (u32, u32)) -> Self {
        let (across, down) = unit;
        Self {
            left: left.saturating_mul(across),
            right: right.saturating_mul(across),
            top: top.saturating_mul(down),
            bottom: bottom.saturating_mul(down),
        }
    }

    /// Returns the width and height that remain of a coded picture.
    pub(super) fn apply(&self, width: u32, height: u32) -> Result<(u32, u32), SyntaxError> {
        let side = |side: u32, from: u32, to: u32| side.checked_sub(from.checked_add(to)?).filter(|&left| left > 0);
        let shown = side(width, self.left, self.right).zip(side(height, self.top, self.bottom));
        shown.ok_or(SyntaxError::CroppedAway { width, height })
    }
}
