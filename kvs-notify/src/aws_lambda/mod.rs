//! Conversions from and to the types of `aws_lambda_events`.

mod delivery;
mod s3;
mod sns;
mod sqs;

/// Why a value cannot be converted from or to a type of `aws_lambda_events`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A required field is missing.
    #[error("missing {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field is invalid.
    #[error("invalid {field}: {problem}")]
    Invalid {
        /// The field.
        field: &'static str,
        /// What is wrong.
        problem: String,
    },
}

fn required<T>(value: Option<T>, field: &'static str) -> Result<T, ConvertError> {
    value.ok_or(ConvertError::Missing { field })
}

fn invalid(field: &'static str, problem: impl ToString) -> ConvertError {
    ConvertError::Invalid { field, problem: problem.to_string() }
}
