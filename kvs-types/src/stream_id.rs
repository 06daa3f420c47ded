//! A stream by name or by ARN.

use std::fmt;
use std::str::FromStr;

use crate::field::InvalidField;
use crate::stream_arn::StreamArn;
use crate::stream_name::StreamName;

/// A stream by name or by ARN: every call accepts either.
///
/// As JSON it is the one member `StreamName` or `StreamARN`.
///
/// ```
/// use kvs_types::StreamId;
///
/// let by_name: StreamId = "front-door".parse()?;
/// let by_arn: StreamId = "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/front-door/1".parse()?;
/// assert_eq!(by_name.stream_name(), by_arn.stream_name());
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[expect(clippy::exhaustive_enums, reason = "the service has these two ways to name a stream")]
pub enum StreamId {
    /// By name.
    #[cfg_attr(feature = "serde", serde(rename = "StreamName"))]
    Name(StreamName),
    /// By ARN.
    #[cfg_attr(feature = "serde", serde(rename = "StreamARN"))]
    Arn(StreamArn),
}

impl StreamId {
    /// Creates an id from a name.
    ///
    /// # Errors
    /// Returns an error where [`StreamName::new`] does.
    pub fn name(name: impl Into<String>) -> Result<Self, InvalidField> {
        StreamName::new(name).map(Self::Name)
    }

    /// Returns the name or the ARN.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Arn(arn) => arn.as_str(),
        }
    }

    /// Returns the region that the ARN names; `None` for a name.
    #[must_use]
    pub fn region(&self) -> Option<&str> {
        match self {
            Self::Name(_) => None,
            Self::Arn(arn) => Some(arn.region()),
        }
    }

    /// Returns the name of the stream, from the ARN if the id is one.
    #[must_use]
    pub fn stream_name(&self) -> &str {
        match self {
            Self::Name(name) => name.as_str(),
            Self::Arn(arn) => arn.stream_name(),
        }
    }
}

/// Reads text that starts with `arn:` as an ARN and all other text as a name.
impl FromStr for StreamId {
    type Err = InvalidField;

    fn from_str(text: &str) -> Result<Self, InvalidField> {
        if text.starts_with("arn:") { StreamArn::new(text).map(Self::Arn) } else { Self::name(text) }
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
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

#[cfg(all(test, feature = "serde"))]
mod tests {
    use super::*;

    #[test]
    fn serializes_as_one_member() {
        let name: StreamId = "cam".parse().unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), r#"{"StreamName":"cam"}"#);
        let arn: StreamId = "arn:aws:kinesisvideo:eu-west-1:1:stream/cam/1".parse().unwrap();
        let json = serde_json::to_string(&arn).unwrap();
        assert_eq!(json, r#"{"StreamARN":"arn:aws:kinesisvideo:eu-west-1:1:stream/cam/1"}"#);
        assert_eq!(serde_json::from_str::<StreamId>(&json).unwrap(), arn);
    }
}
