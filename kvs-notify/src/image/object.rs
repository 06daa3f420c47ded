//! An image object as a whole.

use super::key::ImageObjectKey;
use super::metadata::ImageMetadata;

/// An image that the service put into a bucket: where it is and what it shows. Not its bytes.
///
/// An event of S3 brings the key; the metadata, and with it the fragment's number, takes a HeadObject or GetObject.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageObject {
    /// The bucket.
    pub bucket: String,
    /// The key, which names the stream and the instant.
    pub key: ImageObjectKey,
    /// The metadata, which names the fragment.
    pub metadata: ImageMetadata,
}

impl ImageObject {
    /// An object of this key and metadata in this bucket.
    #[must_use]
    pub fn new(bucket: impl Into<String>, key: ImageObjectKey, metadata: ImageMetadata) -> Self {
        Self { bucket: bucket.into(), key, metadata }
    }
}
