//! How a client is set up.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use kvs_types::InvalidField;

use crate::auth::service_clock::Clock;
use crate::client::retry::RetryPolicy;
use crate::net::dial::{InvalidProxy, Proxy};
use crate::net::endpoint::{Endpoint, Fips, InvalidEndpoint, IpFamilies};
use crate::net::http_send::HttpSend;
use crate::net::region::Region;
use crate::net::timeouts::Timeouts;
use crate::net::tls::{TlsError, TlsRoots};

/// Everything a [`Client`](crate::Client) needs to know.
///
/// ```
/// use aws_credential_types::Credentials;
/// use kvs_aws::{ClientConfig, Region};
///
/// let credentials = Credentials::from_keys("AKIDEXAMPLE", "secret", None);
/// let config = ClientConfig::new(Region::new("eu-west-1")?, credentials).endpoint_url("http://127.0.0.1:4567")?;
/// assert_eq!(config.control_endpoint()?.to_string(), "http://127.0.0.1:4567");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(crate) region: Region,
    pub(crate) credentials: SharedCredentialsProvider,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) fips: Fips,
    pub(crate) families: IpFamilies,
    pub(crate) tls_roots: TlsRoots,
    pub(crate) proxy: Proxy,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryPolicy,
    pub(crate) retry_seed: u64,
    pub(crate) clock: Clock,
    pub(crate) transport: Option<Arc<dyn HttpSend>>,
    pub(crate) user_agent: String,
}

/// A client cannot be set up like this.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// No region is named.
    #[error("no region: set AWS_REGION or AWS_DEFAULT_REGION")]
    MissingRegion,
    /// No credentials are named.
    #[error("no credentials: set {0}")]
    MissingCredentials(&'static str),
    /// A value is refused.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// A custom endpoint is none.
    #[error("{variable}: {source}")]
    Endpoint {
        /// Where it came from.
        variable: &'static str,
        /// What is wrong.
        source: InvalidEndpoint,
    },
    /// A switch is neither `true` nor `false`.
    #[error("{variable} must be true or false, got {value:?}")]
    Switch {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A custom endpoint and FIPS or dual-stack endpoints exclude each other.
    #[error("a custom endpoint cannot be combined with FIPS or dual-stack endpoints")]
    EndpointAndVariant,
    /// Trust cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A proxy's address is none.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// A header value that no header can hold.
    #[error("the user agent has a character that a header cannot hold")]
    UserAgent,
}

impl ClientConfig {
    /// A configuration with the endpoints of `region` and the defaults of everything else.
    ///
    /// `credentials` is any provider of the AWS SDK for Rust, or [`Credentials`] themselves.
    pub fn new(region: Region, credentials: impl ProvideCredentials + 'static) -> Self {
        Self {
            region,
            credentials: SharedCredentialsProvider::new(credentials),
            endpoint: None,
            fips: Fips::Ordinary,
            families: IpFamilies::V4,
            tls_roots: TlsRoots::Default,
            proxy: Proxy::none(),
            timeouts: Timeouts::default(),
            retry: RetryPolicy::default(),
            retry_seed: fastrand::u64(..),
            clock: Clock::system(),
            transport: None,
            user_agent: concat!("kvs-aws-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Reads the environment as the AWS tools do: `AWS_REGION` or `AWS_DEFAULT_REGION`, `AWS_ACCESS_KEY_ID`,
    /// `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_ENDPOINT_URL_KINESIS_VIDEO` before `AWS_ENDPOINT_URL`,
    /// `AWS_CA_BUNDLE`, `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT`, and the proxy variables of
    /// [`Proxy::from_env`]. Profiles and instance roles are not read: use `aws-config` and hand its provider to
    /// [`ClientConfig::new`] for those.
    ///
    /// # Errors
    /// When region or credentials are missing, or a value is refused.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// [`ClientConfig::from_env`] with another place to look variables up. Empty values count as not set.
    ///
    /// # Errors
    /// When region or credentials are missing, or a value is refused.
    pub fn from_vars(variable: impl Fn(&'static str) -> Option<String>) -> Result<Self, ConfigError> {
        let variable = |name| variable(name).filter(|value| !value.trim().is_empty());
        let region = variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION"));
        let region = Region::new(region.ok_or(ConfigError::MissingRegion)?)?;
        let required = |name| variable(name).ok_or(ConfigError::MissingCredentials(name));
        let (key, secret) = (required("AWS_ACCESS_KEY_ID")?, required("AWS_SECRET_ACCESS_KEY")?);
        let credentials = Credentials::new(key, secret, variable("AWS_SESSION_TOKEN"), None, "environment");
        let mut config = Self::new(region, credentials);
        for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_KINESIS_VIDEO"] {
            if let Some(url) = variable(name) {
                let endpoint = url.parse().map_err(|source| ConfigError::Endpoint { variable: name, source })?;
                config.endpoint = Some(endpoint);
            }
        }
        if let Some(path) = variable("AWS_CA_BUNDLE") {
            config.tls_roots = TlsRoots::PemFile(path.into());
        }
        if is_on("AWS_USE_FIPS_ENDPOINT", variable)? {
            config.fips = Fips::Required;
        }
        if is_on("AWS_USE_DUALSTACK_ENDPOINT", variable)? {
            config.families = IpFamilies::DualStack;
        }
        config.proxy = Proxy::from_vars(variable)?;
        Ok(config)
    }

    /// Sets where credentials come from.
    #[must_use]
    pub fn credentials(mut self, credentials: impl ProvideCredentials + 'static) -> Self {
        self.credentials = SharedCredentialsProvider::new(credentials);
        self
    }

    /// Sets the control plane's endpoint. Data endpoints that it names are followed as they are, so a local service
    /// leads everything to itself.
    ///
    /// # Errors
    /// When the text is no endpoint.
    pub fn endpoint_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let endpoint = url.parse().map_err(|source| ConfigError::Endpoint { variable: "endpoint_url", source })?;
        self.endpoint = Some(endpoint);
        Ok(self)
    }

    /// Sets whether endpoints must be FIPS-validated. Default: only in GovCloud.
    #[must_use]
    pub const fn fips(mut self, fips: Fips) -> Self {
        self.fips = fips;
        self
    }

    /// Sets whether endpoints speak IPv6 too. Default: IPv4 only.
    #[must_use]
    pub const fn ip_families(mut self, families: IpFamilies) -> Self {
        self.families = families;
        self
    }

    /// Sets whom encrypted connections trust. Default: the roots compiled in.
    #[must_use]
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.tls_roots = roots;
        self
    }

    /// Sets the proxy that connections go through, those of PutMedia too. Default: none; [`ClientConfig::from_env`] takes the
    /// environment's.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets the longest waits of one attempt.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets when failed attempts are repeated.
    #[must_use]
    pub const fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the seed of the retry pauses' jitter. Default: random.
    #[must_use]
    pub const fn retry_seed(mut self, seed: u64) -> Self {
        self.retry_seed = seed;
        self
    }

    /// Sets the wall clock that signatures are dated by. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    /// Puts another transport in place of the pooled hyper one (PutMedia keeps its own).
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn HttpSend>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets the `User-Agent` header. Default: this crate's name and version.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// The region.
    #[must_use]
    pub const fn region(&self) -> &Region {
        &self.region
    }

    /// The control plane's endpoint that follows from all this.
    ///
    /// # Errors
    /// When a custom endpoint is combined with FIPS or dual-stack ones.
    pub fn control_endpoint(&self) -> Result<Endpoint, ConfigError> {
        match &self.endpoint {
            Some(endpoint) if (self.fips, self.families) == (Fips::Ordinary, IpFamilies::V4) => Ok(endpoint.clone()),
            Some(_) => Err(ConfigError::EndpointAndVariant),
            None => Ok(Endpoint::control_plane(&self.region, self.fips, self.families)),
        }
    }
}

fn is_on(name: &'static str, variable: impl Fn(&'static str) -> Option<String>) -> Result<bool, ConfigError> {
    match variable(name) {
        None => Ok(false),
        Some(value) if value.eq_ignore_ascii_case("true") => Ok(true),
        Some(value) if value.eq_ignore_ascii_case("false") => Ok(false),
        Some(value) => Err(ConfigError::Switch { variable: name, value }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from(vars: &[(&'static str, &str)]) -> Result<ClientConfig, ConfigError> {
        ClientConfig::from_vars(|name| vars.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned()))
    }

    const BASE: [(&str, &str); 3] =
        [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKID"), ("AWS_SECRET_ACCESS_KEY", "very-secret")];

    fn with(more: &[(&'static str, &'static str)]) -> Result<ClientConfig, ConfigError> {
        from(&BASE.iter().chain(more).copied().collect::<Vec<_>>())
    }

    #[test]
    fn the_service_specific_endpoint_wins_over_the_general_one() {
        let config = with(&[
            ("AWS_ENDPOINT_URL_KINESIS_VIDEO", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
        ])
        .unwrap();
        assert_eq!(config.control_endpoint().unwrap().to_string(), "http://127.0.0.1:1");
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(from(&[]).unwrap_err().to_string(), "no region: set AWS_REGION or AWS_DEFAULT_REGION");
        let error = from(&[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", " ")]).unwrap_err();
        assert_eq!(error.to_string(), "no credentials: set AWS_ACCESS_KEY_ID");
        assert!(with(&[("AWS_USE_FIPS_ENDPOINT", "maybe")]).is_err());
        assert!(with(&[("AWS_ENDPOINT_URL", "localhost")]).is_err());
    }

    #[test]
    fn a_custom_endpoint_excludes_fips_and_dual_stack() {
        let config = with(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:2"), ("AWS_USE_FIPS_ENDPOINT", "TRUE")]).unwrap();
        assert!(matches!(config.control_endpoint(), Err(ConfigError::EndpointAndVariant)));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with(&[("AWS_SESSION_TOKEN", "very-secret-token")]).unwrap();
        assert!(!format!("{config:?}").contains("very-secret"), "{config:?}");
    }
}
