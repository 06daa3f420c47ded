//! Every bound this crate keeps, with its source.

use std::time::Duration;

/// Largest document that [`decode`](crate::decode) reads: 16 MiB, more than twice what a synchronous Lambda call carries (6 MB,
/// <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
pub const DOCUMENT_BYTES: usize = 16 << 20;
/// Longest text of a fault or of a path to a field that an error carries; faults quote what was found.
pub(crate) const ERROR_TEXT_BYTES: usize = 256;
/// Longest random part of an image's key that is read; the service writes a GUID of 36 characters.
pub(crate) const IMAGE_ID_BYTES: usize = 64;
/// What of it is read from headers: values with other than ASCII characters grow up to threefold on the way.
pub(crate) const METADATA_HEADER_BYTES: usize = 4 * kvs_types::limits::S3_METADATA_BYTES;
/// Longest URL that is looked at.
pub(crate) const URL_BYTES: usize = 2048;
/// Largest PEM file of a signing certificate and its chain that is read.
pub const CERTIFICATE_BYTES: usize = 64 << 10;
/// Certificates in one such file.
pub(crate) const CERTIFICATES: usize = 8;
/// How old a message may be by default when it is verified: SNS tries again for up to an hour over HTTP
/// (<https://docs.aws.amazon.com/sns/latest/dg/sns-message-delivery-retries.html>).
pub(crate) const MESSAGE_AGE: Duration = Duration::from_secs(60 * 60);
/// How far into the future a message may be stamped by default: clocks differ.
pub(crate) const MESSAGE_SKEW: Duration = Duration::from_secs(5 * 60);
