//! Forms that other programs than AWS's documentation give: EventBridge Pipes, S3 emulators, HTTP requests in Lambda events, and
//! members that are empty.
#![cfg(all(feature = "sns", feature = "s3", feature = "sqs", feature = "eventbridge", feature = "lambda"))]

use kvs_notify::{Content, DecodeError, Delivery, Envelope, ObjectEventKind, SnsMessage, decode};
use serde_json::{Value, json};

const PIPES: &str = include_str!("../text/pipes-array-sqs.json");
const MINIO: &str = include_str!("../text/minio.json");
const EMPTY_TIME: &str = include_str!("../text/s3-empty-eventtime.json");

fn of(document: &Value) -> Delivery {
    decode(document.to_string().as_bytes()).unwrap()
}

fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// The SNS message in the list of Pipes, as text.
fn sns() -> String {
    json_of(PIPES)[0]["body"].as_str().unwrap().to_owned()
}

/// The fragment notification in it.
fn fragment() -> Value {
    json_of(json_of(&sns())["Message"].as_str().unwrap())
}

fn names(delivery: &Delivery) -> Vec<&str> {
    delivery.fragments().map(|fragment| fragment.stream_arn.stream_name()).collect()
}

#[test]
fn a_list_of_eventbridge_pipes_has_messages_in_any_form() {
    let delivery = decode(PIPES.as_bytes()).unwrap();
    assert_eq!((delivery.envelope, names(&delivery)), (Envelope::List, vec!["door"]));
    let message = &delivery.messages[0];
    assert!(message.sqs.is_some() && matches!(message.sns, Some(SnsMessage::Notification(_))));
    // An input transformer may leave the bodies, as text or as JSON.
    let bodies =
        json!([sns(), json_of(&sns()), fragment(), fragment().to_string(), json_of(MINIO), "nonsense", [1], 7]);
    let delivery = of(&bodies);
    assert_eq!((names(&delivery).len(), delivery.objects().count()), (4, 1));
    let refused: Vec<_> = delivery.refused().map(|(_, error)| error.clone()).collect();
    assert!(matches!(refused[0], DecodeError::NotJson { .. }), "{refused:?}");
    assert_eq!(refused[1], DecodeError::Misplaced { found: Envelope::List, outer: Envelope::List });
    assert_eq!(refused[2..], [DecodeError::NotAnObject]);
    assert_eq!(of(&json!([])).messages.len(), 0);
    assert!(decode(b"[{\"a\":1}").is_err(), "cut off");
}

#[test]
fn one_message_of_a_queue_in_either_spelling() {
    let lower = json_of(PIPES)[0].clone();
    let upper = json!({"MessageId": lower["messageId"], "Body": lower["body"], "Attributes": null});
    for message in [lower, upper] {
        let delivery = of(&message);
        assert_eq!((delivery.envelope, names(&delivery)), (Envelope::Sqs, vec!["door"]));
    }
}

#[test]
fn events_of_s3_emulators_are_events_of_s3() {
    let delivery = decode(MINIO.as_bytes()).unwrap();
    let event = delivery.objects().next().unwrap();
    assert_eq!((&event.kind, &event.region), (&ObjectEventKind::Created("Put".to_owned()), &None));
    assert_eq!(event.image_key().unwrap().stream(), "door");
    for (name, kind) in [
        ("s3:ObjectCreated:CompleteMultipartUpload", ObjectEventKind::Created("CompleteMultipartUpload".to_owned())),
        ("s3:ObjectRemoved:Delete", ObjectEventKind::Removed("Delete".to_owned())),
        ("ObjectCreated:Put", ObjectEventKind::Created("Put".to_owned())),
        ("s3:ObjectAccessed:Get", ObjectEventKind::Other("s3:ObjectAccessed:Get".to_owned())),
    ] {
        let mut document = json_of(MINIO);
        document["Records"][0]["eventName"] = name.into();
        assert_eq!(of(&document).objects().next().unwrap().kind, kind);
    }
    // Ceph: microseconds, another minor version, and members of its own.
    let mut ceph = json_of(EMPTY_TIME);
    ceph["Records"][0]["eventVersion"] = "2.2".into();
    ceph["Records"][0]["eventSource"] = "ceph:s3".into();
    ceph["Records"][0]["eventTime"] = "2019-11-22T13:47:35.124724Z".into();
    ceph["Records"][0]["opaqueData"] = "me@example.com".into();
    assert!(of(&ceph).objects().next().unwrap().time.is_some());
}

#[test]
fn an_optional_member_that_is_empty_costs_only_itself() {
    let delivery = decode(EMPTY_TIME.as_bytes()).unwrap();
    assert_eq!(delivery.objects().next().unwrap().time, None);
    let mut document = json_of(EMPTY_TIME);
    let record = &mut document["Records"][0];
    for member in ["eventVersion", "awsRegion", "eventTime"] {
        record[member] = "".into();
    }
    for member in ["eTag", "versionId", "sequencer"] {
        record["s3"]["object"][member] = "".into();
    }
    record["s3"]["object"]["size"] = Value::Null;
    let event = of(&document).objects().next().unwrap().clone();
    assert_eq!((event.region, event.etag, event.version_id, event.size), (None, None, None, None));
    assert!(event.sequencer.is_none() && event.bucket == "b-images");

    let mut message = json_of(&sns());
    for member in ["SignatureVersion", "Signature", "SigningCertURL", "UnsubscribeURL"] {
        message[member] = "".into();
    }
    let delivery = of(&message);
    assert_eq!(names(&delivery), ["door"]);
    let Some(SnsMessage::Notification(notification)) = &delivery.messages[0].sns else { panic!("{delivery:?}") };
    assert!(notification.signature.is_none() && notification.unsubscribe_url.is_none());

    let event = json!({"source": "aws.s3", "detail-type": "Object Created", "time": "", "region": "", "detail": {
        "bucket": {"name": "b"}, "object": {"key": "k", "etag": "", "version-id": "", "sequencer": ""}, "reason": ""}});
    let event = of(&event).objects().next().unwrap().clone();
    assert_eq!((event.time, event.region, event.etag, event.version_id), (None, None, None, None));
}

#[test]
fn what_is_required_is_not_optional_when_empty() {
    let mut document = json_of(EMPTY_TIME);
    document["Records"][0]["eventTime"] = "yesterday".into();
    let error = decode(document.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.starts_with("invalid field Records[0].eventTime of an S3 event: not an RFC 3339"), "{error}");
    let mut fragment = fragment();
    fragment["FragmentNumber"] = "".into();
    let error = decode(fragment.to_string().as_bytes()).unwrap_err().to_string();
    assert!(error.contains("FragmentNumber"), "{error}");
}

#[test]
fn empty_records_are_an_event_without_messages() {
    for document in [json!({"Records": []}), json!({"Records": null})] {
        let delivery = of(&document);
        assert_eq!((delivery.envelope, delivery.messages.len()), (Envelope::NoRecords, 0));
    }
    let mut queued = json_of(PIPES)[0].clone();
    queued["body"] = "{\"Records\":[]}".into();
    assert_eq!(of(&queued).messages[0].content, Content::Objects(Vec::new()));
    assert_eq!(decode(b"{\"Records\": 7}"), Err(DecodeError::NotAnObject));
    assert_eq!(decode(b"{\"Records\": [7]}"), Err(DecodeError::NotAnObject));
}

#[test]
fn http_requests_in_lambda_events_have_the_posted_message() {
    let body = sns();
    let base64 = base64_simd::STANDARD.encode_to_string(body.as_bytes());
    let rest = json!({"resource": "/sns", "path": "/sns", "httpMethod": "POST", "headers": {}, "body": body,
        "requestContext": {"stage": "prod"}, "isBase64Encoded": false});
    let http_api = json!({"version": "2.0", "routeKey": "$default", "rawPath": "/", "headers": {},
        "requestContext": {"http": {"method": "POST"}}, "body": base64, "isBase64Encoded": true});
    let function_url = json!({"version": "2.0", "requestContext": {"domainName": "x.lambda-url.us-west-2.on.aws"},
        "body": body, "isBase64Encoded": false});
    let load_balancer = json!({"requestContext": {"elb": {"targetGroupArn": "arn"}}, "httpMethod": "POST",
        "path": "/", "body": base64, "isBase64Encoded": true});
    let raw = json!({"requestContext": {}, "body": fragment().to_string()});
    for request in [rest.clone(), http_api.clone(), function_url, load_balancer, raw] {
        let delivery = of(&request);
        assert_eq!((delivery.envelope, names(&delivery)), (Envelope::Http, vec!["door"]), "{request}");
    }
    assert!(of(&rest).messages[0].sns.is_some(), "its signature can be verified");
    let error = |change: fn(&mut Value)| {
        let mut request = http_api.clone();
        change(&mut request);
        decode(request.to_string().as_bytes()).unwrap_err().to_string()
    };
    let http = "of an HTTP request of API Gateway, a load balancer or a function URL";
    assert_eq!(
        error(|request| request["body"] = Value::Null),
        format!("invalid field body {http}: the request has none")
    );
    let not_base64 = error(|request| request["body"] = "{}".into());
    assert_eq!(not_base64, format!("invalid field body {http}: not base64, although isBase64Encoded is true"));
    let inside = error(|request| request["body"] = base64_simd::STANDARD.encode_to_string("[]").into());
    assert_eq!(
        inside,
        "a list of messages is not allowed inside an HTTP request of API Gateway, a load balancer or a function URL"
    );
}

#[test]
fn a_byte_order_mark_in_front_is_ignored() {
    for document in [PIPES, MINIO, EMPTY_TIME, &sns()] {
        let marked = format!("\u{feff}{document}");
        assert_eq!(decode(marked.as_bytes()), decode(document.as_bytes()));
        assert!(decode(marked.as_bytes()).is_ok());
    }
}

/// Each element of a list costs some hundred bytes, however short it is.
#[test]
fn a_list_is_as_long_as_a_batch_of_eventbridge_pipes_at_most() {
    let list = |count: usize| format!("[{}7]", "7,".repeat(count - 1));
    assert_eq!(decode(list(10_000).as_bytes()).unwrap().refused().count(), 10_000);
    let refused = decode(list(10_001).as_bytes()).unwrap_err();
    assert!(matches!(refused, DecodeError::Field { envelope: Envelope::List, .. }), "{refused:?}");
    assert!(refused.to_string().contains("more than 10000 messages"), "{refused}");
}
