//! The check of a message.

use std::time::{Duration, SystemTime};

use base64_simd::STANDARD;

use super::certificate::{CertificateError, Digest, SigningCertificate, TrustRoots};
use super::url::{SigningCertUrl, SubscriptionUrl, UrlError, UrlPolicy};
use crate::limits::{MESSAGE_AGE, MESSAGE_SKEW};
use crate::sns::{SignatureVersion, SnsMessage, SnsSignature};

/// Checks that messages are from SNS, of a topic that is expected, whole and fresh.
///
/// The verifier fetches nothing: it says what to fetch, the caller fetches and keeps it.
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

/// Which versions of signatures are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum AcceptedVersions {
    /// SHA-1 and SHA-256: what a topic does by default, and what it can be set to.
    #[default]
    Both,
    /// SHA-256 only, for topics with SignatureVersion 2: nobody can fall back on SHA-1 then.
    OnlySha256,
}

impl Verifier {
    /// Trusts these roots and expects these topics, by their whole ARNs. Without topics every message is refused: anyone can own a topic.
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

    /// Where certificates and confirmations may be fetched from. Only from SNS by default.
    #[must_use]
    pub fn urls(mut self, urls: UrlPolicy) -> Self {
        self.urls = urls;
        self
    }

    /// Which versions of signatures are taken. Both by default.
    #[must_use]
    pub fn versions(mut self, versions: AcceptedVersions) -> Self {
        self.versions = versions;
        self
    }

    /// How old a message may be; an hour by default.
    #[must_use]
    pub fn max_age(mut self, max_age: Duration) -> Self {
        self.max_age = max_age;
        self
    }

    /// How far a message may be stamped into the future; five minutes by default.
    #[must_use]
    pub fn max_skew(mut self, max_skew: Duration) -> Self {
        self.max_skew = max_skew;
        self
    }

    /// Where to fetch the certificate for a message, after all that can be checked without it.
    ///
    /// # Errors
    /// The message has no signature, one of a version that is not taken, another topic, or a URL that does not lead to SNS.
    pub fn certificate_url(&self, message: &SnsMessage) -> Result<SigningCertUrl, VerifyError> {
        let signature = message.signature().ok_or(VerifyError::Unsigned)?;
        self.digest(signature)?;
        if !self.topics.iter().any(|topic| topic == message.topic_arn()) {
            return Err(VerifyError::Topic { topic: message.topic_arn().chars().take(256).collect() });
        }
        Ok(self.urls.signing_cert(&signature.cert_url)?)
    }

    /// Checks a message with the certificate from [`certificate_url`](Self::certificate_url).
    ///
    /// # Errors
    /// Whatever does not hold; all errors mean: answer with a refusal and do nothing.
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

    /// The URL whose GET confirms the subscription that a verified message asks about; nothing for a notification.
    ///
    /// # Errors
    /// It does not lead to SNS.
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

/// The signed text is lines. A line break in a value would let one signed text stand for several messages, each with its fields cut
/// elsewhere; only Message may hold some, as all that follows it is cut from the end.
fn check_lines(message: &SnsMessage) -> Result<(), VerifyError> {
    let broken = |(name, value): &(&str, &str)| *name != "Message" && value.contains('\n');
    match message.signed_fields().into_iter().find(broken) {
        Some((field, _)) => Err(VerifyError::LineBreak { field }),
        None => Ok(()),
    }
}

/// A message that has been verified.
///
/// What the signature covers is proven: for a notification Message, MessageId, Subject, Timestamp, TopicArn and Type. Message attributes
/// and the URL to unsubscribe are not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified<'m>(&'m SnsMessage);

impl<'m> Verified<'m> {
    /// The message.
    #[must_use]
    pub fn message(&self) -> &'m SnsMessage {
        self.0
    }
}

/// Why a message is not taken for one of SNS.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// No signature.
    #[error("the message is not signed")]
    Unsigned,
    /// A version that is unknown or not taken.
    #[error("the signature version {version:?} is not accepted")]
    Version {
        /// The version, cut to 16 characters.
        version: String,
    },
    /// Not a topic on the list.
    #[error("the topic {topic} is not expected")]
    Topic {
        /// The topic, cut to 256 characters.
        topic: String,
    },
    /// The certificate is not where SNS keeps its own.
    #[error("the certificate's URL is refused")]
    Url(#[from] UrlError),
    /// The certificate given was fetched from another URL than the message names.
    #[error("the certificate is of another URL than the message names")]
    OtherCertificate,
    /// A line break where none can be.
    #[error("a line break in {field}")]
    LineBreak {
        /// The field.
        field: &'static str,
    },
    /// Published too long ago.
    #[error("the message is {age:?} old, more than {limit:?}")]
    TooOld {
        /// How old.
        age: Duration,
        /// How old it may be.
        limit: Duration,
    },
    /// Stamped with an instant to come.
    #[error("the message is stamped {ahead:?} ahead, more than {limit:?}")]
    FromTheFuture {
        /// How far.
        ahead: Duration,
        /// How far it may be.
        limit: Duration,
    },
    /// The certificate is not trusted.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The signature is not in base64.
    #[error("the signature is not in base64")]
    NotBase64,
    /// The signature is not of this message by this key.
    #[error("the signature does not fit the message")]
    Signature,
}
