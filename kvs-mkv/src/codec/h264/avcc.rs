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

fn put_sets(record: &mut BytesMut, sets: &[Bytes], reserved: u8, limit: usize) -> Result<(), ParameterSetsError> {
    let kind = sets.first().and_then(|unit| unit.first()).map_or(0, |header| header & 0x1f);
    let count = u8::try_from(sets.len()).ok().filter(|_| sets.len() <= limit);
    let count = count.ok_or(ParameterSetsError::TooMany { kind, count: sets.len(), limit })?;
    record.put_u8(reserved | count);
    for set in sets {
        let limit = limits::PARAMETER_SET_BYTES;
        let len = u16::try_from(set.len()).map_err(|_| ParameterSetsError::TooLong { len: set.len(), limit })?;
        record.put_u16(len);
        record.put_slice(set);
    }
    Ok(())
}

/// Hands each parameter set to `take` and returns the size of the lengths.
pub(super) fn parse<'a>(record: &'a [u8], mut take: impl FnMut(&'a [u8])) -> Result<LengthSize, AvcCError> {
    let mut reader = Reader { record, at: 0 };
    let version = reader.byte()?;
    if version != 1 {
        return Err(AvcCError::Version { version });
    }
    let profile = reader.byte()?;
    reader.bytes(2)?;
    let bytes = (reader.byte()? & 3) + 1;
    let length_size = LengthSize::new(bytes).ok_or(AvcCError::LengthSize { bytes })?;
    let sequence = reader.byte()? & 0x1f;
    reader.sets(sequence, &mut take)?;
    let picture = reader.byte()?;
    reader.sets(picture, &mut take)?;
    // Baseline, Main and Extended end here; so do the records of writers that leave the high-profile fields out.
    if !matches!(profile, 66 | 77 | 88) && reader.bytes(3).is_ok() {
        let extensions = reader.byte().unwrap_or(0);
        reader.sets(extensions, &mut take)?;
    }
    Ok(length_size)
}

struct Reader<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Result<&'a [u8], AvcCError> {
        let truncated = AvcCError::Truncated { len: self.record.len(), at: self.at };
        let end = self.at.checked_add(count).ok_or(truncated)?;
        let bytes = self.record.get(self.at..end).ok_or(truncated)?;
        self.at = end;
        Ok(bytes)
    }

    fn byte(&mut self) -> Result<u8, AvcCError> {
        Ok(self.bytes(1)?.first().copied().unwrap_or_default())
    }

    fn sets(&mut self, count: u8, take: &mut impl FnMut(&'a [u8])) -> Result<(), AvcCError> {
        for _ in 0..count {
            let length = self.bytes(2)?.iter().fold(0, |value, &byte| value << 8 | usize::from(byte));
            take(self.bytes(length)?);
        }
        Ok(())
    }
}
