//! The cryptography behind TLS.
//!
//! Cargo unites the features that all crates of a program enable, so both providers may be compiled in. Then aws-lc-rs is used:
//! `ring` is a default feature, whereas `aws-lc-rs` is enabled deliberately.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

use super::tls::TlsError;

/// Returns the provider that the features select. With neither feature it is the default of the process, if one is installed.
pub(super) fn provider() -> Result<Arc<CryptoProvider>, TlsError> {
    #[cfg(feature = "aws-lc-rs")]
    return Ok(Arc::new(rustls::crypto::aws_lc_rs::default_provider()));
    #[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
    return Ok(Arc::new(rustls::crypto::ring::default_provider()));
    #[cfg(not(any(feature = "ring", feature = "aws-lc-rs")))]
    return CryptoProvider::get_default().cloned().ok_or(TlsError::NoProvider);
}
