//! What every call has in common: the operation, its response and its errors.

pub(crate) mod error;
pub(crate) mod operation;
pub mod reply;
