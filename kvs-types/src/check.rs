//! Checks of single values against the service model.

use crate::field::{FieldProblem, InvalidField};

/// The characters of names: letters, digits, `_`, `.` and `-`.
pub const NAME_CHARACTERS: &str = "letters a-z A-Z, digits, '_', '.' and '-'";

/// Returns whether a name may contain this character.
#[must_use]
pub const fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-')
}

/// Checks that `text` has `min` to `max` characters, all of them `allowed`.
///
/// # Errors
/// Returns the length or the first character that is not allowed.
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

/// Checks that a text has `min` to `max` characters, or a list that many entries.
///
/// # Errors
/// Returns the actual number and the limits.
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
/// Returns the number and the limits.
pub fn check_range(field: &'static str, actual: impl Into<i64>, (min, max): (u32, u32)) -> Result<(), InvalidField> {
    let (actual, min, max) = (actual.into(), i64::from(min), i64::from(max));
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(InvalidField::new(field, FieldProblem::Range { min, max, actual }))
    }
}
