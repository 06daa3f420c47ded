//! The Lambda example against a mock of the Lambda runtime API, with recorded events.

use std::path::Path;

use serde_json::{Value, json};

use crate::support;
use crate::support::runtime_api::{self, Answer};

/// Runs the example on these events; returns its answers and what it printed.
async fn invoke(events: &[String], stream: Option<&str>) -> (Vec<Answer>, Vec<Value>) {
    let mut function = support::example("lambda");
    if let Some(stream) = stream {
        function.env("STREAM", stream);
    }
    runtime_api::invoke(function, events).await
}

fn recorded(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decodes_every_recorded_event() {
    let names = [
        "s3-put.json",
        "s3-test.json",
        "sqs-s3.json",
        "sns-fragment.json",
        "sqs-sns-fragment.json",
        "eventbridge-object-created.json",
    ];
    let (answers, lines) = invoke(&names.map(recorded), None).await;
    let no_failures = json!({"batchItemFailures": []});
    let one = json!({"found": 1, "refused": []});
    let expected =
        [one.clone(), json!({"found": 0, "refused": []}), no_failures.clone(), one.clone(), no_failures, one];
    for ((name, answer), expected) in names.iter().zip(&answers).zip(expected) {
        assert_eq!(answer, &("response".to_owned(), expected), "{name}");
    }
    let kinds: Vec<&str> = lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(kinds, ["image", "image", "fragment", "fragment", "image"]);

    let (_, lines) = invoke(&names.map(recorded), Some("gate")).await;
    assert!(lines.is_empty(), "images and fragments of another stream: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_what_the_key_of_an_image_says() {
    let (_, lines) = invoke(&[recorded("s3-put.json")], Some("demo-stream")).await;
    let image = &lines[0]["image"];
    assert_eq!(image["time"], "2023-07-30T08:54:50.324Z");
    assert_eq!((&image["stream"], &image["prefix"]), (&json!("demo-stream"), &json!("front door")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_bad_message_of_a_batch_is_delivered_again() {
    let (answers, lines) = invoke(&[recorded("sqs-one-bad.json"), "{}".to_owned()], None).await;
    assert_eq!(lines.len(), 1);
    let failures = json!({"batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]});
    assert_eq!(answers[0], ("response".to_owned(), failures));
    let (kind, error) = &answers[1];
    assert_eq!(kind, "error");
    assert!(error["errorMessage"].as_str().unwrap().contains("not recognized"), "{error}");
}
