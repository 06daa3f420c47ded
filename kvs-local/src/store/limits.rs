//! Limits of the store.

/// Metadata of one fragment in bytes: 1,000 header tags of maximum length, every byte escaped.
pub const META_BYTES: u32 = 4 << 20;

/// Media of one fragment in bytes: 50 MB by the service's limit, plus element heads, header and trailing tags.
pub const MEDIA_BYTES: u32 = 80 << 20;

/// Size in bytes at which a segment file is sealed. Retention frees whole segments, so a stream can take about this much more
/// disk space than its retention covers.
pub const SEGMENT_BYTES: u64 = 64 << 20;

/// Bytes of a stream's name in the store.
pub const STREAM_NAME_BYTES: usize = 1024;

/// Fragments in the index of a segment file: as many as would fit without media.
pub const SEGMENT_FRAGMENTS: u32 = 1 << 20;
