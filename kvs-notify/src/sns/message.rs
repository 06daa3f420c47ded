//! SNS messages.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::signing::SnsSignature;
use super::timestamp::SnsTimestamp;
use super::wire::Wire;
use crate::secret::SecretText;

/// An SNS message, as an HTTP(S) endpoint, a queue or a Lambda function receives it.
///
/// Reading accepts both spellings of the URL fields (`SigningCertURL` over HTTP, `SigningCertUrl` in Lambda). Writing uses that of HTTP.
/// Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-message-and-json-formats.html>.
///
/// ```
/// use kvs_notify::SnsMessage;
///
/// let body = r#"{
///     "Type": "Notification",
///     "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
///     "TopicArn": "arn:aws:sns:us-west-2:111122223333:cameras",
///     "Subject": "Kinesis Video Streams Notification",
///     "Message": "{}",
///     "Timestamp": "2022-04-25T18:36:29.194Z"
/// }"#;
/// let message: SnsMessage = serde_json::from_str(body)?;
/// assert_eq!(message.topic_arn(), "arn:aws:sns:us-west-2:111122223333:cameras");
/// assert!(message.string_to_sign().starts_with("Message\n{}\nMessageId\n22b80b92"));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[non_exhaustive]
pub enum SnsMessage {
    /// A published message.
    Notification(SnsNotification),
    /// A request to confirm a subscription of this endpoint.
    SubscriptionConfirmation(SnsConfirmation),
    /// The subscription was deleted; its URL subscribes again.
    UnsubscribeConfirmation(SnsConfirmation),
}

/// A published message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnsNotification {
    /// The id of the message, equal for all its deliveries.
    pub message_id: String,
    /// The topic it was published to.
    pub topic_arn: String,
    /// The subject, if the publisher gave one.
    pub subject: Option<String>,
    /// The published text.
    pub message: String,
    /// When the message was published.
    pub timestamp: SnsTimestamp,
    /// The signature; `None` if a test or a proxy omitted it.
    pub signature: Option<SnsSignature>,
    /// A GET of it ends the subscription. The signature does not cover it.
    pub unsubscribe_url: Option<SecretText>,
    /// What the publisher attached. The signature does not cover it.
    pub attributes: BTreeMap<String, SnsAttribute>,
}

impl SnsNotification {
    /// Creates a message without subject, attributes and signature.
    #[must_use]
    pub fn new(
        message_id: impl Into<String>,
        topic_arn: impl Into<String>,
        message: impl Into<String>,
        timestamp: SnsTimestamp,
    ) -> Self {
        Self {
            message_id: message_id.into(),
            topic_arn: topic_arn.into(),
            subject: None,
            message: message.into(),
            timestamp,
            signature: None,
            unsubscribe_url: None,
            attributes: BTreeMap::new(),
        }
    }

    /// Sets the subject.
    #[must_use]
    pub fn subject(mut self, subject: impl Into<String>) -> Self {
        self.subject = Some(subject.into());
        self
    }

    /// Sets the URL that deletes the subscription.
    #[must_use]
    pub fn unsubscribe_url(mut self, url: impl Into<SecretText>) -> Self {
        self.unsubscribe_url = Some(url.into());
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, name: impl Into<String>, attribute: SnsAttribute) -> Self {
        self.attributes.insert(name.into(), attribute);
        self
    }
}

/// A request to confirm a subscription, or to confirm it again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnsConfirmation {
    /// The id of the message, equal for all its deliveries.
    pub message_id: String,
    /// The topic.
    pub topic_arn: String,
    /// The token for ConfirmSubscription, valid for two days.
    pub token: SecretText,
    /// A text for humans.
    pub message: String,
    /// A GET request to this URL confirms. Check that it is a URL of SNS first.
    pub subscribe_url: SecretText,
    /// When SNS sent the request.
    pub timestamp: SnsTimestamp,
    /// The signature; `None` if a test or a proxy omitted it.
    pub signature: Option<SnsSignature>,
}

impl SnsConfirmation {
    /// Creates a request without a signature.
    #[must_use]
    pub fn new(
        message_id: impl Into<String>,
        topic_arn: impl Into<String>,
        token: impl Into<SecretText>,
        subscribe_url: impl Into<SecretText>,
        timestamp: SnsTimestamp,
    ) -> Self {
        let topic_arn = topic_arn.into();
        let message = format!(
            "You have chosen to subscribe to the topic {topic_arn}.\nTo confirm the subscription, visit the SubscribeURL included in this message."
        );
        Self {
            message_id: message_id.into(),
            topic_arn,
            token: token.into(),
            message,
            subscribe_url: subscribe_url.into(),
            timestamp,
            signature: None,
        }
    }

    /// Sets the text for humans.
    #[must_use]
    pub fn message(mut self, message: impl Into<String>) -> Self {
        self.message = message.into();
        self
    }
}

/// A message attribute.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SnsAttribute {
    /// `String`, `String.Array`, `Number` or `Binary`.
    #[serde(rename = "Type")]
    pub kind: String,
    /// The value as text; base64 if binary.
    #[serde(rename = "Value")]
    pub value: String,
}

impl SnsAttribute {
    /// Creates an attribute of the type `String`.
    #[must_use]
    pub fn string(value: impl Into<String>) -> Self {
        Self { kind: "String".into(), value: value.into() }
    }
}

/// The type of an SNS message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "SNS posts these three and no others; a fourth needs other code")]
pub enum SnsType {
    /// A published message.
    Notification,
    /// A request to confirm a subscription.
    SubscriptionConfirmation,
    /// The subscription was deleted.
    UnsubscribeConfirmation,
}

impl SnsType {
    /// Returns the word in `Type` of the body and in the header `x-amz-sns-message-type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Notification => "Notification",
            Self::SubscriptionConfirmation => "SubscriptionConfirmation",
            Self::UnsubscribeConfirmation => "UnsubscribeConfirmation",
        }
    }
}

impl fmt::Display for SnsType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SnsMessage {
    /// Returns the type.
    #[must_use]
    pub fn kind(&self) -> SnsType {
        match self {
            Self::Notification(_) => SnsType::Notification,
            Self::SubscriptionConfirmation(_) => SnsType::SubscriptionConfirmation,
            Self::UnsubscribeConfirmation(_) => SnsType::UnsubscribeConfirmation,
        }
    }

    /// Returns the id of the message, equal for all its deliveries.
    #[must_use]
    pub fn message_id(&self) -> &str {
        match self {
            Self::Notification(notification) => &notification.message_id,
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => &question.message_id,
        }
    }

    /// Returns the ARN of the topic.
    #[must_use]
    pub fn topic_arn(&self) -> &str {
        match self {
            Self::Notification(notification) => &notification.topic_arn,
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => &question.topic_arn,
        }
    }

    /// Returns when the message was published.
    #[must_use]
    pub fn timestamp(&self) -> &SnsTimestamp {
        match self {
            Self::Notification(notification) => &notification.timestamp,
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => &question.timestamp,
        }
    }

    /// Returns the signature, if there is one.
    #[must_use]
    pub fn signature(&self) -> Option<&SnsSignature> {
        match self {
            Self::Notification(notification) => notification.signature.as_ref(),
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => {
                question.signature.as_ref()
            }
        }
    }

    /// Sets the signature of [`string_to_sign`](Self::string_to_sign).
    #[must_use]
    pub fn signed(mut self, signature: SnsSignature) -> Self {
        match &mut self {
            Self::Notification(notification) => notification.signature = Some(signature),
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => {
                question.signature = Some(signature);
            }
        }
        self
    }
}
