//! The limits of this crate, each with its source. Those of AWS services are in `kvs_types::limits`.

#[cfg(feature = "verify")]
use std::time::Duration;

/// Largest document that [`decode`](crate::decode) reads: 16 MiB, more than twice the payload of a synchronous Lambda invocation (6 MB,
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const DOCUMENT_BYTES: usize = 16 << 20;
/// Most messages in a list: the largest batch of EventBridge Pipes
/// (<https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-event-source.html>). An element of two bytes costs several
/// hundred when it is decoded.
pub(crate) const LIST_MESSAGES: usize = 10_000;
/// Longest text that an error quotes from a document, in bytes.
pub(crate) const ERROR_TEXT_BYTES: usize = 256;
/// Longest random part of an image key in bytes. The service writes a GUID of 36 characters.
#[cfg(feature = "s3")]
pub(crate) const IMAGE_ID_BYTES: usize = 64;
/// Largest metadata in headers: encoding of non-ASCII characters enlarges values up to threefold.
#[cfg(feature = "s3")]
pub(crate) const METADATA_HEADER_BYTES: usize = 4 * kvs_types::limits::S3_METADATA_BYTES;
/// Longest URL in bytes.
#[cfg(feature = "verify")]
pub(crate) const URL_BYTES: usize = 2048;
/// Largest PEM file with a signing certificate and its chain, in bytes.
pub const CERTIFICATE_BYTES: usize = 64 << 10;
/// Most certificates in such a file.
#[cfg(feature = "verify")]
pub(crate) const CERTIFICATES: usize = 8;
/// Default maximum age of a message: SNS retries delivery over HTTP for up to an hour
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>).
#[cfg(feature = "verify")]
pub(crate) const MESSAGE_AGE: Duration = Duration::from_secs(60 * 60);
/// Default for how far in the future the timestamp of a message may be: clocks differ.
#[cfg(feature = "verify")]
pub(crate) const MESSAGE_SKEW: Duration = Duration::from_secs(5 * 60);
