//! The number that the service assigns to a fragment.

use std::cmp::Ordering;

use crate::check::check_text;
use crate::field::InvalidField;
use crate::limits::FRAGMENT_NUMBER_DIGITS;
use crate::validated_text::validated_text;

/// The number that the service assigned to a fragment: 1 to 128 decimal digits, ordered by value.
///
/// Numbers rise in the order of ingestion. Today they have 47 digits, so no integer type can represent them.
///
/// ```
/// use kvs_types::FragmentNumber;
///
/// let earlier: FragmentNumber = "91343852333181432392682062607743920146159169392".parse()?;
/// let later: FragmentNumber = "91343852333182036507421233921329142742245756394".parse()?;
/// assert!(earlier < later);
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct FragmentNumber(Box<str>);

impl FragmentNumber {
    /// Checks a number and removes leading zeros.
    ///
    /// # Errors
    /// Returns an error if the text is empty, longer than 128 characters or contains anything but digits.
    pub fn new(text: impl AsRef<str>) -> Result<Self, InvalidField> {
        let text = text.as_ref();
        // Each acknowledgement has a number. Without an exit in it, the loop takes many digits at a time.
        let are_digits = text.bytes().fold(true, |all, byte| all & byte.is_ascii_digit());
        if !are_digits || text.is_empty() || text.len() > FRAGMENT_NUMBER_DIGITS {
            check_text("FragmentNumber", text, (1, FRAGMENT_NUMBER_DIGITS), "digits", |c| c.is_ascii_digit())?;
        }
        let digits = text.trim_start_matches('0');
        Ok(Self(if digits.is_empty() { "0" } else { digits }.into()))
    }

    /// Returns the digits, without leading zeros.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Compares by value. A number with more digits is larger, since there are no leading zeros.
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

validated_text!(FragmentNumber);

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> FragmentNumber {
        text.parse().unwrap()
    }

    #[test]
    fn orders_by_value_not_by_text() {
        assert!(number("9") < number("10"));
        assert!(number("0010") > number("9"));
        assert_eq!(number("000"), number("0"));
    }

    #[test]
    fn converts_into_a_string_without_leading_zeros() {
        assert_eq!(String::from(&number("0042")), "42");
        assert_eq!(String::from(number("42")), "42");
    }

    #[test]
    fn rejects_numbers_outside_length_and_alphabet() {
        let problem = |text: &str| text.parse::<FragmentNumber>().unwrap_err().to_string();
        assert!("1".repeat(128).parse::<FragmentNumber>().is_ok());
        assert_eq!(problem(&"1".repeat(129)), "FragmentNumber: must have 1 to 128 characters or entries, got 129");
        assert_eq!(problem("12x"), "FragmentNumber: must consist of digits, got 'x'");
        assert_eq!(problem(""), "FragmentNumber: must have 1 to 128 characters or entries, got 0");
    }
}
