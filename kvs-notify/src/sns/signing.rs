//! Signatures and the text that they cover.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::message::{SnsConfirmation, SnsMessage, SnsNotification};

/// The signature of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnsSignature {
    /// The version.
    pub version: SignatureVersion,
    /// The signature in base64.
    pub value: String,
    /// The URL of the certificate. Check it with `UrlPolicy` before fetching it.
    pub cert_url: String,
}

impl SnsSignature {
    /// Creates a signature from its version, its base64 text and the URL of the certificate.
    #[must_use]
    pub fn new(version: SignatureVersion, value: impl Into<String>, cert_url: impl Into<String>) -> Self {
        Self { version, value: value.into(), cert_url: cert_url.into() }
    }
}

/// The version of a signature. An open set: SNS may add versions.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum SignatureVersion {
    /// `1`: RSA PKCS#1 v1.5 with SHA-1, the default of a topic.
    V1,
    /// `2`: RSA PKCS#1 v1.5 with SHA-256, set with the topic attribute SignatureVersion.
    V2,
    /// A version that this crate does not know, as received.
    Other(String),
}

impl SignatureVersion {
    /// Returns the word that SNS uses.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::V1 => "1",
            Self::V2 => "2",
            Self::Other(name) => name,
        }
    }
}

impl From<String> for SignatureVersion {
    fn from(name: String) -> Self {
        match name.as_str() {
            "1" => Self::V1,
            "2" => Self::V2,
            _ => Self::Other(name),
        }
    }
}

impl From<SignatureVersion> for String {
    fn from(version: SignatureVersion) -> Self {
        version.as_str().into()
    }
}

impl fmt::Display for SignatureVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl SnsMessage {
    /// Returns the text that the signature covers: names and values on lines of their own, in alphabetical order, each with a line feed.
    ///
    /// For a notification these are Message, MessageId, Subject (if it has one), Timestamp, TopicArn and Type; for the confirmations Message,
    /// MessageId, SubscribeURL, Timestamp, Token, TopicArn and Type. Nothing else is signed.
    /// Source: <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html>.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.signed_fields() {
            for line in [name, value] {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }

    /// Returns the signed names and values in order.
    pub(crate) fn signed_fields(&self) -> Vec<(&'static str, &str)> {
        let mut fields = match self {
            Self::Notification(notification) => of_notification(notification),
            Self::SubscriptionConfirmation(question) | Self::UnsubscribeConfirmation(question) => of_question(question),
        };
        fields.push(("TopicArn", self.topic_arn()));
        fields.push(("Type", self.kind().as_str()));
        fields
    }
}

fn of_notification(notification: &SnsNotification) -> Vec<(&'static str, &str)> {
    let mut fields = vec![("Message", notification.message.as_str()), ("MessageId", notification.message_id.as_str())];
    fields.extend(notification.subject.as_deref().map(|subject| ("Subject", subject)));
    fields.push(("Timestamp", notification.timestamp.as_str()));
    fields
}

fn of_question(question: &SnsConfirmation) -> Vec<(&'static str, &str)> {
    vec![
        ("Message", question.message.as_str()),
        ("MessageId", question.message_id.as_str()),
        ("SubscribeURL", question.subscribe_url.expose()),
        ("Timestamp", question.timestamp.as_str()),
        ("Token", question.token.expose()),
    ]
}
