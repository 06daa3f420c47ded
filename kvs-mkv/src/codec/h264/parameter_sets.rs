//! The parameter sets of a stream: taken from access units or an avcC, watched for change.

use bytes::Bytes;

use super::{AvcCError, NalType, SetChange, Sps, SpsError, avcc};
use crate::codec::nal::{self, LengthSize, NalError};
use crate::codec::sets;

/// Sequence and picture parameter sets in the order they came, each without start code or length.
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

/// Parameter sets that are missing or that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ParameterSetsError {
    /// No sequence parameter set.
    #[error("no sequence parameter set (NAL unit type 7)")]
    NoSps,
    /// No picture parameter set.
    #[error("no picture parameter set (NAL unit type 8)")]
    NoPps,
    /// More sets of one kind than an avcC can count.
    #[error("{count} parameter sets of NAL unit type {kind} are more than the {limit} an avcC can count")]
    TooMany {
        /// NAL unit type.
        kind: u8,
        /// How many there are.
        count: usize,
        /// [`SEQUENCE_PARAMETER_SETS`](crate::codec::limits::SEQUENCE_PARAMETER_SETS) or [`PICTURE_PARAMETER_SETS`](crate::codec::limits::PICTURE_PARAMETER_SETS).
        limit: usize,
    },
    /// A set longer than an avcC can say.
    #[error("a parameter set of {len} bytes is longer than the {limit} an avcC can hold")]
    TooLong {
        /// Its bytes.
        len: usize,
        /// [`PARAMETER_SET_BYTES`](crate::codec::limits::PARAMETER_SET_BYTES).
        limit: usize,
    },
    /// The access unit cannot be walked.
    #[error(transparent)]
    Nal(#[from] NalError),
    /// The sequence parameter set cannot be read.
    #[error(transparent)]
    Sps(#[from] SpsError),
    /// The avcC cannot be read.
    #[error(transparent)]
    AvcC(#[from] AvcCError),
}

impl ParameterSets {
    /// None yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { sequence: Vec::new(), picture: Vec::new(), extension: Vec::new() }
    }

    /// The sets of an Annex-B access unit (or of a bare "SPS, PPS" header); other NAL units are passed over.
    ///
    /// # Errors
    /// [`NalError`] if it has no start codes.
    pub fn from_annex_b(data: &Bytes) -> Result<Self, ParameterSetsError> {
        let mut sets = Self::new();
        sets.absorb(nal::annex_b(data)?);
        Ok(sets)
    }

    /// The sets of an avcC, and the size its lengths have.
    ///
    /// Reserved bits may have any value, and the high-profile fields may be missing, as some writers have it.
    ///
    /// # Errors
    /// [`AvcCError`].
    pub fn from_avcc(avcc: &[u8]) -> Result<(Self, LengthSize), ParameterSetsError> {
        let mut sets = Self::new();
        let length_size = avcc::parse(avcc, |unit| {
            sets.absorb([unit]);
        })?;
        Ok((sets, length_size))
    }

    /// Takes up the sets found among the NAL units of an access unit and says what they changed.
    ///
    /// Each is copied (they are small), so nothing of the access unit is kept alive. A set with a number that is known
    /// takes the old one's place. An SPS that cannot be read as far as its number is compared as a whole.
    pub fn absorb<'a>(&mut self, units: impl IntoIterator<Item = &'a [u8]>) -> SetChange {
        let mut change = SetChange::None;
        for unit in units {
            let list = match NalType::of(unit) {
                Some(NalType::SPS) => &mut self.sequence,
                Some(NalType::PPS) => &mut self.picture,
                Some(NalType::SPS_EXTENSION) => &mut self.extension,
                _ => continue,
            };
            change = change.and(sets::put(list, unit, number_of));
        }
        change
    }

    /// Whether there is at least one of each kind that a decoder needs.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        !self.sequence.is_empty() && !self.picture.is_empty()
    }

    /// The sequence parameter sets.
    #[must_use]
    pub fn sequence(&self) -> &[Bytes] {
        &self.sequence
    }

    /// The picture parameter sets.
    #[must_use]
    pub fn picture(&self) -> &[Bytes] {
        &self.picture
    }

    /// The sequence parameter set extensions: rare, for alpha planes.
    #[must_use]
    pub fn extension(&self) -> &[Bytes] {
        &self.extension
    }

    /// What the first sequence parameter set says.
    ///
    /// # Errors
    /// [`ParameterSetsError::NoSps`], [`SpsError`].
    pub fn sps(&self) -> Result<Sps, ParameterSetsError> {
        let unit = self.sequence.first().ok_or(ParameterSetsError::NoSps)?;
        Ok(Sps::parse(unit)?)
    }

    /// The AVCDecoderConfigurationRecord of ISO/IEC 14496-15 §5.3.3.1.2, with all sets, lengths of four bytes and, for
    /// the high profiles, chroma format and bit depths.
    ///
    /// # Errors
    /// A set is missing, too long or one too many; the first SPS cannot be read.
    pub fn to_avcc(&self) -> Result<Bytes, ParameterSetsError> {
        avcc::build(self)
    }
}

/// Which set of its kind it is: the first Exp-Golomb code of a PPS, the one behind three bytes of an SPS.
fn number_of(unit: &[u8]) -> Option<u32> {
    let skipped = if NalType::of(unit)? == NalType::SPS { 4 } else { 1 };
    let head: Vec<u8> = unit.iter().copied().take(skipped + NUMBER_BYTES).collect();
    let bytes = crate::codec::bit_reader::without_emulation_prevention(&head);
    crate::codec::bit_reader::BitReader::new(bytes.get(skipped..)?).ue()
}

/// Enough for an Exp-Golomb code up to 255, with emulation prevention in front of it.
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
    fn an_avcc_has_the_fields_of_the_high_profiles() {
        let sets = ParameterSets::from_annex_b(&annex_b(&[&hex!("09f0"), SPS, &hex!("060100"), PPS])).unwrap();
        let expected =
            hex!("01640034 ff e1 0017 67640034ac2b401e0078d808800001f40000ea6047a550 01 0004 68ee3cb0 fd f8 f8 00");
        assert_eq!(sets.to_avcc().unwrap(), expected[..]);
    }

    #[test]
    fn several_sets_survive_the_way_through_an_avcc() {
        let other = hex!("68 5e e3cb");
        let mut sets = ParameterSets::from_annex_b(&annex_b(&[SPS, PPS, &other])).unwrap();
        assert_eq!(sets.picture().len(), 2);
        assert_eq!(ParameterSets::from_avcc(&sets.to_avcc().unwrap()).unwrap(), (sets.clone(), LengthSize::FOUR));
        assert_eq!(sets.absorb([SPS, PPS, &other]), SetChange::None);
    }

    #[test]
    fn reserved_bits_of_an_avcc_may_have_any_value_and_the_high_fields_may_be_missing() {
        let bare = hex!("01640034 03 01 0017 67640034ac2b401e0078d808800001f40000ea6047a550 01 0004 68ee3cb0");
        let (sets, size) = ParameterSets::from_avcc(&bare).unwrap();
        assert_eq!((sets.sps().unwrap().width, size), (3840, LengthSize::FOUR));
        for cut in 0..bare.len() {
            let error = ParameterSets::from_avcc(&bare[..cut]).unwrap_err();
            assert!(matches!(error, ParameterSetsError::AvcC(AvcCError::Truncated { .. })), "cut at {cut}: {error}");
        }
    }

    #[test]
    fn a_new_content_for_a_known_number_is_a_replacement() {
        let mut sets = ParameterSets::from_annex_b(&annex_b(&[SPS, PPS])).unwrap();
        assert_eq!(sets.absorb([&hex!("68 5e e3cb")[..]]), SetChange::Added);
        assert_eq!(sets.absorb([&hex!("68 ee3cb1")[..]]), SetChange::Replaced);
        assert_eq!(sets.picture().len(), 2);
        assert_eq!(sets.absorb([&hex!("65 8884")[..]]), SetChange::None);
    }

    #[test]
    fn a_missing_set_is_named() {
        assert_eq!(ParameterSets::new().to_avcc(), Err(ParameterSetsError::NoSps));
        let mut sets = ParameterSets::new();
        sets.absorb([SPS]);
        assert_eq!((sets.to_avcc(), sets.is_complete()), (Err(ParameterSetsError::NoPps), false));
    }
}
