//! What a stream is called.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::field::{self, InvalidField};
use crate::limits;

/// A stream's name: 1 to 256 letters, digits, `_`, `.` and `-`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamName(String);

/// A stream's ARN: `arn:aws:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION-TIME`.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamArn(String);

/// A stream by name or by ARN: every call takes either.
///
/// As JSON it is the one member `StreamName` or `StreamARN`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(clippy::exhaustive_enums, reason = "the service knows these two ways to name a stream")]
pub enum StreamId {
    /// By name.
    #[serde(rename = "StreamName")]
    Name(StreamName),
    /// By ARN.
    #[serde(rename = "StreamARN")]
    Arn(StreamArn),
}

impl StreamName {
    /// Takes a name.
    ///
    /// # Errors
    /// When it is empty, longer than 256 characters or has another character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidField> {
        let name = name.into();
        let length = (1, limits::STREAM_NAME_CHARS);
        field::check_text("StreamName", &name, length, field::NAME_CHARACTERS, field::is_name_character)?;
        Ok(Self(name))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl StreamArn {
    /// Takes an ARN.
    ///
    /// # Errors
    /// When it does not have the shape `arn:PARTITION:kinesisvideo:REGION:ACCOUNT:TYPE/NAME/DIGITS`.
    pub fn new(arn: impl Into<String>) -> Result<Self, InvalidField> {
        let arn = arn.into();
        field::check_length("StreamARN", arn.chars().count(), (1, limits::STREAM_ARN_CHARS))?;
        if Parts::of(&arn).is_none() {
            let expected = "arn:PARTITION:kinesisvideo:REGION:ACCOUNT:stream/NAME/CREATION-TIME";
            return Err(InvalidField::malformed("StreamARN", expected, &arn));
        }
        Ok(Self(arn))
    }

    /// The ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The region in it.
    #[must_use]
    pub fn region(&self) -> &str {
        self.parts().region
    }

    /// The account in it.
    #[must_use]
    pub fn account(&self) -> &str {
        self.parts().account
    }

    /// The stream's name in it.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        self.parts().name
    }

    fn parts(&self) -> Parts<'_> {
        Parts::of(&self.0).expect("an ARN was taken apart when it was made")
    }
}

struct Parts<'a> {
    region: &'a str,
    account: &'a str,
    name: &'a str,
}

impl<'a> Parts<'a> {
    /// The pattern of the service model, segment by segment.
    fn of(arn: &'a str) -> Option<Self> {
        let mut segments = arn.splitn(6, ':');
        let (scheme, partition, service) = (segments.next()?, segments.next()?, segments.next()?);
        let (region, account, resource) = (segments.next()?, segments.next()?, segments.next()?);
        let mut resource = resource.split('/');
        let (kind, name, created) = (resource.next()?, resource.next()?, resource.next()?);
        let right = scheme == "arn"
            && service == "kinesisvideo"
            && all(partition, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && all(region, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
            && all(account, |c| c.is_ascii_digit())
            && all(kind, |c| c.is_ascii_lowercase())
            && all(name, field::is_name_character)
            && all(created, |c| c.is_ascii_digit())
            && resource.next().is_none();
        right.then_some(Self { region, account, name })
    }
}

fn all(text: &str, allowed: impl Fn(char) -> bool) -> bool {
    !text.is_empty() && text.chars().all(allowed)
}

impl StreamId {
    /// A stream by name.
    ///
    /// # Errors
    /// As [`StreamName::new`].
    pub fn name(name: impl Into<String>) -> Result<Self, InvalidField> {
        StreamName::new(name).map(Self::Name)
    }

    /// The text of the name or ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Arn(arn) => arn.as_str(),
        }
    }

    /// The stream's name, also out of an ARN.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Arn(arn) => arn.stream_name(),
        }
    }
}

/// Text that starts with `arn:` is an ARN, all other text a name.
impl FromStr for StreamId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        if text.starts_with("arn:") { StreamArn::new(text).map(Self::Arn) } else { Self::name(text) }
    }
}

impl From<StreamName> for StreamId {
    fn from(name: StreamName) -> Self {
        Self::Name(name)
    }
}

impl From<StreamArn> for StreamId {
    fn from(arn: StreamArn) -> Self {
        Self::Arn(arn)
    }
}

macro_rules! text_impls {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.as_str())
            }
        }
    )+};
}
text_impls!(StreamName, StreamArn, StreamId);

macro_rules! validated_text {
    ($($name:ident),+) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidField;

            fn from_str(text: &str) -> Result<Self, InvalidField> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidField;

            fn try_from(text: String) -> Result<Self, InvalidField> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(text: $name) -> Self {
                text.0
            }
        }
    )+};
}
validated_text!(StreamName, StreamArn);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_arn_gives_region_account_and_name() {
        let arn = StreamArn::new("arn:aws-us-gov:kinesisvideo:us-gov-west-1:111122223333:stream/cam.1/1705489836421")
            .unwrap();
        assert_eq!((arn.region(), arn.account(), arn.stream_name()), ("us-gov-west-1", "111122223333", "cam.1"));
    }

    #[test]
    fn broken_arns_are_refused() {
        for broken in [
            "",
            "arn:",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam/1/2",
            "arn:aws:kinesisvideo:us-east-1:1:stream/cam/x",
            "arn:aws:s3:us-east-1:1:stream/cam/1",
            "arn:aws:kinesisvideo:us-east-1::stream/cam/1",
            "arn:aws:kinesisvideo:us-east-1:1:stream/c m/1",
        ] {
            assert!(StreamArn::new(broken).is_err(), "{broken}");
        }
    }

    #[test]
    fn names_keep_to_the_models_length_and_alphabet() {
        assert!(StreamName::new("a".repeat(256)).is_ok());
        assert_eq!(
            StreamName::new("a".repeat(257)).unwrap_err().to_string(),
            "StreamName: must have 1 to 256 characters or entries, got 257"
        );
        assert!(StreamName::new("front door").is_err());
        assert!(StreamName::new("café").is_err());
    }

    #[test]
    fn an_id_is_one_json_member() {
        let name: StreamId = "cam".parse().unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#"{"StreamName":"cam"}"#);
        let arn: StreamId = "arn:aws:kinesisvideo:eu-west-1:1:stream/cam/1".parse().unwrap();
        let json = serde_json::to_string(&arn).unwrap();
        assert_eq!(json, r#"{"StreamARN":"arn:aws:kinesisvideo:eu-west-1:1:stream/cam/1"}"#);
        assert_eq!(serde_json::from_str::<StreamId>(&json).unwrap(), arn);
    }
}
