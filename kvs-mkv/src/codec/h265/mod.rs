//! H.265: parameter sets, hvcC, picture size and where decoding can start.

mod hvcc;
mod parameter_sets;
mod slice;
mod sps;

pub use super::sets::SetChange;
pub use super::sps::{FrameRate, SpsError};
pub use hvcc::HvcCError;
pub use parameter_sets::{ParameterSets, ParameterSetsError};
pub use slice::{PictureOrder, SliceHeader};
pub use sps::{ProfileTierLevel, Sps};

use crate::{CodecId, Track, TrackKind, TrackNumber};

/// What a NAL unit holds (H.265 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an open set around six bits")]
pub struct NalType(pub u8);

impl NalType {
    /// The first of the broken-link pictures, 16 to 18.
    pub const BLA: Self = Self(16);
    /// An instantaneous decoding refresh that may have decodable leading pictures.
    pub const IDR_WITH_LEADING: Self = Self(19);
    /// An instantaneous decoding refresh without leading pictures.
    pub const IDR: Self = Self(20);
    /// A clean random access picture (open GOP).
    pub const CRA: Self = Self(21);
    /// A video parameter set.
    pub const VPS: Self = Self(32);
    /// A sequence parameter set.
    pub const SPS: Self = Self(33);
    /// A picture parameter set.
    pub const PPS: Self = Self(34);
    /// An access unit delimiter.
    pub const DELIMITER: Self = Self(35);
    /// Supplemental information in front of the slices.
    pub const PREFIX_SEI: Self = Self(39);

    /// The type of a NAL unit; `None` for one shorter than its header of two bytes.
    #[must_use]
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first_chunk::<2>().map(|[header, _]| Self(header >> 1 & 0x3f))
    }

    /// Whether it is a coded slice.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        self.0 <= 31
    }

    /// Whether it is a slice of a picture where decoding can start: IDR, CRA, BLA.
    #[must_use]
    pub const fn is_random_access(self) -> bool {
        16 <= self.0 && self.0 <= 21
    }

    /// Whether nothing behind it in decoding order reaches back over it: IDR and BLA, not CRA.
    #[must_use]
    pub const fn restarts(self) -> bool {
        16 <= self.0 && self.0 <= 20
    }
}

/// Whether an access unit is a key frame: IDR, CRA or BLA.
///
/// Behind a CRA (open GOP) the pictures shown before it may need earlier ones; everything shown later does not.
///
/// ```
/// use kvs_mkv::codec::{h265, nal};
///
/// assert!(h265::is_keyframe(nal::units(b"\0\0\0\x01\x46\x01\x50\0\0\x01\x26\x01\xaf")?));
/// assert!(!h265::is_keyframe(nal::units(b"\0\0\0\x01\x02\x01\xd0")?));
/// # Ok::<(), nal::NalError>(())
/// ```
pub fn is_keyframe<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> bool {
    units.into_iter().filter_map(NalType::of).find(|kind| kind.is_slice()).is_some_and(NalType::is_random_access)
}

/// A video track ready for the writer: codec id, hvcC and picture size.
///
/// # Errors
/// Those of [`ParameterSets::sps`] and [`ParameterSets::to_hvcc`]: a set is missing or broken.
pub fn track(number: TrackNumber, sets: &ParameterSets) -> Result<Track, ParameterSetsError> {
    let sps = sets.sps()?;
    let track = Track::new(number, TrackKind::Video, CodecId::H265)
        .with_codec_private(sets.to_hvcc()?)
        .with_video(sps.width.into(), sps.height.into());
    Ok(track)
}
