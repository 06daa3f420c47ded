//! Which pictures a fragment of H.265 has, as far as finding them needs it (ITU-T H.265 §7.3, §8.3.1).

use kvs_mkv::codec::h265::{NalType, ParameterSets, PictureOrder, SliceHeader, Sps};
use rusty_h265::nal::unescape;
use rusty_h265::ps::{self, SubLayerOrdering};

use crate::images::error::Undecodable;
use crate::images::index::{Entry, Head};
use crate::images::limits::{HEADER_BYTES, PARAMETER_SETS};
use crate::images::render::colour::Colour;
use crate::images::sequence::{self, Look};

/// Reads the heads of pictures in the order of decoding.
#[derive(Debug, Default)]
pub(in crate::images) struct Heads {
    sets: ParameterSets,
    sequence: Option<Sequence>,
    order: PictureOrder,
}

#[derive(Debug)]
struct Sequence {
    sps: Sps,
    look: Look,
}

impl Heads {
    /// Takes a parameter set, and refuses those whose pictures cannot be decoded.
    pub(in crate::images) fn take(&mut self, unit: &[u8]) -> Result<(), Undecodable> {
        let known = self.sets.video().len() + self.sets.sequence().len() + self.sets.picture().len();
        if unit.len() > HEADER_BYTES || known >= PARAMETER_SETS {
            return Err(Undecodable::ParameterSet);
        }
        if NalType::of(unit) == Some(NalType::SPS) {
            self.sequence = Some(Sequence::parse(unit)?);
        }
        self.sets.absorb([unit]);
        Ok(())
    }

    /// The head of the picture that a slice begins; `None` for slices that go on with one.
    pub(in crate::images) fn slice(&mut self, unit: &[u8]) -> Option<Result<Head, Undecodable>> {
        let Some(sequence) = &self.sequence else { return Some(Err(Undecodable::ParameterSet)) };
        let Some(slice) = SliceHeader::parse(unit, &sequence.sps, &self.sets) else {
            return Some(Err(Undecodable::ParameterSet));
        };
        slice.first.then(|| {
            Ok(Head {
                entry: entry(slice.kind),
                reference: !is_unneeded(&slice, &sequence.sps),
                look: sequence.look,
                numbering: None,
                order: self.order.next(&slice, &sequence.sps),
            })
        })
    }
}

/// Behind a BLA picture nothing needs anything before it that could be had.
const fn entry(kind: NalType) -> Entry {
    match kind {
        NalType::CRA => Entry::Open,
        _ if kind.restarts() => Entry::Idr,
        _ => Entry::None,
    }
}

/// Whether no other picture refers to it: those of types 0, 2, 4 to 14 only serve higher temporal layers (table 7-1).
fn is_unneeded(slice: &SliceHeader, sps: &Sps) -> bool {
    slice.kind.0 <= 14 && slice.kind.0.is_multiple_of(2) && slice.temporal_id.saturating_add(1) >= sps.temporal_layers
}

impl Sequence {
    /// Reads a sequence parameter set as the decoder will, and says why its pictures cannot be decoded.
    fn parse(unit: &[u8]) -> Result<Self, Undecodable> {
        let sps = Sps::parse(unit).map_err(|_| Undecodable::ParameterSet)?;
        let payload = unescape(unit.get(2..).unwrap_or_default());
        let seen = ps::parse_sps(&payload.data).map_err(|_| Undecodable::ParameterSet)?;
        let bits = seen.bit_depth_luma.max(seen.bit_depth_chroma);
        if bits != 8 {
            return Err(Undecodable::BitDepth { bits: bits.into() });
        }
        if seen.chroma_format_idc != 1 {
            return Err(Undecodable::ChromaFormat { id: seen.chroma_format_idc.into() });
        }
        sequence::check_size(seen.width.div_ceil(16), seen.height.div_ceil(16), buffered(&seen.ordering))?;
        let colour = seen.vui.map(|vui| Colour::new(vui.matrix_coeffs.into(), vui.video_full_range_flag));
        Ok(Self { sps, look: Look { colour: colour.unwrap_or_default(), ..Look::default() } })
    }
}

/// Pictures the stream asks to keep, the one being decoded not counted.
fn buffered(layers: &[SubLayerOrdering]) -> u32 {
    layers.iter().map(|layer| layer.max_dec_pic_buffering_minus1).max().unwrap_or_default()
}
