//! Whole events.

use aws_lambda_events::eventbridge::EventBridgeEvent;
use aws_lambda_events::s3::S3Event;
use aws_lambda_events::sns::SnsEvent;
use aws_lambda_events::sqs::SqsEvent;

use super::{ConvertError, invalid};
use crate::decode::{Content, Delivery, Envelope, Message, decode, of_sns, of_sqs};
use crate::s3::ObjectEvent;
use crate::sns::SnsMessage;
use crate::sqs::SqsMessage;

impl TryFrom<SnsEvent> for Delivery {
    type Error = ConvertError;

    fn try_from(event: SnsEvent) -> Result<Self, Self::Error> {
        let message = |record: aws_lambda_events::sns::SnsRecord| SnsMessage::try_from(record.sns).map(of_sns);
        let messages = event.records.into_iter().map(message).collect::<Result<_, _>>()?;
        Ok(Self { envelope: Envelope::LambdaSns, messages })
    }
}

impl TryFrom<SqsEvent> for Delivery {
    type Error = ConvertError;

    fn try_from(event: SqsEvent) -> Result<Self, Self::Error> {
        let message = |record| SqsMessage::try_from(record).map(of_sqs);
        let messages = event.records.into_iter().map(message).collect::<Result<_, _>>()?;
        Ok(Self { envelope: Envelope::LambdaSqs, messages })
    }
}

impl TryFrom<S3Event> for Delivery {
    type Error = ConvertError;

    fn try_from(event: S3Event) -> Result<Self, Self::Error> {
        let events = event.records.into_iter().map(ObjectEvent::try_from).collect::<Result<_, _>>()?;
        Ok(Self { envelope: Envelope::S3Event, messages: vec![Message::bare(Content::Objects(events))] })
    }
}

impl TryFrom<EventBridgeEvent> for Delivery {
    type Error = ConvertError;

    fn try_from(event: EventBridgeEvent) -> Result<Self, Self::Error> {
        let document = serde_json::to_vec(&event).map_err(|error| invalid("event", error))?;
        decode(&document).map_err(|error| invalid("event", error))
    }
}
