//! What looks at images.

use std::time::SystemTime;

use bytes::Bytes;

use crate::BoxError;

/// An image of a stream.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CameraImage {
    /// Name of the stream.
    pub stream: String,
    /// When the camera took it.
    pub at: SystemTime,
    /// Where it is: a file, or the object in S3.
    pub place: String,
    /// The JPEG file.
    pub jpeg: Bytes,
}

impl CameraImage {
    /// Creates an image.
    pub fn new(stream: impl Into<String>, at: SystemTime, place: impl Into<String>, jpeg: impl Into<Bytes>) -> Self {
        Self { stream: stream.into(), at, place: place.into(), jpeg: jpeg.into() }
    }
}

/// Something that was seen.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Detection {
    /// What it is, such as `face`.
    pub label: String,
    /// How sure the detector is, in a scale of its own: compare scores of one detector only.
    pub score: f64,
}

impl Detection {
    /// Creates a detection.
    pub fn new(label: impl Into<String>, score: f64) -> Self {
        Self { label: label.into(), score }
    }
}

/// Looks at images.
pub trait Detector {
    /// Returns what is on an image, only what counts: a detector has its own limit.
    ///
    /// # Errors
    /// Returns an error if the image cannot be read or the detector cannot be asked. Nothing is known about the image then.
    fn detect(&mut self, image: &CameraImage) -> impl Future<Output = Result<Vec<Detection>, BoxError>>;
}
