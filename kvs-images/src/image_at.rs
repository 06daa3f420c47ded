//! One item of a stream of images.

use std::time::SystemTime;

use bytes::Bytes;
use kvs_aws::ImageFailure;

/// The image for one timestamp, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageAt {
    /// The requested timestamp.
    pub at: SystemTime,
    /// The JPEG or PNG file, or the reason why there is none.
    pub content: Result<Bytes, ImageFailure>,
}
