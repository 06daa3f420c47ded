//! What all operations have in common: requests, responses and errors. Knows the network layer, no credentials.

pub(crate) mod error;
pub(crate) mod failure_kind;
pub(crate) mod lenient;
pub(crate) mod operation;
pub(crate) mod response;
pub(crate) mod service_error;
