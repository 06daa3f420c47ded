//! How much a parser may hold: every ceiling in one place.

use bytes::Bytes;
use kvs_types::limits::{CODEC_PRIVATE_BYTES, FRAGMENT_BYTES, TRACKS};

use crate::Frame;

/// Ceilings of what a [`Parser`](crate::Parser) accepts, all finite.
///
/// A declared size is compared with its ceiling as soon as it is read; nothing is ever allocated from it. What is merely
/// skipped (Cues, Attachments, unknown elements) is not held and so has no ceiling but its parent's end.
///
/// ```
/// use kvs_mkv::Limits;
///
/// let small = Limits::default().with_block_bytes(1 << 20).with_tracks_bytes(1 << 16).with_tags_bytes(1 << 16);
/// assert!(small.worst_case() < 2 << 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a SimpleBlock or BlockGroup. Default: 50 MB, the service's largest fragment.
    pub block_bytes: usize,
    /// Bytes of an EBML head and of an Info element. Default: 64 KiB.
    pub header_bytes: usize,
    /// Bytes of a Tracks element. Default: 1 MiB of codec private data for each track the service takes, and 64 KiB.
    pub tracks_bytes: usize,
    /// Bytes of a Tags element. Default: 1 MiB.
    pub tags_bytes: usize,
    /// Entries of a Tracks element. Default: 126, as many as have a track number of one byte.
    pub tracks: usize,
    /// Names and values in one Tag element, nested ones included. Default: 1,000.
    pub tags: usize,
    /// Bytes that the frames of one fragment may have in all, for a
    /// [`FragmentReader`](crate::fragment::FragmentReader). Default: 50 MB.
    pub fragment_bytes: usize,
    /// Frames of one fragment, for a [`FragmentReader`](crate::fragment::FragmentReader). Default: 65,536.
    pub fragment_frames: usize,
    /// Names and values that belong to one fragment, for a [`FragmentReader`](crate::fragment::FragmentReader).
    /// Default: 1,000.
    pub fragment_tags: usize,
}

impl Default for Limits {
    fn default() -> Self {
        let fragment_bytes = usize::try_from(FRAGMENT_BYTES).unwrap_or(usize::MAX);
        Self {
            block_bytes: fragment_bytes,
            header_bytes: 64 << 10,
            tracks_bytes: TRACKS * CODEC_PRIVATE_BYTES + (64 << 10),
            tags_bytes: 1 << 20,
            tracks: 126,
            tags: 1000,
            fragment_bytes,
            fragment_frames: 1 << 16,
            fragment_tags: 1000,
        }
    }
}

/// Writes one consuming setter for each ceiling.
macro_rules! setters {
    ($($setter:ident $field:ident)*) => {
        impl Limits {
            $(#[doc = concat!("Sets [`", stringify!($field), "`](Self::", stringify!($field), ").")]
            #[must_use]
            pub const fn $setter(mut self, $field: usize) -> Self {
                self.$field = $field;
                self
            })*
        }
    };
}

setters! {
    with_block_bytes block_bytes
    with_header_bytes header_bytes
    with_tracks_bytes tracks_bytes
    with_tags_bytes tags_bytes
    with_tracks tracks
    with_tags tags
    with_fragment_bytes fragment_bytes
    with_fragment_frames fragment_frames
    with_fragment_tags fragment_tags
}

impl Limits {
    /// The most bytes a parser with these limits holds while it waits for more input, its book-keeping included.
    ///
    /// It is the largest element that is read whole, what lists of small pieces cost, and the frames of one laced block.
    /// A piece of input counts with its length, not with what its [`Bytes`] keeps alive besides.
    #[must_use]
    pub fn worst_case(&self) -> usize {
        let element = self.block_bytes.max(self.header_bytes).max(self.tracks_bytes).max(self.tags_bytes);
        let waiting = element.saturating_add(LARGEST_PIECE_BEHIND);
        // Pieces below SMALL_PIECE are gathered, so that of any three neighbours one is at least as long; a growing list
        // has up to twice the room it uses.
        let pieces = (waiting / SMALL_PIECE).saturating_mul(3).saturating_add(SPARE_PIECES);
        waiting
            .saturating_add(GATHER_BYTES)
            .saturating_add(pieces.saturating_mul(2 * size_of::<Bytes>()))
            .saturating_add(LACED_FRAMES * 2 * size_of::<Frame>())
            .saturating_add(self.tracks.saturating_mul(2 * size_of::<(u64, u64)>()))
    }

    /// The most bytes a [`FragmentReader`](crate::fragment::FragmentReader) with these limits holds while it waits for more
    /// input: an open fragment besides what its parser holds.
    #[must_use]
    pub fn fragment_worst_case(&self) -> usize {
        let frames = self.fragment_frames.saturating_mul(2 * size_of::<Frame>());
        let open = self.fragment_bytes.saturating_add(frames).saturating_add(self.tags_bytes);
        self.worst_case().saturating_add(open)
    }
}

/// Pieces of input shorter than this are gathered when they have to wait: many of them would cost more to list than to copy.
pub(crate) const SMALL_PIECE: usize = 512;
/// Room of the buffers that gather small pieces.
pub(crate) const GATHER_BYTES: usize = 4096;
/// Room for pieces that a list keeps although it does not use it.
pub(crate) const SPARE_PIECES: usize = 64;
/// The largest element head that may wait in front of the body it announces.
pub(crate) const LARGEST_PIECE_BEHIND: usize = 32;
/// Frames of one laced block: a count of one byte, plus one (RFC 9559 §10.3).
pub(crate) const LACED_FRAMES: usize = 256;
/// How deep SimpleTag elements may nest.
pub(crate) const TAG_DEPTH: usize = 8;
