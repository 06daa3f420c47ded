//! The time when a message was published.

use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// When SNS published a message: the time and its original text, since the signature covers the text.
///
/// ```
/// use kvs_notify::SnsTimestamp;
///
/// let stamp: SnsTimestamp = "2022-04-25T18:36:29.194Z".parse()?;
/// assert_eq!(SnsTimestamp::new(stamp.at())?, stamp);
/// # Ok::<(), kvs_notify::InvalidTimestamp>(())
/// ```
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SnsTimestamp {
    text: Box<str>,
    at: SystemTime,
}

impl SnsTimestamp {
    /// Creates a timestamp in the form that SNS uses: UTC with three decimals and `Z`.
    ///
    /// # Errors
    /// Returns an error if the year does not have four digits.
    pub fn new(at: SystemTime) -> Result<Self, InvalidTimestamp> {
        let stamp = Timestamp::try_from(at).map_err(|_| InvalidTimestamp::OutOfRange)?;
        stamp.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string().parse()
    }

    /// Returns the time.
    #[must_use]
    pub fn at(&self) -> SystemTime {
        self.at
    }

    /// Returns the original text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for SnsTimestamp {
    type Err = InvalidTimestamp;

    /// Reads any RFC 3339 text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let stamp: Timestamp = text.parse().map_err(|_| InvalidTimestamp::NotRfc3339)?;
        Ok(Self { text: text.into(), at: stamp.into() })
    }
}

impl TryFrom<String> for SnsTimestamp {
    type Error = InvalidTimestamp;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SnsTimestamp> for String {
    fn from(stamp: SnsTimestamp) -> Self {
        stamp.text.into()
    }
}

impl fmt::Display for SnsTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for SnsTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnsTimestamp({})", self.text)
    }
}

/// Why a text or a time is not an SNS timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidTimestamp {
    /// The text is not like `2022-04-25T18:36:29.194Z`.
    #[error("not an RFC 3339 date and time")]
    NotRfc3339,
    /// The year does not have four digits.
    #[error("the year is not within 0000 to 9999")]
    OutOfRange,
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn writes_milliseconds_with_three_digits() {
        for (milliseconds, text) in [
            (1_650_911_789_194, "2022-04-25T18:36:29.194Z"),
            (1_650_911_789_000, "2022-04-25T18:36:29.000Z"),
            (1_650_911_789_007, "2022-04-25T18:36:29.007Z"),
        ] {
            let at = SystemTime::UNIX_EPOCH + Duration::from_millis(milliseconds);
            assert_eq!(SnsTimestamp::new(at).unwrap().as_str(), text);
            assert_eq!(text.parse::<SnsTimestamp>().unwrap().at(), at);
        }
    }

    #[test]
    fn keeps_the_original_text() {
        let stamp: SnsTimestamp = "2022-04-25T18:36:29Z".parse().unwrap();
        assert_eq!(stamp.to_string(), "2022-04-25T18:36:29Z");
    }

    #[test]
    fn rejects_other_texts() {
        for text in ["", "yesterday", "2022-04-25", "2022-04-25T18:36:29", "2022-13-25T18:36:29Z", "1650911789194"] {
            assert_eq!(text.parse::<SnsTimestamp>(), Err(InvalidTimestamp::NotRfc3339), "{text}");
        }
    }
}
