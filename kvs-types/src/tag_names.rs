//! Names of fragment tags that have a meaning for the service, and the prefix that is reserved for it.

/// The reserved prefix of tag names (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>).
pub const RESERVED_PREFIX: &str = "AWS";
/// The prefix of the service's own tag names.
pub const SERVICE_PREFIX: &str = "AWS_KINESISVIDEO";
/// Ends a fragment immediately, without the start of the next cluster; the value is empty.
pub const END_OF_FRAGMENT: &str = "AWS_KINESISVIDEO_END_OF_FRAGMENT";
/// Requests images of the fragment; the value is empty.
pub const IMAGE_GENERATION: &str = "AWS_KINESISVIDEO_IMAGE_GENERATION";
/// Sets the prefix of the object keys of those images.
pub const IMAGE_PREFIX: &str = "AWS_KINESISVIDEO_IMAGE_PREFIX";
/// Requests a notification when the fragment is persisted; the value is empty.
pub const NOTIFICATION: &str = "AWS_KINESISVIDEO_NOTIFICATION";
/// The names with the reserved prefix that producers may send.
pub const FROM_PRODUCERS: [&str; 4] = [END_OF_FRAGMENT, IMAGE_GENERATION, IMAGE_PREFIX, NOTIFICATION];

/// The number of the fragment that follows (GetMedia).
pub const FRAGMENT_NUMBER: &str = "AWS_KINESISVIDEO_FRAGMENT_NUMBER";
/// The server timestamp of the fragment: epoch seconds with three decimals.
pub const SERVER_TIMESTAMP: &str = "AWS_KINESISVIDEO_SERVER_TIMESTAMP";
/// The server timestamp under the name in the API reference of GetMediaForFragmentList.
pub const SERVER_SIDE_TIMESTAMP: &str = "AWS_KINESISVIDEO_SERVER_SIDE_TIMESTAMP";
/// The producer timestamp of the fragment: epoch seconds with three decimals.
pub const PRODUCER_TIMESTAMP: &str = "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP";
/// The producer timestamp under the name in the API reference of GetMediaForFragmentList.
pub const PRODUCER_SIDE_TIMESTAMP: &str = "AWS_KINESISVIDEO_PRODUCER_SIDE_TIMESTAMP";
/// How far the fragment is behind the current time, in milliseconds.
pub const MILLIS_BEHIND_NOW: &str = "AWS_KINESISVIDEO_MILLIS_BEHIND_NOW";
/// The token that continues reading after this fragment.
pub const CONTINUATION_TOKEN: &str = "AWS_KINESISVIDEO_CONTINUATION_TOKEN";
/// The code of an error inside a response body.
pub const ERROR_CODE: &str = "AWS_KINESISVIDEO_ERROR_CODE";
/// The id of an error inside a response body.
pub const ERROR_ID: &str = "AWS_KINESISVIDEO_ERROR_ID";
/// The code of an error under the name in the API reference of GetMediaForFragmentList.
pub const EXCEPTION_ERROR_CODE: &str = "AWS_KINESISVIDEO_EXCEPTION_ERROR_CODE";
/// The message of an error under the name in the API reference of GetMediaForFragmentList.
pub const EXCEPTION_MESSAGE: &str = "AWS_KINESISVIDEO_EXCEPTION_MESSAGE";
