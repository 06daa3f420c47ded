//! Taking messages out of their envelopes.
//!
//! ```text
//! Pipes --> each element of the list is one of:
//! Lambda from SQS, ReceiveMessage, HTTP --> wrapped --> SNS --> payload --> EventBridge --> detail
//! Lambda from SNS ------------------------------------> SNS
//! ```
//!
//! Arrows lead one way only, so the depth is bounded by the code and needs no counter.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::delivery::{Content, Message};
use super::error::{DecodeError, Envelope};
use super::read::read;
use super::recognize::recognize;
use crate::limits::LIST_MESSAGES;

#[cfg(feature = "eventbridge")]
use crate::eventbridge::{Detail, detail};
#[cfg(feature = "lambda")]
use crate::lambda::{HttpRequest, SnsRecords, SqsRecords};
#[cfg(feature = "sns")]
use crate::sns::SnsMessage;
#[cfg(feature = "sqs")]
use crate::sqs::{Received, SqsMessage};

/// The messages of a document whose form is known.
pub(super) fn messages(document: &[u8], envelope: Envelope) -> Result<Vec<Message>, DecodeError> {
    match envelope {
        Envelope::List => list(document),
        Envelope::NoRecords => Ok(Vec::new()),
        #[cfg(feature = "lambda")]
        Envelope::Http => {
            let body = read::<HttpRequest<'_>>(document, envelope)?.body()?;
            wrapped(&body, envelope).map(|message| vec![message])
        }
        #[cfg(feature = "lambda")]
        Envelope::LambdaSns => {
            let SnsRecords { records } = read(document, envelope)?;
            Ok(records.into_iter().map(|record| of_sns(record.sns)).collect())
        }
        #[cfg(feature = "lambda")]
        Envelope::LambdaSqs => {
            let SqsRecords { records } = read(document, envelope)?;
            Ok(records.into_iter().map(of_sqs).collect())
        }
        #[cfg(feature = "sqs")]
        Envelope::Sqs => Ok(received(document)?.into_iter().map(of_sqs).collect()),
        #[cfg(feature = "sns")]
        Envelope::Sns => Ok(vec![of_sns(read(document, envelope)?)]),
        _ => payload(document, envelope).map(|content| vec![Message::bare(content)]),
    }
}

/// The elements of a list: messages, or their bodies as JSON or as text. One that cannot be decoded does not affect the others.
fn list(document: &[u8]) -> Result<Vec<Message>, DecodeError> {
    let Elements(elements) = read(document, Envelope::List)?;
    let mut all = Vec::new();
    for element in elements {
        match element_of_list(element.get()) {
            Ok(messages) => all.extend(messages),
            Err(error) => all.push(Message::bare(Content::Refused(error))),
        }
    }
    Ok(all)
}

/// At most [`LIST_MESSAGES`] elements; reading stops at the next one.
struct Elements<'a>(Vec<&'a RawValue>);

impl<'de: 'a, 'a> Deserialize<'de> for Elements<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ElementsVisitor(PhantomData))
    }
}

struct ElementsVisitor<'a>(PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for ElementsVisitor<'a> {
    type Value = Elements<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = list.next_element()? {
            if elements.len() == LIST_MESSAGES {
                return Err(A::Error::custom(format_args!("more than {LIST_MESSAGES} messages")));
            }
            elements.push(element);
        }
        Ok(Elements(elements))
    }
}

fn element_of_list(element: &str) -> Result<Vec<Message>, DecodeError> {
    let text: Option<String> =
        if element.starts_with('"') { Some(read(element.as_bytes(), Envelope::List)?) } else { None };
    let document = text.as_deref().unwrap_or(element).as_bytes();
    match recognize(document)? {
        Envelope::List => Err(DecodeError::Misplaced { found: Envelope::List, outer: Envelope::List }),
        found => messages(document, found),
    }
}

/// What speaks for itself: no message stands around it.
fn payload(document: &[u8], envelope: Envelope) -> Result<Content, DecodeError> {
    match envelope {
        Envelope::Fragment => read(document, envelope).map(Content::Fragment),
        #[cfg(feature = "s3")]
        Envelope::S3Event => crate::s3::records(document).map(Content::Objects),
        #[cfg(feature = "s3")]
        Envelope::NoRecords => Ok(Content::Objects(Vec::new())),
        #[cfg(feature = "s3")]
        Envelope::S3Test => read(document, envelope).map(Content::TestEvent),
        #[cfg(feature = "eventbridge")]
        Envelope::EventBridge => match detail(document)? {
            Detail::Object(event) => Ok(Content::Objects(vec![event])),
            Detail::Document(text) => Ok(of_detail(text).unwrap_or_else(Content::Refused)),
        },
        other => match other.feature() {
            Some(feature) => Err(DecodeError::FeatureOff { envelope: other, feature }),
            None => Err(DecodeError::NotRecognized),
        },
    }
}

/// The detail of an event of EventBridge that S3 did not send.
#[cfg(feature = "eventbridge")]
fn of_detail(text: &str) -> Result<Content, DecodeError> {
    match recognize(text.as_bytes())? {
        found @ (Envelope::Fragment | Envelope::S3Event) => payload(text.as_bytes(), found),
        found => Err(DecodeError::Misplaced { found, outer: Envelope::EventBridge }),
    }
}

/// What was published to a topic.
#[cfg(feature = "sns")]
pub(crate) fn of_sns(message: SnsMessage) -> Message {
    let content = match &message {
        SnsMessage::Notification(notification) => {
            published(notification.message.as_bytes()).unwrap_or_else(Content::Refused)
        }
        SnsMessage::SubscriptionConfirmation(_) | SnsMessage::UnsubscribeConfirmation(_) => Content::Confirmation,
    };
    Message { sns: Some(message), ..Message::bare(content) }
}

#[cfg(feature = "sns")]
fn published(text: &[u8]) -> Result<Content, DecodeError> {
    match recognize(text)? {
        found if found.stands_alone() => payload(text, found),
        found => Err(DecodeError::Misplaced { found, outer: Envelope::Sns }),
    }
}

/// One message alone, as people save it, or a list of them.
#[cfg(feature = "sqs")]
fn received(document: &[u8]) -> Result<Vec<SqsMessage>, DecodeError> {
    #[derive(serde::Deserialize)]
    struct Form {
        #[serde(rename = "Messages", default)]
        messages: Option<serde::de::IgnoredAny>,
    }
    let form: Form = read(document, Envelope::Sqs)?;
    match form.messages {
        Some(_) => read(document, Envelope::Sqs).map(|Received { messages }| messages),
        None => read(document, Envelope::Sqs).map(|message| vec![message]),
    }
}

/// What a queue held, wrapped by SNS or raw.
#[cfg(feature = "sqs")]
pub(crate) fn of_sqs(message: SqsMessage) -> Message {
    let inner = wrapped(message.body.as_bytes(), Envelope::Sqs);
    let inner = inner.unwrap_or_else(|error| Message::bare(Content::Refused(error)));
    Message { sqs: Some(message), ..inner }
}

#[cfg(feature = "sqs")]
fn wrapped(text: &[u8], outer: Envelope) -> Result<Message, DecodeError> {
    match recognize(text)? {
        #[cfg(feature = "sns")]
        Envelope::Sns => read(text, Envelope::Sns).map(of_sns),
        #[cfg(not(feature = "sns"))]
        found @ Envelope::Sns => payload(text, found).map(Message::bare),
        found if found.stands_alone() => payload(text, found).map(Message::bare),
        found => Err(DecodeError::Misplaced { found, outer }),
    }
}
