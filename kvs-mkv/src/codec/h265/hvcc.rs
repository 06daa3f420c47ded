//! The HEVCDecoderConfigurationRecord, called hvcC (ISO/IEC 14496-15 §8.3.3.1.2).
//!
//! ```text
//! 01 | space, tier, profile | compatibility ×4 | constraints ×6 | level | f000 | fc | fc + chroma format
//!    | f8 + luma depth - 8 | f8 + chroma depth - 8 | frame rate ×2 | layers, nesting, length size - 1 | arrays
//! array: completeness, NAL unit type | count ×2 | len16 unit …
//! ```
//!
//! Profile to level are copied from the SPS after its NAL unit header of two bytes. The C SDK copies them from two bytes too
//! early, which players show as `hvc1.1.68080.L0` (amazon-kinesis-video-streams-producer-c issue 358).

use bytes::{BufMut, Bytes, BytesMut};

use super::{NalType, ParameterSets, ParameterSetsError};
use crate::codec::limits;
use crate::codec::nal::LengthSize;
use crate::codec::set_list::{self, RecordReader};

/// The NAL units of an hvcC and the size of the lengths in its access units, as slices of the record.
///
/// [`ParameterSets::from_hvcc`] collects the same NAL units into an owned set.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HvcC<'a> {
    /// The NAL units in the order of the record: VPS, SPS, PPS, and SEI in some files.
    pub units: Vec<&'a [u8]>,
    /// Size of the NAL unit lengths in the track's access units.
    pub length_size: LengthSize,
}

/// An hvcC that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HvcCError {
    /// The first byte is neither 1 nor the 0 of drafts: another version, or not an hvcC.
    #[error("hvcC version is {version}, only version 1 is supported")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// The access units have lengths of three bytes, which the standard does not allow.
    #[error("hvcC states NAL unit lengths of {bytes} bytes, 1, 2 and 4 are allowed")]
    LengthSize {
        /// The stated size.
        bytes: u8,
    },
    /// The record ends early.
    #[error("hvcC of {len} bytes ends inside the field at offset {at}")]
    Truncated {
        /// Size of the record in bytes.
        len: usize,
        /// Where the cut field starts.
        at: usize,
    },
}

pub(super) fn build(sets: &ParameterSets) -> Result<Bytes, ParameterSetsError> {
    let sps = sets.sps()?;
    // Reserved bits are ones (§8.3.3.1.2).
    let depth = |bits: u8| 0xf8 | bits.saturating_sub(8);
    let mut record = BytesMut::with_capacity(128);
    record.put_u8(1);
    record.put_slice(&sps.profile_tier_level.to_bytes());
    record.put_u16(0xf000); // min_spatial_segmentation_idc: unknown
    record.put_slice(&[0xfc, 0xfc | sps.chroma_format, depth(sps.luma_bits), depth(sps.chroma_bits)]);
    record.put_u16(0); // avgFrameRate: unknown
    record.put_u8(sps.temporal_layers << 3 | u8::from(sps.temporal_nesting) << 2 | 3);
    let arrays = [(NalType::VPS, sets.video()), (NalType::SPS, sets.sequence()), (NalType::PPS, sets.picture())];
    record.put_u8(3);
    for (kind, list) in arrays {
        put_array(&mut record, kind, list)?;
    }
    Ok(record.freeze())
}

/// Appends an array that does not claim to be complete, since the stream may have more sets (hev1 semantics).
fn put_array(record: &mut BytesMut, kind: NalType, list: &[Bytes]) -> Result<(), ParameterSetsError> {
    if list.is_empty() {
        return Err(ParameterSetsError::Missing { kind: kind.0 });
    }
    record.put_u8(kind.0);
    record.put_u16(u16::try_from(list.len()).unwrap_or(u16::MAX));
    let too_long = |len| ParameterSetsError::TooLong { len, limit: limits::PARAMETER_SET_BYTES };
    set_list::put_lengths(record, list).map_err(too_long)
}

impl<'a> HvcC<'a> {
    /// Parses an HEVCDecoderConfigurationRecord. Reserved bits may have any value.
    ///
    /// # Errors
    /// [`HvcCError`].
    pub fn parse(record: &'a [u8]) -> Result<Self, HvcCError> {
        let truncated = |at| HvcCError::Truncated { len: record.len(), at };
        let mut reader = RecordReader::new(record);
        let version = reader.byte().map_err(truncated)?;
        if version > 1 {
            return Err(HvcCError::Version { version });
        }
        reader.bytes(20).map_err(truncated)?; // profile to avgFrameRate
        let bytes = (reader.byte().map_err(truncated)? & 3) + 1;
        let length_size = LengthSize::new(bytes).ok_or(HvcCError::LengthSize { bytes })?;
        let mut units = Vec::new();
        let arrays = reader.byte().map_err(truncated)?;
        for _ in 0..arrays {
            reader.byte().map_err(truncated)?; // array_completeness and type, which each NAL unit repeats
            let count = reader.short().map_err(truncated)?;
            reader.sets(count, &mut units).map_err(truncated)?;
        }
        Ok(Self { units, length_size })
    }
}
