//! The configuration of the AWS IoT credentials provider.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_types::__internal::check_text;
use kvs_types::InvalidField;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use crate::auth::service_clock::Clock;
use crate::client_limits;
use crate::net::dial::{InvalidProxy, Proxy};
use crate::net::endpoint::{Endpoint, InvalidEndpoint};
use crate::net::http_send::HttpSend;
use crate::net::tls::{TlsError, TlsRoots, read_pem};

/// The credentials endpoint, the role alias and the certificate of a device.
///
/// ```no_run
/// use kvs_aws::{ClientConfig, IotConfig, IotCredentials, Region};
///
/// let certificate = std::fs::read("/etc/camera/device.pem")?;
/// let private_key = std::fs::read("/etc/camera/device.key")?;
/// let endpoint = "c2bm6tabcdefgh.credentials.iot.eu-west-1.amazonaws.com";
/// let device = IotConfig::new(endpoint, "camera-upload", certificate, private_key)?.thing_name("front-door")?;
/// let config = ClientConfig::new(Region::new("eu-west-1")?, IotCredentials::new(device)?);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct IotConfig {
    pub(super) endpoint: Endpoint,
    pub(super) role_alias: String,
    pub(super) thing_name: Option<String>,
    certificate: Vec<u8>,
    private_key: Vec<u8>,
    pub(super) tls_roots: TlsRoots,
    pub(super) proxy: Proxy,
    pub(super) timeout: Duration,
    pub(super) seed: u64,
    pub(super) clock: Clock,
    pub(super) transport: Option<Arc<dyn HttpSend>>,
}

/// The configuration of a device is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IotConfigError {
    /// The endpoint's variable is set, but another required one is not.
    #[error("AWS_IOT_CORE_CREDENTIAL_ENDPOINT is set, but {0} is not")]
    Missing(&'static str),
    /// The endpoint is not a URL.
    #[error("invalid IoT credentials endpoint")]
    Endpoint(#[from] InvalidEndpoint),
    /// The endpoint is `http`, but the certificate requires TLS.
    #[error("IoT credentials endpoint must be https, got {0}")]
    Plain(Endpoint),
    /// The role alias or the thing name is invalid.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// The PEM text contains no certificate.
    #[error("no certificate in the PEM text of the device certificate")]
    NoCertificate,
    /// The PEM text contains no private key.
    #[error("no private key in the PEM text; expected PKCS#8, PKCS#1 or SEC1, not encrypted")]
    NoPrivateKey,
    /// Certificate and private key cannot be used, or do not belong together.
    #[error("invalid device certificate or private key")]
    Identity(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The URL of a proxy is invalid.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// A file cannot be read, or TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

impl IotConfig {
    /// Creates a configuration.
    ///
    /// `endpoint` is the output of `aws iot describe-endpoint --endpoint-type iot:CredentialProvider`, with or without
    /// `https://`. `certificate` (or a chain) and `private_key` are PEM.
    ///
    /// # Errors
    /// Returns an error if the endpoint is not an `https` URL or the role alias has an invalid character or length.
    pub fn new(
        endpoint: &str,
        role_alias: impl Into<String>,
        certificate: impl Into<Vec<u8>>,
        private_key: impl Into<Vec<u8>>,
    ) -> Result<Self, IotConfigError> {
        let url = if endpoint.contains("://") { endpoint.to_owned() } else { format!("https://{endpoint}") };
        let endpoint: Endpoint = url.parse()?;
        if !endpoint.is_tls() {
            return Err(IotConfigError::Plain(endpoint));
        }
        let role_alias = role_alias.into();
        let allowed = "letters a-z A-Z, digits, '_', '=', ',', '@' and '-'";
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '=' | ',' | '@' | '-');
        check_text("roleAlias", &role_alias, (1, client_limits::ROLE_ALIAS_CHARS), allowed, is_allowed)?;
        Ok(Self {
            endpoint,
            role_alias,
            thing_name: None,
            certificate: certificate.into(),
            private_key: private_key.into(),
            tls_roots: TlsRoots::Default,
            proxy: Proxy::none(),
            timeout: TIMEOUT,
            seed: fastrand::u64(..),
            clock: Clock::system(),
            transport: None,
        })
    }

    /// Reads the environment variables that the samples of AWS's C producer use.
    ///
    /// Required are `AWS_IOT_CORE_CREDENTIAL_ENDPOINT`, `AWS_IOT_CORE_ROLE_ALIAS`, and the file names `AWS_IOT_CORE_CERT` and
    /// `AWS_IOT_CORE_PRIVATE_KEY`. Optional are `AWS_IOT_CORE_THING_NAME`, `AWS_CA_BUNDLE` and the proxy variables of
    /// [`Proxy::from_env`]. Returns `None` if `AWS_IOT_CORE_CREDENTIAL_ENDPOINT` is not set.
    ///
    /// # Errors
    /// Returns an error if a required variable is missing, a value is invalid, or a file cannot be read.
    pub fn from_env() -> Result<Option<Self>, IotConfigError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the variables of [`IotConfig::from_env`] with the given function. Empty values count as not set.
    ///
    /// # Errors
    /// Returns an error if a required variable is missing, a value is invalid, or a file cannot be read.
    pub fn from_vars(variable: impl Fn(&'static str) -> Option<String>) -> Result<Option<Self>, IotConfigError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let Some(endpoint) = variable("AWS_IOT_CORE_CREDENTIAL_ENDPOINT") else { return Ok(None) };
        let required = |name| variable(name).ok_or(IotConfigError::Missing(name));
        let read =
            |name| Ok::<_, IotConfigError>(read_pem(Path::new(&required(name)?), client_limits::IDENTITY_BYTES)?);
        let role_alias = required("AWS_IOT_CORE_ROLE_ALIAS")?;
        let mut config =
            Self::new(&endpoint, role_alias, read("AWS_IOT_CORE_CERT")?, read("AWS_IOT_CORE_PRIVATE_KEY")?)?;
        if let Some(name) = variable("AWS_IOT_CORE_THING_NAME") {
            config = config.thing_name(name)?;
        }
        if let Some(path) = variable("AWS_CA_BUNDLE") {
            config = config.tls_roots(TlsRoots::PemFile(PathBuf::from(path)));
        }
        config.proxy = Proxy::from_vars(variable)?;
        Ok(Some(config))
    }

    /// Sets the thing name, which policies with thing variables need. The certificate must be attached to the thing.
    ///
    /// # Errors
    /// Returns an error if the name has an invalid character or length.
    pub fn thing_name(mut self, name: impl Into<String>) -> Result<Self, IotConfigError> {
        let name = name.into();
        let allowed = "letters a-z A-Z, digits, ':', '_' and '-'";
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '-');
        check_text("thingName", &name, (1, client_limits::THING_NAME_CHARS), allowed, is_allowed)?;
        self.thing_name = Some(name);
        Ok(self)
    }

    /// Sets the TLS trust roots. Default: [`TlsRoots::Default`].
    #[must_use]
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.tls_roots = roots;
        self
    }

    /// Sets the proxy. Default: none; [`IotConfig::from_env`] reads it from the environment.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets the timeout of one request, from name resolution to the last byte of the response. Default: 10 s.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets the seed of the refresh times, for reproducible tests. Default: random.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the wall clock. Default: the system clock. It is corrected by the `Date` headers of the endpoint.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    /// Sets the HTTP client, which must present the device certificate itself. Default: one on hyper and rustls.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn HttpSend>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Returns a TLS configuration that presents the device certificate.
    pub(super) fn client_config(&self) -> Result<rustls::ClientConfig, IotConfigError> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&self.certificate).filter_map(Result::ok).collect();
        if chain.is_empty() {
            return Err(IotConfigError::NoCertificate);
        }
        let key = PrivateKeyDer::from_pem_slice(&self.private_key).map_err(|_| IotConfigError::NoPrivateKey)?;
        let mut tls = self.tls_roots.client_config()?;
        let identity = CertifiedKey::from_der(chain, key, tls.crypto_provider());
        let identity = identity.map_err(|error| IotConfigError::Identity(error.into()))?;
        tls.client_auth_cert_resolver = Arc::new(SingleCertAndKey::from(identity));
        Ok(tls)
    }
}

impl fmt::Debug for IotConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IotConfig")
            .field("endpoint", &self.endpoint)
            .field("role_alias", &self.role_alias)
            .field("thing_name", &self.thing_name)
            .field("private_key", &"[redacted]")
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// A TLS handshake with two certificates takes seconds over a slow mobile link. AWS's C producer allows 5 s.
const TIMEOUT: Duration = Duration::from_secs(10);
