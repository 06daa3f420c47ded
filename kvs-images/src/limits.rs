//! Every limit of this crate with its source.
//!
//! "model" is the service model that AWS publishes with its SDKs; "API" is
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_GetImages.html>; "quotas" is
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>.

use std::ops::RangeInclusive;
use std::time::Duration;

/// Least sampling interval (API): 200 ms, five images a second.
pub const SAMPLING_INTERVAL: Duration = Duration::from_millis(200);
/// Least sampling interval of regions and mocks that still follow the texts of 2022: 3,000 ms.
pub const SAMPLING_INTERVAL_2022: Duration = Duration::from_millis(3_000);
/// Longest time from start to end of one GetImages (API): 300 s.
pub const REQUEST_RANGE: Duration = Duration::from_secs(300);
/// Most images of one GetImages over all its pages (quotas).
pub const REQUEST_IMAGES: u32 = 100;
/// Largest page of GetImages: larger ones are silently this size (API).
pub const PAGE_IMAGES: u32 = 25;
/// Width in pixels (model).
pub const WIDTH: RangeInclusive<u32> = 1..=3840;
/// Height in pixels (model).
pub const HEIGHT: RangeInclusive<u32> = 1..=2160;
/// JPEG quality (API).
pub const JPEG_QUALITY: RangeInclusive<u32> = 1..=100;
/// Longest destination URI in characters (model).
pub const DESTINATION_URI_CHARS: usize = 255;
/// Destination region in characters (model).
pub const DESTINATION_REGION_CHARS: (usize, usize) = (9, 14);
/// Largest page of GetImages in bytes: 25 images of at most 6,291,456 base64 characters (model) and a little JSON.
pub const PAGE_BYTES: usize = 25 * 6_291_456 + (64 << 10);
/// Longest fragment (quotas): 20 s. An image may lie this far behind its fragment's start.
pub const FRAGMENT_DURATION: Duration = Duration::from_secs(20);
/// Points of fragment media that a stream gives each second; an image takes one (quotas).
pub const MEDIA_POINTS_PER_SECOND: u32 = 500;
/// Points of fragment metadata that a stream gives each second (quotas).
pub const METADATA_POINTS_PER_SECOND: u32 = 10_000;
/// Metadata points of one GetImages beside one for each image (quotas).
pub const METADATA_POINTS_PER_REQUEST: u32 = 400;
