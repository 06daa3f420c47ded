//! Errors of the crates as exceptions of `kvs.errors`.

use std::error::Error;
use std::fmt::Write;

use kvs_aws::ServiceError;
use kvs_producer::{Failure, FailureKind, HaltReason, OpenError, PutFrameError, PutTagError, Refusal};
use pyo3::prelude::*;

/// Returns the exception that `kvs.errors` has for a code: a class of that name, or `KvsError` for a code that it does not know.
pub(crate) fn exception(code: &str, message: &str) -> PyErr {
    with_details(code, message, None, None)
}

fn with_details(code: &str, message: &str, status: Option<u16>, request_id: Option<&str>) -> PyErr {
    let made = Python::attach(|py| {
        let make = py.import("kvs.errors")?.getattr("_make")?;
        make.call1((code, message, status, request_id)).map(PyErr::from_value)
    });
    made.unwrap_or_else(|error| error)
}

/// Returns an exception for a value of the caller, which is also a `ValueError`.
pub(crate) fn invalid(message: impl AsRef<str>) -> PyErr {
    exception("InvalidValueError", message.as_ref())
}

/// Returns the message of an error and those of its causes on one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

/// Returns the exception for a failed call.
pub(crate) fn from_call(error: &kvs_aws::Error) -> PyErr {
    match error {
        kvs_aws::Error::Service(service) => from_service(service),
        kvs_aws::Error::Invalid(field) => invalid(chain(field)),
        kvs_aws::Error::Credentials(_) => exception("CredentialsError", &chain(error)),
        _ => exception("TransportError", &chain(error)),
    }
}

fn from_service(error: &ServiceError) -> PyErr {
    with_details(error.kind.as_str(), &error.to_string(), Some(error.status), error.request_id.as_deref())
}

/// Returns the exception for a stream that could not be opened.
pub(crate) fn from_open(error: &OpenError) -> PyErr {
    match error {
        OpenError::Config(_) | OpenError::StreamId(_) => invalid(chain(error)),
        OpenError::Spool(_) => exception("SpoolError", &chain(error)),
        OpenError::Halted { reason } => from_halt(reason),
        // The producer tries such a request again until the timeout: the name of the last refusal says what it waited for.
        OpenError::TimedOut { last: Some(failure), .. } => exception(code_of(failure), &chain(error)),
        _ => exception("TransportError", &chain(error)),
    }
}

fn from_halt(reason: &HaltReason) -> PyErr {
    match reason {
        HaltReason::StreamNotFound => {
            exception("ResourceNotFoundException", "stream not found: create it, or pass create_stream=True")
        }
        HaltReason::RequestRejected(failure) => from_failure(failure),
        HaltReason::Rejected(error) => exception(&error.code, &error.to_string()),
        _ => exception("KvsError", &reason.to_string()),
    }
}

fn from_failure(failure: &Failure) -> PyErr {
    exception(code_of(failure), &failure.to_string())
}

/// Returns the service's code if the message has it, or else the name of the exception for this kind.
fn code_of(failure: &Failure) -> &str {
    let mut words = failure.message.split(|c: char| !c.is_ascii_alphanumeric());
    let code = words.find(|word| word.len() > "Exception".len() && word.ends_with("Exception"));
    code.unwrap_or(match failure.kind {
        FailureKind::NotFound => "ResourceNotFoundException",
        FailureKind::Throttled => "ClientLimitExceededException",
        FailureKind::AccessDenied => "AccessDeniedException",
        FailureKind::CredentialsExpired => "ExpiredTokenException",
        FailureKind::InvalidRequest => "InvalidArgumentException",
        FailureKind::Unreachable | FailureKind::TimedOut => "TransportError",
        _ => "KvsError",
    })
}

/// Returns the exception for a frame that was not accepted.
pub(crate) fn from_put(error: &PutFrameError) -> PyErr {
    let code = match error.refusal {
        Refusal::Finished => "ProducerClosedError",
        Refusal::BufferFull { .. } => "BufferFullError",
        _ => "FrameRefusedError",
    };
    exception(code, &chain(error))
}

/// Returns the exception for a tag or an event that was not accepted.
pub(crate) fn from_tag(error: &PutTagError) -> PyErr {
    match error {
        PutTagError::Finished => exception("ProducerClosedError", &error.to_string()),
        _ => invalid(chain(error)),
    }
}
