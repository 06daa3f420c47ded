//! Lambda events and batch responses.

use serde::{Deserialize, Serialize};

use crate::decode::{DecodeError, Envelope};
use crate::sns::SnsMessage;
use crate::sqs::SqsMessage;
use crate::text::Text;

/// A Lambda event from SNS.
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

/// A Lambda event from SQS.
#[derive(Deserialize)]
pub(crate) struct SqsRecords {
    #[serde(rename = "Records")]
    pub(crate) records: Vec<SqsMessage>,
}

/// The body of an HTTP request as a Lambda event: both formats of API Gateway, load balancers, function URLs.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpRequest<'a> {
    #[serde(borrow, default)]
    body: Option<Text<'a>>,
    #[serde(rename = "isBase64Encoded", default)]
    is_base64: Option<bool>,
}

impl HttpRequest<'_> {
    /// Returns the bytes that were posted.
    pub(crate) fn body(self) -> Result<Vec<u8>, DecodeError> {
        let field = |problem: &str| DecodeError::field(Envelope::Http, "body".to_owned(), problem.to_owned());
        let text: String = self.body.ok_or_else(|| field("the request has none"))?.into();
        if !self.is_base64.unwrap_or_default() {
            return Ok(text.into_bytes());
        }
        base64_simd::STANDARD
            .decode_to_vec(text.as_bytes())
            .map_err(|_| field("not base64, although isBase64Encoded is true"))
    }
}

/// The response of a function with an SQS event source: the messages that SQS delivers again.
///
/// Lambda uses it if the event source mapping has `ReportBatchItemFailures`
/// (<https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html>). An empty list means success.
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
    /// Marks the message with this id as failed; SQS delivers it again.
    pub fn fail(&mut self, message_id: impl Into<String>) {
        self.batch_item_failures.push(BatchItemFailure { item_identifier: message_id.into() });
    }

    /// Returns the ids of the failed messages.
    pub fn failures(&self) -> impl Iterator<Item = &str> {
        self.batch_item_failures.iter().map(|failure| failure.item_identifier.as_str())
    }
}
