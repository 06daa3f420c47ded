//! TLS with a local certificate authority, created once per data folder so that clients can keep trusting it.

use std::fs;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

/// File name of the authority's certificate in the data folder.
pub(crate) const CA_FILE: &str = "ca.pem";
/// File name of the authority's private key in the data folder.
const CA_KEY_FILE: &str = "ca-key.pem";

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("failed to read or write the certificate authority")]
    Disk(#[from] io::Error),
    #[error("failed to create a certificate")]
    Certificate(#[from] rcgen::Error),
    #[error("failed to configure TLS")]
    Tls(#[from] rustls::Error),
}

/// The TLS acceptor and the authority that clients must trust.
pub(crate) struct Tls {
    pub(crate) acceptor: TlsAcceptor,
    /// The authority's certificate, as PEM.
    pub(crate) authority: String,
}

impl Tls {
    /// Opens or creates the authority in the data folder and issues a certificate for `localhost`, loopback and `address`.
    pub(crate) fn open(data_dir: &Path, address: IpAddr) -> Result<Self, TlsError> {
        let (authority, key) = authority(data_dir)?;
        let issuer = Issuer::new(authority_params(), key);
        let server_key = KeyPair::generate()?;
        let certificate = server_params(address)?.signed_by(&server_key, &issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        // Name the provider: with two of them in a program's dependency tree, rustls panics instead of choosing one.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        // No ALPN: the full-duplex exchange of PutMedia is HTTP/1.1.
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority })
    }
}

/// Reads or creates the certificate and key of the authority.
fn authority(data_dir: &Path) -> Result<(String, KeyPair), TlsError> {
    let (certificate, key) = (data_dir.join(CA_FILE), data_dir.join(CA_KEY_FILE));
    if certificate.is_file() && key.is_file() {
        return Ok((fs::read_to_string(&certificate)?, KeyPair::from_pem(&fs::read_to_string(&key)?)?));
    }
    let pair = KeyPair::generate()?;
    let pem = authority_params().self_signed(&pair)?.pem();
    write_private(&key, &pair.serialize_pem())?;
    fs::write(&certificate, &pem)?;
    Ok((pem, pair))
}

/// Returns the parameters of the authority. They must not change between runs: certificates refer to its name.
fn authority_params() -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kvs-local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn server_params(address: IpAddr) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::new(["localhost".to_owned()])?;
    params.distinguished_name.push(DnType::CommonName, "kvs-local");
    let mut addresses = vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
    if !address.is_unspecified() && !addresses.contains(&address) {
        addresses.push(address);
    }
    params.subject_alt_names.extend(addresses.into_iter().map(SanType::IpAddress));
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

/// Writes a file that only its owner can read.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;
        options.mode(0o600);
    }
    options.open(path)?.write_all(text.as_bytes())
}
