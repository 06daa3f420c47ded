//! The same events read by `aws_lambda_events` and converted say the same as read here.
#![cfg(feature = "aws_lambda_events")]
#![expect(clippy::unwrap_used, reason = "tests")]

use aws_lambda_events::{eventbridge::EventBridgeEvent, s3, sns, sqs};
use kvs_notify::{Delivery, ObjectEvent, SnsMessage, SqsMessage, decode};
use serde_json::{Value, json};

fn fragment() -> String {
    json!({
        "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1650000000000",
        "FragmentNumber": "91343852333181432392682062607743920146159169392",
        "FragmentStartProducerTimestamp": 1_694_038_298_246_u64,
        "FragmentStartServerTimestamp": 1_694_038_247_180_u64,
        "NotificationType": "PERSISTED"
    })
    .to_string()
}

fn sns_event() -> Value {
    json!({"Records": [{"EventVersion": "1.0", "EventSubscriptionArn": "arn", "EventSource": "aws:sns", "Sns": {
        "SignatureVersion": "1", "Timestamp": "2019-01-02T12:45:07.000Z", "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa",
        "SigningCertUrl": "https://sns.us-west-2.amazonaws.com/x.pem", "MessageId": "95df01b4", "Message": fragment(),
        "MessageAttributes": {"Test": {"Type": "String", "Value": "TestString"}}, "Type": "Notification",
        "UnsubscribeUrl": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
        "TopicArn": "arn:aws:sns:us-west-2:111122223333:cameras", "Subject": "Kinesis Video Streams Notification"}}]})
}

fn sqs_event() -> Value {
    json!({"Records": [{"messageId": "059f36b4", "receiptHandle": "AQEB", "body": fragment(),
        "attributes": {"SentTimestamp": "1545082649183"}, "messageAttributes": {}, "md5OfBody": "e4e6", "eventSource": "aws:sqs",
        "eventSourceARN": "arn:aws:sqs:us-east-2:111122223333:my-queue", "awsRegion": "us-east-2"}]})
}

fn s3_event() -> Value {
    json!({"Records": [{"eventVersion": "2.1", "eventSource": "aws:s3", "awsRegion": "us-west-2", "eventTime": "2023-07-30T08:54:50.000Z",
        "eventName": "ObjectCreated:Put", "userIdentity": {"principalId": "A"}, "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {}, "s3": {"s3SchemaVersion": "1.0", "configurationId": "c", "bucket": {"name": "b", "arn": "arn:aws:s3:::b"},
        "object": {"key": "front+door%2B", "size": 5, "eTag": "d41d", "versionId": "v", "sequencer": "0055AED6"}}}]})
}

fn ours(event: &Value) -> Delivery {
    decode(event.to_string().as_bytes()).unwrap()
}

fn theirs<T: serde::de::DeserializeOwned>(event: &Value) -> T {
    serde_json::from_str(&event.to_string()).unwrap()
}

#[test]
fn events_convert_to_the_decoded_delivery() {
    assert_eq!(Delivery::try_from(theirs::<sns::SnsEvent>(&sns_event())).unwrap(), ours(&sns_event()));
    assert_eq!(Delivery::try_from(theirs::<sqs::SqsEvent>(&sqs_event())).unwrap(), ours(&sqs_event()));
    assert_eq!(Delivery::try_from(theirs::<s3::S3Event>(&s3_event())).unwrap(), ours(&s3_event()));
    let bridge = json!({"version": "0", "id": "1", "detail-type": "Object Created", "source": "aws.s3", "time": "2021-11-12T00:00:00Z",
        "region": "ca-central-1", "detail": {"bucket": {"name": "b"}, "object": {"key": "a b", "size": 5}, "reason": "PutObject"}});
    assert_eq!(Delivery::try_from(theirs::<EventBridgeEvent>(&bridge)).unwrap(), ours(&bridge));
}

#[test]
fn values_survive_a_round_trip() {
    let Some(SnsMessage::Notification(message)) = ours(&sns_event()).messages[0].sns.clone() else { panic!() };
    let back = SnsMessage::try_from(sns::SnsMessage::from(message.clone())).unwrap();
    assert_eq!(back, SnsMessage::Notification(message), "the text of the timestamp too, as the signature covers it");
    let message = ours(&sqs_event()).messages[0].sqs.clone().unwrap();
    assert_eq!(SqsMessage::try_from(sqs::SqsMessage::from(message.clone())).unwrap(), message);
    let event = ours(&s3_event()).objects().next().unwrap().clone();
    assert_eq!(ObjectEvent::try_from(s3::S3EventRecord::from(event.clone())).unwrap(), event);
}

#[test]
fn missing_required_fields_are_errors() {
    assert_eq!(SqsMessage::try_from(sqs::SqsMessage::default()).unwrap_err().to_string(), "missing messageId");
    assert_eq!(ObjectEvent::try_from(s3::S3EventRecord::default()).unwrap_err().to_string(), "missing s3.object.key");
    assert!(SnsMessage::try_from(sns::SnsMessage::default()).is_err());
}
