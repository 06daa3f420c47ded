//! Limits of a PutMedia connection that are our choice; those of the service are in [`kvs_types::limits`].

use std::time::Duration;

/// Silence before an IDLE ack, and between two of them. The service documents no number; the C producer closes a connection
/// that sends nothing for 5 s, so this must be less.
pub const IDLE_ACK: Duration = Duration::from_secs(4);

/// Bytes of a fragment as they lie in the body, block and element heads included.
///
/// The service's limit counts 50 MB; what a fragment within it may have in heads is at most this much more.
pub const FRAGMENT_RAW_BYTES: u64 = kvs_types::limits::FRAGMENT_BYTES + (4 << 20);

/// Frames of one fragment: 20 s of three tracks at 1,000 frames per second, rounded up. Without a limit, 50 MB of empty
/// blocks would need gigabytes of index.
pub const FRAGMENT_FRAMES: usize = 1 << 16;

/// Bytes before the first cluster: segment head, tracks with codec private data, header tags, void.
pub const HEADER_BYTES: u64 = 8 << 20;

/// Tags before the first cluster. Files that people pipe in carry some of their own, so the ten of a fragment would be too few.
pub const HEADER_TAGS: usize = 1000;

/// Bytes between two clusters: tags and void.
pub const TRAILING_BYTES: u64 = 1 << 20;

/// Bytes of fragments that are received and not yet stored, after which [`Ingest::takes_body`](super::Ingest::takes_body)
/// returns `false`. A single fragment can exceed it, since it must be complete in memory.
pub const IN_FLIGHT_BYTES: u64 = 16 << 20;

/// Pieces of a body smaller than this are copied together, so that a body in one-byte pieces costs no more than one in large ones.
pub const SMALL_PIECE_BYTES: usize = 4 << 10;

/// Size of the buffer that small pieces are copied into.
pub const TAIL_BYTES: usize = 64 << 10;

/// Longest fragment until 2021: 10 s.
pub const FRAGMENT_DURATION_MAX_2022: Duration = kvs_types::limits::FRAGMENT_DURATION_MAX_2021;

/// Latest producer timestamp that is still a date: the end of the year 9999.
pub const PRODUCER_TIMESTAMP_MAX: Duration = Duration::from_secs(253_402_300_799);
