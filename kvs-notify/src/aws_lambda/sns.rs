//! Messages of SNS.

use aws_lambda_events::sns;

use super::{ConvertError, invalid};
use crate::sns::{SignatureVersion, SnsAttribute, SnsMessage, SnsNotification, SnsSignature, SnsTimestamp};

/// The other type stores the time without its text. The text is written again in the form of SNS, with three decimals, so that the
/// signature still matches messages of SNS.
impl TryFrom<sns::SnsMessage> for SnsMessage {
    type Error = ConvertError;

    fn try_from(other: sns::SnsMessage) -> Result<Self, Self::Error> {
        if other.sns_message_type != "Notification" {
            return Err(invalid("Type", "Lambda gets notifications only"));
        }
        let timestamp = SnsTimestamp::new(other.timestamp.into()).map_err(|error| invalid("Timestamp", error))?;
        let mut notification = SnsNotification::new(other.message_id, other.topic_arn, other.message, timestamp);
        notification.subject = other.subject;
        notification.unsubscribe_url = Some(other.unsubscribe_url).filter(|url| !url.is_empty()).map(Into::into);
        notification.attributes = other
            .message_attributes
            .into_iter()
            .map(|(name, attribute)| (name, SnsAttribute { kind: attribute.data_type, value: attribute.value }))
            .collect();
        let version = SignatureVersion::from(other.signature_version);
        Ok(Self::Notification(notification).signed(SnsSignature::new(version, other.signature, other.signing_cert_url)))
    }
}

/// What the other type has no place for is empty there: an absent signature.
impl From<SnsNotification> for sns::SnsMessage {
    fn from(ours: SnsNotification) -> Self {
        let mut other = Self::default();
        other.sns_message_type = "Notification".into();
        other.message_id = ours.message_id;
        other.topic_arn = ours.topic_arn;
        other.subject = ours.subject;
        other.timestamp = ours.timestamp.at().into();
        if let Some(signature) = ours.signature {
            other.signature_version = signature.version.into();
            other.signature = signature.value;
            other.signing_cert_url = signature.cert_url;
        }
        other.unsubscribe_url = ours.unsubscribe_url.map(|url| url.expose().to_owned()).unwrap_or_default();
        other.message = ours.message;
        for (name, attribute) in ours.attributes {
            let mut value = sns::MessageAttribute::default();
            (value.data_type, value.value) = (attribute.kind, attribute.value);
            other.message_attributes.insert(name, value);
        }
        other
    }
}
