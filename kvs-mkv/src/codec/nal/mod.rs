//! NAL units in both framings: start codes (Annex B) and lengths (MP4 and Matroska).
//!
//! ```text
//! Annex B          00 00 00 01 | 67 … | 00 00 01 | 65 …          H.264 and H.265 Annex B
//! length-prefixed  00 00 00 18 | 67 … | 00 00 1f 40 | 65 …       ISO/IEC 14496-15 §4.3.2
//! ```
//!
//! An access unit is contiguous (`&[u8]`, [`Bytes`](bytes::Bytes)) or in pieces ([`Chunks`](crate::Chunks)); neither walk
//! joins or copies it.

mod annex_b;
mod convert;
mod cursor;
mod error;
mod framing;
mod length_prefixed;
mod stream;
#[cfg(test)]
mod tests;

pub use annex_b::{AnnexB, annex_b, annex_b_lossy};
pub use convert::{
    LengthPrefixer, annex_b_to_length_prefixed, length_prefixed_to_annex_b, split_annex_b, to_length_prefixed,
    widen_lengths,
};
pub use error::NalError;
pub use framing::{Framing, LengthSize};
pub use length_prefixed::{LengthPrefixed, NalUnit, length_prefixed, length_prefixed_chunks};
pub(super) use stream::{NalStream, StreamUnit};

/// Returns the NAL units of one access unit in the framing that [`Framing::detect`] finds, as slices of it.
///
/// # Errors
/// [`NalError::UnknownFraming`], or the errors of [`annex_b`].
pub fn units(access_unit: &[u8]) -> Result<Vec<&[u8]>, NalError> {
    match Framing::detect(access_unit) {
        Some(framing) => units_in(access_unit, framing),
        None => Err(NalError::UnknownFraming { len: access_unit.len() }),
    }
}

/// Returns the NAL units of one access unit in this framing, as slices of it.
///
/// # Errors
/// The errors of [`annex_b`] and [`length_prefixed`].
pub fn units_in(access_unit: &[u8], framing: Framing) -> Result<Vec<&[u8]>, NalError> {
    match framing {
        Framing::AnnexB => annex_b(access_unit).map(Iterator::collect),
        Framing::LengthPrefixed(size) => length_prefixed(access_unit, size).collect(),
    }
}
