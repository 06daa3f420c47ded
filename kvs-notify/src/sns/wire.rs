//! The JSON members of a message before its type is known.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::{SnsAttribute, SnsConfirmation, SnsMessage, SnsNotification, SnsType};
use super::signing::{SignatureVersion, SnsSignature};
use super::timestamp::SnsTimestamp;
use crate::secret::SecretText;
use crate::text::non_empty;

/// The members of all types of messages, in the order of SNS.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Wire {
    r#type: SnsType,
    message_id: String,
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    token: Option<SecretText>,
    topic_arn: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    message: String,
    #[serde(
        rename = "SubscribeURL",
        alias = "SubscribeUrl",
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    subscribe_url: Option<SecretText>,
    timestamp: SnsTimestamp,
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    signature_version: Option<SignatureVersion>,
    #[serde(default, deserialize_with = "non_empty", skip_serializing_if = "Option::is_none")]
    signature: Option<String>,
    #[serde(
        rename = "SigningCertURL",
        alias = "SigningCertUrl",
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    signing_cert_url: Option<String>,
    #[serde(
        rename = "UnsubscribeURL",
        alias = "UnsubscribeUrl",
        default,
        deserialize_with = "non_empty",
        skip_serializing_if = "Option::is_none"
    )]
    unsubscribe_url: Option<SecretText>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    message_attributes: Option<BTreeMap<String, SnsAttribute>>,
}

/// A member is missing that another one requires.
#[derive(Debug, thiserror::Error)]
pub(super) enum Missing {
    #[error("missing field `{field}` of a {kind}")]
    OfKind { kind: SnsType, field: &'static str },
    #[error("missing field `{field}`: SignatureVersion, Signature and SigningCertURL are required together")]
    OfSignature { field: &'static str },
}

impl Wire {
    fn signature(&mut self) -> Result<Option<SnsSignature>, Missing> {
        match (self.signature_version.take(), self.signature.take(), self.signing_cert_url.take()) {
            (None, None, None) => Ok(None),
            (Some(version), Some(value), Some(cert_url)) => Ok(Some(SnsSignature { version, value, cert_url })),
            (None, ..) => Err(Missing::OfSignature { field: "SignatureVersion" }),
            (_, None, _) => Err(Missing::OfSignature { field: "Signature" }),
            (.., None) => Err(Missing::OfSignature { field: "SigningCertURL" }),
        }
    }

    fn notification(mut self) -> Result<SnsNotification, Missing> {
        let signature = self.signature()?;
        Ok(SnsNotification {
            message_id: self.message_id,
            topic_arn: self.topic_arn,
            subject: self.subject,
            message: self.message,
            timestamp: self.timestamp,
            signature,
            unsubscribe_url: self.unsubscribe_url,
            attributes: self.message_attributes.unwrap_or_default(),
        })
    }

    fn confirmation(mut self) -> Result<SnsConfirmation, Missing> {
        let (kind, signature) = (self.r#type, self.signature()?);
        let missing = |field| Missing::OfKind { kind, field };
        Ok(SnsConfirmation {
            message_id: self.message_id,
            topic_arn: self.topic_arn,
            token: self.token.ok_or(missing("Token"))?,
            message: self.message,
            subscribe_url: self.subscribe_url.ok_or(missing("SubscribeURL"))?,
            timestamp: self.timestamp,
            signature,
        })
    }
}

impl TryFrom<Wire> for SnsMessage {
    type Error = Missing;

    fn try_from(wire: Wire) -> Result<Self, Self::Error> {
        match wire.r#type {
            SnsType::Notification => wire.notification().map(Self::Notification),
            SnsType::SubscriptionConfirmation => wire.confirmation().map(Self::SubscriptionConfirmation),
            SnsType::UnsubscribeConfirmation => wire.confirmation().map(Self::UnsubscribeConfirmation),
        }
    }
}

impl From<SnsMessage> for Wire {
    fn from(message: SnsMessage) -> Self {
        let kind = message.kind();
        match message {
            SnsMessage::Notification(notification) => Self::of_notification(notification),
            SnsMessage::SubscriptionConfirmation(question) | SnsMessage::UnsubscribeConfirmation(question) => {
                Self::of_question(kind, question)
            }
        }
    }
}

impl Wire {
    fn of_notification(notification: SnsNotification) -> Self {
        let (signature_version, signature, signing_cert_url) = parts(notification.signature);
        Self {
            r#type: SnsType::Notification,
            message_id: notification.message_id,
            token: None,
            topic_arn: notification.topic_arn,
            subject: notification.subject,
            message: notification.message,
            subscribe_url: None,
            timestamp: notification.timestamp,
            signature_version,
            signature,
            signing_cert_url,
            unsubscribe_url: notification.unsubscribe_url,
            message_attributes: Some(notification.attributes).filter(|attributes| !attributes.is_empty()),
        }
    }

    fn of_question(kind: SnsType, question: SnsConfirmation) -> Self {
        let (signature_version, signature, signing_cert_url) = parts(question.signature);
        Self {
            r#type: kind,
            message_id: question.message_id,
            token: Some(question.token),
            topic_arn: question.topic_arn,
            subject: None,
            message: question.message,
            subscribe_url: Some(question.subscribe_url),
            timestamp: question.timestamp,
            signature_version,
            signature,
            signing_cert_url,
            unsubscribe_url: None,
            message_attributes: None,
        }
    }
}

type Parts = (Option<SignatureVersion>, Option<String>, Option<String>);

fn parts(signature: Option<SnsSignature>) -> Parts {
    match signature {
        Some(SnsSignature { version, value, cert_url }) => (Some(version), Some(value), Some(cert_url)),
        None => (None, None, None),
    }
}
