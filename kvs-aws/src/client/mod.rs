//! The client that all calls go through.

pub(crate) mod config;
pub(crate) mod media_tail;
pub mod retry;
#[cfg(feature = "aws-config")]
mod sdk_config;

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method};
use kvs_types::StreamId;

use crate::auth::credentials::CredentialsCache;
use crate::auth::service_clock::ServiceClock;
use crate::auth::sign::{self, Payload};
use crate::client::config::{ClientConfig, ConfigError};
use crate::client::retry::{Budget, Next, Outcome, Retry};
use crate::limits;
use crate::net::dial::Dialer;
use crate::net::endpoint::Endpoint;
use crate::net::http_send::HttpSend;
use crate::net::hyper_send::HyperSend;
use crate::ops::control::GetDataEndpoint;
use crate::protocol::error::{Error, Phase, ServiceError, ServiceErrorKind, TransportError};
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::reply::{self, Reply};

/// A client of the service: signs, sends, repeats what is worth repeating, and finds data endpoints.
///
/// Cloning is cheap and shares the connection pool, the endpoint cache and the retry budget. Memory: the pool's
/// connections and at most 10,000 cached endpoints.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{Client, ClientConfig, DescribeStream};
///
/// let client = Client::new(ClientConfig::from_env()?)?;
/// let stream = client.send(DescribeStream::new("front-door".parse()?)).await?;
/// println!("{:?} keeps {:?} h", stream.status, stream.data_retention_in_hours);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) config: ClientConfig,
    pub(crate) control: Endpoint,
    pub(crate) credentials: CredentialsCache,
    pub(crate) dialer: Dialer,
    user_agent: HeaderValue,
    transport: Arc<dyn HttpSend>,
    endpoints: Mutex<HashMap<(StreamId, ApiName), CachedEndpoint>>,
    budget: Budget,
    calls: AtomicU64,
    clock: ServiceClock,
}

struct CachedEndpoint {
    endpoint: Endpoint,
    since: Instant,
}

impl Client {
    /// A client by `config`. Nothing is sent yet.
    ///
    /// # Errors
    /// When the endpoints contradict each other or trust cannot be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let control = config.control_endpoint()?;
        let dialer = Dialer::new(config.tls_roots.client_config()?, &config.proxy, config.timeouts.connect);
        let user_agent = HeaderValue::try_from(config.user_agent.as_str()).map_err(|_| ConfigError::UserAgent)?;
        let transport: Arc<dyn HttpSend> = match &config.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(HyperSend::new(dialer.clone(), config.timeouts)),
        };
        let credentials = CredentialsCache::new(config.credentials.clone(), config.retry_seed);
        let shared = Shared {
            control,
            credentials,
            dialer,
            user_agent,
            transport,
            endpoints: Mutex::default(),
            budget: Budget::default(),
            calls: AtomicU64::new(0),
            clock: ServiceClock::new(config.clock.clone()),
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The configuration.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// Makes a call where it belongs, finding the data endpoint if it needs one.
    ///
    /// A data endpoint out of the cache that turns out to be stale is asked for anew, once.
    ///
    /// # Errors
    /// When the request is refused before or after sending, or no attempt got through.
    pub async fn send<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        operation.check()?;
        let (stream, api) = match operation.target() {
            Target::ControlPlane => return self.send_checked(&self.shared.control, &operation).await,
            Target::DataPlane(stream, api) => (stream, api),
        };
        let cached = self.cached_endpoint(stream, api);
        let fresh = cached.is_none();
        let endpoint = match cached {
            Some(endpoint) => endpoint,
            None => self.data_endpoint(stream, api).await?,
        };
        match self.send_checked(&endpoint, &operation).await {
            Err(error) if is_endpoint_fault(&error) => {
                self.forget_data_endpoint(stream, api);
                if fresh {
                    return Err(error);
                }
                let endpoint = self.data_endpoint(stream, api).await?;
                self.send_checked(&endpoint, &operation).await
            }
            answer => answer,
        }
    }

    /// Makes a call at a given endpoint.
    ///
    /// # Errors
    /// When the request is refused before or after sending, or no attempt got through.
    pub async fn send_to<O: Operation>(&self, endpoint: &Endpoint, operation: O) -> Result<O::Output, Error> {
        operation.check()?;
        self.send_checked(endpoint, &operation).await
    }

    /// The data endpoint of a stream for one call, out of the cache or asked for; kept for 40 minutes.
    ///
    /// # Errors
    /// Those of `GetDataEndpoint`.
    pub async fn data_endpoint(&self, stream: &StreamId, api: &ApiName) -> Result<Endpoint, Error> {
        if let Some(endpoint) = self.cached_endpoint(stream, api) {
            return Ok(endpoint);
        }
        let question = GetDataEndpoint::new(stream.clone(), api.clone());
        question.check()?;
        let endpoint = self.send_checked(&self.shared.control, &question).await?;
        self.keep_endpoint(stream, api, endpoint.clone());
        Ok(endpoint)
    }

    /// Drops a data endpoint from the cache, so that the next call asks for it anew.
    pub fn forget_data_endpoint(&self, stream: &StreamId, api: &ApiName) {
        self.endpoints().remove(&(stream.clone(), api.clone()));
    }

    fn cached_endpoint(&self, stream: &StreamId, api: &ApiName) -> Option<Endpoint> {
        let endpoints = self.endpoints();
        let cached = endpoints.get(&(stream.clone(), api.clone()))?;
        (cached.since.elapsed() < limits::ENDPOINT_CACHE).then(|| cached.endpoint.clone())
    }

    fn keep_endpoint(&self, stream: &StreamId, api: &ApiName, endpoint: Endpoint) {
        let mut endpoints = self.endpoints();
        if endpoints.len() >= limits::ENDPOINT_CACHE_ENTRIES {
            let oldest = endpoints.iter().min_by_key(|(_, cached)| cached.since).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                endpoints.remove(&oldest);
            }
        }
        endpoints.insert((stream.clone(), api.clone()), CachedEndpoint { endpoint, since: Instant::now() });
    }

    fn endpoints(&self) -> std::sync::MutexGuard<'_, HashMap<(StreamId, ApiName), CachedEndpoint>> {
        // A panic elsewhere leaves the map whole: every change to it is one insert or remove.
        self.shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn send_checked<O: Operation>(&self, endpoint: &Endpoint, operation: &O) -> Result<O::Output, Error> {
        let body = serde_json::to_vec(operation)
            .map_err(|error| Error::Response { operation: O::NAME, problem: error.into() })?;
        let body = Bytes::from(body);
        let call = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut retry = Retry::new(self.shared.config.retry, self.shared.config.retry_seed ^ call);
        let mut corrections = Corrections::default();
        loop {
            let error = match self.attempt::<O>(endpoint, body.clone()).await {
                Ok(output) => {
                    self.shared.budget.succeeded();
                    return Ok(output);
                }
                Err(error) => error,
            };
            if self.correct(&error, &mut corrections).await {
                continue;
            }
            match retry.next(Outcome::of(&error), &self.shared.budget, Instant::now()) {
                Next::At(at) => {
                    tracing::debug!(operation = O::NAME, %error, "attempt failed, trying again");
                    tokio::time::sleep_until(at.into()).await;
                }
                Next::GiveUp(why) => {
                    tracing::debug!(operation = O::NAME, %error, ?why, attempts = retry.failed(), "call failed");
                    return Err(error);
                }
            }
        }
    }

    async fn attempt<O: Operation>(&self, endpoint: &Endpoint, body: Bytes) -> Result<O::Output, Error> {
        let mut request = self.request(endpoint, O::PATH)?.body(body).map_err(unsendable)?;
        let payload = request.body().clone();
        self.sign(&mut request, Payload::Hashed(&payload)).await?;
        let (head, body) = self.shared.transport.send(request).await?.into_parts();
        if !head.status.is_success() {
            return Err(reply::read_error(head.status, &head.headers, body).await.into());
        }
        O::read(Reply { operation: O::NAME, headers: head.headers, body }).await
    }

    fn request(&self, endpoint: &Endpoint, path: &str) -> Result<http::request::Builder, Error> {
        let uri = endpoint.uri(path).map_err(unsendable)?;
        let request = http::Request::builder().method(Method::POST).uri(uri);
        let request = request.header(http::header::HOST, endpoint.host_header());
        Ok(request.header(CONTENT_TYPE, "application/json").header(USER_AGENT, self.shared.user_agent.clone()))
    }

    pub(crate) async fn sign<B>(&self, request: &mut http::Request<B>, payload: Payload<'_>) -> Result<(), Error> {
        let credentials = self.shared.credentials.credentials(|| self.service_time()).await?;
        sign::sign(request, payload, &credentials, &self.shared.config.region, self.service_time())
            .map_err(|error| Error::Credentials(error.into()))
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.shared.user_agent.clone()
    }

    /// When the credentials at hand end, by the service's clock; asks the provider where there are none yet. `None` for those
    /// without an end.
    ///
    /// # Errors
    /// When the provider has none.
    pub async fn credentials_end(&self) -> Result<Option<SystemTime>, Error> {
        let credentials = self.shared.credentials.credentials(|| self.service_time()).await?;
        Ok(credentials.expiry())
    }

    /// Drops the credentials at hand, so that the next call asks the provider anew.
    pub async fn forget_credentials(&self) {
        self.shared.credentials.forget();
    }

    /// Our clock, corrected by what the service's answers told of its own.
    #[must_use]
    pub fn service_time(&self) -> SystemTime {
        self.shared.clock.now()
    }

    /// Does what makes the very same request succeed next time, once each: renews credentials, sets the clock right.
    async fn correct(&self, error: &Error, done: &mut Corrections) -> bool {
        let Some(error) = error.service() else { return false };
        match error.kind {
            ServiceErrorKind::ExpiredToken if !done.credentials => {
                done.credentials = true;
                self.shared.credentials.forget();
                true
            }
            _ if !done.clock && self.note_skew(error) => {
                done.clock = true;
                true
            }
            _ => false,
        }
    }

    /// Learns the service's clock from an error about the signature's time; `false` when that was not the trouble.
    pub(crate) fn note_skew(&self, error: &ServiceError) -> bool {
        let about_time = matches!(error.kind, ServiceErrorKind::InvalidSignature | ServiceErrorKind::RequestExpired)
            || error.message.starts_with("Signature expired")
            || error.message.starts_with("Signature not yet current");
        let Some(date) = error.date.filter(|_| about_time) else { return false };
        let signed_at = self.service_time();
        let off = date.duration_since(signed_at).unwrap_or_else(|error| error.duration());
        // Half of what the service tolerates: a `Date` header has whole seconds and took its time to come.
        if off < limits::CLOCK_SKEW / 2 {
            return false;
        }
        let skew = self.shared.clock.learn(date);
        tracing::warn!(skew_ms = skew, "this machine's clock is off; signing with the service's");
        true
    }
}

#[derive(Default)]
struct Corrections {
    credentials: bool,
    clock: bool,
}

/// Whether an error speaks against the data endpoint rather than against the request.
fn is_endpoint_fault(error: &Error) -> bool {
    match error {
        Error::Transport(TransportError::Connect { .. } | TransportError::Timeout { phase: Phase::Connect, .. }) => {
            true
        }
        Error::Service(error) => matches!(
            error.kind,
            ServiceErrorKind::InvalidEndpoint | ServiceErrorKind::ResourceNotFound | ServiceErrorKind::UnknownOperation
        ),
        _ => false,
    }
}

/// A request that cannot be put together: only a header that no header can hold does that.
pub(crate) fn unsendable(error: http::Error) -> Error {
    Error::Transport(TransportError::Broken { source: error.into() })
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("region", &self.shared.config.region)
            .field("control", &self.shared.control)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_data_endpoint_that_cannot_be_connected_to_is_asked_for_anew_and_a_slow_answer_is_no_reason() {
        let late = |phase| Error::Transport(TransportError::Timeout { phase, limit: Duration::from_secs(5) });
        assert!(is_endpoint_fault(&late(Phase::Connect)));
        assert!(!is_endpoint_fault(&late(Phase::Head)));
        let refused = TransportError::Connect { endpoint: "b-1.example".to_owned(), source: "refused".into() };
        assert!(is_endpoint_fault(&Error::Transport(refused)));
    }
}
