//! The number the service gives a fragment.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use crate::service::limits::FRAGMENT_NUMBER_DIGITS;

/// The number the service gave a fragment: 1 to 128 decimal digits, ordered by value.
///
/// Today's numbers have 47 digits, so no integer type holds them. They rise in the order of ingestion.
///
/// ```
/// use kvs_mkv::FragmentNumber;
///
/// let one: FragmentNumber = "91343852333181432392682062607743920146159169392".parse()?;
/// let two: FragmentNumber = "91343852333182036507421233921329142742245756394".parse()?;
/// assert!(one < two);
/// # Ok::<(), kvs_mkv::InvalidFragmentNumber>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct FragmentNumber(Box<str>);

impl FragmentNumber {
    /// The digits, without leading zeros.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for FragmentNumber {
    type Err = InvalidFragmentNumber;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() || text.len() > FRAGMENT_NUMBER_DIGITS {
            return Err(InvalidFragmentNumber::Length { length: text.len(), limit: FRAGMENT_NUMBER_DIGITS });
        }
        if let Some(at) = text.bytes().position(|byte| !byte.is_ascii_digit()) {
            return Err(InvalidFragmentNumber::NotADigit { at });
        }
        let digits = text.trim_start_matches('0');
        Ok(Self(if digits.is_empty() { "0" } else { digits }.into()))
    }
}

impl TryFrom<String> for FragmentNumber {
    type Error = InvalidFragmentNumber;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FragmentNumber> for String {
    fn from(number: FragmentNumber) -> Self {
        number.0.into()
    }
}

impl From<&FragmentNumber> for String {
    fn from(number: &FragmentNumber) -> Self {
        number.as_str().to_owned()
    }
}

/// By value: more digits is more, as there are no leading zeros.
impl Ord for FragmentNumber {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.len().cmp(&other.0.len()).then_with(|| self.0.cmp(&other.0))
    }
}

impl PartialOrd for FragmentNumber {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl AsRef<str> for FragmentNumber {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for FragmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for FragmentNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FragmentNumber({})", self.0)
    }
}

/// A text that is no fragment number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidFragmentNumber {
    /// Empty, or longer than the service allows.
    #[error("a fragment number has 1 to {limit} digits, this one has {length} characters")]
    Length {
        /// Characters given.
        length: usize,
        /// Characters allowed.
        limit: usize,
    },
    /// A character other than 0 to 9.
    #[error("a fragment number is decimal, character {at} is not a digit")]
    NotADigit {
        /// Byte index of the first such character.
        at: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> FragmentNumber {
        text.parse().unwrap()
    }

    #[test]
    fn order_is_by_value_not_by_text() {
        assert!(number("9") < number("10"));
        assert!(number("0010") > number("9"));
        assert_eq!(number("000"), number("0"));
    }

    #[test]
    fn its_digits_go_wherever_a_text_is_taken() {
        assert_eq!(String::from(&number("0042")), "42");
        assert_eq!(String::from(number("42")), "42");
    }

    #[test]
    fn bounds_are_held() {
        assert!("1".repeat(128).parse::<FragmentNumber>().is_ok());
        assert_eq!(
            "1".repeat(129).parse::<FragmentNumber>(),
            Err(InvalidFragmentNumber::Length { length: 129, limit: 128 })
        );
        assert_eq!("12x".parse::<FragmentNumber>(), Err(InvalidFragmentNumber::NotADigit { at: 2 }));
        assert_eq!("".parse::<FragmentNumber>(), Err(InvalidFragmentNumber::Length { length: 0, limit: 128 }));
    }
}
