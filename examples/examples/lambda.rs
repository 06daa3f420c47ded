//! A Lambda function that gets images and notifications as types, from S3, SNS, SQS or EventBridge, whichever is wired to it.
//!
//! Prints one JSON line for each image and each fragment. For an event of SQS it answers which messages failed, so that one
//! bad message does not bring back its whole batch. Build it for the runtime `provided.al2023`, for example with
//! `cargo lambda build --example lambda`. With the variable STREAM it handles that stream only.

use kvs_notify::{BatchResponse, Content, Envelope, Message, ObjectEventKind, OnlyStream, decode};
use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

#[tokio::main]
async fn main() -> Result<(), Error> {
    let only = std::env::var("STREAM").ok().map(OnlyStream::new);
    let only = only.as_ref();
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Box<RawValue>>| async move {
        handle(event.payload.get().as_bytes(), only)
    }))
    .await
}

/// Handles one event: what it contains goes to standard output, which is CloudWatch's log in Lambda.
fn handle(event: &[u8], only: Option<&OnlyStream>) -> Result<Value, Error> {
    let delivery = decode(event)?;
    let mut found = 0;
    for line in delivery.messages.iter().flat_map(|message| lines(message, only)) {
        println!("{line}");
        found += 1;
    }
    if delivery.envelope == Envelope::LambdaSqs {
        let mut response = BatchResponse::default();
        for (message, error) in delivery.refused() {
            eprintln!("a message could not be decoded: {error}");
            message.sqs.iter().for_each(|sqs| response.fail(&sqs.message_id));
        }
        return Ok(json!(response));
    }
    let refused: Vec<_> = delivery.refused().map(|(_, error)| error.to_string()).collect();
    Ok(json!({"found": found, "refused": refused}))
}

fn lines(message: &Message, only: Option<&OnlyStream>) -> Vec<Value> {
    match &message.content {
        Content::Fragment(fragment) if only.is_none_or(|only| only.admits(fragment)) => {
            vec![json!({"fragment": fragment})]
        }
        Content::Objects(events) => {
            let created = events.iter().filter(|event| matches!(event.kind, ObjectEventKind::Created(_)));
            let images = created.filter_map(|event| {
                let key = only.map_or_else(|| event.image_key().ok(), |only| only.image(event))?;
                Some(json!({"image": {
                    "bucket": event.bucket, "key": event.key, "bytes": event.size,
                    "account": key.account(), "stream": key.stream(), "prefix": key.prefix(),
                    "time": jiff::Timestamp::try_from(key.timecode()).ok()?.to_string(),
                    "type": key.format().content_type(),
                }}))
            });
            images.collect()
        }
        _ => Vec::new(),
    }
}
