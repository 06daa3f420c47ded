//! The API of the service: operations, request members, responses and errors.

mod error;
mod operation;
mod request;
pub(crate) mod wire;

pub(crate) use error::{ApiError, Exception};
pub(crate) use operation::{ControlOperation, Operation, ReadOperation};
pub(crate) use request::{StreamRef, Text, name_in_arn, optional, parse, required, text, within, without_nulls};
