//! The AVCDecoderConfigurationRecord, called avcC (ISO/IEC 14496-15 §5.3.3.1.2).
//!
//! ```text
//! 01 | profile | compatibility | level | fc + length size - 1 | e0 + count | len16 SPS … | count | len16 PPS …
//!    | only profiles above Extended: fc + chroma format | f8 + luma depth - 8 | f8 + chroma depth - 8 | count | len16 …
//! ```

use bytes::{BufMut, Bytes, BytesMut};

use super::{ParameterSets, ParameterSetsError};
use crate::codec::limits;
use crate::codec::nal::LengthSize;
use crate::codec::sets::{self, RecordReader};

/// An avcC that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AvcCError {
    /// Its first byte is not 1: another version, or no avcC at all.
    #[error("an avcC begins with 01, not with {version:02x}")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// Lengths of three bytes.
    #[error("an avcC with lengths of {bytes} bytes; 1, 2 and 4 are allowed")]
    LengthSize {
        /// What it says.
        bytes: u8,
    },
    /// It ends early.
    #[error("an avcC of {len} bytes ends inside the field at offset {at}")]
    Truncated {
        /// Its bytes.
        len: usize,
        /// Where the cut field begins.
        at: usize,
    },
}

pub(super) fn build(sets: &ParameterSets) -> Result<Bytes, ParameterSetsError> {
    let sps = sets.sps()?;
    if sets.picture().is_empty() {
        return Err(ParameterSetsError::NoPps);
    }
    let mut record = BytesMut::with_capacity(64);
    record.put_slice(&[1, sps.profile, sps.constraints, sps.level, 0xff]);
    put_sets(&mut record, sets.sequence(), 0xe0, limits::SEQUENCE_PARAMETER_SETS)?;
    put_sets(&mut record, sets.picture(), 0, limits::PICTURE_PARAMETER_SETS)?;
    if !matches!(sps.profile, 66 | 77 | 88) {
        let depth = |bits: u8| 0xf8 | bits.saturating_sub(8);
        record.put_slice(&[0xfc | sps.chroma_format, depth(sps.luma_bits), depth(sps.chroma_bits)]);
        put_sets(&mut record, sets.extension(), 0, limits::PICTURE_PARAMETER_SETS)?;
    }
    Ok(record.freeze())
}

fn put_sets(record: &mut BytesMut, list: &[Bytes], reserved: u8, limit: usize) -> Result<(), ParameterSetsError> {
    let kind = list.first().and_then(|unit| unit.first()).map_or(0, |header| header & 0x1f);
    let count = u8::try_from(list.len()).ok().filter(|_| list.len() <= limit);
    let count = count.ok_or(ParameterSetsError::TooMany { kind, count: list.len(), limit })?;
    record.put_u8(reserved | count);
    let too_long = |len| ParameterSetsError::TooLong { len, limit: limits::PARAMETER_SET_BYTES };
    sets::put_lengths(record, list).map_err(too_long)
}

/// Hands each parameter set to `take` and returns the size of the lengths.
pub(super) fn parse<'a>(record: &'a [u8], mut take: impl FnMut(&'a [u8])) -> Result<LengthSize, AvcCError> {
    let truncated = |at| AvcCError::Truncated { len: record.len(), at };
    let mut reader = RecordReader::new(record);
    let version = reader.byte().map_err(truncated)?;
    if version != 1 {
        return Err(AvcCError::Version { version });
    }
    let profile = reader.byte().map_err(truncated)?;
    reader.bytes(2).map_err(truncated)?;
    let bytes = (reader.byte().map_err(truncated)? & 3) + 1;
    let length_size = LengthSize::new(bytes).ok_or(AvcCError::LengthSize { bytes })?;
    all_sets(&mut reader, profile, &mut take).map_err(truncated)?;
    Ok(length_size)
}

fn all_sets<'a>(reader: &mut RecordReader<'a>, profile: u8, take: &mut impl FnMut(&'a [u8])) -> Result<(), usize> {
    let sequence = reader.byte()? & 0x1f;
    reader.sets(sequence.into(), take)?;
    let picture = reader.byte()?;
    reader.sets(picture.into(), take)?;
    // Baseline, Main and Extended end here; so do the records of writers that leave the high-profile fields out.
    if !matches!(profile, 66 | 77 | 88) && reader.bytes(3).is_ok() {
        let extensions = reader.byte().unwrap_or(0);
        reader.sets(extensions.into(), take)?;
    }
    Ok(())
}
