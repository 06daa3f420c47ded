//! Slice headers of a stream, read with the parameter sets they refer to.

use std::collections::BTreeMap;

use super::pps::Pps;
use super::{NalType, SliceHeader, Sps, SyntaxError};

/// Reads the slice headers of a stream with the parameter sets it was given.
///
/// Memory: at most 16 sequence and 64 picture parameter sets, as many as have a number; only the fields needed here.
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
