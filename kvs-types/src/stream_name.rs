//! The name of a stream.

use crate::check::{self, check_text};
use crate::field::InvalidField;
use crate::limits::STREAM_NAME_CHARS;
use crate::validated_text::validated_text;

/// The name of a stream: 1 to 256 letters, digits, `_`, `.` and `-`.
///
/// ```
/// use kvs_types::StreamName;
///
/// let name = StreamName::new("front-door")?;
/// assert_eq!(name.as_str(), "front-door");
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(try_from = "String", into = "String"))]
pub struct StreamName(String);

impl StreamName {
    /// Checks a name.
    ///
    /// # Errors
    /// Returns an error if the name is empty, longer than 256 characters or contains another character.
    pub fn new(name: impl Into<String>) -> Result<Self, InvalidField> {
        let name = name.into();
        check_text("StreamName", &name, (1, STREAM_NAME_CHARS), check::NAME_CHARACTERS, check::is_name_character)?;
        Ok(Self(name))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

validated_text!(StreamName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_names_within_length_and_alphabet() {
        assert!(StreamName::new("a".repeat(256)).is_ok());
        assert!(StreamName::new("Front_Door.2-b").is_ok());
    }

    #[test]
    fn rejects_names_outside_length_and_alphabet() {
        assert_eq!(
            StreamName::new("a".repeat(257)).unwrap_err().to_string(),
            "StreamName: must have 1 to 256 characters or entries, got 257"
        );
        assert!(StreamName::new("").is_err());
        assert!(StreamName::new("front door").is_err());
        assert!(StreamName::new("café").is_err());
    }
}
