//! Messages of the Simple Queue Service.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::secret::SecretText;

/// A message from a queue: what Lambda hands over, or ReceiveMessage returns.
///
/// Read with either spelling: `messageId` and `body` in Lambda, `MessageId` and `Body` from ReceiveMessage; written as in Lambda.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct SqsMessage {
    /// The message's id, which a partial batch response names.
    #[serde(alias = "MessageId")]
    pub message_id: String,
    /// What DeleteMessage takes.
    #[serde(alias = "ReceiptHandle", default, skip_serializing_if = "Option::is_none")]
    pub receipt_handle: Option<SecretText>,
    /// The text of the message.
    #[serde(alias = "Body")]
    pub body: String,
    /// What SQS notes, as `SentTimestamp` and `ApproximateReceiveCount`.
    #[serde(alias = "Attributes", default)]
    pub attributes: BTreeMap<String, String>,
    /// The queue; Lambda tells it.
    #[serde(rename = "eventSourceARN", default, skip_serializing_if = "Option::is_none")]
    pub queue_arn: Option<String>,
    /// The queue's region; Lambda tells it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_region: Option<String>,
}

impl SqsMessage {
    /// A message of this id and text.
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

/// What ReceiveMessage returns; without messages the list may be left out.
#[derive(Deserialize)]
pub(crate) struct Received {
    #[serde(rename = "Messages", default)]
    pub(crate) messages: Vec<SqsMessage>,
}
