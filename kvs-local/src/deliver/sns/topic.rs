//! SNS topics.

use std::fmt;

/// The ARN of a topic: `arn:aws:sns:REGION:ACCOUNT:NAME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic {
    arn: String,
    name_at: usize,
}

/// The error for a text that is not the ARN of an SNS topic.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid topic ARN '{}': expected arn:aws:sns:REGION:ACCOUNT:NAME", arn.escape_debug())]
#[non_exhaustive]
pub struct InvalidTopic {
    /// The first 200 characters of the text.
    pub arn: String,
}

impl Topic {
    /// Parses an ARN.
    ///
    /// # Errors
    /// The text does not have six fields, the third field is not `sns`, the account does not have 12 digits, or the name
    /// does not have 1 to 256 letters, digits, `-` and `_`.
    pub fn parse(arn: &str) -> Result<Self, InvalidTopic> {
        let fields: Vec<&str> = arn.splitn(6, ':').collect();
        let word = |text: &str, limit: usize| {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
            (1..=limit).contains(&text.len()) && text.bytes().all(plain)
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

    /// Returns the topic on which this service publishes the events of a bucket: `s3-events-BUCKET`, with `_` for each dot.
    ///
    /// # Errors
    /// The region, the account or the bucket cannot be part of an ARN.
    pub fn of_bucket(bucket: &str, region: &str, account: &str) -> Result<Self, InvalidTopic> {
        Self::parse(&format!("arn:aws:sns:{region}:{account}:s3-events-{}", bucket.replace('.', "_")))
    }

    /// Returns the ARN.
    #[must_use]
    pub fn arn(&self) -> &str {
        &self.arn
    }

    /// Returns the region.
    pub(in crate::deliver) fn region(&self) -> &str {
        self.arn.split(':').nth(3).unwrap_or_default()
    }

    /// Returns the name, which is the last field of the ARN.
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

/// How many characters of an invalid text an error repeats.
pub(super) const SHOWN_CHARS: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rejects_invalid_topic_arns() {
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
}
