//! Reads the headers of H.265 pictures (ITU-T H.265 §7.3.6) and their output order (§8.3.1).

use kvs_mkv::codec::h265::{self, NalType, PictureOrder, SliceHeader, SliceReader, Sps};

use super::header::{PictureHeader, RandomAccess, SampleFormat, check_size, parameter_set_error};
use super::picture::DisplayInfo;
use crate::images::error::DecodeError;
use crate::images::limits::{H265_MACROBLOCK_BYTES, HEADER_BYTES};
use crate::images::render::color::Color;

/// Reads picture headers in decoding order.
#[derive(Debug, Default)]
pub(in crate::images) struct HeaderReader {
    slices: SliceReader,
    order: PictureOrder,
    /// For the largest pictures so far.
    pub(super) decoder_bytes: u64,
}

impl HeaderReader {
    /// Stores a parameter set. Fails for one that is damaged or whose pictures are too large.
    pub(in crate::images) fn parameter_set(&mut self, unit: &[u8]) -> Result<(), DecodeError> {
        if unit.len() > HEADER_BYTES {
            return Err(DecodeError::ParameterSet);
        }
        if NalType::of(unit) != Some(NalType::SPS) {
            return self.slices.absorb(unit).map_err(parameter_set_error);
        }
        let sps = Sps::parse(unit).map_err(parameter_set_error)?;
        self.decoder_bytes = self.decoder_bytes.max(check(&sps)?);
        self.slices.insert_sps(sps);
        Ok(())
    }

    /// Returns the header of the picture that starts with this slice segment, or `None` if the slice continues a picture.
    pub(in crate::images) fn slice(&mut self, unit: &[u8]) -> Option<Result<PictureHeader, DecodeError>> {
        match h265::starts_picture(unit) {
            Some(true) => Some(self.first_slice(unit)),
            Some(false) => None,
            None => Some(Err(DecodeError::ParameterSet)),
        }
    }

    fn first_slice(&mut self, unit: &[u8]) -> Result<PictureHeader, DecodeError> {
        let (slice, sps) = self.slices.slice(unit).ok_or(DecodeError::ParameterSet)?;
        Ok(PictureHeader {
            random_access: random_access(slice.kind),
            reference: !is_unreferenced(&slice, sps),
            display: display(sps),
            size: (sps.width, sps.height),
            beyond_built_in: sample_format(sps).beyond_built_in(),
            frame_num: None,
            order: self.order.next(&slice, sps),
        })
    }
}

/// A BLA picture is a clean start like an IDR picture: its RASL pictures are not decodable (H.265 §8.1.3).
const fn random_access(kind: NalType) -> RandomAccess {
    match kind {
        NalType::CRA => RandomAccess::OpenGop,
        _ if kind.restarts() => RandomAccess::Idr,
        _ => RandomAccess::None,
    }
}

/// Returns whether no other picture refers to this one. Pictures with an even NAL unit type up to 14 are referenced only
/// from higher temporal sub-layers (H.265 table 7-1), so those of the highest sub-layer are never referenced.
fn is_unreferenced(slice: &SliceHeader, sps: &Sps) -> bool {
    slice.kind.0 <= 14 && slice.kind.0.is_multiple_of(2) && slice.temporal_id.saturating_add(1) >= sps.temporal_layers
}

/// Returns the bytes that a decoder needs; fails if pictures of this sequence are too large.
fn check(sps: &Sps) -> Result<u64, DecodeError> {
    // The current picture is not a reference picture.
    let references = sps.buffered_pictures.ok_or(DecodeError::ParameterSet)?.saturating_sub(1);
    check_size(sps.coded_width, sps.coded_height, references, sample_format(sps).scaled(H265_MACROBLOCK_BYTES))
}

fn sample_format(sps: &Sps) -> SampleFormat {
    SampleFormat { bits: sps.luma_bits.max(sps.chroma_bits), chroma: sps.chroma_format }
}

fn display(sps: &Sps) -> DisplayInfo {
    let color = sps.video_signal.map(|signal| Color::new(signal.matrix_coefficients.into(), signal.full_range));
    DisplayInfo { color: color.unwrap_or_default(), ..DisplayInfo::default() }
}
