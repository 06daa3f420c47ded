//! The samples of the AWS documentation: each form is decoded, in every envelope.
#![cfg(all(feature = "sns", feature = "s3", feature = "sqs", feature = "eventbridge", feature = "lambda"))]

use std::cmp::Ordering;
use std::time::{Duration, SystemTime};

use kvs_notify::{
    Content, DecodeError, Delivery, Envelope, FragmentNotification, NotificationType, ObjectEvent, ObjectEventKind,
    OnlyStream, SnsMessage, decode,
};
use serde_json::{Value, json};

const KEY: &str = "111122223333_demo-stream_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg";
const NUMBER: &str = "91343852333181432392682062607743920146159169392";

fn fragment() -> Value {
    json!({
        "StreamArn": "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo-stream/1650000000000",
        "FragmentNumber": NUMBER,
        "FragmentStartProducerTimestamp": 1_694_038_298_246_u64,
        "FragmentStartServerTimestamp": 1_694_038_247_180_u64,
        "NotificationType": "PERSISTED",
        "NotificationPayload": {"CUSTOM_KEY_1": "CUSTOM_VALUE_1"}
    })
}

fn sns_http(message: &Value) -> Value {
    json!({
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": "arn:aws:sns:us-west-2:111122223333:cameras",
        "Subject": "Kinesis Video Streams Notification",
        "Message": message.to_string(),
        "Timestamp": "2022-04-25T18:36:29.194Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLEw6JRN",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb72.pem",
        "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=arn",
        "MessageAttributes": {"first": {"Type": "String", "Value": "one"}}
    })
}

fn lambda_sns(message: &Value) -> Value {
    json!({"Records": [{
        "EventVersion": "1.0",
        "EventSubscriptionArn": "arn:aws:sns:us-west-2:111122223333:cameras:21be56ed-a058-49f5-8c98-aedd2564c486",
        "EventSource": "aws:sns",
        "Sns": {
            "SignatureVersion": "1",
            "Timestamp": "2019-01-02T12:45:07.000Z",
            "Signature": "tcc6faL2yUC6dgZdmrwh1Y4cGa",
            "SigningCertUrl": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-ac565b8b.pem",
            "MessageId": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
            "Message": message.to_string(),
            "MessageAttributes": {"Test": {"Type": "String", "Value": "TestString"}},
            "Type": "Notification",
            "UnsubscribeUrl": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
            "TopicArn": "arn:aws:sns:us-west-2:111122223333:cameras",
            "Subject": null
        }
    }]})
}

fn lambda_sqs(bodies: &[Value]) -> Value {
    let record = |(index, body): (usize, &Value)| {
        json!({
            "messageId": format!("059f36b4-87a3-44ab-83d2-66197583{index:04}"),
            "receiptHandle": "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a",
            "body": body.as_str().map_or_else(|| body.to_string(), ToOwned::to_owned),
            "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1545082649183"},
            "messageAttributes": {"a": {"stringValue": "b", "stringListValues": [], "dataType": "String"}},
            "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
            "eventSource": "aws:sqs",
            "eventSourceARN": "arn:aws:sqs:us-east-2:111122223333:my-queue",
            "awsRegion": "us-east-2"
        })
    };
    json!({"Records": bodies.iter().enumerate().map(record).collect::<Vec<_>>()})
}

fn s3(key: &str) -> Value {
    json!({"Records": [{
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": "us-west-2",
        "eventTime": "2023-07-30T08:54:50.000Z",
        "eventName": "ObjectCreated:Put",
        "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "C3D13FE58DE4C810", "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "testConfigRule",
            "bucket": {"name": "amzn-s3-demo-bucket", "ownerIdentity": {"principalId": "A3NL1KOZZKExample"}, "arn": "arn:aws:s3:::amzn-s3-demo-bucket"},
            "object": {"key": key, "size": 22_693, "eTag": "d41d8cd98f00b204e9800998ecf8427e", "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko", "sequencer": "0055AED6DCD90281E5"}
        },
        "glacierEventData": {"restoreEventData": {}},
        "awsGeneratedTags": {"a": [1, 2, {}]}
    }]})
}

fn s3_test() -> Value {
    json!({
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2014-10-13T15:57:02.089Z",
        "Bucket": "amzn-s3-demo-bucket",
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE"
    })
}

fn eventbridge(detail_type: &str, source: &str, detail: Value) -> Value {
    json!({
        "version": "0",
        "id": "17793124-05d4-b198-2fde-7ededc63b103",
        "detail-type": detail_type,
        "source": source,
        "account": "111122223333",
        "time": "2021-11-12T00:00:00Z",
        "region": "ca-central-1",
        "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
        "detail": detail
    })
}

fn object_created() -> Value {
    let detail = json!({
        "version": "0",
        "bucket": {"name": "amzn-s3-demo-bucket1"},
        "object": {"key": "a b+c/x.jpg", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184", "version-id": "IYV3p45BT0ac8hjHg1houSdS1a.Mro8e", "sequencer": "617f08299329d189"},
        "request-id": "N4N7GDK58NMKJ12R",
        "requester": "123456789012",
        "source-ip-address": "1.2.3.4",
        "reason": "PutObject"
    });
    eventbridge("Object Created", "aws.s3", detail)
}

fn read(value: &Value) -> Delivery {
    decode(value.to_string().as_bytes()).unwrap()
}

fn only_fragment(delivery: &Delivery) -> &FragmentNotification {
    assert_eq!(delivery.refused().count(), 0, "{:?}", delivery.refused().next());
    let mut all = delivery.fragments();
    let first = all.next().unwrap();
    assert!(all.next().is_none());
    assert_eq!(first.fragment_number.as_str(), NUMBER);
    assert_eq!(first.kind, NotificationType::Persisted);
    first
}

fn only_object(delivery: &Delivery) -> &ObjectEvent {
    assert_eq!(delivery.refused().count(), 0, "{:?}", delivery.refused().next());
    let mut all = delivery.objects();
    let first = all.next().unwrap();
    assert!(all.next().is_none());
    first
}

#[test]
fn finds_a_fragment_notification_in_every_envelope() {
    for (value, envelope) in [
        (fragment(), Envelope::Fragment),
        (sns_http(&fragment()), Envelope::Sns),
        (lambda_sns(&fragment()), Envelope::LambdaSns),
        (lambda_sqs(&[sns_http(&fragment())]), Envelope::LambdaSqs),
        (lambda_sqs(&[fragment()]), Envelope::LambdaSqs),
        (
            json!({"Messages": [{"MessageId": "a", "ReceiptHandle": "b", "MD5OfBody": "c", "Body": sns_http(&fragment()).to_string()}]}),
            Envelope::Sqs,
        ),
        (json!({"MessageId": "a", "Body": fragment().to_string()}), Envelope::Sqs),
        (eventbridge("Fragment", "my.cameras", fragment()), Envelope::EventBridge),
        (sns_http(&eventbridge("Fragment", "my.cameras", fragment())), Envelope::Sns),
    ] {
        let delivery = read(&value);
        assert_eq!(delivery.envelope, envelope);
        assert_eq!(only_fragment(&delivery).payload["CUSTOM_KEY_1"], "CUSTOM_VALUE_1");
    }
}

#[test]
fn finds_an_s3_event_in_every_envelope() {
    for (value, envelope) in [
        (s3(KEY), Envelope::S3Event),
        (sns_http(&s3(KEY)), Envelope::Sns),
        (lambda_sns(&s3(KEY)), Envelope::LambdaSns),
        (lambda_sqs(&[s3(KEY)]), Envelope::LambdaSqs),
        (lambda_sqs(&[sns_http(&s3(KEY))]), Envelope::LambdaSqs),
    ] {
        let delivery = read(&value);
        assert_eq!(delivery.envelope, envelope);
        let event = only_object(&delivery);
        assert_eq!(event.kind, ObjectEventKind::Created("Put".into()));
        assert_eq!((event.bucket.as_str(), event.size), ("amzn-s3-demo-bucket", Some(22_693)));
        assert_eq!(event.version_id.as_deref(), Some("096fKKXTRTtl3on89fVO.nfljtsv6qko"));
        assert_eq!(event.time, Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_690_707_290)));
        assert_eq!(event.image_key().unwrap().stream(), "demo-stream");
        assert!(OnlyStream::new("demo-stream").image(event).is_some());
        assert!(OnlyStream::new("demo-stream").account("999988887777").image(event).is_none());
    }
}

#[test]
fn keeps_the_plain_key_of_an_eventbridge_event() {
    for value in [object_created(), lambda_sqs(&[object_created()]), sns_http(&object_created())] {
        let delivery = read(&value);
        let event = only_object(&delivery);
        assert_eq!(event.key, "a b+c/x.jpg");
        assert_eq!(event.kind, ObjectEventKind::Created("PutObject".into()));
        assert_eq!(event.region.as_deref(), Some("ca-central-1"));
        assert_eq!(event.sequencer.as_ref().unwrap().as_str(), "617f08299329d189");
    }
}

#[test]
fn decodes_form_url_encoded_keys_of_s3() {
    let delivery = read(&s3("front+door%2F%2B1/t%C3%BCr_x"));
    assert_eq!(only_object(&delivery).key, "front door/+1/tür_x");
    assert_eq!(only_object(&delivery).encoded_key(), "front+door/%2B1/t%C3%BCr_x");
}

#[test]
fn accepts_the_s3_test_event() {
    for value in [s3_test(), lambda_sqs(&[s3_test()]), sns_http(&s3_test())] {
        let delivery = read(&value);
        let Content::TestEvent(event) = &delivery.messages[0].content else { panic!("{delivery:?}") };
        assert_eq!((event.bucket.as_str(), event.event.as_str()), ("amzn-s3-demo-bucket", "s3:TestEvent"));
    }
}

#[test]
fn reads_confirmations_in_both_spellings() {
    for url in ["SubscribeURL", "SubscribeUrl"] {
        let value = json!({
            "Type": "SubscriptionConfirmation",
            "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
            "Token": "2336412f37",
            "TopicArn": "arn:aws:sns:us-west-2:123456789012:MyTopic",
            "Message": "You have chosen to subscribe to the topic arn:aws:sns:us-west-2:123456789012:MyTopic.",
            url: "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37",
            "Timestamp": "2012-04-26T20:45:04.751Z",
            "SignatureVersion": "1",
            "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7fUQvi2egU3N858fiTDN6bkkOxYDVrY0Ad8L10Hs3zH81mtnPk5uvvolIC1CXGu43obcgFxeL3khZl8IKvO61GWB6jI9b5+gLPoBc1Q=",
            "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService-f3ecfb7224c7233fe7bb5f59f96de52f.pem"
        });
        let delivery = read(&value);
        assert_eq!(delivery.messages[0].content, Content::Confirmation);
        let Some(SnsMessage::SubscriptionConfirmation(question)) = &delivery.messages[0].sns else { panic!() };
        assert_eq!(question.token.expose(), "2336412f37");
    }
}

#[test]
fn writes_an_sns_message_as_over_http_and_reads_it_back() {
    let value = sns_http(&fragment());
    let message: SnsMessage = serde_json::from_str(&value.to_string()).unwrap();
    assert_eq!(serde_json::to_value(&message).unwrap(), value);
    let text = serde_json::to_string(&message).unwrap();
    assert!(text.starts_with(r#"{"Type":"Notification","MessageId":"#), "{text}");
}

#[test]
fn string_to_sign_is_as_documented() {
    let mut value = sns_http(&json!(0));
    value["Message"] = json!("My Test Message");
    value["Subject"] = json!("My subject");
    let text = |value: &Value| serde_json::from_str::<SnsMessage>(&value.to_string()).unwrap().string_to_sign();
    let expected = "Message\nMy Test Message\nMessageId\n22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324\nSubject\nMy subject\n\
        Timestamp\n2022-04-25T18:36:29.194Z\nTopicArn\narn:aws:sns:us-west-2:111122223333:cameras\nType\nNotification\n";
    assert_eq!(text(&value), expected);
    value["Subject"] = Value::Null;
    assert_eq!(text(&value), expected.replace("Subject\nMy subject\n", ""));
}

#[test]
fn one_bad_message_does_not_affect_the_others() {
    let bodies = [fragment(), json!("not json"), json!({"hello": 1}), lambda_sqs(&[fragment()]), sns_http(&s3(KEY))];
    let delivery = read(&lambda_sqs(&bodies));
    assert_eq!((delivery.fragments().count(), delivery.objects().count()), (1, 1));
    let refused: Vec<_> = delivery.refused().map(|(message, error)| (message.sqs.as_ref().unwrap(), error)).collect();
    assert!(matches!(refused[0].1, DecodeError::NotJson { line: 1, .. }));
    assert_eq!(refused[1].1, &DecodeError::NotRecognized);
    let outer = Envelope::Sqs;
    assert_eq!(refused[2].1, &DecodeError::Misplaced { found: Envelope::LambdaSqs, outer });
    assert!(refused[0].0.message_id.ends_with("0001"), "the id for a partial batch response");
    assert_eq!(refused[0].0.body, "not json");
}

#[test]
fn unrecognized_documents_list_the_missing_members() {
    let error = decode(b"{\"Type\": \"Notification\"}").unwrap_err();
    assert_eq!(error, DecodeError::NotRecognized);
    let text = error.to_string();
    for part in ["not a fragment notification (no StreamArn with FragmentNumber)", "not an S3 event (no Records[0].s3)"]
    {
        assert!(text.contains(part), "{text}");
    }
    for document in ["1", "null", "\"x\"", "{\"Records\": 5}", "{\"Records\": [5]}"] {
        assert_eq!(decode(document.as_bytes()).unwrap_err(), DecodeError::NotAnObject, "{document}");
    }
}

#[test]
fn errors_name_the_path_of_the_field() {
    let fault = |value: &Value| match decode(value.to_string().as_bytes()).unwrap_err() {
        DecodeError::Field { path, problem, .. } => (path, problem),
        other => panic!("{other}"),
    };
    let mut two = s3(KEY);
    let second = two["Records"][0].clone();
    two["Records"].as_array_mut().unwrap().push(second);
    for (field, wrong, path) in [
        ("/Records/1/s3/object/key", json!(1), "Records[1].s3.object.key"),
        ("/Records/1/s3/object/key", json!("%zz"), "Records[1].s3.object.key"),
        ("/Records/1/s3/object/size", json!("22693"), "Records[1].s3.object.size"),
        ("/Records/1/s3/object/sequencer", json!("xyz"), "Records[1].s3.object.sequencer"),
        ("/Records/1/s3/bucket", json!({}), "Records[1].s3.bucket"),
        ("/Records/1/eventTime", json!("yesterday"), "Records[1].eventTime"),
        ("/Records/1/eventVersion", json!("3.0"), "Records[1].eventVersion"),
    ] {
        let mut value = two.clone();
        *value.pointer_mut(field).unwrap() = wrong;
        assert_eq!(fault(&value).0, path);
    }
    let mut value = fragment();
    value["NotificationPayload"]["CUSTOM_KEY_1"] = json!(5);
    assert_eq!(fault(&value).0, "NotificationPayload.CUSTOM_KEY_1");
    let mut value = lambda_sns(&fragment());
    value["Records"][0]["Sns"]["Timestamp"] = json!("now");
    assert!(fault(&value).0.starts_with("Records[0].Sns"));
    let mut value = object_created();
    value["detail"]["object"].as_object_mut().unwrap().remove("key");
    assert_eq!(fault(&value).0, "detail.object");
    let mut value = sns_http(&fragment());
    value.as_object_mut().unwrap().remove("Signature");
    assert!(fault(&value).1.contains("missing field `Signature`"));
}

#[test]
fn truncated_documents_are_errors_and_never_panic() {
    for value in [fragment(), sns_http(&s3(KEY)), lambda_sqs(&[sns_http(&fragment())]), object_created(), s3_test()] {
        let text = value.to_string();
        for end in 0..text.len() {
            assert!(decode(&text.as_bytes()[..end]).is_err(), "{}", &text[..end]);
        }
        assert!(decode(format!("{text} x").as_bytes()).is_err(), "something behind the document");
    }
}

#[test]
fn hostile_documents_are_bounded() {
    let huge = vec![b' '; kvs_notify::__internal::DOCUMENT_BYTES + 1];
    assert!(matches!(decode(&huge), Err(DecodeError::TooLarge { .. })));
    assert!(decode(&huge[1..]).is_err());
    let deep = format!("{}{}{}", r#"{"StreamArn":"#, "[".repeat(1 << 20), r#","FragmentNumber":1"#);
    assert!(decode(deep.as_bytes()).is_err());
    let mut long = fragment();
    long["NotificationType"] = json!({"x": "y".repeat(1 << 20)});
    long["FragmentNumber"] = json!("9".repeat(1 << 20));
    let text = decode(long.to_string().as_bytes()).unwrap_err().to_string();
    assert!(text.len() < 1000, "errors do not quote without bound");
    let mut quoted = fragment();
    quoted["FragmentStartServerTimestamp"] = json!("z".repeat(1 << 20));
    let text = decode(quoted.to_string().as_bytes()).unwrap_err().to_string();
    assert!(text.len() < 1000, "errors do not quote without bound");
    let invalid = [br#"{"StreamArn": ""#.as_slice(), &[0xff, 0xfe], b"\"}"].concat();
    assert!(decode(&invalid).is_err());
}

#[test]
fn unknown_fields_do_not_affect_recognition() {
    let mut value = fragment();
    for (name, tomorrow) in
        [("version", json!(2)), ("detail", json!("x")), ("Event", json!({})), ("Messages", json!(7))]
    {
        value[name] = tomorrow;
    }
    only_fragment(&read(&value));
}

#[test]
fn the_sequencer_orders_events_on_one_key_only() {
    let event = |key: &str, sequencer: &str| {
        let mut value = s3(key);
        value["Records"][0]["s3"]["object"]["sequencer"] = json!(sequencer);
        read(&value).objects().next().unwrap().clone()
    };
    let first = event(KEY, "0055AED6DCD90281E5");
    assert_eq!(first.order(&event(KEY, "55AED6DCD90281E6")), Some(Ordering::Less));
    assert_eq!(first.order(&event(KEY, "0055aed6dcd90281e5")), Some(Ordering::Equal));
    assert_eq!(first.order(&event("other", "FF")), None);
}
