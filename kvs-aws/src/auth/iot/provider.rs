//! The provider: requests credentials from the endpoint and caches them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::header::{DATE, HOST};
use http::{HeaderMap, Uri};

use super::config::{IotConfig, IotConfigError};
use super::credentials_body;
use super::error::IotError;
use crate::auth::credentials::{CredentialsCache, RefreshSchedule, RefreshWindow};
use crate::auth::service_clock::ServiceClock;
use crate::client_limits;
use crate::net::dial::Dialer;
use crate::net::error::{Phase, TransportError};
use crate::net::http_send::HttpSend;
use crate::net::hyper_send::HyperSend;
use crate::net::timeouts::Timeouts;
use crate::protocol::response::{http_date, read_error};

/// A credentials provider for a device with an X.509 certificate, on the AWS IoT credentials provider.
///
/// It works with [`ClientConfig::new`](crate::ClientConfig::new) and with every client of the AWS SDK for Rust.
///
/// Credentials are refreshed when they are used after 70 to 80 % of their lifetime; the exact time is random, so that many
/// devices do not refresh together. While the endpoint is unreachable, the current credentials are used until they expire,
/// and the endpoint is tried again every 5 to 60 s. There is no background task. Clones share the cached credentials.
///
/// ```no_run
/// # async fn example(device: kvs_aws::IotConfig) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{IotCredentials, IotError, ProvideCredentials};
///
/// let provider = IotCredentials::new(device)?;
/// if let Err(error) = provider.provide_credentials().await {
///     let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<IotError>());
///     if cause.is_some_and(|cause| !cause.is_transient()) {
///         eprintln!("check the device's configuration: {cause:?}");
///     }
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct IotCredentials {
    shared: Arc<Shared>,
}

struct Shared {
    uri: Uri,
    host: String,
    role_alias: String,
    thing_name: Option<String>,
    transport: Arc<dyn HttpSend>,
    timeout: Duration,
    /// Credentials expire by the endpoint's clock; the clock of a device may never have been set.
    clock: ServiceClock,
    cache: CredentialsCache<IotError>,
}

impl IotCredentials {
    /// Creates a provider. Sends nothing.
    ///
    /// # Errors
    /// Returns an error if certificate and key cannot be used, or TLS cannot be set up.
    pub fn new(config: IotConfig) -> Result<Self, IotConfigError> {
        let tls = config.client_config()?;
        let timeouts =
            Timeouts::default().connect(config.timeout).response_head(config.timeout).response_body(config.timeout);
        let transport: Arc<dyn HttpSend> = match &config.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(HyperSend::new(Dialer::new(tls, &config.proxy, config.timeout), timeouts)),
        };
        let path = format!("/role-aliases/{}/credentials", config.role_alias);
        let uri = config.endpoint.uri(&path).expect("a role alias has only characters that a path may have");
        Ok(Self {
            shared: Arc::new(Shared {
                uri,
                host: config.endpoint.host_header(),
                role_alias: config.role_alias,
                thing_name: config.thing_name,
                transport,
                timeout: config.timeout,
                clock: ServiceClock::new(config.clock),
                cache: CredentialsCache::new(RefreshSchedule::new(WINDOW, config.seed)),
            }),
        })
    }
}

impl ProvideCredentials for IotCredentials {
    fn provide_credentials<'a>(&'a self) -> future::ProvideCredentials<'a>
    where
        Self: 'a,
    {
        let shared = &self.shared;
        future::ProvideCredentials::new(async move {
            let credentials = shared.cache.credentials(|| shared.clock.now(), async || shared.fetch().await);
            credentials.await.map_err(Into::into)
        })
    }
}

impl Shared {
    /// Requests credentials once, within the timeout.
    async fn fetch(&self) -> Result<Credentials, IotError> {
        let limit = self.timeout;
        match tokio::time::timeout(limit, self.exchange()).await {
            Ok(result) => result,
            Err(_) => Err(self.failed(TransportError::Timeout { phase: Phase::Exchange, limit })),
        }
    }

    async fn exchange(&self) -> Result<Credentials, IotError> {
        let sent = self.transport.send(self.request()).await;
        let (head, body) = sent.map_err(|error| self.failed(error))?.into_parts();
        if !head.status.is_success() {
            return Err(IotError::from_service(read_error(head.status, &head.headers, body).await, &self.role_alias));
        }
        let body = body.collect(client_limits::ERROR_BYTES).await.map_err(|error| self.failed(error))?;
        self.set_clock(&head.headers);
        let invalid = |problem| IotError::InvalidResponse { endpoint: self.host.clone(), problem };
        credentials_body::read(&body, self.clock.now()).map_err(invalid)
    }

    fn request(&self) -> http::Request<Bytes> {
        let mut request = http::Request::get(self.uri.clone()).header(HOST, &self.host);
        if let Some(name) = &self.thing_name {
            request = request.header("x-amzn-iot-thingname", name);
        }
        request.body(Bytes::new()).expect("host and thing name were checked by the configuration")
    }

    fn failed(&self, error: TransportError) -> IotError {
        IotError::from_transport(error, &self.host)
    }

    fn set_clock(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
        if let Some(date) = date {
            self.clock.set(date);
        }
    }
}

impl fmt::Debug for IotCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IotCredentials")
            .field("endpoint", &self.shared.host)
            .field("role_alias", &self.shared.role_alias)
            .field("thing_name", &self.shared.thing_name)
            .finish_non_exhaustive()
    }
}

/// Early enough that many attempts fit before expiry: 12 minutes for credentials of one hour.
const WINDOW: RefreshWindow = RefreshWindow { from: 0.7, to: 0.8 };
