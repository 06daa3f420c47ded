//! SQS messages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::SecretText;
use crate::text::{non_empty, null_is_empty};

/// An SQS message, from a Lambda event or from ReceiveMessage.
///
/// Reading accepts both spellings: `messageId` and `body` in Lambda, `MessageId` and `Body` from ReceiveMessage. Writing uses the
/// spelling of Lambda.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SqsMessage {
    /// The id of the message, for partial batch responses.
    #[serde(alias = "MessageId")]
    pub message_id: String,
    /// The receipt handle for DeleteMessage.
    #[serde(alias = "ReceiptHandle", default, skip_serializing_if = "Option::is_none")]
    pub receipt_handle: Option<SecretText>,
    /// The text of the message.
    #[serde(alias = "Body")]
    pub body: String,
    /// System attributes, for example `SentTimestamp` and `ApproximateReceiveCount`.
    #[serde(alias = "Attributes", default, deserialize_with = "null_is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// The ARN of the queue, in Lambda events.
    #[serde(
        rename = "eventSourceARN",
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    pub queue_arn: Option<String>,
    /// The region of the queue, in Lambda events.
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    pub aws_region: Option<String>,
}

impl SqsMessage {
    /// Creates a message from an id and a text.
    #[must_use]
    pub fn new(message_id: impl Into<String>, body: impl Into<String>) -> Self {
        Self {
            message_id: message_id.into(),
            receipt_handle: None,
            body: body.into(),
            attributes: BTreeMap::new(),
            queue_arn: None,
            aws_region: None,
        }
    }
}

/// The response of ReceiveMessage. Without messages the list may be absent.
#[derive(Deserialize)]
pub(crate) struct Received {
    #[serde(rename = "Messages", default, deserialize_with = "null_is_empty")]
    pub(crate) messages: Vec<SqsMessage>,
}
