//! The key that signs messages as SNS does, and the certificate that proves it.
//!
//! A receiver that checks signatures needs an RSA key, since SNS has no other, and SHA-1 with it, since signature version 1
//! is what topics use unless told otherwise. The key is made on first use, kept in the data folder and never leaves it. Its
//! certificate names `sns.amazonaws.com`, as receivers check that; it is signed by an authority of its own, whose key is
//! thrown away once it has signed, so that whoever trusts it for tests trusts nothing else.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kvs_notify::{SignatureVersion, SnsMessage, SnsSignature};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::SigningKey;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};

use rsa::sha2::Sha256;
use rsa::signature::{SignatureEncoding, Signer as _};
use sha1::Sha1;
use tokio::sync::OnceCell;

use crate::deliver::limits::KEY_BITS;
use crate::deliver::s3::object_store::write_new;

/// Signs messages. `Debug` shows nothing of the key.
pub(in crate::deliver) struct Signer {
    sha1: SigningKey<Sha1>,
    sha256: SigningKey<Sha256>,
    certificate: String,
    authority: String,
}

/// The signer, made when it is first needed: finding a key takes up to a second, which no start should.
#[derive(Debug)]
pub(in crate::deliver) struct Keyring {
    folder: PathBuf,
    signer: OnceCell<Arc<Signer>>,
}

impl Keyring {
    pub(in crate::deliver) fn new(folder: PathBuf) -> Self {
        Self { folder, signer: OnceCell::new() }
    }

    /// The signer; an error is tried again the next time.
    pub(in crate::deliver) async fn signer(&self) -> Result<Arc<Signer>, SignerError> {
        let open = || async {
            let folder = self.folder.clone();
            let opened = tokio::task::spawn_blocking(move || Signer::open(&folder)).await;
            let stopped = |_| SignerError::Key { reason: "the service shuts down".to_owned() };
            opened.map_err(stopped).flatten().map(Arc::new)
        };
        self.signer.get_or_try_init(open).await.map(Arc::clone)
    }
}

/// Why messages cannot be signed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignerError {
    /// The disk refused.
    #[error("the signing key in {} cannot be kept: {source}", path.display())]
    Disk {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// What was kept is no key, or one could not be made.
    #[error("the signing key cannot be used: {reason}")]
    Key {
        /// What is wrong.
        reason: String,
    },
}

impl Signer {
    /// The key in `folder`, made and kept there if there is none: that takes up to a second. Blocks.
    pub(in crate::deliver) fn open(folder: &Path) -> Result<Self, SignerError> {
        let path = folder.join("sns-key.pem");
        let kept = ["sns-key.pem", "sns-certificate.pem", "sns-authority.pem"].map(|name| read(&folder.join(name)));
        let [key, certificate, authority] = kept;
        match (key?, certificate?, authority?) {
            (Some(key), Some(certificate), Some(authority)) => {
                let key = RsaPrivateKey::from_pkcs8_pem(&key).map_err(|error| unusable(&path, error))?;
                Ok(Self::assemble(key, certificate, authority))
            }
            _ => Self::make(folder),
        }
    }

    /// The certificate behind `SigningCertURL`: its own, then its authority's.
    pub(in crate::deliver) fn certificate(&self) -> &str {
        &self.certificate
    }

    /// The certificate of the authority, to be trusted by receivers in tests.
    pub(in crate::deliver) fn authority(&self) -> &str {
        &self.authority
    }

    /// Signs a message in this version; an unknown one is signed as version 2.
    pub(in crate::deliver) fn sign(
        &self,
        message: SnsMessage,
        version: &SignatureVersion,
        cert_url: &str,
    ) -> SnsMessage {
        let text = message.string_to_sign();
        let (version, signature) = match version {
            SignatureVersion::V1 => (SignatureVersion::V1, self.sha1.sign(text.as_bytes()).to_vec()),
            _ => (SignatureVersion::V2, self.sha256.sign(text.as_bytes()).to_vec()),
        };
        let value = base64_simd::STANDARD.encode_to_string(signature);
        message.signed(SnsSignature::new(version, value, cert_url))
    }

    fn assemble(key: RsaPrivateKey, certificate: String, authority: String) -> Self {
        Self { sha1: SigningKey::new(key.clone()), sha256: SigningKey::new(key), certificate, authority }
    }

    fn make(folder: &Path) -> Result<Self, SignerError> {
        let failed = |error: rsa::Error| SignerError::Key { reason: error.to_string() };
        let key = RsaPrivateKey::new(&mut rsa::rand_core::OsRng, KEY_BITS).map_err(failed)?;
        let pem = key.to_pkcs8_pem(LineEnding::LF).map_err(|error| SignerError::Key { reason: error.to_string() })?;
        let (certificate, authority) = certify(&pem).map_err(|error| SignerError::Key { reason: error.to_string() })?;
        keep(folder, "sns-certificate.pem", &certificate)?;
        keep(folder, "sns-authority.pem", &authority)?;
        // Last: without a key all three are made anew.
        keep(folder, "sns-key.pem", &pem)?;
        Ok(Self::assemble(key, certificate, authority))
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer([redacted])")
    }
}

/// A certificate for this key and the one of the authority that signed it.
fn certify(key: &str) -> Result<(String, String), rcgen::Error> {
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "kvs-local test authority for SNS messages");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
    let authority_key = KeyPair::generate()?;
    let authority_pem = authority.self_signed(&authority_key)?.pem();

    let key = KeyPair::from_pkcs8_pem_and_sign_algo(key, &rcgen::PKCS_RSA_SHA256)?;
    let mut certificate = CertificateParams::new([SUBJECT.to_owned()])?;
    certificate.distinguished_name.push(DnType::CommonName, SUBJECT);
    certificate.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    certificate.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let certificate = certificate.signed_by(&key, &Issuer::from_params(&authority, &authority_key))?;
    Ok((certificate.pem() + &authority_pem, authority_pem))
}

fn read(path: &Path) -> Result<Option<String>, SignerError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(SignerError::Disk { path: path.to_owned(), source }),
    }
}

fn keep(folder: &Path, name: &str, text: &str) -> Result<(), SignerError> {
    let path = folder.join(name);
    let written = make_private(folder).and_then(|()| {
        let temporary = folder.join(format!("{name}.tmp"));
        write_new(&temporary, text.as_bytes())?;
        fs::rename(&temporary, &path)
    });
    written.map_err(|source| SignerError::Disk { path, source })
}

/// Makes the folder for its owner alone, where the system knows owners.
fn make_private(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

fn unusable(path: &Path, error: impl std::fmt::Display) -> SignerError {
    SignerError::Key { reason: format!("{}: {error}", path.display()) }
}

/// Whom receivers expect. <https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html>
const SUBJECT: &str = "sns.amazonaws.com";

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use kvs_notify::{SnsNotification, SnsTimestamp};
    use rsa::pkcs1v15::Signature;
    use rsa::signature::{Keypair, Verifier};

    use super::*;

    #[test]
    fn the_key_stays_the_same_over_restarts_and_out_of_sight() {
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
    fn the_folder_of_the_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("keys");
        Signer::open(&folder).unwrap();
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o77, 0);
    }
}
