//! Topics and who is subscribed to them.

use std::fmt;

use http::Uri;
use kvs_notify::SignatureVersion;

/// The ARN of a topic: `arn:aws:sns:REGION:ACCOUNT:NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    arn: String,
    name_at: usize,
}

/// A text that is no topic's ARN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' is not the ARN of an SNS topic, arn:aws:sns:REGION:ACCOUNT:NAME", arn.escape_debug())]
#[non_exhaustive]
pub struct InvalidTopic {
    /// What was given.
    pub arn: String,
}

impl Topic {
    /// Checks an ARN.
    ///
    /// # Errors
    /// Anything else than six fields of which the third is `sns`, the account has 12 digits and the name 1 to 256 letters, digits,
    /// `-` and `_`.
    pub fn parse(arn: &str) -> Result<Self, InvalidTopic> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let word = |text: &str, most: usize| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=most).contains(&text.len()) && text.bytes().all(plain)
        };
        let digits = |text: &str| text.len() == 12 && text.bytes().all(|byte| byte.is_ascii_digit());
        match fields.as_slice() {
            ["arn", partition, "sns", region, account, name]
                if word(partition, 32) && word(region, 32) && digits(account) && word(name, 256) =>
            {
                Ok(Self { arn: arn.to_owned(), name_at: arn.len() - name.len() })
            }
            _ => Err(InvalidTopic { arn: arn.chars().take(SHOWN_CHARS).collect() }),
        }
    }

    /// The topic on which events of a bucket are published here: `s3-events-BUCKET`, with `_` for each dot.
    ///
    /// # Errors
    /// A region, account or bucket that cannot stand in an ARN.
    pub fn of_bucket(bucket: &str, region: &str, account: &str) -> Result<Self, InvalidTopic> {
        Self::parse(&format!("arn:aws:sns:{region}:{account}:s3-events-{}", bucket.replace('.', "_")))
    }

    /// The whole ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Its last field.
    #[must_use]
    pub fn name(&self) -> &str {
        self.arn.get(self.name_at..).unwrap_or_default()
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.arn)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.arn, f)
    }
}

/// What a subscriber gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Shape {
    /// The envelope of SNS, signed.
    #[default]
    Enveloped,
    /// The message alone.
    Raw,
}

/// Who wants the messages of a topic, or the events of a bucket.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subscription {
    /// What it listens to.
    pub source: Source,
    /// Where messages are posted to.
    pub url: Uri,
    /// Enveloped by default.
    pub shape: Shape,
    /// How messages are signed: version 1 by default, as topics do it.
    pub signature: SignatureVersion,
}

/// What can be listened to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Source {
    /// An SNS topic.
    Topic(Topic),
    /// The object events of a bucket.
    Bucket(String),
}

/// A subscription that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidSubscription {
    /// Neither a topic's ARN nor a bucket's.
    #[error("{0}, nor that of a bucket, arn:aws:s3:::BUCKET")]
    Source(#[from] InvalidTopic),
    /// Not an `http` URL with a host.
    #[error("'{}' is not an http:// URL", url.escape_debug())]
    Url {
        /// What was given.
        url: String,
    },
}

impl Subscription {
    /// Subscribes `url` to a topic (`arn:aws:sns:REGION:ACCOUNT:NAME`) or to the object events of a bucket (`arn:aws:s3:::BUCKET`).
    ///
    /// # Errors
    /// Another ARN, or another URL than `http`: this service posts on its own machine or network and brings no certificates.
    pub fn new(arn: &str, url: &str) -> Result<Self, InvalidSubscription> {
        let source = match arn.strip_prefix("arn:aws:s3:::") {
            Some(bucket) if !bucket.is_empty() => Source::Bucket(bucket.to_owned()),
            _ => Source::Topic(Topic::parse(arn)?),
        };
        let bad = || InvalidSubscription::Url { url: url.chars().take(SHOWN_CHARS).collect() };
        let url: Uri = url.parse().map_err(|_| bad())?;
        if url.scheme_str() != Some("http") || url.host().is_none_or(str::is_empty) {
            return Err(bad());
        }
        Ok(Self { source, url, shape: Shape::default(), signature: SignatureVersion::V1 })
    }

    /// Asks for the message alone instead of the envelope.
    #[must_use]
    pub const fn raw(mut self) -> Self {
        self.shape = Shape::Raw;
        self
    }

    /// Asks for this version of signatures.
    #[must_use]
    pub fn signature(mut self, version: SignatureVersion) -> Self {
        self.signature = version;
        self
    }
}

/// How much of a refused text a message repeats.
const SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_can_lead_nowhere() {
        let topic = Topic::parse("arn:aws:sns:us-west-2:111122223333:door_1").unwrap();
        assert_eq!((topic.name(), topic.to_string().as_str()), ("door_1", topic.arn()));
        for bad in [
            "",
            "door",
            "arn:aws:sns:us-west-2:111122223333:",
            "arn:aws:sns:us-west-2:111122223333:../door",
            "arn:aws:sns:us-west-2:111122223333:a/b",
            "arn:aws:sns:us-west-2:111122223333:a:b",
            "arn:aws:sns:us-west-2:1:door",
            "arn:aws:sqs:us-west-2:111122223333:door",
            "arn:aws:sns:us-west-2:111122223333:do\0or",
        ] {
            assert!(Topic::parse(bad).is_err(), "{bad:?}");
        }
        assert_eq!(Topic::of_bucket("my.pics", "us-west-2", "111122223333").unwrap().name(), "s3-events-my_pics");
        assert!(Topic::of_bucket("../x", "us-west-2", "111122223333").is_err());
    }

    #[test]
    fn only_http_urls_subscribe() {
        let topic = "arn:aws:sns:us-west-2:111122223333:door";
        assert!(Subscription::new(topic, "http://127.0.0.1:8080/sns").is_ok());
        assert!(Subscription::new("arn:aws:s3:::pics", "http://localhost/").is_ok());
        for url in ["https://x/", "ftp://x", "/sns", "", "http:///x", "localhost:80"] {
            assert!(Subscription::new(topic, url).is_err(), "{url}");
        }
    }
}
