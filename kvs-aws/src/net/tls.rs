//! TLS trust roots and TLS configurations.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::tls_provider;
use crate::client_limits;

/// The TLS trust roots.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum TlsRoots {
    /// The roots that the crate's features select.
    ///
    /// `webpki-roots`: Mozilla's list, compiled in; it includes Amazon's. `native-roots`: the roots of the operating system,
    /// or those in `SSL_CERT_FILE` and `SSL_CERT_DIR` if set. With both features, both apply. With neither, no certificate is
    /// trusted and only `http` endpoints work.
    #[default]
    Default,
    /// Only the roots in this PEM file, as with `AWS_CA_BUNDLE`. At most 8 MiB.
    PemFile(PathBuf),
    /// Only the roots in this PEM text.
    Pem(Vec<u8>),
    /// A complete rustls configuration, for example with pinned keys, client certificates or another crypto provider. ALPN is
    /// removed, because this crate uses HTTP/1.1 only.
    Custom(Arc<rustls::ClientConfig>),
}

/// TLS cannot be set up with this configuration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate or key file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A certificate or key file is too large.
    #[error("{} is larger than {limit} bytes, the limit for certificate and key files", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
    /// No certificate was found.
    #[error("no usable certificate in {0}")]
    NoCertificate(String),
    /// No TLS provider is compiled in.
    #[error(
        "no TLS provider: enable the feature ring or aws-lc-rs of kvs-aws, install a process-wide default of rustls, or use \
         TlsRoots::Custom"
    )]
    NoProvider,
    /// rustls rejects the configuration.
    #[error("invalid TLS configuration")]
    Configuration(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl TlsRoots {
    /// Returns a client configuration with these roots. It has no ALPN: every exchange is HTTP/1.1.
    pub(crate) fn client_config(&self) -> Result<rustls::ClientConfig, TlsError> {
        let roots = match self {
            Self::Custom(config) => {
                let mut config = rustls::ClientConfig::clone(config);
                config.alpn_protocols.clear();
                return Ok(config);
            }
            Self::Default => default_roots()?,
            Self::PemFile(path) => {
                pem_roots(&read_pem(path, client_limits::CA_BUNDLE_BYTES)?, &path.display().to_string())?
            }
            Self::Pem(pem) => pem_roots(pem, "the given PEM text")?,
        };
        let config = rustls::ClientConfig::builder_with_provider(tls_provider::provider()?);
        let config =
            config.with_safe_default_protocol_versions().map_err(|error| TlsError::Configuration(error.into()))?;
        Ok(config.with_root_certificates(roots).with_no_client_auth())
    }
}

fn default_roots() -> Result<RootCertStore, TlsError> {
    #[cfg_attr(
        not(any(feature = "webpki-roots", feature = "native-roots")),
        expect(unused_mut, reason = "filled by features")
    )]
    let mut roots = RootCertStore::empty();
    #[cfg(feature = "webpki-roots")]
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    #[cfg(feature = "native-roots")]
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() && cfg!(any(feature = "webpki-roots", feature = "native-roots")) {
        return Err(TlsError::NoCertificate("the root store of the operating system".to_owned()));
    }
    Ok(roots)
}

fn pem_roots(pem: &[u8], origin: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Real bundles contain comments and occasionally a certificate that no library can parse.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    if roots.is_empty() { Err(TlsError::NoCertificate(origin.to_owned())) } else { Ok(roots) }
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_pem(path: &Path, limit: u64) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::Read { path: path.to_owned(), source };
    let mut pem = Vec::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(limit.saturating_add(1)).read_to_end(&mut pem).map_err(failed)?;
    if u64::try_from(pem.len()).is_ok_and(|length| length <= limit) {
        Ok(pem)
    } else {
        Err(TlsError::TooLong { path: path.to_owned(), limit })
    }
}

#[cfg(all(test, feature = "webpki-roots"))]
mod tests {
    #[test]
    fn compiled_in_roots_include_amazon() {
        for name in
            [&b"Amazon Root CA 1"[..], b"Amazon Root CA 3", b"Starfield Services Root Certificate Authority - G2"]
        {
            let included = webpki_roots::TLS_SERVER_ROOTS
                .iter()
                .any(|root| root.subject.windows(name.len()).any(|part| part == name));
            assert!(included, "{}", String::from_utf8_lossy(name));
        }
    }
}
