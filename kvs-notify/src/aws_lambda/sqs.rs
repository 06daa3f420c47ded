//! Messages of SQS.

use aws_lambda_events::sqs;

use super::{ConvertError, required};
use crate::sqs::SqsMessage;

impl TryFrom<sqs::SqsMessage> for SqsMessage {
    type Error = ConvertError;

    fn try_from(other: sqs::SqsMessage) -> Result<Self, Self::Error> {
        Ok(Self {
            message_id: required(other.message_id, "messageId")?,
            receipt_handle: other.receipt_handle.map(Into::into),
            body: required(other.body, "body")?,
            attributes: other.attributes.into_iter().collect(),
            queue_arn: other.event_source_arn,
            aws_region: other.aws_region,
        })
    }
}

impl From<SqsMessage> for sqs::SqsMessage {
    fn from(ours: SqsMessage) -> Self {
        let mut other = Self::default();
        other.message_id = Some(ours.message_id);
        other.receipt_handle = ours.receipt_handle.map(|handle| handle.expose().to_owned());
        other.body = Some(ours.body);
        other.attributes = ours.attributes.into_iter().collect();
        other.event_source = Some("aws:sqs".into());
        other.event_source_arn = ours.queue_arn;
        other.aws_region = ours.aws_region;
        other
    }
}
