//! The parameter sets of a stream, collected from access units or an avcC.

use bytes::Bytes;

use super::{AvcC, AvcCError, NalType, SetChange, Sps, SyntaxError, avcc};
use crate::codec::bit_reader::{BitReader, without_emulation_prevention};
use crate::codec::nal::{self, LengthSize, NalError};
use crate::codec::set_list;

/// The sequence and picture parameter sets of a stream in order of arrival, without start codes or lengths.
///
/// ```
/// use bytes::Bytes;
/// use kvs_mkv::codec::h264::ParameterSets;
///
/// let sets = ParameterSets::from_annex_b(&Bytes::from_static(
///     b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\0\0\x01\x68\xce\x3c\x80",
/// ))?;
/// assert_eq!(sets.sps()?.profile, 66);
/// assert_eq!(ParameterSets::from_avcc(&sets.to_avcc()?)?.0, sets);
/// # Ok::<(), kvs_mkv::codec::h264::ParameterSetsError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParameterSets {
    sequence: Vec<Bytes>,
    picture: Vec<Bytes>,
    extension: Vec<Bytes>,
}

/// Parameter sets that are missing or cannot be read; the encoder's data or the record is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterSetsError {
    /// There is no sequence parameter set.
    #[error("no sequence parameter set (NAL unit type 7)")]
    NoSps,
    /// There is no picture parameter set.
    #[error("no picture parameter set (NAL unit type 8)")]
    NoPps,
    /// There are more sets of one kind than an avcC can count.
    #[error("{count} parameter sets of NAL unit type {kind}, an avcC can contain at most {limit}")]
    TooMany {
        /// NAL unit type.
        kind: u8,
        /// Number of sets.
        count: usize,
        /// [`SEQUENCE_PARAMETER_SETS`](crate::codec::limits::SEQUENCE_PARAMETER_SETS) or [`PICTURE_PARAMETER_SETS`](crate::codec::limits::PICTURE_PARAMETER_SETS).
        limit: usize,
    },
    /// A set is longer than an avcC can state.
    #[error("a parameter set has {len} bytes, an avcC can contain at most {limit}")]
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
    /// The avcC cannot be read.
    #[error(transparent)]
    AvcC(#[from] AvcCError),
}

impl ParameterSets {
    /// Creates an empty collection.
    #[must_use]
    pub const fn new() -> Self {
        Self { sequence: Vec::new(), picture: Vec::new(), extension: Vec::new() }
    }

    /// Collects the sets of an Annex B access unit, or of a bare header of SPS and PPS; other NAL units are ignored.
    ///
    /// # Errors
    /// [`NalError`] if the data has no start codes.
    pub fn from_annex_b(data: &Bytes) -> Result<Self, ParameterSetsError> {
        let mut sets = Self::new();
        sets.absorb(nal::annex_b(data)?);
        Ok(sets)
    }

    /// Collects the sets of an avcC and returns them with the size of the lengths in the track's access units.
    ///
    /// # Errors
    /// [`AvcCError`].
    pub fn from_avcc(avcc: &[u8]) -> Result<(Self, LengthSize), ParameterSetsError> {
        let AvcC { units, length_size } = AvcC::parse(avcc)?;
        let mut sets = Self::new();
        sets.absorb(units);
        Ok((sets, length_size))
    }

    /// Collects the sets among the NAL units of an access unit and returns what they changed.
    ///
    /// A set with a known number replaces the old one. Each set is copied, so that it does not keep the access unit in
    /// memory. An SPS with an unreadable number is compared by content.
    pub fn absorb<'a>(&mut self, units: impl IntoIterator<Item = &'a [u8]>) -> SetChange {
        let mut change = SetChange::None;
        for unit in units {
            let list = match NalType::of(unit) {
                Some(NalType::SPS) => &mut self.sequence,
                Some(NalType::PPS) => &mut self.picture,
                Some(NalType::SPS_EXTENSION) => &mut self.extension,
                _ => continue,
            };
            change = change.and(set_list::put(list, unit, number_of));
        }
        change
    }

    /// Returns whether there is at least one set of each kind that a decoder needs.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.sequence.is_empty() && !self.picture.is_empty()
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

    /// Returns the sequence parameter set extensions: rare, for alpha planes.
    #[must_use]
    pub fn extension(&self) -> &[Bytes] {
        &self.extension
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
    /// [`ParameterSetsError::NoSps`] and [`ParameterSetsError::Sps`].
    pub fn sps(&self) -> Result<Sps, ParameterSetsError> {
        let unit = self.sequence.first().ok_or(ParameterSetsError::NoSps)?;
        Ok(Sps::parse(unit)?)
    }

    /// Builds an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1.2) with all sets and lengths of four bytes.
    ///
    /// # Errors
    /// A set is missing or too long, there are too many of one kind, or the first SPS cannot be read.
    pub fn to_avcc(&self) -> Result<Bytes, ParameterSetsError> {
        avcc::build(self)
    }
}

/// Reads the number of a set: the first Exp-Golomb code of a PPS (7.3.2.2), and of an SPS the one after three bytes (7.3.2.1.1).
fn number_of(unit: &[u8]) -> Option<u32> {
    let skipped = if NalType::of(unit)? == NalType::SPS { 4 } else { 1 };
    let head: Vec<u8> = unit.iter().copied().take(skipped + NUMBER_BYTES).collect();
    BitReader::new(without_emulation_prevention(&head).get(skipped..)?).ue()
}

/// Enough for an Exp-Golomb code of up to 255, with emulation prevention before it.
const NUMBER_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    const SPS: &[u8] = &hex!("67640034 ac2b401e0078d808800001f40000ea6047a550");
    const PPS: &[u8] = &hex!("68ee3cb0");

    fn annex_b(units: &[&[u8]]) -> Bytes {
        units.iter().flat_map(|unit| [&[0, 0, 0, 1], *unit].concat()).collect::<Vec<u8>>().into()
    }

    #[test]
    fn avcc_has_fields_of_high_profiles() {
        let sets = ParameterSets::from_annex_b(&annex_b(&[&hex!("09f0"), SPS, &hex!("060100"), PPS])).unwrap();
        let expected =
            hex!("01640034 ff e1 0017 67640034ac2b401e0078d808800001f40000ea6047a550 01 0004 68ee3cb0 fd f8 f8 00");
        assert_eq!(sets.to_avcc().unwrap(), expected[..]);
    }

    #[test]
    fn several_sets_round_trip_through_avcc() {
        let other = hex!("68 5e e3cb");
        let mut sets = ParameterSets::from_annex_b(&annex_b(&[SPS, PPS, &other])).unwrap();
        assert_eq!(sets.picture().len(), 2);
        assert_eq!(ParameterSets::from_avcc(&sets.to_avcc().unwrap()).unwrap(), (sets.clone(), LengthSize::FOUR));
        assert_eq!(sets.absorb([SPS, PPS, &other]), SetChange::None);
    }

    #[test]
    fn accepts_avcc_with_any_reserved_bits_and_without_high_fields() {
        let bare = hex!("01640034 03 01 0017 67640034ac2b401e0078d808800001f40000ea6047a550 01 0004 68ee3cb0");
        let (sets, size) = ParameterSets::from_avcc(&bare).unwrap();
        assert_eq!((sets.sps().unwrap().width, size), (3840, LengthSize::FOUR));
        for cut in 0..bare.len() {
            let error = ParameterSets::from_avcc(&bare[..cut]).unwrap_err();
            assert!(matches!(error, ParameterSetsError::AvcC(AvcCError::Truncated { .. })), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn new_content_for_known_number_replaces_set() {
        let mut sets = ParameterSets::from_annex_b(&annex_b(&[SPS, PPS])).unwrap();
        assert_eq!(sets.absorb([&hex!("68 5e e3cb")[..]]), SetChange::Added);
        assert_eq!(sets.absorb([&hex!("68 ee3cb1")[..]]), SetChange::Replaced);
        assert_eq!(sets.picture().len(), 2);
        assert_eq!(sets.absorb([&hex!("65 8884")[..]]), SetChange::None);
    }

    #[test]
    fn reports_missing_set() {
        assert_eq!(ParameterSets::new().to_avcc(), Err(ParameterSetsError::NoSps));
        let mut sets = ParameterSets::new();
        sets.absorb([SPS]);
        assert_eq!((sets.to_avcc(), sets.is_complete()), (Err(ParameterSetsError::NoPps), false));
    }
}
