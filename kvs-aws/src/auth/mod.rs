//! Credentials, their refresh, and request signatures.

pub(crate) mod credentials;
#[cfg(feature = "iot")]
pub(crate) mod iot;
pub(crate) mod service_clock;
pub(crate) mod sign;
