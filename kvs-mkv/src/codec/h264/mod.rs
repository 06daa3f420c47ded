//! H.264: parameter sets, avcC, picture size and where decoding can start.

mod avcc;
mod parameter_sets;
mod sei;
mod slice;
mod sps;

pub use super::sets::SetChange;
pub use super::sps::{FrameRate, SpsError};
use crate::{CodecId, Track, TrackKind, TrackNumber};
pub use avcc::AvcCError;
pub use parameter_sets::{ParameterSets, ParameterSetsError};
pub use slice::{Field, PictureOrder, SliceHeader};
pub use sps::{PictureOrderType, Sps};

/// What a NAL unit holds (H.264 table 7-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "an open set around five bits")]
pub struct NalType(pub u8);

impl NalType {
    /// A slice of a picture that other pictures may be needed for.
    pub const SLICE: Self = Self(1);
    /// The first partition of a slice.
    pub const PARTITION_A: Self = Self(2);
    /// A slice of an instantaneous decoding refresh: decoding can start here and nothing reaches back over it.
    pub const IDR: Self = Self(5);
    /// Supplemental information.
    pub const SEI: Self = Self(6);
    /// A sequence parameter set.
    pub const SPS: Self = Self(7);
    /// A picture parameter set.
    pub const PPS: Self = Self(8);
    /// An access unit delimiter.
    pub const DELIMITER: Self = Self(9);
    /// A sequence parameter set extension (for alpha).
    pub const SPS_EXTENSION: Self = Self(13);

    /// The type of a NAL unit; `None` for an empty one.
    #[must_use]
    pub fn of(unit: &[u8]) -> Option<Self> {
        unit.first().map(|header| Self(header & 0x1f))
    }

    /// Whether it is (part of) a coded slice.
    #[must_use]
    pub const fn is_slice(self) -> bool {
        1 <= self.0 && self.0 <= 5
    }
}

/// Whether decoding can start at an access unit, and how cleanly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RandomAccess {
    /// An IDR picture: everything from here on can be decoded.
    Idr,
    /// A recovery point (open GOP, or intra refresh): right pictures after this many frames, and pictures that are shown
    /// before it may be broken.
    RecoveryPoint {
        /// `recovery_frame_cnt` of the SEI message: 0 for an open GOP.
        frames: u32,
    },
    /// Neither.
    No,
}

/// Where decoding can start, from the NAL units of one access unit.
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
            Some(kind) if kind.is_slice() => return found,
            _ => {}
        }
    }
    RandomAccess::No
}

/// Whether an access unit is a key frame: an IDR picture, or a recovery point that is right at once (open GOP).
///
/// Use [`random_access`] to tell the two apart: only an IDR makes a fragment that stands alone to the last picture.
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

/// A video track ready for the writer: codec id, avcC and picture size.
///
/// # Errors
/// Those of [`ParameterSets::sps`] and [`ParameterSets::to_avcc`]: a set is missing or broken.
pub fn track(number: TrackNumber, sets: &ParameterSets) -> Result<Track, ParameterSetsError> {
    let sps = sets.sps()?;
    let track = Track::new(number, TrackKind::Video, CodecId::H264)
        .with_codec_private(sets.to_avcc()?)
        .with_video(sps.width.into(), sps.height.into());
    Ok(track)
}
