//! TLS with a local certificate authority, created once per data folder so that clients can keep trusting it.
//!
//! Clients are told to trust the authority, so it can vouch for little: its certificate permits only the names and addresses that
//! this service serves, for [`AUTHORITY_LIFE`]. It is replaced when it would expire or when the service gets another name.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::epoch_millis;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, NameConstraints, SanType,
};
use serde::{Deserialize, Serialize};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::private_file;

/// File name of the authority's certificate in the data folder.
pub(crate) const CA_FILE: &str = "ca.pem";
/// File name of the authority's private key in the data folder.
const CA_KEY_FILE: &str = "ca-key.pem";
/// File name of what the authority is constrained to.
const CA_SCOPE_FILE: &str = "ca.json";

/// Life of the authority: our choice, a year longer than that of certificates.
const AUTHORITY_LIFE: Duration = Duration::from_secs(730 * DAY);
/// Rest of its life at which the authority is replaced at the next start, and the least life of a certificate.
const RENEWAL: Duration = Duration::from_secs(365 * DAY);
/// Certificates are valid from a day ago, for clients with a slow clock.
const BACKDATED: Duration = Duration::from_secs(DAY);
const DAY: u64 = 24 * 3600;

/// Why TLS could not be set up.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("failed to read or write {file}")]
    Disk { file: &'static str, source: io::Error },
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
    /// Opens or creates the authority in the data folder and issues a certificate for `localhost`, loopback, `address` and the
    /// host of the public URL. `now` is the time of this machine.
    pub(crate) fn open(
        data_dir: &Path,
        address: IpAddr,
        public_host: Option<&str>,
        now: SystemTime,
    ) -> Result<Self, TlsError> {
        let names = ServedNames::new(address, public_host);
        let authority = Authority::open(data_dir, names, now)?;
        let server_key = KeyPair::generate()?;
        let certificate = authority.server_params(now)?.signed_by(&server_key, &authority.issuer)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(server_key.serialize_der()));
        // Name the provider: with two of them in a program's dependency tree, rustls panics instead of choosing one.
        let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        // No ALPN: the full-duplex exchange of PutMedia is HTTP/1.1.
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)), authority: authority.certificate })
    }
}

/// The names and addresses that the service serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct ServedNames {
    names: Vec<String>,
    addresses: Vec<IpAddr>,
}

impl ServedNames {
    fn new(address: IpAddr, public_host: Option<&str>) -> Self {
        let mut served = Self {
            names: vec!["localhost".to_owned()],
            addresses: vec![IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)],
        };
        served.add_address(address);
        if let Some(host) = public_host {
            match host.trim_start_matches('[').trim_end_matches(']').parse() {
                Ok(address) => served.add_address(address),
                Err(_) if served.names.iter().any(|name| name.eq_ignore_ascii_case(host)) => {}
                Err(_) => served.names.push(host.to_ascii_lowercase()),
            }
        }
        served
    }

    fn add_address(&mut self, address: IpAddr) {
        if !address.is_unspecified() && !self.addresses.contains(&address) {
            self.addresses.push(address);
        }
    }

    /// Returns the constraints of an authority for these names: they, the names below them, and all loopback addresses.
    fn constraints(&self) -> NameConstraints {
        let names = self.names.iter().cloned().map(GeneralSubtree::DnsName);
        let addresses = self.addresses.iter().map(|address| {
            let prefix = match address {
                IpAddr::V4(address) if address.is_loopback() => 8,
                IpAddr::V4(_) => 32,
                IpAddr::V6(_) => 128,
            };
            GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, prefix))
        });
        NameConstraints { permitted_subtrees: names.chain(addresses).collect(), excluded_subtrees: Vec::new() }
    }
}

/// What the authority of a data folder is constrained to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Scope {
    serves: ServedNames,
    until_ms: u64,
}

/// The authority of a data folder.
struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    scope: Scope,
}

impl Authority {
    /// Opens the authority. Creates one if there is none, if it does not serve exactly these names, or if it expires within
    /// [`RENEWAL`].
    fn open(data_dir: &Path, names: ServedNames, now: SystemTime) -> Result<Self, TlsError> {
        let read = |file: &'static str| {
            private_file::read(&data_dir.join(file)).map_err(|source| TlsError::Disk { file, source })
        };
        let stored = (read_public(data_dir, CA_FILE)?, read(CA_KEY_FILE)?, read_public(data_dir, CA_SCOPE_FILE)?);
        let had_one = stored.0.is_some();
        if let (Some(certificate), Some(key), Some(scope)) = stored
            && let Ok(scope) = serde_json::from_str::<Scope>(&scope)
            && scope.serves == names
            && scope.until_ms > epoch_millis(now + RENEWAL)
        {
            let issuer = Issuer::new(authority_params(&scope), KeyPair::from_pem(&key)?);
            return Ok(Self { certificate, issuer, scope });
        }
        let authority = Self::create(data_dir, names, now)?;
        if had_one {
            tracing::warn!(
                path = %data_dir.join(CA_FILE).display(),
                "created a new certificate authority: the old one had other names, no constraints or too little time left; \
                 clients must trust the new one"
            );
        }
        Ok(authority)
    }

    fn create(data_dir: &Path, serves: ServedNames, now: SystemTime) -> Result<Self, TlsError> {
        let scope = Scope { serves, until_ms: epoch_millis(now + AUTHORITY_LIFE) };
        let key = KeyPair::generate()?;
        let mut params = authority_params(&scope);
        (params.not_before, params.not_after) = ((now - BACKDATED).into(), (now + AUTHORITY_LIFE).into());
        let certificate = params.self_signed(&key)?.pem();
        let text = serde_json::to_string(&scope).map_err(io::Error::from);
        let text = text.map_err(|source| TlsError::Disk { file: CA_SCOPE_FILE, source })?;
        // Without the scope, all three are created again: a crash between the writes leaves no key with the certificate of another.
        match fs::remove_file(data_dir.join(CA_SCOPE_FILE)) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                return Err(TlsError::Disk { file: CA_SCOPE_FILE, source });
            }
            _ => {}
        }
        write(data_dir, CA_KEY_FILE, &key.serialize_pem(), private_file::write)?;
        write(data_dir, CA_FILE, &certificate, write_public)?;
        write(data_dir, CA_SCOPE_FILE, &text, write_public)?;
        Ok(Self { certificate, issuer: Issuer::new(params, key), scope })
    }

    fn server_params(&self, now: SystemTime) -> Result<CertificateParams, rcgen::Error> {
        let mut params = CertificateParams::new(self.scope.serves.names.clone())?;
        params.distinguished_name.push(DnType::CommonName, "kvs-local");
        params.subject_alt_names.extend(self.scope.serves.addresses.iter().copied().map(SanType::IpAddress));
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = ((now - BACKDATED).into(), (now + RENEWAL).into());
        Ok(params)
    }
}

/// Returns the parameters of an authority without its life. The name must not change between runs: certificates refer to it.
fn authority_params(scope: &Scope) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "kvs-local certificate authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(scope.serves.constraints());
    params
}

fn read_public(data_dir: &Path, file: &'static str) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(data_dir.join(file)) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(TlsError::Disk { file, source }),
    }
}

fn write(
    data_dir: &Path,
    file: &'static str,
    text: &str,
    how: impl Fn(&Path, &str) -> io::Result<()>,
) -> Result<(), TlsError> {
    how(&data_dir.join(file), text).map_err(|source| TlsError::Disk { file, source })
}

/// Replaces a file that everybody may read.
fn write_public(path: &Path, text: &str) -> io::Result<()> {
    let draft = path.with_extension("new");
    io::Write::write_all(&mut private_file::create_draft(&draft)?, text.as_bytes())?;
    fs::rename(draft, path)
}

#[cfg(test)]
mod tests {
    use rustls::RootCertStore;
    use rustls::client::WebPkiServerVerifier;
    use rustls::client::danger::ServerCertVerifier;
    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, ServerName, UnixTime};

    use super::*;

    const LISTEN: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 1, 2, 3));

    fn authority(dir: &Path, public: Option<&str>, now: SystemTime) -> Authority {
        Authority::open(dir, ServedNames::new(LISTEN, public), now).unwrap()
    }

    /// Returns whether a client that trusts the authority accepts a certificate for these names as that of `host`.
    fn accepts(authority: &Authority, names: &[&str], host: &str) -> bool {
        let mut params = authority.server_params(SystemTime::now()).unwrap();
        params.subject_alt_names =
            CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())
                .unwrap()
                .subject_alt_names;
        let certificate = params.signed_by(&KeyPair::generate().unwrap(), &authority.issuer).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(authority.certificate.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let host = ServerName::try_from(host.to_owned()).unwrap();
        verifier.verify_server_cert(certificate.der(), &[], &host, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn the_authority_vouches_only_for_what_the_service_serves() {
        let dir = tempfile::tempdir().unwrap();
        let authority = authority(dir.path(), Some("kvs.test"), SystemTime::now());
        for host in ["localhost", "127.0.0.1", "::1", "10.1.2.3", "kvs.test"] {
            assert!(accepts(&authority, &[host], host), "{host}");
        }
        for host in ["example.com", "kvs.example", "10.1.2.4", "8.8.8.8", "::2"] {
            assert!(!accepts(&authority, &[host], host), "{host}");
            assert!(!accepts(&authority, &["localhost", host], "localhost"), "{host} beside localhost");
        }
    }

    #[test]
    fn the_authority_is_kept_until_names_change_or_its_end_is_near() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = authority(dir.path(), None, now).certificate;
        assert_eq!(authority(dir.path(), None, now + Duration::from_secs(300 * DAY)).certificate, first);
        let renamed = authority(dir.path(), Some("kvs.test"), now).certificate;
        assert_ne!(renamed, first);
        assert_ne!(authority(dir.path(), Some("kvs.test"), now + Duration::from_secs(400 * DAY)).certificate, renamed);
        // An authority of an earlier version has no constraints.
        fs::remove_file(dir.path().join(CA_SCOPE_FILE)).unwrap();
        let old = fs::read_to_string(dir.path().join(CA_FILE)).unwrap();
        assert_ne!(authority(dir.path(), Some("kvs.test"), now).certificate, old);
    }

    /// Between the writes of key and certificate, the folder has the key of the new one and the certificate of the old one.
    #[test]
    fn an_authority_whose_creation_was_cut_off_is_created_again() {
        let dir = tempfile::tempdir().unwrap();
        let now = SystemTime::now();
        let first = authority(dir.path(), None, now).certificate;
        // A folder in place of the draft makes writing the certificate fail.
        let draft = dir.path().join(CA_FILE).with_extension("new");
        fs::create_dir_all(draft.join("full")).unwrap();
        assert!(Authority::open(dir.path(), ServedNames::new(LISTEN, Some("kvs.test")), now).is_err());
        assert_eq!(fs::read_to_string(dir.path().join(CA_FILE)).unwrap(), first);
        fs::remove_dir_all(draft).unwrap();
        let again = authority(dir.path(), None, now);
        assert_ne!(again.certificate, first);
        assert!(accepts(&again, &["localhost"], "localhost"));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_in_place_of_the_key_is_refused_and_its_target_kept() {
        let dir = tempfile::tempdir().unwrap();
        let (target, key) = (dir.path().join("target"), dir.path().join(CA_KEY_FILE));
        fs::write(&target, "precious").unwrap();
        std::os::unix::fs::symlink(&target, &key).unwrap();
        assert!(Authority::open(dir.path(), ServedNames::new(LISTEN, None), SystemTime::now()).is_err());
        assert_eq!(fs::read_to_string(&target).unwrap(), "precious");
    }
}
