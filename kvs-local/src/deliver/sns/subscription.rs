//! Subscriptions to topics and to the events of buckets.

use http::Uri;
use kvs_notify::SignatureVersion;

use super::topic::{InvalidTopic, SHOWN_CHARS, Topic};

/// An HTTP subscription to an SNS topic or to the object events of a bucket.
///
/// The service posts a `SubscriptionConfirmation` first. Messages follow once the subscriber has visited its
/// `SubscribeURL`, as with SNS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    pub(in crate::deliver) source: Source,
    pub(in crate::deliver) url: Uri,
    pub(in crate::deliver) raw: bool,
    pub(in crate::deliver) signature_version: SignatureVersion,
}

/// What a subscription subscribes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::deliver) enum Source {
    Topic(Topic),
    /// The object events of a bucket.
    Bucket(String),
}

/// The error for a subscription that is not possible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubscription {
    /// The ARN is neither that of a topic nor that of a bucket.
    #[error("invalid ARN '{}': expected arn:aws:sns:REGION:ACCOUNT:TOPIC or arn:aws:s3:::BUCKET", arn.escape_debug())]
    Arn {
        /// The first 200 characters of the ARN.
        arn: String,
    },
    /// The URL is not an `http` URL with a host.
    #[error("invalid subscriber URL '{}': expected http://HOST/...", url.escape_debug())]
    Url {
        /// The first 200 characters of the URL.
        url: String,
    },
}

impl Subscription {
    /// Subscribes `url` to a topic (`arn:aws:sns:REGION:ACCOUNT:NAME`) or to the object events of a bucket
    /// (`arn:aws:s3:::BUCKET`).
    ///
    /// # Errors
    /// The ARN is not one of the two, or the URL is not an `http` URL. The service posts to receivers on its own machine
    /// or network and does not support `https`.
    pub fn new(arn: &str, url: &str) -> Result<Self, InvalidSubscription> {
        let source = match arn.strip_prefix("arn:aws:s3:::") {
            Some(bucket) if !bucket.is_empty() => Source::Bucket(bucket.to_owned()),
            _ => Source::Topic(Topic::parse(arn).map_err(|InvalidTopic { arn }| InvalidSubscription::Arn { arn })?),
        };
        let invalid = || InvalidSubscription::Url { url: url.chars().take(SHOWN_CHARS).collect() };
        let url: Uri = url.parse().map_err(|_| invalid())?;
        if url.scheme_str() != Some("http") || url.host().is_none_or(str::is_empty) {
            return Err(invalid());
        }
        Ok(Self { source, url, raw: false, signature_version: SignatureVersion::V1 })
    }

    /// Enables raw message delivery: the body of a post is the message without the SNS envelope. Default: off.
    #[must_use]
    pub const fn raw(mut self) -> Self {
        self.raw = true;
        self
    }

    /// Sets the version of message signatures. Default: version 1, the default of SNS topics.
    #[must_use]
    pub fn signature_version(mut self, version: SignatureVersion) -> Self {
        self.signature_version = version;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_http_urls_only() {
        let topic = "arn:aws:sns:us-west-2:111122223333:door";
        assert!(Subscription::new(topic, "http://127.0.0.1:8080/sns").is_ok());
        assert!(Subscription::new("arn:aws:s3:::pics", "http://localhost/").is_ok());
        for url in ["https://x/", "ftp://x", "/sns", "", "http:///x", "localhost:80"] {
            assert!(Subscription::new(topic, url).is_err(), "{url}");
        }
    }
}
