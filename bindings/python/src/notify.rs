//! Notifications and image objects. The result is JSON, which the Python half turns into its classes: these documents are small.

use std::time::{SystemTime, UNIX_EPOCH};

use kvs_notify::{Content, FragmentNotification, ImageMetadata, ImageObjectKey, Message, ObjectEvent};
use pyo3::prelude::*;
use serde_json::{Value, json};

use crate::errors::{chain, exception};

/// Decodes a document and returns its messages as JSON.
#[pyfunction]
pub(crate) fn decode(document: &[u8]) -> PyResult<String> {
    let delivery = kvs_notify::decode(document).map_err(|error| exception("DecodeError", &chain(&error)))?;
    Ok(Value::Array(delivery.messages.iter().flat_map(items).collect()).to_string())
}

/// Reads the key of an image object.
#[pyfunction]
pub(crate) fn parse_image_key(key: &str) -> PyResult<String> {
    let key = ImageObjectKey::parse(key).map_err(|error| exception("DecodeError", &chain(&error)))?;
    Ok(key_value(&key).to_string())
}

/// Reads the user metadata of an image object.
#[pyfunction]
pub(crate) fn image_metadata(pairs: Vec<(String, String)>) -> PyResult<String> {
    let metadata = ImageMetadata::from_headers(pairs).map_err(|error| exception("DecodeError", &chain(&error)))?;
    let value = json!({
        "fragment_number": metadata.fragment_number.as_str(),
        "producer_timestamp": seconds(metadata.producer_timestamp),
        "server_timestamp": seconds(metadata.server_timestamp),
        "pairs": metadata.pairs,
    });
    Ok(value.to_string())
}

fn items(message: &Message) -> Vec<Value> {
    match &message.content {
        Content::Fragment(notification) => vec![fragment_value(notification, message)],
        Content::Objects(events) => events.iter().map(object_value).collect(),
        Content::TestEvent(event) => vec![json!({"type": "test", "bucket": event.bucket})],
        Content::Confirmation => {
            vec![json!({"type": "confirmation", "topic_arn": message.sns.as_ref().map(|sns| sns.topic_arn())})]
        }
        Content::Refused(error) => vec![json!({"type": "refused", "message": chain(error)})],
        _ => vec![json!({"type": "refused", "message": "a kind of message that this version does not know"})],
    }
}

fn fragment_value(notification: &FragmentNotification, message: &Message) -> Value {
    json!({
        "type": "fragment",
        "stream_arn": notification.stream_arn.to_string(),
        "stream_name": notification.stream_arn.stream_name(),
        "fragment_number": notification.fragment_number.as_str(),
        "producer_timestamp": seconds(notification.producer_timestamp),
        "server_timestamp": seconds(notification.server_timestamp),
        "notification_type": notification.kind.as_str(),
        "payload": notification.payload,
        "topic_arn": message.sns.as_ref().map(|sns| sns.topic_arn()),
    })
}

fn object_value(event: &ObjectEvent) -> Value {
    json!({
        "type": "object",
        "event_name": event.kind.event_name(),
        "bucket": event.bucket,
        "key": event.key,
        "size": event.size,
        "time": event.time.map(seconds),
        "image": event.image_key().ok().map(|key| key_value(&key)),
    })
}

fn key_value(key: &ImageObjectKey) -> Value {
    json!({
        "prefix": key.prefix(),
        "account": key.account(),
        "stream_name": key.stream(),
        "time": seconds(key.timecode()),
        "id": key.id().as_str(),
        "format": key.format().to_string(),
    })
}

/// Returns seconds since the Unix epoch.
fn seconds(at: SystemTime) -> f64 {
    match at.duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}
