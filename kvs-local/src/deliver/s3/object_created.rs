//! The event that S3 publishes for a new object.

use std::time::SystemTime;

use jiff::Timestamp;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

/// The values of an `ObjectCreated` event.
#[derive(Clone, Debug)]
pub(super) struct ObjectCreated<'a> {
    pub(super) bucket: &'a str,
    pub(super) key: &'a str,
    pub(super) size: usize,
    pub(super) etag: &'a str,
    pub(super) region: &'a str,
    pub(super) account: &'a str,
    pub(super) at: SystemTime,
    /// Increases with every object. 16 hexadecimal digits on the wire.
    pub(super) sequencer: u64,
    pub(super) request_id: &'a str,
}

impl ObjectCreated<'_> {
    /// Returns the event, with one record.
    /// <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>
    pub(super) fn document(&self) -> Value {
        let principal = json!({ "principalId": format!("AWS:{}", self.account) });
        json!({ "Records": [{
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": self.region,
            "eventTime": time(self.at),
            "eventName": "ObjectCreated:Put",
            "userIdentity": &principal,
            "requestParameters": { "sourceIPAddress": "127.0.0.1" },
            "responseElements": { "x-amz-request-id": self.request_id, "x-amz-id-2": "kvs-local" },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "kvs-local",
                "bucket": {
                    "name": self.bucket,
                    "ownerIdentity": &principal,
                    "arn": format!("arn:aws:s3:::{}", self.bucket),
                },
                "object": {
                    "key": form_encode(self.key),
                    "size": self.size,
                    "eTag": self.etag,
                    "sequencer": format!("{:016X}", self.sequencer),
                },
            },
        }]})
    }
}

/// Formats a time as RFC 3339 with milliseconds.
fn time(at: SystemTime) -> String {
    Timestamp::try_from(at).map_or_else(|_| String::from("1970-01-01T00:00:00.000Z"), |at| format!("{at:.3}"))
}

/// Encodes a key as S3 events do: a space as `+`, other special characters as `%XX`, `/` unchanged.
fn form_encode(key: &str) -> String {
    utf8_percent_encode(key, KEPT).to_string().replace("%20", "+")
}

const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'/').remove(b'-').remove(b'_').remove(b'.').remove(b'*');

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn event_has_the_members_of_s3() {
        let event = ObjectCreated {
            bucket: "pics",
            key: "a b/c+d_Tür.jpg",
            size: 7,
            etag: "63e0",
            region: "us-west-2",
            account: "111122223333",
            at: SystemTime::UNIX_EPOCH + Duration::from_millis(1_690_707_290_324),
            sequencer: 0xd82,
            request_id: "r",
        };
        let document = event.document();
        let record = &document["Records"][0];
        assert_eq!(record["s3"]["object"]["key"], "a+b/c%2Bd_T%C3%BCr.jpg");
        assert_eq!(record["eventTime"], "2023-07-30T08:54:50.324Z");
        assert_eq!(record["s3"]["object"]["sequencer"], "0000000000000D82");
        assert_eq!(record["s3"]["bucket"]["arn"], "arn:aws:s3:::pics");
    }
}
