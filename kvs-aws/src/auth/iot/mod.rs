//! Credentials for a device that has a certificate and no keys: AWS IoT's credentials provider.
//!
//! <https://docs.aws.amazon.com/iot/latest/developerguide/authorizing-direct-aws.html>

mod answer;
mod config;
mod error;
mod provider;

pub use config::{IotConfig, IotConfigError};
pub use error::IotError;
pub use provider::IotCredentials;
