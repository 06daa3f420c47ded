//! What a splitter returns.

use std::ops::Range;

use crate::codec::h264::RandomAccess;
use crate::codec::vui::FrameRate;
use crate::{Chunks, Track};

/// What comes next in a byte stream.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum SplitEvent {
    /// The following access units belong to this track. It comes before the first access unit, and again when new parameter
    /// sets replace known ones or the picture size changes: then a new session or file starts. A key frame follows.
    #[non_exhaustive]
    Track {
        /// The track, with the codec private data for the access units up to the next such event.
        track: Track,
        /// The frame rate, if the parameter sets state it.
        frame_rate: Option<FrameRate>,
        /// How many access units may come before one that is shown earlier, if the parameter sets state it: 0 if output order
        /// is decoding order.
        reorder_depth: Option<u32>,
    },
    /// One picture.
    AccessUnit(AccessUnit),
    /// Something was left out, because it cannot be decoded.
    Skipped(Skipped),
}

/// The coded data of one picture.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccessUnit {
    /// All its NAL units with four-byte lengths, as a Matroska block carries them. Both fields of a frame are in one.
    pub data: Chunks,
    /// Whether decoding can start here.
    pub random_access: RandomAccess,
    /// No later access unit is shown before this one: `order` starts again.
    pub restarts: bool,
    /// The picture order count: of two access units without a restart between them, the one with the larger count is shown
    /// later. The counts of consecutive pictures differ by 1 or 2 in most streams.
    pub order: i64,
    /// Its bytes in the stream, from the first start code (`00 00 01`).
    pub range: Range<u64>,
}

impl AccessUnit {
    /// Returns whether it is a key frame: an IDR picture, or a recovery point (open GOP, intra refresh).
    #[must_use]
    pub const fn is_keyframe(&self) -> bool {
        !matches!(self.random_access, RandomAccess::No)
    }
}

/// A part of a stream that was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// Offset of its first byte in the stream.
    pub at: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Its pictures.
    pub pictures: u64,
}

/// Why a part of a stream was left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// It comes before the first key frame with its parameter sets: the stream was joined in the middle of a GOP.
    BeforeKeyFrame,
    /// Pictures that are shown before the first key frame and refer to pictures before it (open GOP).
    Leading,
    /// Slices whose parameter sets have not come, or whose header is damaged.
    Unreadable,
}

impl std::fmt::Display for Skipped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { reason, at, bytes, pictures } = self;
        write!(f, "{pictures} pictures ({bytes} bytes from offset {at}) are left out: ")?;
        f.write_str(match reason {
            SkipReason::BeforeKeyFrame => "they come before the first key frame with parameter sets",
            SkipReason::Leading => "they are shown before the first key frame and refer to pictures before it",
            SkipReason::Unreadable => "their parameter sets have not come, or they are damaged",
        })
    }
}
