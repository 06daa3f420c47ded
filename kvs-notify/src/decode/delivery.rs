//! The content of a decoded document.

use super::error::{DecodeError, Envelope};
use crate::fragment::FragmentNotification;
#[cfg(feature = "s3")]
use crate::s3::{ObjectEvent, S3TestEvent};
#[cfg(feature = "sns")]
use crate::sns::SnsMessage;
#[cfg(feature = "sqs")]
use crate::sqs::SqsMessage;

/// The content of one document: one message, or several of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The form of the document.
    pub envelope: Envelope,
    /// The messages in the order of the document.
    pub messages: Vec<Message>,
}

impl Delivery {
    /// Returns the fragment notifications of all messages.
    pub fn fragments(&self) -> impl Iterator<Item = &FragmentNotification> {
        self.messages.iter().filter_map(|message| match &message.content {
            Content::Fragment(notification) => Some(notification),
            _ => None,
        })
    }

    /// Returns the object events of all messages.
    #[cfg(feature = "s3")]
    pub fn objects(&self) -> impl Iterator<Item = &ObjectEvent> {
        self.messages.iter().flat_map(|message| match &message.content {
            Content::Objects(events) => events.as_slice(),
            _ => &[],
        })
    }

    /// Returns the messages that could not be decoded, with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&Message, &DecodeError)> {
        self.messages.iter().filter_map(|message| match &message.content {
            Content::Refused(error) => Some((message, error)),
            _ => None,
        })
    }
}

/// One message: its content and its envelopes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The SQS message, if it was delivered through SQS.
    #[cfg(feature = "sqs")]
    pub sqs: Option<SqsMessage>,
    /// The SNS message, if it was delivered through SNS without raw delivery. `Verifier` verifies it.
    #[cfg(feature = "sns")]
    pub sns: Option<SnsMessage>,
    /// The content.
    pub content: Content,
}

impl Message {
    /// Creates a message without envelopes.
    pub(crate) fn bare(content: Content) -> Self {
        Self {
            #[cfg(feature = "sqs")]
            sqs: None,
            #[cfg(feature = "sns")]
            sns: None,
            content,
        }
    }
}

/// The content of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A fragment was persisted.
    Fragment(FragmentNotification),
    /// Objects were created or removed.
    #[cfg(feature = "s3")]
    Objects(Vec<ObjectEvent>),
    /// The notifications of a bucket were configured.
    #[cfg(feature = "s3")]
    TestEvent(S3TestEvent),
    /// SNS asks to confirm a subscription; the confirmation is in `Message::sns`.
    #[cfg(feature = "sns")]
    Confirmation,
    /// The message could not be decoded.
    Refused(DecodeError),
}
