//! Signing certificates and the roots that they must chain to.

use std::fmt;
use std::time::SystemTime;

use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName, SignatureVerificationAlgorithm, TrustAnchor, UnixTime};
use webpki::ring::RSA_PKCS1_2048_8192_SHA256;
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, KeyUsage};

use super::sha1::RsaSha1;
use super::url::SigningCertUrl;
use crate::limits::{CERTIFICATE_BYTES, CERTIFICATES};

/// The trust roots for signing certificates.
///
/// SNS serves the signing certificate alone, issued by one of the intermediates "Amazon RSA 2048 M01" to "M04" under "Amazon Root
/// CA 1" (<https://www.amazontrust.com/repository/>). A program needs that root and these intermediates. Either can be added as a root,
/// and intermediates can also be added as such.
#[derive(Clone, Default)]
pub struct TrustRoots {
    anchors: Vec<TrustAnchor<'static>>,
    intermediates: Vec<CertificateDer<'static>>,
}

impl TrustRoots {
    /// Creates an empty set.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds trust anchors, for example `webpki_roots::TLS_SERVER_ROOTS`.
    #[must_use]
    pub fn anchors(mut self, anchors: impl IntoIterator<Item = TrustAnchor<'static>>) -> Self {
        self.anchors.extend(anchors);
        self
    }

    /// Adds the certificates of a PEM file as roots.
    ///
    /// # Errors
    /// Returns an error if the file is not PEM or too large, or a certificate is malformed.
    pub fn roots_pem(mut self, pem: &[u8]) -> Result<Self, CertificateError> {
        for certificate in certificates(pem)? {
            let anchor = webpki::anchor_from_trusted_cert(&certificate).map_err(CertificateError::malformed)?;
            self.anchors.push(anchor.to_owned());
        }
        Ok(self)
    }

    /// Adds the certificates of a PEM file as intermediates.
    ///
    /// # Errors
    /// Returns an error if the file is not PEM or too large.
    pub fn intermediates_pem(mut self, pem: &[u8]) -> Result<Self, CertificateError> {
        self.intermediates.extend(certificates(pem)?);
        Ok(self)
    }
}

impl fmt::Debug for TrustRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrustRoots({} anchors, {} intermediates)", self.anchors.len(), self.intermediates.len())
    }
}

/// A signing certificate and its URL. [`Verifier::verify`](crate::Verifier::verify) checks whether it is trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningCertificate {
    url: SigningCertUrl,
    /// The certificate of the key.
    leaf: CertificateDer<'static>,
    /// Further certificates of the file.
    chain: Vec<CertificateDer<'static>>,
}

impl SigningCertificate {
    /// Reads the PEM file of the URL.
    ///
    /// # Errors
    /// Returns an error if the file is not PEM, contains no certificate or is too large.
    pub fn from_pem(url: SigningCertUrl, pem: &[u8]) -> Result<Self, CertificateError> {
        let mut certificates = certificates(pem)?.into_iter();
        let leaf = certificates.next().ok_or(CertificateError::Empty)?;
        EndEntityCert::try_from(&leaf).map_err(CertificateError::malformed)?;
        Ok(Self { url, leaf, chain: certificates.collect() })
    }

    /// Returns the URL of the certificate.
    #[must_use]
    pub fn url(&self) -> &SigningCertUrl {
        &self.url
    }

    /// Checks that the certificate chains to a root at that time and is issued to SNS.
    pub(super) fn check(&self, roots: &TrustRoots, now: SystemTime) -> Result<(), CertificateError> {
        let leaf = EndEntityCert::try_from(&self.leaf).map_err(CertificateError::malformed)?;
        let since_epoch = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let links: Vec<_> = self.chain.iter().chain(&roots.intermediates).cloned().collect();
        let (time, usage) = (UnixTime::since_unix_epoch(since_epoch), KeyUsage::server_auth());
        leaf.verify_for_usage(ALL_VERIFICATION_ALGS, &roots.anchors, &links, time, usage, None, None)
            .map_err(|reason| CertificateError::NotTrusted { reason: reason.to_string() })?;
        let carries = |name: &String| {
            let name = ServerName::try_from(name.as_str());
            name.is_ok_and(|name| leaf.verify_is_valid_for_subject_name(&name).is_ok())
        };
        if self.url.names().iter().any(carries) { Ok(()) } else { Err(CertificateError::ForeignName) }
    }

    /// Returns whether its key made this signature.
    pub(super) fn signed(&self, digest: Digest, text: &[u8], signature: &[u8]) -> bool {
        let algorithm: &dyn SignatureVerificationAlgorithm = match digest {
            Digest::Sha1 => &RsaSha1,
            Digest::Sha256 => RSA_PKCS1_2048_8192_SHA256,
        };
        EndEntityCert::try_from(&self.leaf).is_ok_and(|leaf| leaf.verify_signature(algorithm, text, signature).is_ok())
    }
}

/// The digest of a signature.
#[derive(Clone, Copy)]
pub(super) enum Digest {
    Sha1,
    Sha256,
}

/// Returns the certificates of a PEM file in its order.
fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, CertificateError> {
    if pem.len() > CERTIFICATE_BYTES {
        return Err(CertificateError::TooLarge { size: pem.len(), limit: CERTIFICATE_BYTES });
    }
    let all: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .take(CERTIFICATES.saturating_add(1))
        .collect::<Result<_, _>>()
        .map_err(|_| CertificateError::NotPem)?;
    match all.len() {
        0 => Err(CertificateError::Empty),
        count if count > CERTIFICATES => Err(CertificateError::TooMany { limit: CERTIFICATES }),
        _ => Ok(all),
    }
}

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The file is larger than any signing certificate.
    #[error("PEM file too large: {size} bytes, the limit is {limit}")]
    TooLarge {
        /// Bytes given.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The file has more certificates than any chain.
    #[error("too many certificates in the PEM file: the limit is {limit}")]
    TooMany {
        /// Certificates allowed.
        limit: usize,
    },
    /// The file is not PEM.
    #[error("not a PEM file")]
    NotPem,
    /// The PEM file contains no certificate.
    #[error("no certificate in the PEM file")]
    Empty,
    /// The certificate is not valid X.509.
    #[error("malformed certificate: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// The certificate does not chain to a root now: unknown issuer, expired, not yet valid, or for another usage.
    #[error("the signing certificate is not trusted: {reason}")]
    NotTrusted {
        /// What is wrong.
        reason: String,
    },
    /// The certificate is trusted, but not issued to SNS.
    #[error("the signing certificate is not issued to SNS")]
    ForeignName,
}

impl CertificateError {
    fn malformed(reason: webpki::Error) -> Self {
        Self::Malformed { reason: reason.to_string() }
    }
}

#[cfg(test)]
mod tests {
    use base64_simd::STANDARD;

    use super::*;
    use crate::sns::SnsMessage;
    use crate::verify::UrlPolicy;

    /// Two messages that SNS published in 2022, and the certificate it served then: public in the tests of the AWS SDK for Ruby.
    const GENUINE: [(&str, Digest); 2] = [
        (include_str!("../../tests/vectors/aws/notification-v1.json"), Digest::Sha1),
        (include_str!("../../tests/vectors/aws/notification-v2.json"), Digest::Sha256),
    ];
    const PEM: &[u8] = include_bytes!("../../tests/vectors/aws/certificate.pem");

    fn genuine(json: &str) -> (SnsMessage, Vec<u8>, SigningCertificate) {
        let message: SnsMessage = serde_json::from_str(json).unwrap();
        let signature = message.signature().unwrap();
        let url = UrlPolicy::aws().signing_cert(&signature.cert_url).unwrap();
        let bytes = STANDARD.decode_to_vec(&signature.value).unwrap();
        (message, bytes, SigningCertificate::from_pem(url, PEM).unwrap())
    }

    #[test]
    fn accepts_signatures_by_aws() {
        for (json, digest) in GENUINE {
            let (message, signature, certificate) = genuine(json);
            assert!(certificate.signed(digest, message.string_to_sign().as_bytes(), &signature));
            assert!(!certificate.signed(digest, b"another text", &signature));
        }
    }

    #[test]
    fn rejects_the_certificate_of_aws_without_its_roots() {
        let (.., certificate) = genuine(GENUINE[0].0);
        let then = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_659_000_000);
        let foreign = TrustRoots::new().roots_pem(include_bytes!("../../tests/vectors/openssl/root.pem")).unwrap();
        let error = certificate.check(&foreign, then).unwrap_err();
        assert!(matches!(error, CertificateError::NotTrusted { .. }), "{error}");
        let leaf = EndEntityCert::try_from(&certificate.leaf).unwrap();
        let name = ServerName::try_from("sns.amazonaws.com").unwrap();
        assert!(leaf.verify_is_valid_for_subject_name(&name).is_ok());
        assert_eq!(certificate.url().names()[0], "sns.amazonaws.com");
    }

    #[test]
    fn rejects_files_that_are_not_certificates() {
        let url = || UrlPolicy::aws().signing_cert("https://sns.us-west-2.amazonaws.com/x.pem").unwrap();
        let read = |pem: &[u8]| SigningCertificate::from_pem(url(), pem).unwrap_err();
        assert_eq!(read(b""), CertificateError::Empty);
        assert_eq!(read(b"<html>not found</html>"), CertificateError::Empty);
        assert_eq!(read(&vec![b'x'; CERTIFICATE_BYTES + 1]), CertificateError::TooLarge { size: 65537, limit: 65536 });
        assert_eq!(read(&PEM.repeat(CERTIFICATES + 1)), CertificateError::TooMany { limit: CERTIFICATES });
        let empty = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(matches!(read(empty), CertificateError::Malformed { .. }));
        let cut = b"-----BEGIN CERTIFICATE-----\nAA*A\n-----END CERTIFICATE-----\n";
        assert_eq!(read(cut), CertificateError::NotPem);
        assert_eq!(read(&PEM[..500]), CertificateError::NotPem);
    }
}
