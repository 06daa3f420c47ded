//! The ARN of a stream.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::{ACCOUNT_DIGITS, STREAM_ARN_BYTES};

/// Which stream a notification speaks of.
///
/// Shape: `arn:PARTITION:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATED`, CREATED being epoch milliseconds.
///
/// ```
/// use kvs_notify::StreamArn;
///
/// let arn: StreamArn = "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo-stream/1690707000000".parse()?;
/// assert_eq!((arn.region(), arn.account(), arn.stream()), ("us-west-2", "111122223333", "demo-stream"));
/// # Ok::<(), kvs_notify::InvalidStreamArn>(())
/// ```
///
/// To call the service about the stream: `arn.as_str().parse::<kvs_aws::StreamId>()`; the two crates do not know each other.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamArn {
    text: Box<str>,
}

impl StreamArn {
    /// The whole ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The region of the stream, as `us-west-2`.
    #[must_use]
    pub fn region(&self) -> &str {
        self.part(3)
    }

    /// The account that owns the stream: 12 digits.
    #[must_use]
    pub fn account(&self) -> &str {
        self.part(4)
    }

    /// The name of the stream.
    #[must_use]
    pub fn stream(&self) -> &str {
        self.part(5).split('/').nth(1).unwrap_or_default()
    }

    fn part(&self, index: usize) -> &str {
        self.text.splitn(6, ':').nth(index).unwrap_or_default()
    }

    /// What of the shape does not hold, if anything.
    fn fault(&self) -> Option<&'static str> {
        let mut resource = self.part(5).split('/');
        let resource = (resource.next(), resource.next(), resource.next(), resource.next());
        if self.part(0) != "arn" || !is_word(self.part(1)) {
            return Some("it does not begin with arn and a partition");
        }
        if self.part(2) != "kinesisvideo" {
            return Some("its service is not kinesisvideo");
        }
        if !is_word(self.region()) {
            return Some("its region is not of a-z, 0-9 and -");
        }
        if !is_account(self.account()) {
            return Some("its account is not of 12 digits");
        }
        match resource {
            (Some("stream"), Some(name), Some(created), None) if is_stream_name(name) && is_digits(created) => None,
            _ => Some("its resource is not stream/NAME/CREATED"),
        }
    }
}

/// Lower-case letters, digits and hyphens, at least one.
fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Twelve decimal digits.
pub(crate) fn is_account(text: &str) -> bool {
    text.len() == ACCOUNT_DIGITS && is_digits(text)
}

/// What the API reference of CreateStream allows: 1 to 256 of letters, digits, `_`, `.` and `-`.
pub(crate) fn is_stream_name(text: &str) -> bool {
    let legal = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'-');
    (1..=kvs_types::limits::STREAM_NAME_CHARS).contains(&text.len()) && text.bytes().all(legal)
}

impl FromStr for StreamArn {
    type Err = InvalidStreamArn;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.len() > STREAM_ARN_BYTES {
            return Err(InvalidStreamArn::TooLong { size: text.len(), limit: STREAM_ARN_BYTES });
        }
        let arn = Self { text: text.into() };
        match arn.fault() {
            None => Ok(arn),
            Some(fault) => Err(InvalidStreamArn::Shape { fault }),
        }
    }
}

impl TryFrom<String> for StreamArn {
    type Error = InvalidStreamArn;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<StreamArn> for String {
    fn from(arn: StreamArn) -> Self {
        arn.text.into()
    }
}

impl fmt::Display for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for StreamArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StreamArn({})", self.text)
    }
}

/// A text that is no ARN of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidStreamArn {
    /// Longer than the service allows.
    #[error("the ARN of a stream has at most {limit} bytes, this one has {size}")]
    TooLong {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A part is missing or holds what it cannot.
    #[error("not the ARN of a stream: {fault}")]
    Shape {
        /// What does not hold.
        fault: &'static str,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_partitions_and_dotted_names_are_taken() {
        let arn: StreamArn = "arn:aws-cn:kinesisvideo:cn-north-1:111122223333:stream/a_b.c-d/0".parse().unwrap();
        assert_eq!((arn.region(), arn.stream()), ("cn-north-1", "a_b.c-d"));
    }

    #[test]
    fn whatever_is_not_a_stream_is_refused() {
        for text in [
            "",
            "arn:aws:kinesisvideo:us-west-2:111122223333:channel/demo/1",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo/1/2",
            "arn:aws:kinesisvideo:us-west-2:111122223333:stream/a b/1",
            "arn:aws:kinesisvideo:us-west-2:11112222333:stream/demo/1",
            "arn:aws:kinesis:us-west-2:111122223333:stream/demo/1",
            "arn:aws:kinesisvideo::111122223333:stream/demo/1",
        ] {
            assert!(matches!(text.parse::<StreamArn>(), Err(InvalidStreamArn::Shape { .. })), "{text}");
        }
        let long = format!("arn:aws:kinesisvideo:us-west-2:111122223333:stream/demo/{}", "1".repeat(1024));
        assert!(matches!(long.parse::<StreamArn>(), Err(InvalidStreamArn::TooLong { limit: 1024, .. })));
    }
}
