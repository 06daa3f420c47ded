//! S3 records in JSON. Each becomes an event while it is read, so that a large batch is in memory only once.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::event::{ObjectEvent, ObjectEventKind};
use super::form;
use super::sequencer::{InvalidSequencer, Sequencer};
use crate::decode::{DecodeError, Envelope, read};
use crate::text::{Text, non_empty, parsed, parsed_non_empty};

/// The supported major version of the format; minor versions only add members
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
const MAJOR_VERSION: &str = "2";

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Records")]
    records: Vec<Event>,
}

struct Event(ObjectEvent);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record {
    #[serde(rename = "eventVersion", default, deserialize_with = "version")]
    _version: (),
    #[serde(deserialize_with = "kind")]
    event_name: ObjectEventKind,
    #[serde(default, deserialize_with = "instant")]
    event_time: Option<SystemTime>,
    #[serde(default, deserialize_with = "non_empty")]
    aws_region: Option<String>,
    s3: Entity,
}

#[derive(Deserialize)]
struct Entity {
    bucket: Bucket,
    object: Object,
}

#[derive(Deserialize)]
struct Bucket {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object {
    #[serde(deserialize_with = "key")]
    key: String,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default, deserialize_with = "non_empty")]
    e_tag: Option<String>,
    #[serde(default, deserialize_with = "non_empty")]
    version_id: Option<String>,
    #[serde(default, deserialize_with = "sequencer")]
    sequencer: Option<Sequencer>,
}

/// Reads all records of an S3 document.
pub(crate) fn records(document: &[u8]) -> Result<Vec<ObjectEvent>, DecodeError> {
    let document: Document = read(document, Envelope::S3Event)?;
    Ok(document.records.into_iter().map(|Event(event)| event).collect())
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Record { event_name, event_time, aws_region, s3, .. } = Record::deserialize(deserializer)?;
        let Object { key, size, e_tag, version_id, sequencer } = s3.object;
        Ok(Self(ObjectEvent {
            kind: event_name,
            bucket: s3.bucket.name,
            key,
            size,
            etag: e_tag,
            version_id,
            sequencer,
            region: aws_region,
            time: event_time,
        }))
    }
}

fn version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<(), D::Error> {
    let check = |version: &str| match version.split('.').next() {
        Some(MAJOR_VERSION) => Ok(()),
        _ => Err(format!("unsupported version {version:?}, the major version must be {MAJOR_VERSION}")),
    };
    parsed_non_empty(deserializer, check).map(Option::unwrap_or_default)
}

fn kind<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectEventKind, D::Error> {
    Text::deserialize(deserializer).map(|name| ObjectEventKind::of_s3(name.as_ref()))
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    let decode = |key: &str| form::decode(key).map(Into::into).ok_or("not form-URL-encoded UTF-8");
    parsed(deserializer, decode)
}

/// Reads a sequencer.
pub(crate) fn sequencer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Sequencer>, D::Error> {
    parsed_non_empty::<_, _, InvalidSequencer>(deserializer, str::parse)
}

/// Reads an RFC 3339 time.
pub(crate) fn instant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SystemTime>, D::Error> {
    let parse = |text: &str| text.parse::<Timestamp>().map_err(|_| "not an RFC 3339 date and time");
    parsed_non_empty(deserializer, parse).map(|stamp| stamp.map(SystemTime::from))
}
