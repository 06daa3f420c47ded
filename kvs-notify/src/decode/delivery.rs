//! What came out of a document.

use super::error::{DecodeError, Envelope};
use crate::fragment::FragmentNotification;
#[cfg(feature = "s3")]
use crate::s3::{ObjectEvent, S3TestEvent};
#[cfg(feature = "sns")]
use crate::sns::SnsMessage;
#[cfg(feature = "sqs")]
use crate::sqs::SqsMessage;

/// All that one document brought: one message, or the several of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Delivery {
    /// The form of the outermost document.
    pub envelope: Envelope,
    /// What it brought, in its order.
    pub messages: Vec<Message>,
}

impl Delivery {
    /// The fragment notifications of all messages.
    pub fn fragments(&self) -> impl Iterator<Item = &FragmentNotification> {
        self.messages.iter().filter_map(|message| match &message.content {
            Content::Fragment(notification) => Some(notification),
            _ => None,
        })
    }

    /// The events on objects of all messages.
    #[cfg(feature = "s3")]
    pub fn objects(&self) -> impl Iterator<Item = &ObjectEvent> {
        self.messages.iter().flat_map(|message| match &message.content {
            Content::Objects(events) => events.as_slice(),
            _ => &[],
        })
    }

    /// The messages that were not understood, with the reason.
    pub fn refused(&self) -> impl Iterator<Item = (&Message, &DecodeError)> {
        self.messages.iter().filter_map(|message| match &message.content {
            Content::Refused(error) => Some((message, error)),
            _ => None,
        })
    }
}

/// One message: what it says, and the envelopes it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    /// The message of the queue, if it came through SQS.
    #[cfg(feature = "sqs")]
    pub sqs: Option<SqsMessage>,
    /// The message of SNS, if it came through SNS and not by raw delivery: what can be verified.
    #[cfg(feature = "sns")]
    pub sns: Option<SnsMessage>,
    /// What it says.
    pub content: Content,
}

impl Message {
    /// A message without envelopes.
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

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Content {
    /// A fragment is persisted.
    Fragment(FragmentNotification),
    /// Something happened to objects.
    #[cfg(feature = "s3")]
    Objects(Vec<ObjectEvent>),
    /// Notifications of a bucket were set up.
    #[cfg(feature = "s3")]
    TestEvent(S3TestEvent),
    /// SNS asks whether a subscription shall begin; the question is the message's `sns`.
    #[cfg(feature = "sns")]
    Confirmation,
    /// Not understood.
    Refused(DecodeError),
}
