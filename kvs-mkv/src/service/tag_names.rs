//! Tag names that the service gives a meaning, and the prefix it keeps for itself.

/// Names that begin so are reserved (<https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/limits.html>).
pub const RESERVED_PREFIX: &str = "AWS";
/// Names of the service's own tags begin so.
pub const SERVICE_PREFIX: &str = "AWS_KINESISVIDEO";
/// Ends a fragment at once, without waiting for the next cluster; its value is empty.
pub const END_OF_FRAGMENT: &str = "AWS_KINESISVIDEO_END_OF_FRAGMENT";
/// Asks for images of the fragment; its value is empty.
pub const IMAGE_GENERATION: &str = "AWS_KINESISVIDEO_IMAGE_GENERATION";
/// Begins the keys of those images.
pub const IMAGE_PREFIX: &str = "AWS_KINESISVIDEO_IMAGE_PREFIX";
/// Asks for a notification when the fragment is persisted; its value is empty.
pub const NOTIFICATION: &str = "AWS_KINESISVIDEO_NOTIFICATION";
/// What producers may send under the reserved prefix.
pub const FROM_PRODUCERS: [&str; 4] = [END_OF_FRAGMENT, IMAGE_GENERATION, IMAGE_PREFIX, NOTIFICATION];

/// The number of the fragment that follows (GetMedia).
pub const FRAGMENT_NUMBER: &str = "AWS_KINESISVIDEO_FRAGMENT_NUMBER";
/// When the service began to receive it: epoch seconds with three decimals.
pub const SERVER_TIMESTAMP: &str = "AWS_KINESISVIDEO_SERVER_TIMESTAMP";
/// The same under the name that the API reference of GetMediaForFragmentList prints.
pub const SERVER_SIDE_TIMESTAMP: &str = "AWS_KINESISVIDEO_SERVER_SIDE_TIMESTAMP";
/// When the producer stamped it: epoch seconds with three decimals.
pub const PRODUCER_TIMESTAMP: &str = "AWS_KINESISVIDEO_PRODUCER_TIMESTAMP";
/// The same under the name that the API reference of GetMediaForFragmentList prints.
pub const PRODUCER_SIDE_TIMESTAMP: &str = "AWS_KINESISVIDEO_PRODUCER_SIDE_TIMESTAMP";
/// How far behind the live edge the fragment is, in milliseconds.
pub const MILLIS_BEHIND_NOW: &str = "AWS_KINESISVIDEO_MILLIS_BEHIND_NOW";
/// Where to go on after this fragment.
pub const CONTINUATION_TOKEN: &str = "AWS_KINESISVIDEO_CONTINUATION_TOKEN";
/// The name of an error inside a body.
pub const ERROR_CODE: &str = "AWS_KINESISVIDEO_ERROR_CODE";
/// The number of an error inside a body.
pub const ERROR_ID: &str = "AWS_KINESISVIDEO_ERROR_ID";
/// The name of an error by the API reference of GetMediaForFragmentList.
pub const EXCEPTION_ERROR_CODE: &str = "AWS_KINESISVIDEO_EXCEPTION_ERROR_CODE";
/// The text of an error by the API reference of GetMediaForFragmentList.
pub const EXCEPTION_MESSAGE: &str = "AWS_KINESISVIDEO_EXCEPTION_MESSAGE";
