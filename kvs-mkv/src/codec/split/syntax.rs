//! What differs between H.264 and H.265 when a byte stream is split.

use std::fmt::Debug;

use super::SplitError;
use crate::codec::h264::RandomAccess;
use crate::codec::vui::FrameRate;
use crate::{Track, TrackNumber};

/// The place of a NAL unit in an access unit, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::codec) enum Part {
    /// It precedes the slices of a picture. After a picture, an access unit starts here if the next slice is of another picture.
    Leading,
    /// A slice with a header.
    Slice,
    /// It belongs to what is before it.
    Other,
}

/// What a slice says about its picture.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) enum Slice {
    /// It is the first one of a picture.
    First(Picture),
    /// It belongs to the same picture as the slice before, or to the other field of its frame.
    Next { is_intra: bool },
    /// Its parameter sets are unknown, or its header is damaged.
    Unreadable {
        /// Whether it seems to be the first one of its picture.
        is_first: bool,
    },
}

/// A picture, described by its first slice.
#[derive(Clone, Copy, Debug)]
pub(in crate::codec) struct Picture {
    pub(in crate::codec) random_access: RandomAccess,
    pub(in crate::codec) restarts: bool,
    pub(in crate::codec) order: i64,
    /// Whether the first slice is intra-coded.
    pub(in crate::codec) is_intra: bool,
    /// The picture is shown before the last random access picture and may refer to pictures before it.
    pub(in crate::codec) is_leading: bool,
    /// Leading pictures of this random access picture cannot be decoded, whatever came before it.
    pub(in crate::codec) breaks_link: bool,
}

/// A track as the parameter sets describe it.
#[derive(Clone, Debug)]
pub(in crate::codec) struct TrackFormat {
    pub(in crate::codec) track: Track,
    pub(in crate::codec) frame_rate: Option<FrameRate>,
    pub(in crate::codec) reorder_depth: Option<u32>,
}

/// Reads the NAL units of one codec in the order of the stream. A head is the first [`HEAD`] bytes of a NAL unit.
pub(in crate::codec) trait Syntax: Debug + Send + Sync {
    /// Returns the place of a NAL unit.
    fn part(&self, head: &[u8]) -> Part;

    /// Returns whether [`absorb`](Self::absorb) needs the whole NAL unit: parameter sets and SEI.
    fn is_absorbed(&self, head: &[u8]) -> bool;

    /// Takes parameter sets, and SEI for the next picture.
    fn absorb(&mut self, unit: &[u8]);

    /// Notes a NAL unit that is neither a slice nor absorbed: delimiters, and the end of a sequence.
    fn note(&mut self, head: &[u8]);

    /// Reads the header of a slice.
    fn slice(&mut self, head: &[u8]) -> Slice;

    /// Returns the track if the last picture has other parameters than the track returned last.
    fn changed_track(&mut self, number: TrackNumber, at: u64) -> Result<Option<TrackFormat>, SplitError>;

    /// Forgets the track returned last: the access unit it came with was left out.
    fn forget_track(&mut self);
}

/// Bytes of a NAL unit that [`Syntax`] reads of a slice: more than the fields of a header need.
pub(in crate::codec) const HEAD: usize = 96;
