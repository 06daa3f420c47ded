//! Events on S3 objects.

use std::cmp::Ordering;
use std::time::SystemTime;

use super::form;
use super::sequencer::Sequencer;
use crate::image::{ImageObjectKey, KeyHints, ParseKeyError};

/// An event on one object of a bucket, from S3 or from EventBridge.
///
/// Events are delivered at least once and in any order: see [`order`](Self::order).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ObjectEvent {
    /// What happened.
    pub kind: ObjectEventKind,
    /// The bucket.
    pub bucket: String,
    /// The decoded key.
    pub key: String,
    /// Size of the object in bytes; `None` if it was removed.
    pub size: Option<u64>,
    /// The entity tag, without quotes.
    pub etag: Option<String>,
    /// The version id, if the bucket has versioning.
    pub version_id: Option<String>,
    /// The position of the event among those on the same key.
    pub sequencer: Option<Sequencer>,
    /// The region of the bucket.
    pub region: Option<String>,
    /// When it happened.
    pub time: Option<SystemTime>,
}

impl ObjectEvent {
    /// Creates the event that an object of this size was put into a bucket.
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

    /// Parses the key as an image key.
    ///
    /// # Errors
    /// Returns an error where [`ImageObjectKey::parse`] does.
    pub fn image_key(&self) -> Result<ImageObjectKey, ParseKeyError> {
        ImageObjectKey::parse(&self.key)
    }

    /// Parses the key as an image key, with hints.
    ///
    /// # Errors
    /// Returns an error where [`ImageObjectKey::parse_with`] does.
    pub fn image_key_with(&self, hints: &KeyHints) -> Result<ImageObjectKey, ParseKeyError> {
        ImageObjectKey::parse_with(&self.key, hints)
    }

    /// Returns the key as in S3 events: form-URL-encoded. EventBridge does not encode keys.
    #[must_use]
    pub fn encoded_key(&self) -> String {
        form::encode(&self.key)
    }

    /// Compares two events on the same object by time. `None` if the objects differ or a sequencer is missing.
    #[must_use]
    pub fn order(&self, other: &Self) -> Option<Ordering> {
        let same = self.bucket == other.bucket && self.key == other.key;
        if !same {
            return None;
        }
        Some(self.sequencer.as_ref()?.cmp(other.sequencer.as_ref()?))
    }
}

/// What happened to an object. An open set: S3 may add events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ObjectEventKind {
    /// The object was written: `Put`, `Post`, `Copy` or `CompleteMultipartUpload` by S3, `PutObject` and so on by EventBridge.
    Created(String),
    /// The object was deleted, or a delete marker was created: `Delete` or `DeleteMarkerCreated` by S3.
    Removed(String),
    /// Another event, by its full name.
    Other(String),
}

impl ObjectEventKind {
    /// Reads the `eventName` of S3, for example `ObjectCreated:Put`. MinIO and others write it with the prefix `s3:`, as it is in
    /// the configuration of a bucket.
    pub(crate) fn of_s3(name: &str) -> Self {
        match name.strip_prefix("s3:").unwrap_or(name).split_once(':') {
            Some(("ObjectCreated", how)) => Self::Created(how.into()),
            Some(("ObjectRemoved", how)) => Self::Removed(how.into()),
            _ => Self::Other(name.into()),
        }
    }

    /// Returns the `eventName` of S3.
    #[must_use]
    pub fn event_name(&self) -> String {
        match self {
            Self::Created(how) => format!("ObjectCreated:{how}"),
            Self::Removed(how) => format!("ObjectRemoved:{how}"),
            Self::Other(name) => name.clone(),
        }
    }
}
