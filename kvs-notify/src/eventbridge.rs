//! EventBridge events.

use std::time::SystemTime;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{DecodeError, Envelope, read};
use crate::s3::{ObjectEvent, ObjectEventKind, Sequencer, instant, sequencer};
use crate::text::{Text, non_empty};

/// The members that every event has.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Text<'a>,
    #[serde(default, deserialize_with = "instant")]
    time: Option<SystemTime>,
    #[serde(default, deserialize_with = "non_empty")]
    region: Option<String>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// The detail of an EventBridge event.
pub(crate) enum Detail<'a> {
    /// An event on an S3 object.
    Object(ObjectEvent),
    /// Any other document, from a rule, a pipe or a program.
    Document(&'a str),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct S3Detail {
    bucket: Bucket,
    object: Object,
    #[serde(default)]
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object {
    /// Not encoded, unlike the key in S3 events.
    key: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    etag: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    version_id: Option<String>,
    #[serde(default, deserialize_with = "sequencer")]
    sequencer: Option<Sequencer>,
}

/// Reads an event. The detail of S3 is read too; any other is left to the caller.
pub(crate) fn detail(document: &[u8]) -> Result<Detail<'_>, DecodeError> {
    let event: Event<'_> = read(document, Envelope::EventBridge)?;
    if event.source.as_ref() == "aws.s3" {
        event.object().map(Detail::Object)
    } else {
        Ok(Detail::Document(event.detail.get()))
    }
}

impl Event<'_> {
    fn object(self) -> Result<ObjectEvent, DecodeError> {
        let field = |path: &str, problem| DecodeError::field(Envelope::EventBridge, path.to_owned(), problem);
        let inside = |error| match error {
            DecodeError::Field { path, problem, .. } if path == "the top" => field("detail", problem),
            DecodeError::Field { path, problem, .. } => field(&format!("detail.{path}"), problem),
            other => other,
        };
        let detail: S3Detail = read(self.detail.get().as_bytes(), Envelope::EventBridge).map_err(inside)?;
        let how = detail.reason.unwrap_or_default();
        Ok(ObjectEvent {
            kind: match self.detail_type.as_ref() {
                "Object Created" => ObjectEventKind::Created(how),
                "Object Deleted" => ObjectEventKind::Removed(how),
                other => ObjectEventKind::Other(other.into()),
            },
            bucket: detail.bucket.name,
            key: detail.object.key,
            size: detail.object.size,
            etag: detail.object.etag,
            version_id: detail.object.version_id,
            sequencer: detail.object.sequencer,
            region: self.region,
            time: self.time,
        })
    }
}
