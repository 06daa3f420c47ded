//! H.265: parameter sets, hvcC, slice headers, output order, and where decoding can start.

mod hvcc;
mod parameter_sets;
mod picture_order;
mod pps;
mod slice;
mod slice_reader;
mod split_syntax;
mod sps;
mod sps_tail;

pub use super::set_list::SetChange;
pub use super::syntax::SyntaxError;
pub use super::vui::{FrameRate, VideoSignal};
pub use hvcc::{HvcC, HvcCError};
pub use parameter_sets::{ParameterSets, ParameterSetsError};
pub use picture_order::PictureOrder;
pub use slice::{SliceHeader, starts_picture};
pub use slice_reader::SliceReader;
pub(super) use split_syntax::SplitSyntax;
pub use sps::{ProfileTierLevel, Sps};

use crate::{CodecId, Track, TrackKind, TrackNumber, VideoSettings};

/// The type of a NAL unit (H.265 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an open set around six bits")]
pub struct NalType(pub u8);

impl NalType {
    /// The first type of broken-link access pictures, 16 to 18.
    pub const BLA: Self = Self(16);
    /// An IDR picture that may have decodable leading pictures.
    pub const IDR_WITH_LEADING: Self = Self(19);
    /// An IDR picture without leading pictures.
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
    /// The end of a sequence: the next picture starts a new one.
    pub const END_OF_SEQUENCE: Self = Self(36);
    /// The end of the stream.
    pub const END_OF_BITSTREAM: Self = Self(37);
    /// Supplemental enhancement information before the slices.
    pub const PREFIX_SEI: Self = Self(39);

    /// Reads the type of a NAL unit; `None` for one shorter than its header of two bytes.
    #[must_use]
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first_chunk::<2>().map(|[header, _]| Self(header >> 1 & 0x3f))
    }

    /// Returns whether it is a coded slice segment.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        self.0 <= 31
    }

    /// Returns whether it is a parameter set: VPS, SPS or PPS.
    #[must_use]
    pub const fn is_parameter_set(self) -> bool {
        matches!(self, Self::VPS | Self::SPS | Self::PPS)
    }

    /// Returns whether it starts a new access unit when it follows a picture (7.4.2.4.4).
    #[must_use]
    pub const fn starts_access_unit(self) -> bool {
        matches!(self.0, 32..=35 | 39 | 41..=44 | 48..=55)
    }

    /// Returns whether it is a slice of an IDR picture.
    #[must_use]
    pub const fn is_idr(self) -> bool {
        matches!(self, Self::IDR_WITH_LEADING | Self::IDR)
    }

    /// Returns whether it is a slice of a picture where decoding can start: IDR, CRA or BLA.
    #[must_use]
    pub const fn is_random_access(self) -> bool {
        16 <= self.0 && self.0 <= 21
    }

    /// Returns whether it is a slice of a picture that a decoder leaves out if decoding starts at the random access picture
    /// before it: RASL.
    #[must_use]
    pub const fn is_skipped_leading(self) -> bool {
        matches!(self.0, 8 | 9)
    }

    /// Returns whether nothing after it in decoding order refers to pictures before it: IDR and BLA, but not CRA.
    #[must_use]
    pub const fn restarts(self) -> bool {
        16 <= self.0 && self.0 <= 20
    }
}

/// Returns whether an access unit is a key frame: IDR, CRA or BLA.
///
/// After a CRA picture (open GOP), pictures that are shown before it may refer to earlier ones; pictures shown later do not.
///
/// ```
/// use kvs_mkv::codec::{h265, nal};
///
/// assert!(h265::is_keyframe(nal::units(b"\0\0\0\x01\x46\x01\x50\0\0\x01\x26\x01\xaf")?));
/// assert!(!h265::is_keyframe(nal::units(b"\0\0\0\x01\x02\x01\xd0")?));
/// # Ok::<(), nal::NalError>(())
/// ```
pub fn is_keyframe<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> bool {
    // All slices of a random access picture have the same type (7.4.2.2), so the first one decides.
    units.into_iter().filter_map(NalType::of).find(|kind| kind.is_slice()).is_some_and(NalType::is_random_access)
}

/// Builds a video track for the writer: codec id, hvcC, picture size and, if the VUI states it, the display size.
///
/// # Errors
/// The errors of [`ParameterSets::sps`] and [`ParameterSets::to_hvcc`]: a parameter set is missing or damaged.
pub fn track(number: TrackNumber, sets: &ParameterSets) -> Result<Track, ParameterSetsError> {
    let sps = sets.sps()?;
    let video = VideoSettings::new(sps.width.into(), sps.height.into());
    let mut track = Track::new(number, TrackKind::Video, CodecId::H265).with_codec_private(sets.to_hvcc()?);
    track.video = Some(sps.pixel_aspect.map_or(video, |aspect| video.with_pixel_aspect(aspect)));
    Ok(track)
}
