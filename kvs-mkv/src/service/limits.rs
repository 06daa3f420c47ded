//! Every limit of the service, with its source.
//!
//! Unless another is named, the source is the quotas page,
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>.

use std::time::Duration;

/// Largest fragment: 50 MB, read as the smaller of the two usual meanings.
pub const FRAGMENT_BYTES: u64 = 50_000_000;
/// Longest fragment: 20 s (10 s until 2021).
pub const FRAGMENT_DURATION_MAX: Duration = Duration::from_secs(20);
/// Shortest fragment by the quotas page: 1 s. Whether the service refuses shorter ones is unconfirmed (the ack for it has
/// no id), so nothing refuses them here; producers aim for it.
pub const FRAGMENT_DURATION_MIN: Duration = Duration::from_secs(1);
/// Fragments that a stream may take a second.
pub const FRAGMENTS_PER_SECOND: u32 = 5;
/// Tracks of a session.
pub const TRACKS: usize = 3;
/// Tags of a fragment, those with reserved names and the end-of-fragment mark included.
pub const TAGS_PER_FRAGMENT: usize = 10;
/// Bytes of a tag's name, at least 1.
pub const TAG_NAME_BYTES: usize = 128;
/// Bytes of a tag's value; may be empty.
pub const TAG_VALUE_BYTES: usize = 256;
/// Bytes of the prefix of image keys, by the page on automated image generation.
pub const IMAGE_PREFIX_BYTES: usize = 256;
/// Custom pairs of one image-generation or notification event, as the producer SDKs allow.
pub const EVENT_PAIRS: usize = 10;
/// Bytes of a codec id, as the producer SDKs allow.
pub const CODEC_ID_BYTES: usize = 32;
/// Bytes of a track name, as the producer SDKs allow.
pub const TRACK_NAME_BYTES: usize = 32;
/// Bytes of codec private data, as the producer SDKs allow: 1 MiB.
pub const CODEC_PRIVATE_BYTES: usize = 1 << 20;
/// Characters of a stream name, by the API reference of CreateStream.
pub const STREAM_NAME_BYTES: usize = 256;
/// Digits of a fragment number, by the API reference of GetMediaForFragmentList.
pub const FRAGMENT_NUMBER_DIGITS: usize = 128;
/// How long one PutMedia connection may last, about 45 minutes.
pub const CONNECTION_DURATION: Duration = Duration::from_secs(45 * 60);
/// A PutMedia connection without a byte for this long is closed.
pub const CONNECTION_IDLE: Duration = Duration::from_secs(30);
/// Bytes a second that a stream takes: 12.5 MB.
pub const INGRESS_BYTES_PER_SECOND: u64 = 12_500_000;
/// Longest ack on one line, as the C SDK's parser allows with room to spare (it stops at 1,024).
pub const ACK_BYTES: usize = 4096;
