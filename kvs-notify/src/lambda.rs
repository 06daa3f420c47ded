//! What Lambda hands to a function, and what it takes back.

use serde::{Deserialize, Serialize};

use crate::sns::SnsMessage;
use crate::sqs::SqsMessage;

/// An event of SNS in Lambda.
#[derive(Deserialize)]
pub(crate) struct SnsRecords {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<SnsRecord>,
}

#[derive(Deserialize)]
pub(crate) struct SnsRecord {
    #[serde(rename = "Sns")]
    pub(crate) sns: SnsMessage,
}

/// An event of SQS in Lambda.
#[derive(Deserialize)]
pub(crate) struct SqsRecords {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<SqsMessage>,
}

/// What a function that SQS feeds returns: the messages that shall come again.
///
/// Lambda heeds it if the event source mapping has `ReportBatchItemFailures`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>). An empty list is full success.
///
/// ```
/// use kvs_notify::BatchResponse;
///
/// let mut response = BatchResponse::default();
/// response.fail("059f36b4-87a3-44ab-83d2-661975830a7d");
/// let json = r#"{"batchItemFailures":[{"itemIdentifier":"059f36b4-87a3-44ab-83d2-661975830a7d"}]}"#;
/// assert_eq!(serde_json::to_string(&response)?, json);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    /// The message of this id shall come again.
    pub fn fail(&mut self, message_id: impl Into<String>) {
        self.batch_item_failures.push(BatchItemFailure { item_identifier: message_id.into() });
    }

    /// The ids of the messages that shall come again.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str())
    }
}
