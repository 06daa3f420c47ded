//! The program as a Lambda function: recorded events, the runtime API of a mock, and images from kvs-local.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use kvs_local::LocalKvs;
use serde_json::{Value, json};

use crate::camera::send_from;
use crate::runtime_api::{Answer, invoke};

/// The times and the stream of the recorded events.
const S3_EVENT_MILLIS: u64 = 1_690_707_290_324;
const SNS_EVENT_MILLIS: u64 = 1_694_038_298_246;
const STREAM: &str = "demo-stream";

fn recorded(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../events").join(name)).unwrap()
}

/// A service whose stream has a recording around both times.
async fn service(recording: &str) -> LocalKvs {
    let local = LocalKvs::builder().start().await.unwrap();
    for (stream, millis) in [(STREAM, S3_EVENT_MILLIS), ("other", SNS_EVENT_MILLIS)] {
        let start = SystemTime::UNIX_EPOCH + Duration::from_millis(millis) - Duration::from_secs(2);
        send_from(&local, stream, recording, start).await;
    }
    local
}

/// Runs the function as Lambda does: without arguments, unless there are some.
async fn alerts(local: &LocalKvs, arguments: &[&str], events: &[String]) -> (Vec<Answer>, Vec<Value>) {
    let mut function = Command::new(env!("CARGO_BIN_EXE_kvs-alert"));
    function
        .args(arguments)
        .env_remove("AWS_SESSION_TOKEN")
        .env_remove("AWS_ENDPOINT_URL_KINESIS_VIDEO")
        .env("AWS_ENDPOINT_URL", local.endpoint_url())
        .env("AWS_REGION", local.region())
        .env("AWS_ACCESS_KEY_ID", local.access_key())
        .env("AWS_SECRET_ACCESS_KEY", local.secret_key());
    invoke(function, events).await
}

fn response(images: usize) -> Answer {
    ("response".to_owned(), json!({"images": images}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_an_image_or_a_notification_alerts_in_whatever_envelope() {
    let local = service("person.mp4").await;
    let notifications = ["sns-fragment.json", "sqs-sns-fragment.json"];
    let of_other = |name| recorded(name).replace("stream/demo-stream/", "stream/other/");
    let images = ["s3-put.json", "sqs-s3.json", "eventbridge-object-created.json"];
    let events: Vec<_> = images.map(recorded).into_iter().chain(notifications.map(of_other)).collect();
    // Each event alone, so that none is quiet because of another.
    for event in events {
        let (answers, alerts) =
            alerts(&local, &["--hits", "1", "--of", "1", "lambda"], std::slice::from_ref(&event)).await;
        assert_eq!(answers, [response(1)], "{event}");
        let [alert] = &alerts[..] else { panic!("{alerts:?} of {event}") };
        assert_eq!((&alert["type"], &alert["label"]), (&json!("alert"), &json!("face")), "{event}");
    }
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_image_alerts_and_the_third_is_quiet() {
    let local = service("person.mp4").await;
    let events = [recorded("s3-put.json"), recorded("s3-put.json"), recorded("s3-put.json")];
    let (answers, alerts) = alerts(&local, &[], &events).await;
    assert_eq!(answers, [response(1), response(1), response(1)]);
    let [alert] = &alerts[..] else { panic!("{alerts:?}") };
    assert_eq!((&alert["stream"], &alert["at"]), (&json!(STREAM), &json!("2023-07-30T08:54:50.324Z")));
    let key = "front door_111122223333_demo-stream_1690707290324_f20f9add-7e57-4399-a30f-fc7aefb1bab7.jpg";
    assert_eq!(alert["image"], format!("s3://amzn-s3-demo-bucket/{key}"));
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cat_does_not_alert_and_what_cannot_be_read_is_an_error_that_says_why() {
    let local = service("cat.mp4").await;
    let unknown = recorded("s3-put.json").replace("_demo-stream_", "_gone_");
    let events = [recorded("s3-put.json"), recorded("s3-test.json"), "{}".to_owned(), unknown];
    let (answers, alerts) = alerts(&local, &["--hits", "1", "--of", "1", "lambda"], &events).await;
    assert_eq!(alerts, [] as [Value; 0]);
    // S3 sends a test event when it is connected.
    assert_eq!(answers[..2], [response(1), response(0)]);
    for (answer, reason) in answers[2..].iter().zip(["not recognized", "ResourceNotFoundException"]) {
        assert_eq!(answer.0, "error");
        assert!(answer.1["errorMessage"].as_str().unwrap().contains(reason), "{answer:?}");
    }
    local.shutdown().await;
}
