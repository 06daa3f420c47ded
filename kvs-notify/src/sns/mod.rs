//! SNS messages, their headers and signatures.

mod headers;
mod message;
mod signing;
mod timestamp;
mod wire;

pub use headers::{InvalidSnsHeaders, SnsHeaders};
pub use message::{SnsAttribute, SnsConfirmation, SnsMessage, SnsNotification, SnsType};
pub use signing::{SignatureVersion, SnsSignature};
pub use timestamp::{InvalidTimestamp, SnsTimestamp};
