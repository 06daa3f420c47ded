//! What happened to an object.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::form;
use super::sequencer::Sequencer;
use crate::image::{ImageObjectKey, KeyHints, ParseKeyError};

/// Something happened to one object in a bucket, as told by S3 itself or by EventBridge.
///
/// Events come at least once and in any order: see [`order`](Self::order).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectEvent {
    /// What happened.
    pub kind: ObjectEventKind,
    /// The bucket.
    pub bucket: String,
    /// The key, decoded.
    pub key: String,
    /// Bytes of the object; absent when it was removed.
    pub size: Option<u64>,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// The version, where the bucket keeps versions.
    pub version_id: Option<String>,
    /// Where the event stands among those on the same key.
    pub sequencer: Option<Sequencer>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// When it happened.
    pub time: Option<SystemTime>,
}

impl ObjectEvent {
    /// An object of this size was put into a bucket.
    #[must_use]
    pub fn put(bucket: impl Into<String>, key: impl Into<String>, size: u64) -> Self {
        Self {
            kind: ObjectEventKind::Created("Put".into()),
            bucket: bucket.into(),
            key: key.into(),
            size: Some(size),
            etag: None,
            version_id: None,
            sequencer: None,
            region: None,
            time: None,
        }
    }

    /// The key as that of an image.
    ///
    /// # Errors
    /// As [`ImageObjectKey::parse`].
    pub fn image_key(&self) -> Result<ImageObjectKey, ParseKeyError> {
        ImageObjectKey::parse(&self.key)
    }

    /// The key as that of an image, with the help of what is known.
    ///
    /// # Errors
    /// As [`ImageObjectKey::parse_with`].
    pub fn image_key_with(&self, hints: &KeyHints) -> Result<ImageObjectKey, ParseKeyError> {
        ImageObjectKey::parse_with(&self.key, hints)
    }

    /// The key as S3 writes it into its own events: form-URL-encoded. EventBridge leaves keys as they are.
    #[must_use]
    pub fn encoded_key(&self) -> String {
        form::encode(&self.key)
    }

    /// Which of two events on the same object came first; nothing if they are on different objects or carry no sequencer.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        let same = self.bucket == other.bucket && self.key == other.key;
        if !same {
            return None;
        }
        Some(self.sequencer.as_ref()?.cmp(other.sequencer.as_ref()?))
    }
}

/// What happened to an object: an open set.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectEventKind {
    /// It was written: `Put`, `Post`, `Copy` or `CompleteMultipartUpload` by S3, `PutObject` and so on by EventBridge.
    Created(String),
    /// It was deleted, or hidden behind a delete marker: `Delete` or `DeleteMarkerCreated` by S3.
    Removed(String),
    /// Another event, by its whole name.
    Other(String),
}

impl ObjectEventKind {
    /// From the `eventName` of S3, as `ObjectCreated:Put`.
    pub(crate) fn of_s3(name: &str) -> Self {
        match name.split_once(':') {
            Some(("ObjectCreated", how)) => Self::Created(how.into()),
            Some(("ObjectRemoved", how)) => Self::Removed(how.into()),
            _ => Self::Other(name.into()),
        }
    }

    /// The `eventName` of S3.
    #[must_use]
    pub fn event_name(&self) -> String {
        match self {
            Self::Created(how) => format!("ObjectCreated:{how}"),
            Self::Removed(how) => format!("ObjectRemoved:{how}"),
            Self::Other(name) => name.clone(),
        }
    }
}
