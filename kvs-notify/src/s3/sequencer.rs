//! The order of events on one key.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// A hexadecimal number that rises with each event on one key. It does not order events on different keys.
///
/// Numbers may differ in length; they compare by value.
/// Source: <https://docs.aws.amazon.com/AmazonS3/latest/userguide/notification-content-structure.html>.
///
/// ```
/// use kvs_notify::Sequencer;
///
/// let one: Sequencer = "0055AED6DCD90281E5".parse()?;
/// let two: Sequencer = "55AED6DCD90281E6".parse()?;
/// assert!(one < two);
/// # Ok::<(), kvs_notify::InvalidSequencer>(())
/// ```
#[derive(Clone)]
pub struct Sequencer(Box<str>);

/// Longest accepted sequencer; S3 writes 16 or 18 digits.
const DIGITS: usize = 128;

impl Sequencer {
    /// Returns the digits as received.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn significant(&self) -> &str {
        self.0.trim_start_matches('0')
    }

    fn digits(&self) -> impl Iterator<Item = u8> {
        self.significant().bytes().map(|byte| byte.to_ascii_lowercase())
    }
}

impl FromStr for Sequencer {
    type Err = InvalidSequencer;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !digits || !(1..=DIGITS).contains(&text.len()) {
            return Err(InvalidSequencer { size: text.len(), limit: DIGITS });
        }
        Ok(Self(text.into()))
    }
}

impl Ord for Sequencer {
    fn cmp(&self, other: &Self) -> Ordering {
        let length = self.significant().len().cmp(&other.significant().len());
        length.then_with(|| self.digits().cmp(other.digits()))
    }
}

impl PartialOrd for Sequencer {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Sequencer {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Sequencer {}

impl Hash for Sequencer {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.digits().for_each(|digit| digit.hash(state));
    }
}

impl fmt::Display for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sequencer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sequencer({})", self.0)
    }
}

/// The text is not a hexadecimal number, or too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid sequencer ({size} bytes): must have 1 to {limit} hexadecimal digits")]
#[non_exhaustive]
pub struct InvalidSequencer {
    /// Bytes given.
    pub size: usize,
    /// Bytes allowed.
    pub limit: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sequencer(text: &str) -> Sequencer {
        text.parse().unwrap()
    }

    #[test]
    fn compares_by_value_regardless_of_length_and_case() {
        assert!(sequencer("0A") < sequencer("B"));
        assert!(sequencer("FF") < sequencer("100"));
        assert_eq!(sequencer("00ab"), sequencer("AB"));
        assert_eq!(sequencer("000"), sequencer("0"));
    }

    #[test]
    fn rejects_sequencers_outside_length_and_alphabet() {
        assert!("".parse::<Sequencer>().is_err());
        assert!("0x1".parse::<Sequencer>().is_err());
        assert!("1".repeat(DIGITS).parse::<Sequencer>().is_ok());
        assert!("1".repeat(DIGITS + 1).parse::<Sequencer>().is_err());
    }
}
