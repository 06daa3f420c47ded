//! The provider: asks the endpoint, keeps what it gets.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_credential_types::Credentials;
use aws_credential_types::provider::{ProvideCredentials, future};
use bytes::Bytes;
use http::header::{DATE, HOST};
use http::{HeaderMap, Uri};

use super::answer;
use super::config::{IotConfig, IotConfigError};
use super::error::IotError;
use crate::auth::credentials::{Keeper, Renewal, Window};
use crate::auth::service_clock::ServiceClock;
use crate::limits;
use crate::net::dial::Dialer;
use crate::net::http_send::HttpSend;
use crate::net::hyper_send::HyperSend;
use crate::net::timeouts::Timeouts;
use crate::protocol::error::TransportError;
use crate::protocol::reply::{http_date, read_error};

/// Credentials of a device, for its certificate: a provider for [`ClientConfig::new`](crate::ClientConfig::new) and for any client of
/// the AWS SDK for Rust.
///
/// Credentials are renewed after 70 to 80 % of their life, when somebody asks for them, where in that window is up to
/// chance. While the endpoint cannot be reached those at hand are given out until they end, and the endpoint is asked at
/// most every 5 to 60 s. Nothing runs in the background. Cloning is cheap and shares what is kept.
///
/// ```no_run
/// # async fn example(device: kvs_aws::IotConfig) -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{IotCredentials, IotError, ProvideCredentials};
///
/// let provider = IotCredentials::new(device)?;
/// if let Err(error) = provider.provide_credentials().await {
///     let cause = std::error::Error::source(&error).and_then(|cause| cause.downcast_ref::<IotError>());
///     if cause.is_some_and(|cause| !cause.is_transient()) {
///         eprintln!("somebody must act: {cause:?}");
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
    /// Credentials end by the endpoint's clock; a device's own may never have been set.
    clock: ServiceClock,
    keeper: Keeper<IotError>,
}

impl IotCredentials {
    /// A provider by `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// When certificate and key cannot be used, or trust cannot be set up.
    pub fn new(config: IotConfig) -> Result<Self, IotConfigError> {
        let tls = config.client_config()?;
        let timeouts = Timeouts::default().connect(config.timeout).head(config.timeout).body(config.timeout);
        let transport: Arc<dyn HttpSend> = match &config.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(HyperSend::new(Dialer::new(tls, &config.proxy, config.timeout), timeouts)),
        };
        let path = format!("/role-aliases/{}/credentials", config.role_alias);
        let uri = config.endpoint.uri(&path).expect("an alias is made of characters that a path takes");
        Ok(Self {
            shared: Arc::new(Shared {
                uri,
                host: config.endpoint.host_header(),
                role_alias: config.role_alias,
                thing_name: config.thing_name,
                transport,
                timeout: config.timeout,
                clock: ServiceClock::new(config.clock),
                keeper: Keeper::new(Renewal::new(WINDOW, config.seed)),
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
            let kept = shared.keeper.credentials(|| shared.clock.now(), async || shared.ask().await).await;
            kept.map_err(Into::into)
        })
    }
}

impl Shared {
    /// One question, within its time.
    async fn ask(&self) -> Result<Credentials, IotError> {
        match tokio::time::timeout(self.timeout, self.exchange()).await {
            Ok(answer) => answer,
            Err(_) => Err(self.unreachable(format!("no answer within {} ms", self.timeout.as_millis()))),
        }
    }

    async fn exchange(&self) -> Result<Credentials, IotError> {
        let sent = self.transport.send(self.request()).await;
        let (head, body) = sent.map_err(|error| self.failed(&error))?.into_parts();
        if !head.status.is_success() {
            return Err(IotError::of_service(read_error(head.status, &head.headers, body).await, &self.role_alias));
        }
        let body = body.collect(limits::ERROR_BYTES).await.map_err(|error| self.failed(&error))?;
        self.note_clock(&head.headers);
        let problem = |problem| IotError::Answer { endpoint: self.host.clone(), problem };
        answer::read(&body, self.clock.now()).map_err(problem)
    }

    fn request(&self) -> http::Request<Bytes> {
        let mut request = http::Request::get(self.uri.clone()).header(HOST, &self.host);
        if let Some(name) = &self.thing_name {
            request = request.header("x-amzn-iot-thingname", name);
        }
        request.body(Bytes::new()).expect("hosts and names were checked when they were taken")
    }

    fn failed(&self, error: &TransportError) -> IotError {
        IotError::of_transport(error, &self.host)
    }

    fn unreachable(&self, cause: String) -> IotError {
        IotError::Unreachable { endpoint: self.host.clone(), cause }
    }

    fn note_clock(&self, headers: &HeaderMap) {
        let date = headers.get(DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
        if let Some(date) = date {
            self.clock.learn(date);
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

/// Early enough that many renewals can fail before the end: with one hour's credentials 12 minutes are left.
const WINDOW: Window = Window { from: 0.7, to: 0.8 };
