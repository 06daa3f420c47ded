//! The AWS IoT credentials provider: credentials for a device with an X.509 certificate.
//!
//! <https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html>

mod config;
mod credentials_body;
mod error;
mod provider;

pub use config::{IotConfig, IotConfigError};
pub use error::IotError;
pub use provider::IotCredentials;
