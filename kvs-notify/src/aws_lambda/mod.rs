//! To and from the types of `aws_lambda_events`, for programs that have those already.

mod delivery;
mod s3;
mod sns;
mod sqs;

/// A value of `aws_lambda_events` that cannot be one of ours, or the other way round.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConvertError {
    /// A field that ours always have is absent.
    #[error("no {field}")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A field holds what it cannot.
    #[error("{field}: {problem}")]
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
