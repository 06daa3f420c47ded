//! Bounds of the store.

/// Metadata of one fragment: a thousand header tags at the service's lengths, each byte escaped.
pub const META_BYTES: u32 = 4 << 20;

/// Media of one fragment: the service's 50 MB, element heads, header and what trails it.
pub const MEDIA_BYTES: u32 = 80 << 20;

/// Size at which a segment file is sealed and the next one begun. Retention frees whole segments, so this is also about how
/// much more than its retention a stream may take on disk.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Bytes of a stream's name, whatever it stands for.
pub const STREAM_NAME_BYTES: usize = 1024;

/// Fragments of one segment file that an index beside it may list: as many as fit if they had no media.
pub const SEGMENT_FRAGMENTS: u32 = 1 << 20;
