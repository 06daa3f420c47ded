//! Why a document was not understood.

use std::fmt;

use crate::limits::ERROR_TEXT_BYTES;

/// The forms in which notifications and image events arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Envelope {
    /// A fragment notification and nothing around it: raw delivery.
    Fragment,
    /// A message of SNS, as an HTTP endpoint gets it.
    Sns,
    /// What Lambda hands to a function that SNS calls.
    LambdaSns,
    /// What Lambda hands to a function that SQS feeds.
    LambdaSqs,
    /// What ReceiveMessage of SQS returns, or one message of it.
    Sqs,
    /// An event of EventBridge.
    EventBridge,
    /// Records of S3; Lambda hands over the same.
    S3Event,
    /// What S3 sends once when notifications are set up.
    S3Test,
}

impl Envelope {
    pub(super) const ALL: [Self; 8] = [
        Self::Fragment,
        Self::Sns,
        Self::LambdaSns,
        Self::LambdaSqs,
        Self::Sqs,
        Self::EventBridge,
        Self::S3Event,
        Self::S3Test,
    ];

    /// The feature of this crate that reads it; a fragment notification needs none.
    pub(super) fn feature(self) -> Option<&'static str> {
        match self {
            Self::Fragment => None,
            Self::Sns => Some("sns"),
            Self::LambdaSns | Self::LambdaSqs => Some("lambda"),
            Self::Sqs => Some("sqs"),
            Self::EventBridge => Some("eventbridge"),
            Self::S3Event | Self::S3Test => Some("s3"),
        }
    }

    /// By what it is told from the others.
    fn mark(self) -> &'static str {
        match self {
            Self::Fragment => "StreamArn with FragmentNumber",
            Self::Sns => "Type with TopicArn",
            Self::LambdaSns => "Records[0].Sns",
            Self::LambdaSqs => "Records[0].body",
            Self::Sqs => "Messages, or Body with MessageId",
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
            Self::Sns => "a message of SNS",
            Self::LambdaSns => "a Lambda event from SNS",
            Self::LambdaSqs => "a Lambda event from SQS",
            Self::Sqs => "messages of SQS",
            Self::EventBridge => "an event of EventBridge",
            Self::S3Event => "an event of S3",
            Self::S3Test => "a test event of S3",
        })
    }
}

/// Why a document was not understood. Texts are cut to 256 bytes: they quote what was found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// More than is read.
    #[error("a document of {size} bytes, at most {limit} are read")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// Not JSON, or cut short.
    #[error("not JSON at line {line}, column {column}")]
    NotJson {
        /// Line of the first fault, from 1.
        line: usize,
        /// Column of it, from 1.
        column: usize,
    },
    /// JSON, but not an object, or its `Records` are no list of objects.
    #[error("JSON, but not an object, or its Records are no list of objects")]
    NotAnObject,
    /// An object of none of the known forms.
    #[error("not recognised: {}", NotRecognised)]
    NotRecognised,
    /// A known form where it cannot stand.
    #[error("{found} cannot stand inside {outer}")]
    Misplaced {
        /// What was found.
        found: Envelope,
        /// Inside of what.
        outer: Envelope,
    },
    /// A known form that this build does not read.
    #[error("{envelope}, which needs the feature {feature:?} of kvs-notify")]
    FeatureOff {
        /// The form.
        envelope: Envelope,
        /// The feature to switch on.
        feature: &'static str,
    },
    /// A field is missing or holds what it cannot.
    #[error("{envelope}, but at {path}: {problem}")]
    Field {
        /// The form that was recognised.
        envelope: Envelope,
        /// The way to the field from the top of the document, as `Records[3].s3.object.key`.
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

/// At most 256 bytes, at a character's border.
fn cut(mut text: String) -> String {
    let end = (0..=ERROR_TEXT_BYTES).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    if end < text.len() {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Every form and what of it is not there.
struct NotRecognised;

impl fmt::Display for NotRecognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, envelope) in Envelope::ALL.into_iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}not {envelope} (no {})", envelope.mark())?;
        }
        Ok(())
    }
}
