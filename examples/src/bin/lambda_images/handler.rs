//! What the function does with an event: a pure function, so that it can be tested without Lambda.

use jiff::Timestamp;
use kvs_notify::{
    BatchResponse, Content, DecodeError, Envelope, FragmentNotification, ImageObjectKey, Message, ObjectEvent,
    ObjectEventKind, OnlyStream, decode,
};
use serde_json::{Value, json};

/// The function's settings.
pub(crate) struct Handler {
    only: Option<OnlyStream>,
}

/// What an event brought, and what to answer.
pub(crate) struct Outcome {
    pub(crate) found: Vec<Value>,
    pub(crate) response: Value,
}

impl Handler {
    pub(crate) fn new(stream: Option<String>) -> Self {
        Self { only: stream.map(OnlyStream::new) }
    }

    pub(crate) fn handle(&self, event: &[u8]) -> Result<Outcome, DecodeError> {
        let delivery = decode(event)?;
        let found: Vec<_> = delivery.messages.iter().flat_map(|message| self.of_message(message)).collect();
        let response = if delivery.envelope == Envelope::LambdaSqs {
            let mut response = BatchResponse::default();
            for (message, error) in delivery.refused() {
                eprintln!("a message comes again: {error}");
                message.sqs.iter().for_each(|sqs| response.fail(&sqs.message_id));
            }
            json!(response)
        } else {
            let refused: Vec<_> = delivery.refused().map(|(_, error)| error.to_string()).collect();
            json!({"found": found.len(), "refused": refused})
        };
        Ok(Outcome { found, response })
    }

    fn of_message(&self, message: &Message) -> Vec<Value> {
        match &message.content {
            Content::Fragment(notification) => self.of_fragment(notification).into_iter().collect(),
            Content::Objects(events) => events.iter().filter_map(|event| self.of_object(event)).collect(),
            _ => Vec::new(),
        }
    }

    fn of_fragment(&self, notification: &FragmentNotification) -> Option<Value> {
        let wanted = self.only.as_ref().is_none_or(|only| only.admits(notification));
        wanted.then(|| json!({"fragment": notification}))
    }

    /// An image that was written. Its fragment's number stands in the object's metadata: a function that needs it goes on with HeadObject and
    /// `ImageMetadata::from_headers`.
    fn of_object(&self, event: &ObjectEvent) -> Option<Value> {
        if !matches!(event.kind, ObjectEventKind::Created(_)) {
            return None;
        }
        let key = match &self.only {
            Some(only) => only.image(event),
            None => event.image_key().inspect_err(|error| eprintln!("{}: {error}", event.key)).ok(),
        }?;
        Some(json!({"image": image(event, &key)}))
    }
}

fn image(event: &ObjectEvent, key: &ImageObjectKey) -> Value {
    json!({
        "bucket": event.bucket,
        "key": event.key,
        "account": key.account(),
        "stream": key.stream(),
        "prefix": key.prefix(),
        "shows": Timestamp::try_from(key.timecode()).map(|at| at.to_string()).ok(),
        "type": key.format().content_type(),
        "bytes": event.size,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn recorded(name: &str, stream: Option<&str>) -> Outcome {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name);
        Handler::new(stream.map(Into::into)).handle(&std::fs::read(path).unwrap()).unwrap()
    }

    #[test]
    fn every_recorded_event_is_understood() {
        for (name, found) in [
            ("s3-put.json", 1),
            ("s3-test.json", 0),
            ("sqs-s3.json", 1),
            ("sns-fragment.json", 1),
            ("sqs-sns-fragment.json", 1),
            ("eventbridge-object-created.json", 1),
        ] {
            assert_eq!(recorded(name, None).found.len(), found, "{name}");
            assert!(recorded(name, Some("gate")).found.is_empty(), "{name}: another stream's");
        }
    }

    #[test]
    fn an_image_is_told_with_what_its_key_says() {
        let image = &recorded("s3-put.json", Some("demo-stream")).found[0]["image"];
        assert_eq!(image["shows"], "2023-07-30T08:54:50.324Z");
        assert_eq!((&image["stream"], &image["prefix"]), (&json!("demo-stream"), &json!("front door")));
    }

    #[test]
    fn of_a_batch_only_the_bad_message_comes_again() {
        let outcome = recorded("sqs-one-bad.json", None);
        assert_eq!(outcome.found.len(), 1);
        let failures = json!({"batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]});
        assert_eq!(outcome.response, failures);
    }
}
