//! What the sequence parameter sets of H.264 and H.265 have in common: how fields are read, what is wrong with them, the
//! frame rate.

use super::bit_reader::BitReader;

/// Frames a second as a fraction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "a fraction has two sides")]
pub struct FrameRate {
    /// Frames ...
    pub frames: u64,
    /// ... in this many seconds; never zero.
    pub seconds: u64,
}

/// A sequence parameter set that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SpsError {
    /// The NAL unit is something else.
    #[error("NAL unit type {found} is not a sequence parameter set")]
    NotSps {
        /// Its type.
        found: u8,
    },
    /// It ends in the middle of a field.
    #[error("the sequence parameter set of {len} bytes ends early, after bit {bit}")]
    Truncated {
        /// Its bytes.
        len: usize,
        /// Bits read before the end.
        bit: usize,
    },
    /// A field beyond what the standard allows.
    #[error("{field} of the sequence parameter set is {value}, the largest allowed is {limit}")]
    OutOfRange {
        /// Its name in the standard.
        field: &'static str,
        /// What it says.
        value: u32,
        /// What is allowed.
        limit: u32,
    },
    /// The cropping, which H.265 calls the conformance window, leaves nothing of the picture.
    #[error("cropping leaves nothing of a {width}x{height} picture")]
    CroppedAway {
        /// Coded width.
        width: u32,
        /// Coded height.
        height: u32,
    },
}

/// Reads the fields of a set and names what is wrong with them.
pub(super) struct Fields<'a> {
    pub(super) bits: BitReader<'a>,
    len: usize,
}

impl<'a> Fields<'a> {
    /// Of a NAL unit of `len` bytes; `bytes` are those behind its header, without emulation prevention.
    pub(super) const fn new(bytes: &'a [u8], len: usize) -> Self {
        Self { bits: BitReader::new(bytes), len }
    }

    pub(super) fn truncated(&self) -> SpsError {
        SpsError::Truncated { len: self.len, bit: self.bits.position() }
    }

    /// A number of up to 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, SpsError> {
        self.bits.bits(count).ok_or_else(|| self.truncated())
    }

    /// A number of up to 8 bits.
    pub(super) fn byte(&mut self, count: u32) -> Result<u8, SpsError> {
        Ok(u8::try_from(self.bits(count)?).unwrap_or_default())
    }

    pub(super) fn flag(&mut self) -> Result<bool, SpsError> {
        self.bits.flag().ok_or_else(|| self.truncated())
    }

    /// An Exp-Golomb number; the standard's name of the field and its largest value are for the error.
    pub(super) fn ue(&mut self, field: &'static str, limit: u32) -> Result<u32, SpsError> {
        let value = self.bits.ue().ok_or_else(|| self.truncated())?;
        if value > limit { Err(SpsError::OutOfRange { field, value, limit }) } else { Ok(value) }
    }

    /// As [`ue`](Self::ue), of a small number.
    pub(super) fn small(&mut self, field: &'static str, limit: u8) -> Result<u8, SpsError> {
        let value = self.ue(field, limit.into())?;
        Ok(u8::try_from(value).unwrap_or_default())
    }
}

/// What is shown of a picture: `left`, `right`, `top` and `bottom` are cut away, counted in `unit`s.
pub(super) fn cropped(
    (width, height): (u32, u32),
    unit: (u32, u32),
    [left, right, top, bottom]: [u32; 4],
) -> Result<(u32, u32), SpsError> {
    let side = |side: u32, unit: u32, from: u32, to: u32| {
        let away = from.checked_add(to)?.checked_mul(unit)?;
        side.checked_sub(away).filter(|&left| left > 0)
    };
    let shown = side(width, unit.0, left, right).zip(side(height, unit.1, top, bottom));
    shown.ok_or(SpsError::CroppedAway { width, height })
}
