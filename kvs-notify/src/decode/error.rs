//! Why a document could not be decoded.

use std::fmt;

use crate::limits::ERROR_TEXT_BYTES;

/// The forms in which notifications and image events arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Envelope {
    /// A fragment notification without an envelope: raw delivery.
    Fragment,
    /// An SNS message, as an HTTP endpoint receives it.
    Sns,
    /// A Lambda event from SNS.
    LambdaSns,
    /// A Lambda event from SQS.
    LambdaSqs,
    /// The response of SQS ReceiveMessage, or one message of it.
    Sqs,
    /// An EventBridge event.
    EventBridge,
    /// S3 event records, also as a Lambda event.
    S3Event,
    /// The test event that S3 sends when notifications are configured.
    S3Test,
    /// An HTTP request as a Lambda event: from API Gateway, a load balancer or a function URL. Its body is the message.
    Http,
    /// A list of messages or of their bodies, as EventBridge Pipes gives it to its target.
    List,
    /// An object whose `Records` are empty.
    NoRecords,
}

impl Envelope {
    pub(super) const ALL: [Self; 11] = [
        Self::Fragment,
        Self::Sns,
        Self::LambdaSns,
        Self::LambdaSqs,
        Self::Sqs,
        Self::EventBridge,
        Self::S3Event,
        Self::S3Test,
        Self::Http,
        Self::List,
        Self::NoRecords,
    ];

    /// Returns the feature of this crate that decodes it; a fragment notification needs none.
    pub(super) fn feature(self) -> Option<&'static str> {
        match self {
            Self::Fragment | Self::List | Self::NoRecords => None,
            Self::Sns => Some("sns"),
            Self::LambdaSns | Self::LambdaSqs | Self::Http => Some("lambda"),
            Self::Sqs => Some("sqs"),
            Self::EventBridge => Some("eventbridge"),
            Self::S3Event | Self::S3Test => Some("s3"),
        }
    }

    /// Whether it needs no message around it.
    #[cfg(any(feature = "sns", feature = "sqs"))]
    pub(super) const fn stands_alone(self) -> bool {
        matches!(self, Self::Fragment | Self::S3Event | Self::S3Test | Self::EventBridge | Self::NoRecords)
    }

    /// Returns the members that identify it.
    fn mark(self) -> &'static str {
        match self {
            Self::Fragment => "StreamArn with FragmentNumber",
            Self::Sns => "Type with TopicArn",
            Self::LambdaSns => "Records[0].Sns",
            Self::LambdaSqs => "Records[0].body",
            Self::Sqs => "Messages, or Body with MessageId",
            Self::Http => "body with requestContext, httpMethod or isBase64Encoded",
            Self::List => "[",
            Self::NoRecords => "Records",
            Self::EventBridge => "detail with detail-type",
            Self::S3Event => "Records[0].s3",
            Self::S3Test => "Event with Bucket",
        }
    }
}

impl fmt::Display for Envelope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fragment => "a fragment notification",
            Self::Sns => "an SNS message",
            Self::LambdaSns => "a Lambda event from SNS",
            Self::LambdaSqs => "a Lambda event from SQS",
            Self::Sqs => "SQS messages",
            Self::EventBridge => "an EventBridge event",
            Self::S3Event => "an S3 event",
            Self::S3Test => "an S3 test event",
            Self::Http => "an HTTP request of API Gateway, a load balancer or a function URL",
            Self::List => "a list of messages",
            Self::NoRecords => "an event without records",
        })
    }
}

/// Why a document could not be decoded. Quoted texts are cut to 256 bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The document is too large.
    #[error("document too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The document is not JSON, or incomplete.
    #[error("invalid JSON at line {line}, column {column}")]
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of it, from 1.
        column: usize,
    },
    /// The JSON is neither an object nor a list, or its `Records` are not a list of objects.
    #[error("the JSON is neither an object nor a list, or its Records are not a list of objects")]
    NotAnObject,
    /// The object has none of the known forms.
    #[error("not recognized: {}", NotRecognized)]
    NotRecognized,
    /// A known form in a place where it is not allowed.
    #[error("{found} is not allowed inside {outer}")]
    Misplaced {
        /// What was found.
        found: Envelope,
        /// Inside of what.
        outer: Envelope,
    },
    /// A known form that this build does not decode.
    #[error("cannot decode {envelope}: enable the feature {feature:?} of kvs-notify")]
    FeatureOff {
        /// The form.
        envelope: Envelope,
        /// The feature to enable.
        feature: &'static str,
    },
    /// A field is missing or invalid.
    #[error("invalid field {path} of {envelope}: {problem}")]
    Field {
        /// The form that was recognized.
        envelope: Envelope,
        /// The path to the field from the top of the document, for example `Records[3].s3.object.key`.
        path: String,
        /// What is wrong.
        problem: String,
    },
}

impl DecodeError {
    pub(crate) fn field(envelope: Envelope, path: String, problem: String) -> Self {
        Self::Field { envelope, path: cut(path), problem: cut(problem) }
    }
}

/// Cuts the text to at most 256 bytes, at a character boundary.
fn cut(mut text: String) -> String {
    let end = (0..=ERROR_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Lists every form and which of its members are missing.
struct NotRecognized;

impl fmt::Display for NotRecognized {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, envelope) in Envelope::ALL.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}not {envelope} (no {})", envelope.mark())?;
        }
        Ok(())
    }
}
