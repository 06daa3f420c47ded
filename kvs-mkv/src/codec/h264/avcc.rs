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
use crate::codec::set_list::{self, RecordReader};

/// The NAL units of an avcC and the size of the lengths in its access units, as slices of the record.
///
/// [`ParameterSets::from_avcc`] collects the same NAL units into an owned set.
///
/// ```
/// use kvs_mkv::codec::h264::AvcC;
///
/// let avcc = AvcC::parse(b"\x01\x42\0\x1e\xff\xe1\0\x02\x67\x42\x01\0\x01\x68")?;
/// assert_eq!((avcc.length_size.get(), avcc.units), (4, vec![&b"\x67\x42"[..], b"\x68"]));
/// # Ok::<(), kvs_mkv::codec::h264::AvcCError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AvcC<'a> {
    /// The parameter sets in the order of the record: SPS, PPS, SPS extensions.
    pub units: Vec<&'a [u8]>,
    /// Size of the NAL unit lengths in the track's access units.
    pub length_size: LengthSize,
}

/// An avcC that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AvcCError {
    /// The first byte is not 1: another version, or not an avcC.
    #[error("avcC version is {version}, only version 1 is supported")]
    Version {
        /// The first byte.
        version: u8,
    },
    /// The access units have lengths of three bytes, which the standard does not allow.
    #[error("avcC states NAL unit lengths of {bytes} bytes, 1, 2 and 4 are allowed")]
    LengthSize {
        /// The stated size.
        bytes: u8,
    },
    /// The record ends early.
    #[error("avcC of {len} bytes ends inside the field at offset {at}")]
    Truncated {
        /// Size of the record in bytes.
        len: usize,
        /// Where the cut field starts.
        at: usize,
    },
}

pub(super) fn build(sets: &ParameterSets) -> Result<Bytes, ParameterSetsError> {
    let sps = sets.sps()?;
    if sets.picture().is_empty() {
        return Err(ParameterSetsError::NoPps);
    }
    let mut record = BytesMut::with_capacity(64);
    // Reserved bits are ones (§5.3.3.1.2): 0xff is lengths of four bytes, 0xe0 precedes a count of five bits.
    record.put_slice(&[1, sps.profile, sps.constraints, sps.level, 0xff]);
    put_sets(&mut record, sets.sequence(), 0xe0, limits::SEQUENCE_PARAMETER_SETS)?;
    put_sets(&mut record, sets.picture(), 0, limits::PICTURE_PARAMETER_SETS)?;
    if !has_short_record(sps.profile) {
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
    set_list::put_lengths(record, list).map_err(too_long)
}

impl<'a> AvcC<'a> {
    /// Parses an AVCDecoderConfigurationRecord.
    ///
    /// Reserved bits may have any value, and the fields of the high profiles may be missing, as some writers leave them
    /// out.
    ///
    /// # Errors
    /// [`AvcCError`].
    pub fn parse(record: &'a [u8]) -> Result<Self, AvcCError> {
        let truncated = |at| AvcCError::Truncated { len: record.len(), at };
        let mut reader = RecordReader::new(record);
        let version = reader.byte().map_err(truncated)?;
        if version != 1 {
            return Err(AvcCError::Version { version });
        }
        let profile = reader.byte().map_err(truncated)?;
        reader.bytes(2).map_err(truncated)?; // profile_compatibility, AVCLevelIndication
        let bytes = (reader.byte().map_err(truncated)? & 3) + 1;
        let length_size = LengthSize::new(bytes).ok_or(AvcCError::LengthSize { bytes })?;
        let units = all_sets(&mut reader, profile).map_err(truncated)?;
        Ok(Self { units, length_size })
    }
}

fn all_sets<'a>(reader: &mut RecordReader<'a>, profile: u8) -> Result<Vec<&'a [u8]>, usize> {
    let mut units = Vec::new();
    let sequence = reader.byte()? & 0x1f;
    reader.sets(sequence.into(), &mut units)?;
    let picture = reader.byte()?;
    reader.sets(picture.into(), &mut units)?;
    // The record ends here for Baseline, Main and Extended, and in files of writers that leave the high fields out.
    if !has_short_record(profile) && reader.bytes(3).is_ok() {
        let extensions = reader.byte().unwrap_or(0);
        reader.sets(extensions.into(), &mut units)?;
    }
    Ok(units)
}

/// Baseline, Main and Extended, whose record has no sample format (§5.3.3.1.2).
const fn has_short_record(profile: u8) -> bool {
    matches!(profile, 66 | 77 | 88)
}
