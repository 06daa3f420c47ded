//! Errors as one line of text.

use kvs_types::__internal::ErrorChain;

/// Returns the message of an error and of its causes, separated by `: `.
pub(crate) fn error_chain(error: &dyn std::error::Error) -> String {
    ErrorChain(error).to_string()
}
