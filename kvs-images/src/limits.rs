//! Every limit of this crate with its source.
//!
//! "quotas" is <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>.

use std::time::Duration;

/// Longest fragment (quotas): 20 s. An image may lie this far behind its fragment's start.
pub const FRAGMENT_DURATION: Duration = Duration::from_secs(20);
/// Points of fragment media that a stream gives each second; an image takes one (quotas).
pub const MEDIA_POINTS_PER_SECOND: u32 = 500;
/// Points of fragment metadata that a stream gives each second (quotas).
pub const METADATA_POINTS_PER_SECOND: u32 = 10_000;
/// Metadata points of one GetImages beside one for each image (quotas).
pub const METADATA_POINTS_PER_REQUEST: u32 = 400;
