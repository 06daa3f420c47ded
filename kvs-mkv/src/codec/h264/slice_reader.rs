//! Slice headers of a stream, read with the parameter sets they refer to.

use std::collections::BTreeMap;

use super::pps::Pps;
use super::{NalType, SliceHeader, Sps, SyntaxError};

/// Reads the slice headers of a stream with the parameter sets it was given.
///
/// Memory: at most 32 sequence and 256 picture parameter sets, as many as have a number; only the fields needed here.
///
/// ```
/// use kvs_mkv::codec::h264::{PictureOrder, SliceReader};
///
/// let mut reader = SliceReader::new();
/// reader.absorb(b"\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10")?;
/// reader.absorb(b"\x68\xce\x3c\x80")?;
/// let (slice, sps) = reader.slice(b"\x65\x88\x84\x01").expect("both parameter sets are known");
/// assert!(slice.idr && slice.is_intra());
/// assert_eq!(PictureOrder::new().next(&slice, sps), 0);
/// # Ok::<(), kvs_mkv::codec::h264::SyntaxError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct SliceReader {
    sequence: BTreeMap<u8, Sps>,
    picture: BTreeMap<u8, Pps>,
}

impl SliceReader {
    /// Creates a reader that knows no parameter sets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Stores a NAL unit if it is a sequence or picture parameter set; it replaces the one with the same number.
    ///
    /// # Errors
    /// [`SyntaxError`] if the set cannot be read; the known sets stay as they were.
    pub fn absorb(&mut self, unit: &[u8]) -> Result<(), SyntaxError> {
        match NalType::of(unit) {
            Some(NalType::SPS) => self.insert_sps(Sps::parse(unit)?),
            Some(NalType::PPS) => {
                let pps = Pps::parse(unit)?;
                self.picture.insert(pps.id, pps);
            }
            _ => {}
        }
        Ok(())
    }

    /// Stores a parsed sequence parameter set; it replaces the one with the same number.
    pub fn insert_sps(&mut self, sps: Sps) {
        self.sequence.insert(sps.id, sps);
    }

    /// Parses the header of a slice NAL unit and returns it with its sequence parameter set.
    ///
    /// `None` if the NAL unit is not a slice, if it is cut, or if it refers to an unknown parameter set.
    #[must_use]
    pub fn slice(&self, unit: &[u8]) -> Option<(SliceHeader, &Sps)> {
        let pps = self.picture.get(&SliceHeader::parameter_set_of(unit)?)?;
        let sps = self.sequence.get(&pps.sps_id)?;
        Some((SliceHeader::parse(unit, sps, pps)?, sps))
    }
}
