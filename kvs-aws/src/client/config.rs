//! The configuration of a client.

use std::sync::Arc;
use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use kvs_types::InvalidField;

use crate::auth::service_clock::Clock;
use crate::client::retry::RetryConfig;
use crate::net::dial::{InvalidProxy, Proxy};
use crate::net::endpoint::{Endpoint, InvalidEndpoint};
use crate::net::http_send::HttpSend;
use crate::net::region::Region;
use crate::net::timeouts::Timeouts;
use crate::net::tls::{TlsError, TlsRoots};

/// The configuration of a [`Client`](crate::Client).
///
/// ```
/// use kvs_aws::{Client, ClientConfig, Credentials, Region};
///
/// let credentials = Credentials::from_keys("AKIDEXAMPLE", "secret", None);
/// let config = ClientConfig::new(Region::new("eu-west-1")?, credentials).endpoint_url("http://127.0.0.1:4567")?;
/// let client = Client::new(config)?;
/// assert_eq!(client.control_endpoint().to_string(), "http://127.0.0.1:4567");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Profiles, SSO, IMDS and other sources of credentials are the work of the crate `aws-config`. Pass it the result: with the
/// feature `aws-config`, `ClientConfig::try_from(&sdk_config)` takes region, credentials and endpoint from an `SdkConfig`;
/// without it, pass any credentials provider to [`ClientConfig::new`].
#[derive(Debug, Clone)]
pub struct ClientConfig {
    pub(crate) region: Region,
    pub(crate) credentials: SharedCredentialsProvider,
    pub(crate) endpoint: Option<Endpoint>,
    pub(crate) plain_data_endpoints: bool,
    pub(crate) use_fips: bool,
    pub(crate) use_dual_stack: bool,
    pub(crate) tls_roots: TlsRoots,
    pub(crate) proxy: Proxy,
    pub(crate) timeouts: Timeouts,
    pub(crate) retry: RetryConfig,
    pub(crate) retry_seed: u64,
    pub(crate) clock: Clock,
    pub(crate) transport: Option<Arc<dyn HttpSend>>,
    pub(crate) user_agent: String,
}

/// The configuration of a client is invalid.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The region is missing.
    #[error("no region: set AWS_REGION or AWS_DEFAULT_REGION")]
    MissingRegion,
    /// The credentials are missing.
    #[error("no credentials: set {0}")]
    MissingCredentials(&'static str),
    /// A value is invalid.
    #[error(transparent)]
    Field(#[from] InvalidField),
    /// A custom endpoint is not a URL.
    #[error("invalid {variable}")]
    Endpoint {
        /// The environment variable or setting.
        variable: &'static str,
        /// What is wrong with the URL.
        source: InvalidEndpoint,
    },
    /// A variable must be `true` or `false`.
    #[error("{variable} must be true or false, got {value:?}")]
    Switch {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
    },
    /// A custom endpoint excludes FIPS and dual-stack endpoints.
    #[error("a custom endpoint cannot be combined with FIPS or dual-stack endpoints; remove one of the settings")]
    EndpointAndVariant,
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The URL of a proxy is invalid.
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
    /// The user agent is not a valid header value.
    #[error("user agent contains a character that an HTTP header cannot")]
    UserAgent,
}

impl ClientConfig {
    /// Creates a configuration with the endpoints of `region` and default settings.
    ///
    /// `credentials` is any credentials provider of the AWS SDK for Rust, or fixed [`Credentials`].
    pub fn new(region: Region, credentials: impl ProvideCredentials + 'static) -> Self {
        Self {
            region,
            credentials: SharedCredentialsProvider::new(credentials),
            endpoint: None,
            plain_data_endpoints: false,
            use_fips: false,
            use_dual_stack: false,
            tls_roots: TlsRoots::Default,
            proxy: Proxy::none(),
            timeouts: Timeouts::default(),
            retry: RetryConfig::default(),
            retry_seed: fastrand::u64(..),
            clock: Clock::system(),
            transport: None,
            user_agent: concat!("kvs-aws-rust/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// Reads the environment variables that the AWS tools use.
    ///
    /// | Variable | Meaning |
    /// |---|---|
    /// | `AWS_REGION`, else `AWS_DEFAULT_REGION` | the region; required |
    /// | `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` | the credentials; required |
    /// | `AWS_SESSION_TOKEN` | the session token of temporary credentials |
    /// | `AWS_ENDPOINT_URL_KINESIS_VIDEO`, else `AWS_ENDPOINT_URL` | a custom control-plane endpoint |
    /// | `AWS_CA_BUNDLE` | a PEM file with the TLS trust roots |
    /// | `AWS_USE_FIPS_ENDPOINT`, `AWS_USE_DUALSTACK_ENDPOINT` | `true` or `false` |
    /// | `HTTPS_PROXY`, `HTTP_PROXY`, `ALL_PROXY`, `NO_PROXY` | see [`Proxy::from_env`] |
    ///
    /// Profiles and instance roles are not read; use `aws-config` for them.
    ///
    /// # Errors
    /// Returns an error if region or credentials are missing, or a value is invalid.
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::from_vars(|name| std::env::var(name).ok())
    }

    /// Reads the variables of [`ClientConfig::from_env`] with the given function. Empty values count as not set.
    ///
    /// # Errors
    /// Returns an error if region or credentials are missing, or a value is invalid.
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
        config.use_fips = is_on("AWS_USE_FIPS_ENDPOINT", variable)?;
        config.use_dual_stack = is_on("AWS_USE_DUALSTACK_ENDPOINT", variable)?;
        config.proxy = Proxy::from_vars(variable)?;
        Ok(config)
    }

    /// Sets the credentials provider.
    #[must_use]
    pub fn credentials(mut self, credentials: impl ProvideCredentials + 'static) -> Self {
        self.credentials = SharedCredentialsProvider::new(credentials);
        self
    }

    /// Sets the control-plane endpoint. Default: the endpoint of the region.
    ///
    /// Data endpoints are used as this endpoint returns them, so a local service receives all calls.
    ///
    /// # Errors
    /// Returns an error if `url` is not of the form `https://HOST` or `http://HOST:PORT`.
    pub fn endpoint_url(mut self, url: &str) -> Result<Self, ConfigError> {
        let endpoint = url.parse().map_err(|source| ConfigError::Endpoint { variable: "endpoint URL", source })?;
        self.endpoint = Some(endpoint);
        Ok(self)
    }

    /// Sets whether data endpoints may be without TLS (`http://`) although the control-plane endpoint has it. Default: only
    /// those of this machine (`localhost`, 127.0.0.0/8, `[::1]`). Session tokens would travel in clear.
    #[must_use]
    pub const fn allow_plain_data_endpoints(mut self, allow: bool) -> Self {
        self.plain_data_endpoints = allow;
        self
    }

    /// Sets whether the endpoint must be FIPS-validated (`kinesisvideo-fips.…`). Default: only in GovCloud, which has no others.
    #[must_use]
    pub const fn use_fips(mut self, use_fips: bool) -> Self {
        self.use_fips = use_fips;
        self
    }

    /// Sets whether the endpoint has IPv6 addresses beside IPv4. Default: IPv4 only.
    #[must_use]
    pub const fn use_dual_stack(mut self, use_dual_stack: bool) -> Self {
        self.use_dual_stack = use_dual_stack;
        self
    }

    /// Sets the TLS trust roots. Default: [`TlsRoots::Default`].
    #[must_use]
    pub fn tls_roots(mut self, roots: TlsRoots) -> Self {
        self.tls_roots = roots;
        self
    }

    /// Sets the proxy for all connections, including those of PutMedia. Default: none; [`ClientConfig::from_env`] reads it
    /// from the environment.
    #[must_use]
    pub fn proxy(mut self, proxy: Proxy) -> Self {
        self.proxy = proxy;
        self
    }

    /// Sets the timeouts of one attempt.
    #[must_use]
    pub const fn timeouts(mut self, timeouts: Timeouts) -> Self {
        self.timeouts = timeouts;
        self
    }

    /// Sets how often and how fast failed attempts are repeated.
    #[must_use]
    pub const fn retry(mut self, retry: RetryConfig) -> Self {
        self.retry = retry;
        self
    }

    /// Sets the seed of the jitter, for reproducible tests. Default: random.
    #[must_use]
    pub const fn retry_seed(mut self, seed: u64) -> Self {
        self.retry_seed = seed;
        self
    }

    /// Sets the wall clock for the time in signatures. Default: the system clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        self.clock = Clock(Arc::new(clock));
        self
    }

    /// Sets the HTTP client. Default: a pooled one on hyper and rustls. PutMedia does not use it.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn HttpSend>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Sets the `User-Agent` header. Default: name and version of this crate.
    #[must_use]
    pub fn user_agent(mut self, user_agent: impl Into<String>) -> Self {
        self.user_agent = user_agent.into();
        self
    }

    /// Returns the control-plane endpoint.
    pub(crate) fn control_endpoint(&self) -> Result<Endpoint, ConfigError> {
        match &self.endpoint {
            Some(endpoint) if !self.use_fips && !self.use_dual_stack => Ok(endpoint.clone()),
            Some(_) => Err(ConfigError::EndpointAndVariant),
            None => Ok(Endpoint::control_plane(&self.region, self.use_fips, self.use_dual_stack)),
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
    fn service_specific_endpoint_takes_precedence() {
        let config = with(&[
            ("AWS_ENDPOINT_URL_KINESIS_VIDEO", "http://127.0.0.1:1"),
            ("AWS_ENDPOINT_URL", "http://127.0.0.1:2"),
        ])
        .unwrap();
        assert_eq!(config.control_endpoint().unwrap().to_string(), "http://127.0.0.1:1");
    }

    #[test]
    fn errors_name_the_missing_variable() {
        assert_eq!(from(&[]).unwrap_err().to_string(), "no region: set AWS_REGION or AWS_DEFAULT_REGION");
        let error = from(&[("AWS_DEFAULT_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", " ")]).unwrap_err();
        assert_eq!(error.to_string(), "no credentials: set AWS_ACCESS_KEY_ID");
        assert!(with(&[("AWS_USE_FIPS_ENDPOINT", "maybe")]).is_err());
        assert!(with(&[("AWS_ENDPOINT_URL", "localhost")]).is_err());
    }

    #[test]
    fn rejects_custom_endpoint_with_fips() {
        let config = with(&[("AWS_ENDPOINT_URL", "http://127.0.0.1:2"), ("AWS_USE_FIPS_ENDPOINT", "TRUE")]).unwrap();
        assert!(matches!(config.control_endpoint(), Err(ConfigError::EndpointAndVariant)));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = with(&[("AWS_SESSION_TOKEN", "very-secret-token")]).unwrap();
        assert!(!format!("{config:?}").contains("very-secret"), "{config:?}");
    }
}
