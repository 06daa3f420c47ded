//! The RSA key that signs messages, and its certificate.
//!
//! SNS signs with RSA only, and its default signature version 1 uses SHA-1. The key is created on first use and stored in
//! the data folder. The certificate is issued to `sns.amazonaws.com`, because message validators check that name. Its
//! authority is created for this one certificate and its key is discarded, so a test that trusts the authority trusts
//! nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use kvs_notify::{SignatureVersion, SnsMessage, SnsSignature};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer as _};
use sha1::Sha1;
use tokio::sync::OnceCell;

use crate::deliver::limits::{AUTHORITY_LIFE, KEY_BITS};
use crate::private_file;

/// Signs messages. `Debug` does not show the key.
pub(super) struct Signer {
    sha1: SigningKey<Sha1>,
    sha256: SigningKey<Sha256>,
    certificate: String,
    authority: String,
}

/// A signer that is opened on first use: generating a key takes up to 1 s and would delay the start of the service.
#[derive(Debug)]
pub(super) struct LazySigner {
    folder: PathBuf,
    signer: OnceCell<Arc<Signer>>,
}

impl LazySigner {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, signer: OnceCell::new() }
    }

    /// Returns the signer. After an error, the next call tries again.
    pub(super) async fn get(&self) -> Result<Arc<Signer>, SignerError> {
        let open = || async {
            let folder = self.folder.clone();
            let opened = tokio::task::spawn_blocking(move || Signer::open(&folder)).await;
            let stopped = |_| SignerError::Key { reason: "service is shutting down".to_owned() };
            opened.map_err(stopped).flatten().map(Arc::new)
        };
        self.signer.get_or_try_init(open).await.map(Arc::clone)
    }
}

/// Why messages cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// A file of the key could not be read or written.
    #[error("failed to access signing key {}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file does not contain an RSA key, or a key could not be generated.
    #[error("invalid signing key: {reason}")]
    Key {
        /// The cause.
        reason: String,
    },
}

impl Signer {
    /// Opens the key in `folder`. If there is none, generates and stores one, which takes up to 1 s. Blocks.
    pub(super) fn open(folder: &Path) -> Result<Self, SignerError> {
        let path = folder.join("sns-key.pem");
        let stored = ["sns-key.pem", "sns-certificate.pem", "sns-authority.pem"].map(|name| read(&folder.join(name)));
        let [key, certificate, authority] = stored;
        match (key?, certificate?, authority?) {
            (Some(key), Some(certificate), Some(authority)) => {
                let key = RsaPrivateKey::from_pkcs8_pem(&key).map_err(|error| invalid(&path, error))?;
                Ok(Self::new(key, certificate, authority))
            }
            _ => Self::generate(folder),
        }
    }

    /// Returns the certificate chain for `SigningCertURL`: the certificate of the key, then that of its authority.
    pub(super) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Returns the certificate of the authority. Receivers in tests trust it.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    /// Signs a message with this signature version, or with version 2 if the version is unknown.
    pub(super) fn sign(&self, message: SnsMessage, version: &SignatureVersion, cert_url: &str) -> SnsMessage {
        let text = message.string_to_sign();
        let (version, signature) = match version {
            SignatureVersion::V1 => (SignatureVersion::V1, self.sha1.sign(text.as_bytes()).to_vec()),
            _ => (SignatureVersion::V2, self.sha256.sign(text.as_bytes()).to_vec()),
        };
        let value = base64_simd::STANDARD.encode_to_string(signature);
        message.signed(SnsSignature::new(version, value, cert_url))
    }

    fn new(key: RsaPrivateKey, certificate: String, authority: String) -> Self {
        Self { sha1: SigningKey::new(key.clone()), sha256: SigningKey::new(key), certificate, authority }
    }

    fn generate(folder: &Path) -> Result<Self, SignerError> {
        let failed = |error: rsa::Error| SignerError::Key { reason: error.to_string() };
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(failed)?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| SignerError::Key { reason: error.to_string() })?;
        let (certificate, authority) = certify(&pem).map_err(|error| SignerError::Key { reason: error.to_string() })?;
        store(folder, "sns-certificate.pem", &certificate)?;
        store(folder, "sns-authority.pem", &authority)?;
        // Written last: if the key is missing, all three files are created again.
        store(folder, "sns-key.pem", &pem)?;
        Ok(Self::new(key, certificate, authority))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer([redacted])")
    }
}

/// Returns the certificate chain of a key, and the certificate of the authority.
fn certify(key: &str) -> Result<(String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "kvs-local test authority for SNS messages");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let permitted_subtrees = vec![GeneralSubtree::DnsName(SUBJECT.to_owned())];
    authority.name_constraints = Some(NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() });
    // Tests may run on an earlier clock than that of this machine.
    let (from, until) = (rcgen::date_time_ymd(2020, 1, 1), (SystemTime::now() + AUTHORITY_LIFE).into());
    (authority.not_before, authority.not_after) = (from, until);
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();

    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256)?;
    let mut certificate = CertificateParams::new([SUBJECT.to_owned()])?;
    certificate.distinguished_name.push(DnType::CommonName, SUBJECT);
    (certificate.not_before, certificate.not_after) = (from, until);
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = certificate.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    Ok((certificate.pem() + &authority_pem, authority_pem))
}

fn read(path: &Path) -> Result<Option<String>, SignerError> {
    private_file::read(path).map_err(|source| SignerError::Disk { path: path.to_owned(), source })
}

fn store(folder: &Path, name: &str, text: &str) -> Result<(), SignerError> {
    let path = folder.join(name);
    let written = create_private(folder).and_then(|()| private_file::write(&path, text));
    written.map_err(|source| SignerError::Disk { path, source })
}

/// Creates the folder. On Unix, only its owner can access it.
fn create_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn invalid(path: &Path, error: impl std::fmt::Display) -> SignerError {
    SignerError::Key { reason: format!("{}: {error}", path.display()) }
}

/// The subject that message validators expect. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
const SUBJECT: &str = "sns.amazonaws.com";

#[cfg(test)]
mod tests {
    use kvs_notify::{SnsNotification, SnsTimestamp};
    use rsa::pkcs1v15::Signature;
    use rsa::signature::{Keypair, Verifier};

    use super::*;

    #[test]
    fn key_is_stored_and_not_shown_by_debug() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        let first = Signer::open(&folder).unwrap();
        let again = Signer::open(&folder).unwrap();
        assert_eq!((first.certificate(), first.authority()), (again.certificate(), again.authority()));
        assert_eq!(format!("{first:?}"), "Signer([redacted])");
        let timestamp = SnsTimestamp::new(SystemTime::UNIX_EPOCH).unwrap();
        let message = SnsMessage::Notification(SnsNotification::new("id", "arn:aws:sns:r:1:t", "text", timestamp));
        for version in [SignatureVersion::V1, SignatureVersion::V2] {
            let signed = first.sign(message.clone(), &version, "http://x/y.pem");
            let SnsSignature { value, .. } = signed.signature().unwrap();
            let bytes = base64_simd::STANDARD.decode_to_vec(value).unwrap();
            let signature = Signature::try_from(bytes.as_slice()).unwrap();
            let text = signed.string_to_sign();
            let checked = match version {
                SignatureVersion::V1 => again.sha1.verifying_key().verify(text.as_bytes(), &signature),
                _ => again.sha256.verifying_key().verify(text.as_bytes(), &signature),
            };
            assert!(checked.is_ok(), "{version:?}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_access_the_key_and_its_folder() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        Signer::open(&folder).unwrap();
        for path in [folder.clone(), folder.join("sns-key.pem")] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o77, 0, "{path:?}");
        }
    }
}
