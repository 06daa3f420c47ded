//! The limits of the service and of the AWS services around it, each with its source.
//!
//! Sources in brackets: "quotas" is the quotas page,
//! <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>; "model" is the service model that AWS publishes
//! with its SDKs (2017-09-30); "API" is the API reference of the operation; "SDK" is what the producer SDKs enforce.
//! Limits that one crate of the family chose for itself are in that crate.

use std::ops::RangeInclusive;
use std::time::Duration;

// Streams.

/// Longest stream name in characters (model, CreateStream).
pub const STREAM_NAME_CHARS: usize = 256;
/// Longest stream ARN in characters (model).
pub const STREAM_ARN_CHARS: usize = 1024;
/// Longest device name in characters (model).
pub const DEVICE_NAME_CHARS: usize = 128;
/// Longest media type in characters (model).
pub const MEDIA_TYPE_CHARS: usize = 128;
/// Longest KMS key id in characters (model).
pub const KMS_KEY_ID_CHARS: usize = 2048;
/// Longest version of a stream in characters (model).
pub const STREAM_VERSION_CHARS: usize = 64;
/// Most tags of a stream, and most keys in one call (model).
pub const STREAM_TAGS: usize = 50;
/// Longest key of a stream tag in characters (model).
pub const STREAM_TAG_KEY_CHARS: usize = 128;
/// Longest value of a stream tag in characters (model).
pub const STREAM_TAG_VALUE_CHARS: usize = 256;
/// Longest data retention in hours, ten years (API, CreateStream).
pub const RETENTION_HOURS: u32 = 87_600;
/// How long media of a stream without retention can be read (API, CreateStream).
pub const UNRETAINED_MEDIA: Duration = Duration::from_secs(5 * 60);
/// How many bytes of media of a stream without retention can be read (API, CreateStream).
pub const UNRETAINED_MEDIA_BYTES: u64 = 200_000_000;
/// Most streams of an account in a region (quotas).
pub const STREAMS_PER_ACCOUNT: usize = 10_000;
/// Most streams in one response of ListStreams (model).
pub const LIST_STREAMS_RESULTS: u32 = 10_000;
/// Longest page token of a control-plane operation in characters (model).
pub const CONTROL_PLANE_TOKEN_CHARS: usize = 1024;

// Fragments and tags.

/// Largest fragment in bytes: 50 MB, read as the smaller of the two usual meanings (quotas).
pub const FRAGMENT_BYTES: u64 = 50_000_000;
/// Longest fragment (quotas).
pub const FRAGMENT_DURATION_MAX: Duration = Duration::from_secs(20);
/// Longest fragment until 2021 (quotas at that time).
pub const FRAGMENT_DURATION_MAX_2021: Duration = Duration::from_secs(10);
/// Shortest fragment (quotas). Whether the service rejects shorter ones is unconfirmed, since no error id is documented for
/// it. Nothing in this family rejects them; producers aim for it.
pub const FRAGMENT_DURATION_MIN: Duration = Duration::from_secs(1);
/// Most fragments per second of a stream (quotas).
pub const FRAGMENTS_PER_SECOND: u32 = 5;
/// Most tracks of a session (quotas).
pub const TRACKS: usize = 3;
/// Most tags of a fragment, including those with reserved names and the end-of-fragment mark (quotas).
pub const TAGS_PER_FRAGMENT: usize = 10;
/// Longest tag name in bytes; the shortest has 1 (quotas).
pub const TAG_NAME_BYTES: usize = 128;
/// Longest tag value in bytes; may be empty (quotas).
pub const TAG_VALUE_BYTES: usize = 256;
/// Longest prefix of image keys in bytes
/// (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/gs-s3.html>).
pub const IMAGE_PREFIX_BYTES: usize = 256;
/// Most custom pairs of one image-generation or notification event (SDK).
pub const EVENT_PAIRS: usize = 10;
/// Longest codec id in bytes (SDK).
pub const CODEC_ID_BYTES: usize = 32;
/// Longest track name in bytes (SDK).
pub const TRACK_NAME_BYTES: usize = 32;
/// Largest codec private data in bytes (SDK).
pub const CODEC_PRIVATE_BYTES: usize = 1 << 20;
/// Longest fragment number in digits (API, GetMediaForFragmentList).
pub const FRAGMENT_NUMBER_DIGITS: usize = 128;

// PutMedia.

/// Longest PutMedia connection, about 45 minutes (quotas).
pub const CONNECTION_DURATION: Duration = Duration::from_secs(45 * 60);
/// How long a PutMedia connection may be without a byte before the service closes it (quotas).
pub const CONNECTION_IDLE: Duration = Duration::from_secs(30);
/// Most bytes per second of a stream: 12.5 MB (quotas).
pub const INGRESS_BYTES_PER_SECOND: u64 = 12_500_000;
/// Longest acknowledgement in bytes. The C SDK's parser stops at 1,024; this leaves room.
pub const ACK_BYTES: usize = 4096;

// Reading media.

/// Most GetMedia connections of a stream (quotas).
pub const GET_MEDIA_CONNECTIONS: usize = 3;
/// Most GetMediaForFragmentList connections of a stream (quotas).
pub const FRAGMENT_LIST_CONNECTIONS: usize = 5;
/// Most bytes per second of a GetMedia or GetMediaForFragmentList connection: 25 MB (quotas).
pub const EGRESS_BYTES_PER_SECOND: u64 = 25_000_000;
/// Longest continuation token of GetMedia in characters (API, GetMedia).
pub const CONTINUATION_TOKEN_CHARS: usize = 128;
/// Most fragments of one GetMediaForFragmentList (API).
pub const FRAGMENT_LIST_NUMBERS: usize = 1000;
/// Most fragments in one response of ListFragments (API).
pub const LIST_FRAGMENTS_RESULTS: u32 = 1000;
/// Longest page token of an archived-media operation in characters (API, ListFragments).
pub const ARCHIVED_MEDIA_TOKEN_CHARS: usize = 4096;
/// Longest range of GetClip and of an HLS or DASH session (API).
pub const CLIP_RANGE: Duration = Duration::from_secs(24 * 3600);
/// Lifetime of an HLS or DASH session in seconds (model).
pub const SESSION_EXPIRES_SECONDS: RangeInclusive<u32> = 300..=43_200;
/// Most fragments in a playlist or manifest (model).
pub const PLAYLIST_FRAGMENTS: u32 = 5_000;

// Images.

/// Width of an image in pixels (model).
pub const IMAGE_WIDTH_PIXELS: RangeInclusive<u32> = 1..=3840;
/// Height of an image in pixels (model).
pub const IMAGE_HEIGHT_PIXELS: RangeInclusive<u32> = 1..=2160;
/// JPEG quality (API, GetImages).
pub const JPEG_QUALITY: RangeInclusive<u32> = 1..=100;
/// JPEG quality if the request sets none (API, GetImages).
pub const JPEG_QUALITY_DEFAULT: u8 = 80;
/// Shortest sampling interval in milliseconds (API, GetImages).
pub const SAMPLING_INTERVAL_MILLIS: u32 = 200;
/// Shortest sampling interval in milliseconds in the documents of 2022.
pub const SAMPLING_INTERVAL_MILLIS_2022: u32 = 3_000;
/// Sampling interval of GetImages in milliseconds if the request sets none (SDK documentation of 2023).
pub const SAMPLING_INTERVAL_MILLIS_DEFAULT: u32 = 3_000;
/// Longest time from start to end of one GetImages (API).
pub const GET_IMAGES_RANGE: Duration = Duration::from_secs(300);
/// Most images in one response of GetImages; a larger `MaxResults` counts as this (API).
pub const GET_IMAGES_RESULTS: u32 = 25;
/// Most images of one GetImages over all its pages, and the largest accepted `MaxResults` (quotas).
pub const GET_IMAGES_MAX_RESULTS: u32 = 100;
/// Longest base64 text of one image in characters (model).
pub const IMAGE_CONTENT_CHARS: usize = 6_291_456;
/// Largest total of the images of one response in bytes: 100 MB (quotas).
pub const GET_IMAGES_RESPONSE_BYTES: usize = 100_000_000;
/// Longest destination URI in characters (model).
pub const DESTINATION_URI_CHARS: usize = 255;
/// Shortest and longest destination region in characters (model).
pub const DESTINATION_REGION_CHARS: (usize, usize) = (9, 14);

// Metadata and media points of a stream.

/// Points of fragment metadata per second of a stream (quotas). ListFragments takes one for each requested result.
pub const METADATA_POINTS_PER_SECOND: u32 = 10_000;
/// Points of fragment metadata that one GetImages takes in addition to one for each requested image (quotas).
pub const METADATA_POINTS_PER_GET_IMAGES: u32 = 400;
/// Points of fragment media per second of a stream (quotas). GetMediaForFragmentList takes one for each fragment, GetImages
/// one for each image.
pub const MEDIA_POINTS_PER_SECOND: u32 = 500;

// Requests.

/// How far the clock of a client may differ from the service's, as its "Signature expired" message says.
pub const CLOCK_SKEW: Duration = Duration::from_secs(5 * 60);
/// Longest validity of a presigned request (SigV4 specification).
pub const PRESIGNED_EXPIRES: Duration = Duration::from_secs(7 * 24 * 3600);
/// Digits of an AWS account id.
pub const ACCOUNT_ID_DIGITS: usize = 12;

// S3 and SNS.

/// Longest object key of S3 in bytes (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html>).
pub const S3_KEY_BYTES: usize = 1024;
/// Largest user metadata of an S3 object in bytes, names and values together
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html>).
pub const S3_METADATA_BYTES: usize = 2048;
/// Largest SNS message in bytes (<https://docs.aws.amazon.com/sns/latest/api/API_Publish.html>).
pub const SNS_MESSAGE_BYTES: usize = 256 << 10;
