//! The parameter sets of a stream, collected from access units or an hvcC.

use bytes::Bytes;

use super::{HvcC, HvcCError, NalType, SetChange, Sps, SyntaxError, hvcc};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};
use crate::codec::nal::{self, LengthSize, NalError};
use crate::codec::set_list;

/// The video, sequence and picture parameter sets of a stream in order of arrival, without start codes or lengths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    video: Vec<Bytes>,
    sequence: Vec<Bytes>,
    picture: Vec<Bytes>,
}

/// Parameter sets that are missing or cannot be read; the encoder's data or the record is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterSetsError {
    /// There is no set of one kind.
    #[error("no parameter set of NAL unit type {kind} (32 is VPS, 33 SPS, 34 PPS)")]
    Missing {
        /// NAL unit type.
        kind: u8,
    },
    /// A set is longer than an hvcC can state.
    #[error("a parameter set has {len} bytes, an hvcC can contain at most {limit}")]
    TooLong {
        /// Its size in bytes.
        len: usize,
        /// [`PARAMETER_SET_BYTES`](crate::codec::limits::PARAMETER_SET_BYTES).
        limit: usize,
    },
    /// The access unit cannot be split into NAL units.
    #[error(transparent)]
    Nal(#[from] NalError),
    /// The sequence parameter set cannot be read.
    #[error(transparent)]
    Sps(#[from] SyntaxError),
    /// The hvcC cannot be read.
    #[error(transparent)]
    HvcC(#[from] HvcCError),
}

impl ParameterSets {
    /// Creates an empty collection.
    #[must_use]
    pub const fn new() -> Self {
        Self { video: Vec::new(), sequence: Vec::new(), picture: Vec::new() }
    }

    /// Collects the sets of an Annex B access unit, or of a bare header of VPS, SPS and PPS; other NAL units are ignored.
    ///
    /// # Errors
    /// [`NalError`] if the data has no start codes.
    pub fn from_annex_b(data: &Bytes) -> Result<Self, ParameterSetsError> {
        let mut sets = Self::new();
        sets.absorb(nal::annex_b(data)?);
        Ok(sets)
    }

    /// Collects the sets of an hvcC and returns them with the size of the lengths in the track's access units.
    ///
    /// # Errors
    /// [`HvcCError`].
    pub fn from_hvcc(hvcc: &[u8]) -> Result<(Self, LengthSize), ParameterSetsError> {
        let HvcC { units, length_size } = HvcC::parse(hvcc)?;
        let mut sets = Self::new();
        sets.absorb(units);
        Ok((sets, length_size))
    }

    /// Collects the sets among the NAL units of an access unit and returns what they changed.
    ///
    /// A set with a known number replaces the old one. Each set is copied, so that it does not keep the access unit in
    /// memory.
    pub fn absorb<'a>(&mut self, units: impl IntoIterator<Item = &'a [u8]>) -> SetChange {
        let mut change = SetChange::None;
        for unit in units {
            let list = match NalType::of(unit) {
                Some(NalType::VPS) => &mut self.video,
                Some(NalType::SPS) => &mut self.sequence,
                Some(NalType::PPS) => &mut self.picture,
                _ => continue,
            };
            change = change.and(set_list::put(list, unit, number_of));
        }
        change
    }

    /// Returns whether there is at least one set of each kind that a decoder needs.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.video.is_empty() && !self.sequence.is_empty() && !self.picture.is_empty()
    }

    /// Returns the video parameter sets.
    #[must_use]
    pub fn video(&self) -> &[Bytes] {
        &self.video
    }

    /// Returns the sequence parameter sets.
    #[must_use]
    pub fn sequence(&self) -> &[Bytes] {
        &self.sequence
    }

    /// Returns the picture parameter sets.
    #[must_use]
    pub fn picture(&self) -> &[Bytes] {
        &self.picture
    }

    /// Returns the same sets, with the sequence parameter set of this number first.
    pub(super) fn led_by(&self, number: u8) -> Self {
        let mut sets = self.clone();
        sets.sequence.sort_by_key(|unit| number_of(unit) != Some(number.into()));
        sets
    }

    /// Parses the first sequence parameter set.
    ///
    /// # Errors
    /// [`ParameterSetsError::Missing`] and [`ParameterSetsError::Sps`].
    pub fn sps(&self) -> Result<Sps, ParameterSetsError> {
        let unit = self.sequence.first().ok_or(ParameterSetsError::Missing { kind: NalType::SPS.0 })?;
        Ok(Sps::parse(unit)?)
    }

    /// Builds an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15 §8.3.3.1.2) with all sets and lengths of four bytes.
    ///
    /// # Errors
    /// A set is missing or too long, or the first SPS cannot be read.
    pub fn to_hvcc(&self) -> Result<Bytes, ParameterSetsError> {
        hvcc::build(self)
    }
}

/// Reads the number of a set (7.3.2.1 to 7.3.2.3). That of an SPS comes after the profiles of all temporal layers.
fn number_of(unit: &[u8]) -> Option<u32> {
    match NalType::of(unit)? {
        NalType::VPS => unit.get(2).map(|byte| u32::from(byte >> 4)),
        NalType::SPS => Sps::parse(unit).ok().map(|sps| sps.id.into()),
        _ => {
            let bytes = without_emulation_prevention(unit.get(2..)?.get(..NUMBER_BYTES).or(unit.get(2..))?);
            BitReader::new(&bytes).ue()
        }
    }
}

/// Enough for an Exp-Golomb code of up to 63.
const NUMBER_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    // Written by x265: 178x142, 30000/1001 frames per second, Main profile, level 2.
    const VPS: &[u8] = &hex!("40010c01ffff016000000300900000030000 03003c959809");
    const SPS: &[u8] = &hex!("420101 016000000300900000030000 03003c a017202472565959a4932bc05a02000007d20000ea6010");
    const PPS: &[u8] = &hex!("4401c172b46240");

    fn annex_b(units: &[&[u8]]) -> Bytes {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect::<Vec<u8>>().into()
    }

    #[test]
    fn hvcc_equals_that_of_ffmpeg() {
        let sets = ParameterSets::from_annex_b(&annex_b(&[&hex!("460150"), VPS, SPS, PPS, &hex!("4e0105")])).unwrap();
        let head = hex!("01 01 60000000 900000000000 3c f000 fc fd f8 f8 0000 0f 03");
        let arrays = [&hex!("20 0001 0018")[..], VPS, &hex!("21 0001 0029"), SPS, &hex!("22 0001 0007"), PPS].concat();
        let hvcc = sets.to_hvcc().unwrap();
        assert_eq!(hvcc, [&head[..], &arrays].concat());
        assert_eq!(ParameterSets::from_hvcc(&hvcc).unwrap(), (sets, LengthSize::FOUR));
    }

    #[test]
    fn parses_size_rate_and_level_of_sps() {
        let sps = Sps::parse(SPS).unwrap();
        assert_eq!((sps.width, sps.height, sps.profile_tier_level.level), (178, 142, 60));
        let rate = sps.frame_rate.unwrap();
        assert_eq!((rate.frames, rate.seconds), (30_000, 1001));
        assert_eq!((sps.temporal_layers, sps.temporal_nesting, sps.luma_bits), (1, true, 8));
    }

    #[test]
    fn sorts_sets_by_kind_in_any_order() {
        let sets = ParameterSets::from_annex_b(&annex_b(&[PPS, SPS, VPS])).unwrap();
        assert_eq!((&sets.video()[0][..], &sets.sequence()[0][..], &sets.picture()[0][..]), (VPS, SPS, PPS));
        let mut missing = ParameterSets::new();
        missing.absorb([VPS, SPS]);
        assert_eq!(missing.to_hvcc(), Err(ParameterSetsError::Missing { kind: 34 }));
        assert!(!missing.is_complete() && sets.is_complete());
    }

    #[test]
    fn rejects_truncated_sps_and_hvcc() {
        let hvcc = ParameterSets::from_annex_b(&annex_b(&[VPS, SPS, PPS])).unwrap().to_hvcc().unwrap();
        for cut in 0..hvcc.len() {
            let error = ParameterSets::from_hvcc(&hvcc[..cut]).unwrap_err();
            assert!(matches!(error, ParameterSetsError::HvcC(HvcCError::Truncated { .. })), "cut at {cut}: {error}");
        }
        for cut in 2..24 {
            assert!(matches!(Sps::parse(&SPS[..cut]), Err(SyntaxError::Truncated { .. })), "cut at {cut}");
        }
    }

    #[test]
    fn new_content_for_known_number_replaces_set() {
        let mut sets = ParameterSets::from_annex_b(&annex_b(&[VPS, SPS, PPS])).unwrap();
        assert_eq!(sets.absorb([VPS, SPS, PPS]), SetChange::None);
        assert_eq!(sets.absorb([&hex!("4401c172b46241")[..]]), SetChange::Replaced);
    }
}
