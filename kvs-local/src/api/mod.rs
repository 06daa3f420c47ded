//! The API of the service: its operations, how requests are read, how responses and errors are written.

mod error;
mod operation;
mod request;
pub(crate) mod wire;

pub(crate) use error::{ApiError, Exception};
pub(crate) use operation::{ControlOperation, ReadOperation, Route};
pub(crate) use request::{StreamRef, Text, name_in_arn, optional, parse, required, text, within, without_nulls};
