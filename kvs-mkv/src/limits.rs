//! The limits of the parser and the fragment reader.

use bytes::Bytes;
use kvs_types::limits::{CODEC_PRIVATE_BYTES, FRAGMENT_BYTES, TRACKS};

use crate::Frame;

/// The largest elements and lists that a [`Parser`](crate::Parser) accepts; all limits are finite.
///
/// A declared size is compared with its limit as soon as it is read, and memory is never allocated from it. Elements that are
/// skipped (Cues, Attachments, unknown elements) are not stored, so only the end of their parent limits them.
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
    /// Bytes of a SimpleBlock or BlockGroup. Default: 50 MB, the largest fragment of the service.
    pub block_bytes: usize,
    /// Bytes of an EBML head and of an Info element. Default: 64 KiB.
    pub header_bytes: usize,
    /// Bytes of a Tracks element. Default: 64 KiB, and 1 MiB of codec private data for each of the three tracks that the
    /// service accepts.
    pub tracks_bytes: usize,
    /// Bytes of a Tags element. Default: 1 MiB.
    pub tags_bytes: usize,
    /// Entries of a Tracks element. Default: 126, the number of track numbers with one byte.
    pub tracks: usize,
    /// Names and values in one Tag element, including nested ones. Default: 1,000.
    pub tags: usize,
    /// Payload bytes of all frames of one fragment, for a [`FragmentReader`](crate::fragment::FragmentReader).
    /// Default: 50 MB.
    pub fragment_bytes: usize,
    /// Frames of one fragment, for a [`FragmentReader`](crate::fragment::FragmentReader). Default: 65,536.
    pub fragment_frames: usize,
    /// Names and values of one fragment, for a [`FragmentReader`](crate::fragment::FragmentReader). Default: 1,000.
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

/// Defines one consuming setter for each limit.
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
    /// Returns the most memory in bytes that a parser with these limits uses while it waits for more input.
    ///
    /// It is the largest element that is read whole, the lists of small pieces, and the frames of one laced block. A piece of
    /// input counts with its length, not with the whole buffer that its [`Bytes`] keeps alive.
    #[must_use]
    pub fn worst_case(&self) -> usize {
        let element = self.block_bytes.max(self.header_bytes).max(self.tracks_bytes).max(self.tags_bytes);
        let waiting = element.saturating_add(LARGEST_PIECE_BEHIND);
        // Pieces below SMALL_PIECE are gathered, so that of any three neighbors at least one is that long. A growing list
        // has up to twice the capacity it needs.
        let pieces = (waiting / SMALL_PIECE).saturating_mul(3).saturating_add(SPARE_PIECES);
        waiting
            .saturating_add(GATHER_BYTES)
            .saturating_add(pieces.saturating_mul(2 * size_of::<Bytes>()))
            .saturating_add(LACED_FRAMES * 2 * size_of::<Frame>())
            .saturating_add(self.tracks.saturating_mul(2 * size_of::<(u64, u64)>()))
    }

    /// Returns the most memory in bytes that a [`FragmentReader`](crate::fragment::FragmentReader) with these limits uses while
    /// it waits for more input: [`worst_case`](Self::worst_case) and the current fragment.
    #[must_use]
    pub fn fragment_worst_case(&self) -> usize {
        let frames = self.fragment_frames.saturating_mul(2 * size_of::<Frame>());
        let open = self.fragment_bytes.saturating_add(frames).saturating_add(self.tags_bytes);
        self.worst_case().saturating_add(open)
    }
}

/// Waiting pieces of input below this size are gathered: a list entry per piece would cost more than the copy.
pub(crate) const SMALL_PIECE: usize = 512;
/// Capacity of the buffers that gather small pieces.
pub(crate) const GATHER_BYTES: usize = 4096;
/// List capacity for pieces that is kept without being used.
pub(crate) const SPARE_PIECES: usize = 64;
/// The largest element head that may wait before its body.
pub(crate) const LARGEST_PIECE_BEHIND: usize = 32;
/// Frames of one laced block: a count of one byte, plus one (RFC 9559 §10.3).
pub(crate) const LACED_FRAMES: usize = 256;
/// How deep SimpleTag elements may nest; RFC 9559 §5.1.8.1.2 sets no limit.
pub(crate) const TAG_DEPTH: usize = 8;
