//! H.264: parameter sets, avcC, slice headers, output order, and where decoding can start.

mod avcc;
mod parameter_sets;
mod picture_order;
mod pps;
mod sei;
mod slice;
mod slice_reader;
mod split_syntax;
mod sps;
mod sps_vui;

pub use super::set_list::SetChange;
pub use super::syntax::SyntaxError;
pub use super::vui::{FrameRate, VideoSignal};
pub use avcc::{AvcC, AvcCError};
pub use parameter_sets::{ParameterSets, ParameterSetsError};
pub use picture_order::PictureOrder;
pub use slice::{Field, FrameNum, SliceHeader, starts_picture};
pub use slice_reader::SliceReader;
pub(super) use split_syntax::SplitSyntax;
pub use sps::{PictureOrderType, Sps};

use crate::{CodecId, Track, TrackKind, TrackNumber, VideoSettings};

/// The type of a NAL unit (H.264 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an open set around five bits")]
pub struct NalType(pub u8);

impl NalType {
    /// A slice of a picture that is not an IDR picture.
    pub const SLICE: Self = Self(1);
    /// Slice data partition A, which has the slice header.
    pub const PARTITION_A: Self = Self(2);
    /// A slice of an IDR picture: decoding can start here, and no later picture refers to an earlier one.
    pub const IDR: Self = Self(5);
    /// Supplemental enhancement information.
    pub const SEI: Self = Self(6);
    /// A sequence parameter set.
    pub const SPS: Self = Self(7);
    /// A picture parameter set.
    pub const PPS: Self = Self(8);
    /// An access unit delimiter.
    pub const DELIMITER: Self = Self(9);
    /// A sequence parameter set extension (alpha planes).
    pub const SPS_EXTENSION: Self = Self(13);

    /// Reads the type of a NAL unit; `None` for an empty one.
    #[must_use]
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first().map(|header| Self(header & 0x1f))
    }

    /// Returns whether it is a coded slice or a data partition of one.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        1 <= self.0 && self.0 <= 5
    }

    /// Returns whether it is a parameter set that a decoder needs: SPS or PPS.
    #[must_use]
    pub const fn is_parameter_set(self) -> bool {
        matches!(self, Self::SPS | Self::PPS)
    }

    /// Returns whether it starts a new access unit when it follows a picture (7.4.1.2.3).
    #[must_use]
    pub const fn starts_access_unit(self) -> bool {
        matches!(self.0, 6..=9 | 14..=18)
    }
}

/// Whether decoding can start at an access unit, and how cleanly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RandomAccess {
    /// An IDR picture: it and everything after it can be decoded.
    Idr,
    /// A recovery point (open GOP or intra refresh): pictures are correct after this many frames. Pictures shown earlier may
    /// be damaged.
    RecoveryPoint {
        /// `recovery_frame_cnt` of the SEI message: 0 for an open GOP.
        frames: u32,
    },
    /// Decoding cannot start here.
    No,
}

/// Finds out from the NAL units of one access unit whether decoding can start there.
pub fn random_access<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> RandomAccess {
    let mut found = RandomAccess::No;
    for unit in units {
        match NalType::of(unit) {
            Some(NalType::IDR) => return RandomAccess::Idr,
            Some(NalType::SEI) => {
                if let Some(frames) = sei::recovery_point(unit) {
                    found = RandomAccess::RecoveryPoint { frames };
                }
            }
            // SEI comes before the first slice (7.4.1.2.3).
            Some(kind) if kind.is_slice() => return found,
            _ => {}
        }
    }
    RandomAccess::No
}

/// Returns whether an access unit is a key frame: an IDR picture, or a recovery point with correct pictures at once (open
/// GOP).
///
/// [`random_access`] distinguishes the two: only an IDR picture starts a fragment that needs no earlier one.
///
/// ```
/// use kvs_mkv::codec::{h264, nal};
///
/// assert!(h264::is_keyframe(nal::units(b"\0\0\0\x01\x09\xf0\0\0\x01\x65\x88\x84")?));
/// assert!(!h264::is_keyframe(nal::units(b"\0\0\0\x01\x09\xf0\0\0\x01\x41\x9a\x02")?));
/// # Ok::<(), nal::NalError>(())
/// ```
pub fn is_keyframe<'a>(units: impl IntoIterator<Item = &'a [u8]>) -> bool {
    matches!(random_access(units), RandomAccess::Idr | RandomAccess::RecoveryPoint { frames: 0 })
}

/// Builds a video track for the writer: codec id, avcC, picture size and, if the VUI states it, the display size.
///
/// # Errors
/// The errors of [`ParameterSets::sps`] and [`ParameterSets::to_avcc`]: a parameter set is missing or damaged.
pub fn track(number: TrackNumber, sets: &ParameterSets) -> Result<Track, ParameterSetsError> {
    let sps = sets.sps()?;
    let video = VideoSettings::new(sps.width.into(), sps.height.into());
    let mut track = Track::new(number, TrackKind::Video, CodecId::H264).with_codec_private(sets.to_avcc()?);
    track.video = Some(sps.pixel_aspect.map_or(video, |aspect| video.with_pixel_aspect(aspect)));
    Ok(track)
}
