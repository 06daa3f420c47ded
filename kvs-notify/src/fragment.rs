//! The notification of a persisted fragment.

use std::collections::BTreeMap;
use std::fmt;
use std::time::SystemTime;

use kvs_types::__internal::epoch_millis_serde;
use kvs_types::{FragmentNumber, StreamArn};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::stream_arn;
use crate::text::null_is_empty;

/// The subject of the service's notifications.
pub const SUBJECT: &str = "Kinesis Video Streams Notification";

/// The notification that the service publishes when a tagged fragment is persisted.
///
/// There is one notification per tagged fragment. It does not mention images; S3 events announce those.
/// Source: <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/notifications.html>.
///
/// ```
/// use kvs_notify::{FragmentNotification, NotificationType};
///
/// let json = r#"{
///     "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000",
///     "FragmentNumber": "91343852333181432392682062607743920146159169392",
///     "FragmentStartProducerTimestamp": 1694038298246,
///     "FragmentStartServerTimestamp": 1694038247180,
///     "NotificationType": "PERSISTED",
///     "NotificationPayload": {"camera": "front"}
/// }"#;
/// let notification: FragmentNotification = serde_json::from_str(json)?;
/// assert_eq!(notification.stream_arn.stream_name(), "door");
/// assert_eq!(notification.kind, NotificationType::Persisted);
/// assert_eq!(notification.payload["camera"], "front");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct FragmentNotification {
    /// The stream of the fragment.
    #[serde(rename = "StreamArn", deserialize_with = "stream_arn::deserialize")]
    pub stream_arn: StreamArn,
    /// The number of the fragment, for example for GetMediaForFragmentList.
    #[serde(rename = "FragmentNumber")]
    pub fragment_number: FragmentNumber,
    /// When the fragment starts by the producer's clock, in whole milliseconds.
    #[serde(rename = "FragmentStartProducerTimestamp", with = "epoch_millis_serde")]
    pub producer_timestamp: SystemTime,
    /// When the service started to receive the fragment, in whole milliseconds.
    #[serde(rename = "FragmentStartServerTimestamp", with = "epoch_millis_serde")]
    pub server_timestamp: SystemTime,
    /// What happened to the fragment.
    #[serde(rename = "NotificationType")]
    pub kind: NotificationType,
    /// The custom pairs that the producer sent; empty if there are none.
    #[serde(rename = "NotificationPayload", default, deserialize_with = "null_is_empty")]
    pub payload: BTreeMap<String, String>,
}

impl FragmentNotification {
    /// Creates the notification of a persisted fragment without custom pairs.
    #[must_use]
    pub fn persisted(
        stream_arn: StreamArn,
        fragment_number: FragmentNumber,
        producer_timestamp: SystemTime,
        server_timestamp: SystemTime,
    ) -> Self {
        let kind = NotificationType::Persisted;
        Self { stream_arn, fragment_number, producer_timestamp, server_timestamp, kind, payload: BTreeMap::new() }
    }

    /// Sets the custom pairs.
    #[must_use]
    pub fn payload(mut self, payload: BTreeMap<String, String>) -> Self {
        self.payload = payload;
        self
    }
}

/// The type of a notification. An open set: the service may add types.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum NotificationType {
    /// The fragment is stored. The only documented type.
    Persisted,
    /// A type that this version does not know, as received.
    Other(String),
}

impl NotificationType {
    /// Returns the word that the service uses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Persisted => "PERSISTED",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for NotificationType {
    fn from(name: String) -> Self {
        if name == Self::Persisted.as_str() { Self::Persisted } else { Self::Other(name) }
    }
}

impl fmt::Display for NotificationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for NotificationType {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NotificationType {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Self::from)
    }
}

// The documentation does not say whether an absent payload is omitted, `{}` or `null`, so all three are accepted.
#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::{Value, json};

    use super::*;

    fn sample() -> Value {
        json!({
            "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo/1650000000000",
            "FragmentNumber": "91343852333181432392682062607743920146159169392",
            "FragmentStartProducerTimestamp": 1_694_038_298_246_u64,
            "FragmentStartServerTimestamp": 1_694_038_247_180_u64,
            "NotificationType": "PERSISTED",
            "NotificationPayload": {"CUSTOM_KEY_1": "CUSTOM_VALUE_1"}
        })
    }

    fn read(value: Value) -> Result<FragmentNotification, String> {
        serde_json::from_str(&value.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_and_writes_the_documented_sample() {
        let notification = read(sample()).unwrap();
        assert_eq!(notification.stream_arn.account_id(), "111122223333");
        assert_eq!(notification.fragment_number.as_str(), "91343852333181432392682062607743920146159169392");
        let producer = SystemTime::UNIX_EPOCH + Duration::from_millis(1_694_038_298_246);
        assert_eq!(notification.producer_timestamp, producer);
        assert_eq!(notification.server_timestamp, producer - Duration::from_millis(51_066));
        assert_eq!(notification.payload["CUSTOM_KEY_1"], "CUSTOM_VALUE_1");
        assert_eq!(serde_json::to_value(&notification).unwrap(), sample());
    }

    #[test]
    fn writes_members_in_the_order_of_the_service() {
        let text = serde_json::to_string(&read(sample()).unwrap()).unwrap();
        let at = |name: &str| text.find(name).unwrap();
        assert!(at("StreamArn") < at("FragmentNumber"));
        assert!(at("FragmentStartServerTimestamp") < at("NotificationType"));
        assert!(text.contains(r#""FragmentStartProducerTimestamp":1694038298246,"#));
    }

    #[test]
    fn accepts_an_absent_null_or_empty_payload() {
        for payload in [None, Some(Value::Null), Some(json!({}))] {
            let mut value = sample();
            match payload {
                Some(payload) => value["NotificationPayload"] = payload,
                None => drop(value.as_object_mut().unwrap().remove("NotificationPayload")),
            }
            assert!(read(value).unwrap().payload.is_empty());
        }
    }

    #[test]
    fn accepts_unknown_fields_and_types() {
        let mut value = sample();
        value["FragmentLength"] = json!([1, {"a": null}]);
        value["NotificationType"] = json!("ARCHIVED");
        assert_eq!(read(value).unwrap().kind, NotificationType::Other("ARCHIVED".into()));
    }

    #[test]
    fn rejects_fields_of_another_type() {
        for (field, wrong) in [
            ("StreamArn", json!("arn:aws:s3:::bucket")),
            ("FragmentNumber", json!(91_343)),
            ("FragmentNumber", json!("0x10")),
            ("FragmentStartProducerTimestamp", json!("1694038298246")),
            ("FragmentStartProducerTimestamp", json!(-1)),
            ("FragmentStartServerTimestamp", json!(1.5)),
            ("NotificationType", Value::Null),
            ("NotificationPayload", json!({"a": 1})),
        ] {
            let mut value = sample();
            value[field] = wrong;
            assert!(read(value).is_err(), "{field}");
        }
    }

    #[test]
    fn does_not_panic_on_the_largest_timestamp() {
        let mut value = sample();
        value["FragmentStartServerTimestamp"] = json!(u64::MAX);
        drop(read(value));
    }
}
