//! Whom an encrypted connection trusts.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use crate::limits;

/// Where the trusted certificate authorities come from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum TlsRoots {
    /// Those compiled in (feature `webpki-roots`: Mozilla's list, Amazon's own authorities among them) or the system's (feature
    /// `native-roots`: where `SSL_CERT_FILE` and `SSL_CERT_DIR` say, else where the system keeps them); both when both are on.
    /// With neither nobody is trusted, and only plain `http` endpoints can be reached.
    #[default]
    Default,
    /// A PEM bundle, alone. What `AWS_CA_BUNDLE` names.
    PemFile(PathBuf),
    /// A PEM bundle in memory, alone.
    Pem(Vec<u8>),
    /// A whole rustls configuration: pinned keys, client certificates, another crypto provider. ALPN is cleared.
    Custom(Arc<rustls::ClientConfig>),
}

/// Trust could not be set up.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file of certificates or keys cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is longer than any such file should be.
    #[error("{} is longer than the {limit} bytes that certificates and keys may have", path.display())]
    TooLong {
        /// The file.
        path: PathBuf,
        /// The limit.
        limit: u64,
    },
    /// There is no certificate to trust in it.
    #[error("no usable certificate in {0}")]
    NoCertificate(String),
    /// rustls refuses the set-up.
    #[error("TLS cannot be set up: {0}")]
    Rustls(#[from] rustls::Error),
}

impl TlsRoots {
    /// A client configuration that trusts these roots, without ALPN: every exchange is HTTP/1.1.
    pub(crate) fn client_config(&self) -> Result<rustls::ClientConfig, TlsError> {
        let roots = match self {
            Self::Custom(config) => {
                let mut config = rustls::ClientConfig::clone(config);
                config.alpn_protocols.clear();
                return Ok(config);
            }
            Self::Default => default_roots()?,
            Self::PemFile(path) => {
                roots_of_pem(&read_pem(path, limits::CA_BUNDLE_BYTES)?, &path.display().to_string())?
            }
            Self::Pem(pem) => roots_of_pem(pem, "the PEM text given")?,
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
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
        return Err(TlsError::NoCertificate("the system's store".to_owned()));
    }
    Ok(roots)
}

fn roots_of_pem(pem: &[u8], source: &str) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    // Bundles carry comments and now and then a certificate nobody can parse: the others still count.
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
    if roots.is_empty() { Err(TlsError::NoCertificate(source.to_owned())) } else { Ok(roots) }
}

/// A file that is not longer than `limit`.
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
    fn amazons_authorities_are_among_the_roots_compiled_in() {
        for name in
            [&b"Amazon Root CA 1"[..], b"Amazon Root CA 3", b"Starfield Services Root Certificate Authority - G2"]
        {
            let among = webpki_roots::TLS_SERVER_ROOTS
                .iter()
                .any(|root| root.subject.windows(name.len()).any(|part| part == name));
            assert!(among, "{}", String::from_utf8_lossy(name));
        }
    }
}
