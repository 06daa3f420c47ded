//! Records of S3 as they stand in JSON.

use std::time::SystemTime;

use jiff::Timestamp;
use serde::Deserialize;

use super::event::{ObjectEvent, ObjectEventKind};
use super::form;
use crate::decode::{DecodeError, Envelope, read};
use crate::text::Text;

/// The major version of the format that is understood; minor ones only add
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>).
const MAJOR_VERSION: &str = "2";

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(rename = "Records", borrow)]
    records: Vec<Record<'a>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Record<'a> {
    #[serde(borrow, default)]
    event_version: Option<Text<'a>>,
    #[serde(borrow)]
    event_name: Text<'a>,
    #[serde(borrow, default)]
    event_time: Option<Text<'a>>,
    #[serde(borrow, default)]
    aws_region: Option<Text<'a>>,
    #[serde(borrow)]
    s3: Entity<'a>,
}

#[derive(Deserialize)]
struct Entity<'a> {
    #[serde(borrow)]
    bucket: Bucket<'a>,
    #[serde(borrow)]
    object: Object<'a>,
}

#[derive(Deserialize)]
struct Bucket<'a> {
    #[serde(borrow)]
    name: Text<'a>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Object<'a> {
    #[serde(borrow)]
    key: Text<'a>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(borrow, default)]
    e_tag: Option<Text<'a>>,
    #[serde(borrow, default)]
    version_id: Option<Text<'a>>,
    #[serde(borrow, default)]
    sequencer: Option<Text<'a>>,
}

/// All records of a document of S3.
pub(crate) fn records(document: &[u8]) -> Result<Vec<ObjectEvent>, DecodeError> {
    let document: Document<'_> = read(document, Envelope::S3Event)?;
    let with_place = |(index, record): (usize, Record<'_>)| {
        let place = |field: &str| format!("Records[{index}].{field}");
        record.event().map_err(|(field, problem)| DecodeError::field(Envelope::S3Event, place(field), problem))
    };
    document.records.into_iter().enumerate().map(with_place).collect()
}

/// A field and what is wrong with it.
type Fault = (&'static str, String);

impl Record<'_> {
    fn event(self) -> Result<ObjectEvent, Fault> {
        let Object { key, size, e_tag, version_id, sequencer } = self.s3.object;
        check_version(self.event_version.as_ref())?;
        let sequencer = sequencer.as_ref().filter(|text| !text.as_ref().is_empty()).map(|text| text.as_ref().parse());
        Ok(ObjectEvent {
            kind: ObjectEventKind::of_s3(self.event_name.as_ref()),
            bucket: self.s3.bucket.name.into(),
            key: decoded(key)?,
            size,
            etag: e_tag.map(String::from),
            version_id: version_id.map(String::from),
            sequencer: sequencer.transpose().map_err(|fault| ("s3.object.sequencer", ToString::to_string(&fault)))?,
            region: self.aws_region.map(String::from),
            time: self
                .event_time
                .map(|text| instant(text.as_ref()))
                .transpose()
                .map_err(|fault| ("eventTime", fault))?,
        })
    }
}

fn check_version(version: Option<&Text<'_>>) -> Result<(), Fault> {
    let Some(version) = version.map(AsRef::as_ref) else { return Ok(()) };
    if version.split('.').next() == Some(MAJOR_VERSION) {
        return Ok(());
    }
    Err(("eventVersion", format!("version {version:?} is not of the major version {MAJOR_VERSION} that is understood")))
}

fn decoded(key: Text<'_>) -> Result<String, Fault> {
    let plain = form::decode(key.as_ref()).ok_or_else(|| ("s3.object.key", "not form-URL-encoded UTF-8".to_owned()))?;
    Ok(plain.into_owned())
}

/// An instant of RFC 3339.
pub(crate) fn instant(text: &str) -> Result<SystemTime, String> {
    text.parse::<Timestamp>().map(SystemTime::from).map_err(|_| "not a date and time of RFC 3339".to_owned())
}
