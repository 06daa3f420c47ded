//! The API of the service: operations, request members, responses and errors.

mod error;
mod operation;
mod plane;
mod request;
pub(crate) mod wire;

pub(crate) use error::{ApiError, Exception};
pub(crate) use operation::{ControlOperation, Operation, ReadOperation};
pub(crate) use plane::{DataEndpoints, DataPorts, Plane};
pub(crate) use request::{StreamRef, Text, name_in_arn, not_empty, optional, parse, required, text, within};
