//! The error about a value that the service does not accept.

use std::fmt;

/// A value that the service does not accept, found before anything is sent.
///
/// ```
/// let error = kvs_types::StreamName::new("x".repeat(300)).unwrap_err();
/// assert_eq!(error.field, "StreamName");
/// assert_eq!(error.to_string(), "StreamName: must have 1 to 256 characters or entries, got 300");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
#[non_exhaustive]
pub struct InvalidField {
    /// The member's name as in the API reference, for example `StreamName`.
    pub field: &'static str,
    /// What is wrong with the value.
    pub problem: FieldProblem,
}

/// What is wrong with a value, with the limit and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// A text or a list is too short or too long.
    Length {
        /// Least number of characters or entries.
        min: usize,
        /// Largest number of characters or entries.
        max: usize,
        /// Number of characters or entries given.
        actual: usize,
    },
    /// A text contains a character that the service does not accept.
    Character {
        /// The first such character.
        character: char,
        /// The accepted characters, in words.
        allowed: &'static str,
    },
    /// A number is out of range.
    Range {
        /// Smallest accepted value.
        min: i64,
        /// Largest accepted value.
        max: i64,
        /// The value given.
        actual: i64,
    },
    /// A text does not have the expected form.
    Malformed {
        /// The expected form, in words.
        expected: &'static str,
        /// The first 80 characters of the text given.
        actual: String,
    },
    /// Two members that require or exclude each other.
    Combination {
        /// The rule, in words.
        rule: &'static str,
    },
    /// A time range is empty or ends before its start.
    EmptyRange,
    /// A time range is longer than the service accepts.
    LongRange {
        /// The longest accepted range in seconds.
        max_seconds: u64,
        /// The range given, in seconds.
        actual_seconds: u64,
    },
    /// A time is before 1970.
    BeforeEpoch,
    /// An ARN names another region than the one that is asked.
    OtherRegion {
        /// The region in the ARN.
        named: String,
        /// The region that is asked.
        asked: String,
    },
}

impl fmt::Display for FieldProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Length { min, max, actual } => {
                write!(f, "must have {min} to {max} characters or entries, got {actual}")
            }
            Self::Character { character, allowed } => write!(f, "must consist of {allowed}, got {character:?}"),
            Self::Range { min, max, actual } => write!(f, "must be {min} to {max}, got {actual}"),
            Self::Malformed { expected, actual } => write!(f, "must be {expected}, got {actual:?}"),
            Self::Combination { rule } => f.write_str(rule),
            Self::EmptyRange => f.write_str("the end must be after the start"),
            Self::LongRange { max_seconds, actual_seconds } => {
                write!(f, "must span at most {max_seconds} s, got {actual_seconds} s")
            }
            Self::BeforeEpoch => f.write_str("must not be before 1970"),
            Self::OtherRegion { named, asked } => {
                write!(f, "names a stream in {named}, and the client asks {asked}: use a client of the stream's region")
            }
        }
    }
}

impl InvalidField {
    /// Creates the error that `field` has `problem`.
    #[must_use]
    pub const fn new(field: &'static str, problem: FieldProblem) -> Self {
        Self { field, problem }
    }

    /// Creates the error that `field` is not `expected`. Keeps the first 80 characters of `actual`.
    #[must_use]
    pub fn malformed(field: &'static str, expected: &'static str, actual: &str) -> Self {
        const SHOWN_CHARS: usize = 80;
        let actual = actual.chars().take(SHOWN_CHARS).collect();
        Self::new(field, FieldProblem::Malformed { expected, actual })
    }

    /// Creates the error that `field` breaks a rule about several members.
    #[must_use]
    pub const fn combination(field: &'static str, rule: &'static str) -> Self {
        Self::new(field, FieldProblem::Combination { rule })
    }
}
