//! Reads the headers of H.265 pictures (ITU-T H.265 §7.3.6) and their output order (§8.3.1).

use kvs_mkv::codec::h265::{NalType, ParameterSets, PictureOrder, SliceHeader, Sps};
use rusty_h265::nal::unescape;
use rusty_h265::ps::{self, SubLayerOrdering};

use super::header::{PictureHeader, RandomAccess};
use super::picture::DisplayInfo;
use crate::images::error::DecodeError;
use crate::images::limits::{HEADER_BYTES, PARAMETER_SETS};
use crate::images::render::colour::Colour;
use crate::images::sequence;

/// Reads picture headers in decoding order.
#[derive(Debug, Default)]
pub(in crate::images) struct HeaderReader {
    sets: ParameterSets,
    sequence: Option<Sequence>,
    order: PictureOrder,
}

#[derive(Debug)]
struct Sequence {
    sps: Sps,
    display: DisplayInfo,
}

impl HeaderReader {
    /// Stores a parameter set. Fails for one whose pictures cannot be decoded.
    pub(in crate::images) fn parameter_set(&mut self, unit: &[u8]) -> Result<(), DecodeError> {
        let known = self.sets.video().len() + self.sets.sequence().len() + self.sets.picture().len();
        if unit.len() > HEADER_BYTES || known >= PARAMETER_SETS {
            return Err(DecodeError::ParameterSet);
        }
        if NalType::of(unit) == Some(NalType::SPS) {
            self.sequence = Some(Sequence::parse(unit)?);
        }
        self.sets.absorb([unit]);
        Ok(())
    }

    /// Returns the header of the picture that starts with this slice segment, or `None` if the slice continues a picture.
    pub(in crate::images) fn slice(&mut self, unit: &[u8]) -> Option<Result<PictureHeader, DecodeError>> {
        let Some(sequence) = &self.sequence else { return Some(Err(DecodeError::ParameterSet)) };
        let Some(slice) = SliceHeader::parse(unit, &sequence.sps, &self.sets) else {
            return Some(Err(DecodeError::ParameterSet));
        };
        slice.first.then(|| {
            Ok(PictureHeader {
                random_access: random_access(slice.kind),
                reference: !is_unreferenced(&slice, &sequence.sps),
                display: sequence.display,
                numbering: None,
                order: self.order.next(&slice, &sequence.sps),
            })
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

impl Sequence {
    /// Parses a sequence parameter set with the parser of the decoder. Fails if its pictures cannot be decoded.
    fn parse(unit: &[u8]) -> Result<Self, DecodeError> {
        let sps = Sps::parse(unit).map_err(|_| DecodeError::ParameterSet)?;
        let payload = unescape(unit.get(2..).unwrap_or_default());
        let seen = ps::parse_sps(&payload.data).map_err(|_| DecodeError::ParameterSet)?;
        let bits = seen.bit_depth_luma.max(seen.bit_depth_chroma);
        if bits != 8 {
            return Err(DecodeError::BitDepth { bits: bits.into() });
        }
        if seen.chroma_format_idc != 1 {
            return Err(DecodeError::ChromaFormat { id: seen.chroma_format_idc.into() });
        }
        sequence::check_size(seen.width.div_ceil(16), seen.height.div_ceil(16), buffered(&seen.ordering))?;
        let colour = seen.vui.map(|vui| Colour::new(vui.matrix_coeffs.into(), vui.video_full_range_flag));
        Ok(Self { sps, display: DisplayInfo { colour: colour.unwrap_or_default(), ..DisplayInfo::default() } })
    }
}

/// Returns the number of pictures that the decoded picture buffer must hold besides the current one.
fn buffered(layers: &[SubLayerOrdering]) -> u32 {
    layers.iter().map(|layer| layer.max_dec_pic_buffering_minus1).max().unwrap_or_default()
}
