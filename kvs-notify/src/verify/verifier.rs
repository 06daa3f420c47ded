//! Verification of a message.

use std::time::{Duration, SystemTime};

use base64_simd::STANDARD;

use super::certificate::{CertificateError, Digest, SigningCertificate, TrustRoots};
use super::url::{SigningCertUrl, SubscriptionUrl, UrlError, UrlPolicy};
use crate::limits::{MESSAGE_AGE, MESSAGE_SKEW};
use crate::sns::{SignatureVersion, SnsMessage, SnsSignature};

/// Verifies that messages come from SNS and from an expected topic, are unchanged and recent.
///
/// The verifier does not fetch anything: it returns the URL of the certificate, and the caller fetches it.
///
/// ```no_run
/// # fn fetch(url: &str) -> Result<Vec<u8>, Box<dyn std::error::Error>> { Ok(vec![]) }
/// use std::time::SystemTime;
/// use kvs_notify::{CertificateCache, SigningCertificate, SnsMessage, TrustRoots, Verifier};
///
/// # fn example(body: &[u8], amazon: &[u8], cache: &mut CertificateCache) -> Result<(), Box<dyn std::error::Error>> {
/// let roots = TrustRoots::new().roots_pem(amazon)?;
/// let verifier = Verifier::new(roots, ["arn:aws:sns:us-west-2:111122223333:cameras"]);
///
/// let (message, now): (SnsMessage, _) = (serde_json::from_slice(body)?, SystemTime::now());
/// let url = verifier.certificate_url(&message)?;
/// if cache.find(&url, now).is_none() {
///     let pem = fetch(url.as_str())?;
///     cache.insert(SigningCertificate::from_pem(url.clone(), &pem)?, now);
/// }
/// let certificate = cache.find(&url, now).ok_or("just inserted")?;
/// let verified = verifier.verify(&message, certificate, now)?;
/// assert_eq!(verified.message().topic_arn(), "arn:aws:sns:us-west-2:111122223333:cameras");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier {
    roots: TrustRoots,
    topics: Vec<String>,
    urls: UrlPolicy,
    versions: AcceptedVersions,
    max_age: Duration,
    max_skew: Duration,
}

/// The accepted versions of signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptedVersions {
    /// SHA-1 (the default of a topic) and SHA-256.
    #[default]
    Both,
    /// SHA-256 only, for topics with SignatureVersion 2.
    OnlySha256,
}

impl Verifier {
    /// Creates a verifier with trust roots and the full ARNs of the expected topics. Without topics it rejects every message, because
    /// anyone can create a topic.
    #[must_use]
    pub fn new<T: Into<String>>(roots: TrustRoots, topics: impl IntoIterator<Item = T>) -> Self {
        Self {
            roots,
            topics: topics.into_iter().map(Into::into).collect(),
            urls: UrlPolicy::aws(),
            versions: AcceptedVersions::default(),
            max_age: MESSAGE_AGE,
            max_skew: MESSAGE_SKEW,
        }
    }

    /// Sets the URLs from which certificates and confirmations may be fetched. Default: SNS only.
    #[must_use]
    pub fn urls(mut self, urls: UrlPolicy) -> Self {
        self.urls = urls;
        self
    }

    /// Sets the accepted versions of signatures. Default: both.
    #[must_use]
    pub fn versions(mut self, versions: AcceptedVersions) -> Self {
        self.versions = versions;
        self
    }

    /// Sets the maximum age of a message. Default: one hour.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// Sets how far in the future the timestamp of a message may be. Default: five minutes.
    #[must_use]
    pub fn max_skew(mut self, max_skew: Duration) -> Self {
        self.max_skew = max_skew;
        self
    }

    /// Returns the URL of the certificate for a message, after all checks that do not need it.
    ///
    /// # Errors
    /// Returns an error if the message has no signature or one of a version that is not accepted, comes from another topic, or names a
    /// URL that is not one of SNS.
    pub fn certificate_url(&self, message: &SnsMessage) -> Result<SigningCertUrl, VerifyError> {
        let signature = message.signature().ok_or(VerifyError::Unsigned)?;
        self.digest(signature)?;
        if !self.topics.iter().any(|topic| topic == message.topic_arn()) {
            return Err(VerifyError::Topic { topic: message.topic_arn().chars().take(256).collect() });
        }
        Ok(self.urls.signing_cert(&signature.cert_url)?)
    }

    /// Verifies a message with the certificate from [`certificate_url`](Self::certificate_url).
    ///
    /// # Errors
    /// Returns the first check that failed. On any error, reject the message and do nothing else.
    pub fn verify<'m>(
        &self,
        message: &'m SnsMessage,
        certificate: &SigningCertificate,
        now: SystemTime,
    ) -> Result<Verified<'m>, VerifyError> {
        let url = self.certificate_url(message)?;
        if url != *certificate.url() {
            return Err(VerifyError::OtherCertificate);
        }
        check_lines(message)?;
        self.check_age(message, now)?;
        certificate.check(&self.roots, now)?;
        let signature = message.signature().ok_or(VerifyError::Unsigned)?;
        let bytes = STANDARD.decode_to_vec(&signature.value).map_err(|_| VerifyError::NotBase64)?;
        if !certificate.signed(self.digest(signature)?, message.string_to_sign().as_bytes(), &bytes) {
            return Err(VerifyError::Signature);
        }
        Ok(Verified(message))
    }

    /// Returns the URL that confirms the subscription of a verified message; `None` for a notification.
    ///
    /// # Errors
    /// Returns an error if it is not a URL of SNS.
    pub fn subscription_url(&self, message: &Verified<'_>) -> Result<Option<SubscriptionUrl>, UrlError> {
        match message.message() {
            SnsMessage::Notification(_) => Ok(None),
            SnsMessage::SubscriptionConfirmation(question) | SnsMessage::UnsubscribeConfirmation(question) => {
                self.urls.subscription(question.subscribe_url.expose()).map(Some)
            }
        }
    }

    fn digest(&self, signature: &SnsSignature) -> Result<Digest, VerifyError> {
        match (&signature.version, self.versions) {
            (SignatureVersion::V2, _) => Ok(Digest::Sha256),
            (SignatureVersion::V1, AcceptedVersions::Both) => Ok(Digest::Sha1),
            (version, _) => Err(VerifyError::Version { version: version.as_str().chars().take(16).collect() }),
        }
    }

    fn check_age(&self, message: &SnsMessage, now: SystemTime) -> Result<(), VerifyError> {
        match now.duration_since(message.timestamp().at()) {
            Ok(age) if age > self.max_age => Err(VerifyError::TooOld { age, limit: self.max_age }),
            Err(ahead) if ahead.duration() > self.max_skew => {
                Err(VerifyError::FromTheFuture { ahead: ahead.duration(), limit: self.max_skew })
            }
            _ => Ok(()),
        }
    }
}

/// Rejects line breaks in signed values. The signed text consists of lines, so a line break in a value would give several messages the
/// same signed text. Only Message may contain them, because the lines after it are counted from the end.
fn check_lines(message: &SnsMessage) -> Result<(), VerifyError> {
    let broken = |(name, value): &(&str, &str)| *name != "Message" && value.contains('\n');
    match message.signed_fields().into_iter().find(broken) {
        Some((field, _)) => Err(VerifyError::LineBreak { field }),
        None => Ok(()),
    }
}

/// A message that has been verified.
///
/// The signature of a notification covers Message, MessageId, Subject, Timestamp, TopicArn and Type. It does not cover message
/// attributes and the unsubscribe URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'m>(&'m SnsMessage);

impl<'m> Verified<'m> {
    /// Returns the message.
    #[must_use]
    pub fn message(&self) -> &'m SnsMessage {
        self.0
    }
}

/// Why a message could not be verified.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The message has no signature.
    #[error("the message is not signed")]
    Unsigned,
    /// The signature version is unknown or not accepted.
    #[error("signature version {version:?} is not accepted")]
    Version {
        /// The version, cut to 16 characters.
        version: String,
    },
    /// The topic is not in the list.
    #[error("unexpected topic {topic}")]
    Topic {
        /// The topic, cut to 256 characters.
        topic: String,
    },
    /// The certificate URL is not one of SNS.
    #[error("the certificate URL is rejected")]
    Url(#[from] UrlError),
    /// The certificate was fetched from another URL than the message names.
    #[error("certificate does not come from the message's SigningCertURL")]
    OtherCertificate,
    /// A signed field contains a line break.
    #[error("line break in {field}")]
    LineBreak {
        /// The field.
        field: &'static str,
    },
    /// The message is too old.
    #[error("message too old: {age:?}, the limit is {limit:?}")]
    TooOld {
        /// How old.
        age: Duration,
        /// How old it may be.
        limit: Duration,
    },
    /// The timestamp lies in the future.
    #[error("timestamp {ahead:?} in the future, the limit is {limit:?}")]
    FromTheFuture {
        /// How far.
        ahead: Duration,
        /// How far it may be.
        limit: Duration,
    },
    /// The certificate is not trusted.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The signature is not base64.
    #[error("the signature is not base64")]
    NotBase64,
    /// The signature does not match the message and the key.
    #[error("the signature does not match the message")]
    Signature,
}
