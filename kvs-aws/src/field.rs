//! Checks of what a caller put into a request, before anything is sent.

use std::fmt;

/// A field of a request is outside what the service takes; nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
#[non_exhaustive]
pub struct InvalidField {
    /// The member's name as in the API reference, for example `StreamName`.
    pub field: &'static str,
    /// What is wrong with it.
    pub problem: FieldProblem,
}

/// What is wrong with a field, with the limit and the value.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldProblem {
    /// The text is too long or too short, in characters.
    Length {
        /// Least characters.
        min: usize,
        /// Most characters.
        max: usize,
        /// How many there were.
        actual: usize,
    },
    /// A character the service does not take.
    Character {
        /// The character.
        character: char,
        /// What is allowed, in words.
        allowed: &'static str,
    },
    /// A number is out of range.
    Range {
        /// Smallest value.
        min: i64,
        /// Largest value.
        max: i64,
        /// The value.
        actual: i64,
    },
    /// The shape is wrong.
    Malformed {
        /// What is expected, in words.
        expected: &'static str,
        /// What was given, cut to a printable length.
        actual: String,
    },
    /// Two fields that only go together, or only apart.
    Combination {
        /// The rule, in words.
        rule: &'static str,
    },
    /// A time range is empty or runs backwards.
    EmptyRange,
    /// A time range is longer than the service takes.
    LongRange {
        /// The longest range in seconds.
        max_seconds: u64,
        /// The range in seconds.
        actual_seconds: u64,
    },
    /// A time before 1970.
    BeforeEpoch,
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
        }
    }
}

impl InvalidField {
    /// A problem of `field`.
    #[must_use]
    pub const fn new(field: &'static str, problem: FieldProblem) -> Self {
        Self { field, problem }
    }

    /// `field` should have been `expected`.
    #[must_use]
    pub fn malformed(field: &'static str, expected: &'static str, actual: &str) -> Self {
        const SHOWN: usize = 80;
        let actual = actual.chars().take(SHOWN).collect();
        Self::new(field, FieldProblem::Malformed { expected, actual })
    }

    /// `field` breaks a rule about several fields.
    #[must_use]
    pub const fn combination(field: &'static str, rule: &'static str) -> Self {
        Self::new(field, FieldProblem::Combination { rule })
    }
}

/// Checks that `text` has `min` to `max` characters, all of them `allowed`.
///
/// # Errors
/// When it does not.
pub fn check_text(
    field: &'static str,
    text: &str,
    (min, max): (usize, usize),
    allowed: &'static str,
    is_allowed: impl Fn(char) -> bool,
) -> Result<(), InvalidField> {
    check_length(field, text.chars().count(), (min, max))?;
    match text.chars().find(|c| !is_allowed(*c)) {
        Some(character) => Err(InvalidField::new(field, FieldProblem::Character { character, allowed })),
        None => Ok(()),
    }
}

/// Checks that there are `min` to `max` characters or entries.
///
/// # Errors
/// When there are not.
pub fn check_length(field: &'static str, actual: usize, (min, max): (usize, usize)) -> Result<(), InvalidField> {
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(InvalidField::new(field, FieldProblem::Length { min, max, actual }))
    }
}

/// Checks that a number is `min` to `max`.
///
/// # Errors
/// When it is not.
pub fn check_range(field: &'static str, actual: impl Into<i64>, (min, max): (u32, u32)) -> Result<(), InvalidField> {
    let (actual, min, max) = (actual.into(), i64::from(min), i64::from(max));
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(InvalidField::new(field, FieldProblem::Range { min, max, actual }))
    }
}

/// Letters, digits, `_`, `.` and `-`: what names are made of.
pub(crate) const NAME_CHARACTERS: &str = "letters a-z A-Z, digits, '_', '.' and '-'";

pub(crate) const fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}
