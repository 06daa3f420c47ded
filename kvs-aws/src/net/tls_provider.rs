//! The cryptography behind TLS.
//!
//! Features may be combined by crates that do not know of each other, so both providers can be compiled in. Then aws-lc-rs is
//! used: `ring` is on by default, whereas enabling `aws-lc-rs` is somebody's decision.

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
