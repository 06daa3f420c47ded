//! Every limit of this crate with its source.
//!
//! "model" is the service model that AWS publishes with its SDKs (`kinesisvideo`, `kinesis-video-archived-media`,
//! `kinesis-video-media`, 2017-09-30); "API" is
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_GetImages.html>; "quotas" is
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>.

use std::time::Duration;

/// Longest stream name in characters (model).
pub const STREAM_NAME_CHARS: usize = 256;
/// Longest stream ARN in characters (model).
pub const STREAM_ARN_CHARS: usize = 1024;
/// Longest device name in characters (model).
pub const DEVICE_NAME_CHARS: usize = 128;
/// Longest media type in characters (model).
pub const MEDIA_TYPE_CHARS: usize = 128;
/// Longest KMS key identifier in characters (model).
pub const KMS_KEY_CHARS: usize = 2048;
/// Longest version string of a stream in characters (model).
pub const VERSION_CHARS: usize = 64;
/// Longest control-plane page token in characters (model).
pub const CONTROL_TOKEN_CHARS: usize = 1024;
/// Longest archived-media page token in characters (model).
pub const ARCHIVED_TOKEN_CHARS: usize = 4096;
/// Largest page of ListStreams (model).
pub const LIST_STREAMS_PAGE: u32 = 10_000;
/// Largest page of ListFragments (model).
pub const LIST_FRAGMENTS_PAGE: u32 = 1_000;
/// Most fragments in one GetMediaForFragmentList (model).
pub const FRAGMENT_LIST: usize = 1_000;
/// Longest fragment number in digits (model).
pub const FRAGMENT_NUMBER_DIGITS: usize = 128;
/// Longest continuation token of GetMedia in characters (model).
pub const CONTINUATION_TOKEN_CHARS: usize = 128;
/// Most tags of a stream, and most keys in one call (model).
pub const STREAM_TAGS: usize = 50;
/// Longest key of a stream tag in characters (model).
pub const STREAM_TAG_KEY_CHARS: usize = 128;
/// Longest value of a stream tag in characters (model).
pub const STREAM_TAG_VALUE_CHARS: usize = 256;
/// Longest data retention, ten years in hours (CreateStream, API reference).
pub const RETENTION_HOURS: u32 = 87_600;
/// Longest range of GetClip and of an HLS or DASH session (API reference): 24 h.
pub const CLIP_RANGE: Duration = Duration::from_secs(24 * 3600);
/// Life of an HLS or DASH session in seconds (model).
pub const SESSION_EXPIRES_SECONDS: std::ops::RangeInclusive<u32> = 300..=43_200;
/// Most fragments in a playlist or manifest (model).
pub const PLAYLIST_FRAGMENTS: u32 = 5_000;
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
pub const WIDTH: std::ops::RangeInclusive<u32> = 1..=3840;
/// Height in pixels (model).
pub const HEIGHT: std::ops::RangeInclusive<u32> = 1..=2160;
/// JPEG quality (API).
pub const JPEG_QUALITY: std::ops::RangeInclusive<u32> = 1..=100;
/// Longest destination URI in characters (model).
pub const DESTINATION_URI_CHARS: usize = 255;
/// Destination region in characters (model).
pub const DESTINATION_REGION_CHARS: (usize, usize) = (9, 14);
/// Largest page of GetImages in bytes: 25 images of at most 6,291,456 base64 characters (model) and a little JSON.
pub const PAGE_BYTES: usize = 25 * 6_291_456 + (64 << 10);

/// Largest response body read into memory for an ordinary call: 16 MiB. A page of 10,000 streams is about 5 MB.
pub const RESPONSE_BYTES: usize = 16 << 20;
/// Largest error body read into memory: 64 KiB; real ones are below 1 kB.
pub const ERROR_BYTES: usize = 64 << 10;
/// Longest error message kept, in characters.
pub const ERROR_MESSAGE_CHARS: usize = 2_048;
/// How long a data endpoint is cached: 40 min, the period of AWS's own C producer.
pub const ENDPOINT_CACHE: Duration = Duration::from_secs(40 * 60);
/// Most data endpoints cached in one client; the oldest is dropped first.
pub const ENDPOINT_CACHE_ENTRIES: usize = 10_000;
/// How far the service lets a client's clock be wrong: 5 min (its own "Signature expired" message).
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// Largest PEM bundle read from `AWS_CA_BUNDLE`: 8 MiB; a full system bundle is about 200 kB.
pub const CA_BUNDLE_BYTES: u64 = 8 << 20;
/// Largest PEM file with a device's certificate chain or its private key: 64 KiB; real ones have 1 to 4 kB.
pub const IDENTITY_BYTES: u64 = 64 << 10;
/// Longest role alias in characters (API reference of AWS IoT, CreateRoleAlias).
pub const ROLE_ALIAS_CHARS: usize = 128;
/// Longest name of a thing in characters (API reference of AWS IoT, CreateThing).
pub const THING_NAME_CHARS: usize = 128;
/// Longest head of a proxy's answer: 8 KiB; real ones are below 500 bytes.
pub const PROXY_HEAD_BYTES: usize = 8 << 10;
/// Body pieces queued between [`PutMediaSender`](crate::PutMediaSender) and the socket, in messages.
pub const PUT_MEDIA_QUEUE: usize = 8;
