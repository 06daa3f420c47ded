//! Records of S3.

use std::time::SystemTime;

use aws_lambda_events::s3::{S3Entity, S3EventRecord};

use super::{ConvertError, invalid, required};
use crate::s3::{ObjectEvent, ObjectEventKind, form};

impl TryFrom<S3EventRecord> for ObjectEvent {
    type Error = ConvertError;

    fn try_from(other: S3EventRecord) -> Result<Self, Self::Error> {
        let object = other.s3.object;
        let key = required(object.key, "s3.object.key")?;
        let key =
            form::decode(&key).ok_or_else(|| invalid("s3.object.key", "not form-URL-encoded UTF-8"))?.into_owned();
        let size = object.size.map(u64::try_from).transpose().map_err(|_| invalid("s3.object.size", "negative"))?;
        let sequencer = object.sequencer.filter(|text| !text.is_empty()).map(|text| text.parse()).transpose();
        Ok(Self {
            kind: ObjectEventKind::of_s3(&required(other.event_name, "eventName")?),
            bucket: required(other.s3.bucket.name, "s3.bucket.name")?,
            key,
            size,
            etag: object.e_tag,
            version_id: object.version_id,
            sequencer: sequencer.map_err(|error| invalid("s3.object.sequencer", error))?,
            region: other.aws_region,
            time: Some(other.event_time.into()),
        })
    }
}

/// An event without a time gets that of 1970, as the other type must have one.
impl From<ObjectEvent> for S3EventRecord {
    fn from(ours: ObjectEvent) -> Self {
        let mut entity = S3Entity::default();
        entity.schema_version = Some("1.0".into());
        entity.object.key = Some(ours.encoded_key());
        entity.object.size = ours.size.and_then(|size| i64::try_from(size).ok());
        entity.object.e_tag = ours.etag;
        entity.object.version_id = ours.version_id;
        entity.object.sequencer = ours.sequencer.map(|sequencer| sequencer.to_string());
        entity.bucket.arn = Some(format!("arn:aws:s3:::{}", ours.bucket));
        entity.bucket.name = Some(ours.bucket);
        let mut other = Self::default();
        other.event_version = Some("2.1".into());
        other.event_source = Some("aws:s3".into());
        other.aws_region = ours.region;
        // Instants that chrono cannot hold would be a panic in its conversion; jiff's range is the smaller one.
        let time = ours.time.filter(|time| jiff::Timestamp::try_from(*time).is_ok());
        other.event_time = time.unwrap_or(SystemTime::UNIX_EPOCH).into();
        other.event_name = Some(ours.kind.event_name());
        other.s3 = entity;
        other
    }
}
