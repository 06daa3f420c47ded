//! Events of EventBridge.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::decode::{DecodeError, Envelope, read};
use crate::s3::{ObjectEvent, ObjectEventKind, instant};
use crate::text::Text;

/// What every event has, whatever its detail is.
#[derive(Deserialize)]
pub(crate) struct Event<'a> {
    #[serde(borrow)]
    source: Text<'a>,
    #[serde(borrow, rename = "detail-type")]
    detail_type: Text<'a>,
    #[serde(borrow, default)]
    time: Option<Text<'a>>,
    #[serde(borrow, default)]
    region: Option<Text<'a>>,
    #[serde(borrow)]
    detail: &'a RawValue,
}

/// What an event of EventBridge is about.
pub(crate) enum Detail<'a> {
    /// An object of S3.
    Object(ObjectEvent),
    /// Whatever a rule, a pipe or a program of the account put into it.
    Document(&'a str),
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct S3Detail<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
    #[serde(borrow, default)]
    reason: Option<Text<'a>>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Object<'a> {
    /// Not encoded, other than in events of S3 itself.
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(borrow, default)]
    etag: Option<Text<'a>>,
    #[serde(borrow, default)]
    version_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    sequencer: Option<Text<'a>>,
}

/// Reads an event; the detail of S3 at once, any other is left to the caller.
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
        let detail: S3Detail<'_> = read(self.detail.get().as_bytes(), Envelope::EventBridge).map_err(inside)?;
        let how = detail.reason.map(String::from).unwrap_or_default();
        let sequencer = detail.object.sequencer.map(|text| text.as_ref().parse()).transpose();
        Ok(ObjectEvent {
            kind: match self.detail_type.as_ref() {
                "Object Created" => ObjectEventKind::Created(how),
                "Object Deleted" => ObjectEventKind::Removed(how),
                other => ObjectEventKind::Other(other.into()),
            },
            bucket: detail.bucket.name.into(),
            key: detail.object.key.into(),
            size: detail.object.size,
            etag: detail.object.etag.map(String::from),
            version_id: detail.object.version_id.map(String::from),
            sequencer: sequencer.map_err(|fault| field("detail.object.sequencer", ToString::to_string(&fault)))?,
            region: self.region.map(String::from),
            time: self.time.map(|text| instant(text.as_ref())).transpose().map_err(|fault| field("time", fault))?,
        })
    }
}
