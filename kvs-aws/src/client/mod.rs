//! The client: signs, sends and repeats operations, and finds data endpoints.

pub(crate) mod config;
mod endpoint_cache;
pub(crate) mod media_tail;
pub(crate) mod pages;
pub(crate) mod retry;
#[cfg(feature = "aws-config")]
mod sdk_config;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method};
use kvs_types::__internal::ErrorChain;
use kvs_types::{FieldProblem, InvalidField, StreamId, limits};

use crate::auth::credentials::CachedProvider;
use crate::auth::service_clock::ServiceClock;
use crate::auth::sign::{self, Payload};
use crate::net::dial::Dialer;
use crate::net::endpoint::Endpoint;
use crate::net::error::{Phase, TransportError};
use crate::net::http_send::HttpSend;
use crate::net::hyper_send::HyperSend;
use crate::net::region::Region;
use crate::ops::control::GetDataEndpoint;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::failure_kind::FailureKind;
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::{self, Response};
use crate::protocol::service_error::{ServiceError, ServiceErrorKind};
use config::{ClientConfig, ConfigError};
use endpoint_cache::EndpointCache;
use retry::{Retry, RetryBudget, RetryDecision};

/// A client of the service.
///
/// It signs and sends operations, repeats attempts that failed temporarily, and finds the data endpoints of streams.
///
/// Clones share the connection pool, the cached endpoints and credentials, and the retry budget. At most 10,000 endpoints are
/// cached.
///
/// ```no_run
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// use kvs_aws::{Client, ClientConfig, DescribeStream};
///
/// let client = Client::new(ClientConfig::from_env()?)?;
/// let stream = client.send(DescribeStream::new("front-door".parse()?)).await?;
/// println!("{:?}, data retention {:?} h", stream.status, stream.data_retention_in_hours);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    control: Endpoint,
    credentials: CachedProvider,
    dialer: Dialer,
    user_agent: HeaderValue,
    transport: Arc<dyn HttpSend>,
    endpoints: EndpointCache,
    budget: RetryBudget,
    calls: AtomicU64,
    clock: ServiceClock,
}

impl Client {
    /// Creates a client. Sends nothing.
    ///
    /// # Errors
    /// Returns an error if settings exclude each other or TLS cannot be set up.
    pub fn new(config: ClientConfig) -> Result<Self, ConfigError> {
        let control = config.control_endpoint()?;
        let dialer = Dialer::new(config.tls_roots.client_config()?, &config.proxy, config.timeouts.connect);
        let user_agent = HeaderValue::try_from(config.user_agent.as_str()).map_err(|_| ConfigError::UserAgent)?;
        let transport: Arc<dyn HttpSend> = match &config.transport {
            Some(transport) => Arc::clone(transport),
            None => Arc::new(HyperSend::new(dialer.clone(), config.timeouts)),
        };
        let credentials = CachedProvider::new(config.credentials.clone(), config.retry_seed);
        let shared = Shared {
            control,
            credentials,
            dialer,
            user_agent,
            transport,
            endpoints: EndpointCache::default(),
            budget: RetryBudget::default(),
            calls: AtomicU64::new(0),
            clock: ServiceClock::new(config.clock.clone()),
            config,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Returns the region.
    #[must_use]
    pub fn region(&self) -> &Region {
        &self.shared.config.region
    }

    /// Returns the control-plane endpoint.
    #[must_use]
    pub fn control_endpoint(&self) -> &Endpoint {
        &self.shared.control
    }

    /// Calls an operation and returns its result.
    ///
    /// Data-plane operations are sent to the data endpoint of their stream. If a cached data endpoint is out of date, it is
    /// looked up again, once. Dropping the future cancels the call.
    ///
    /// # Errors
    /// Returns an error if the request is invalid, no attempt reached the service, or the service returned an error.
    pub async fn send<O: Operation>(&self, operation: O) -> Result<O::Output, Error> {
        operation.check()?;
        let (stream, api) = match operation.target() {
            Target::ControlPlane => return self.send_checked(&self.shared.control, &operation).await,
            Target::DataPlane(stream, api) => (stream, api),
        };
        let cached = self.shared.endpoints.get(stream, api);
        let from_cache = cached.is_some();
        let endpoint = match cached {
            Some(endpoint) => endpoint,
            None => self.data_endpoint(stream, api).await?,
        };
        match self.send_checked(&endpoint, &operation).await {
            Err(error) if is_endpoint_fault(&error) => {
                self.forget_data_endpoint(stream, api);
                if !from_cache {
                    return Err(error);
                }
                let endpoint = self.data_endpoint(stream, api).await?;
                self.send_checked(&endpoint, &operation).await
            }
            result => result,
        }
    }

    /// Calls an operation at the given endpoint.
    ///
    /// # Errors
    /// Returns an error if the request is invalid, no attempt reached the service, or the service returned an error.
    pub async fn send_to<O: Operation>(&self, endpoint: &Endpoint, operation: O) -> Result<O::Output, Error> {
        operation.check()?;
        self.send_checked(endpoint, &operation).await
    }

    /// Returns the data endpoint of a stream for an operation, from the cache or from GetDataEndpoint. It is cached for 40
    /// minutes.
    ///
    /// # Errors
    /// Returns the errors of GetDataEndpoint, and [`ResponseProblem::PlainDataEndpoint`] if an endpoint with TLS names one
    /// without it that is not on this machine.
    pub async fn data_endpoint(&self, stream: &StreamId, api: &ApiName) -> Result<Endpoint, Error> {
        if let Some(endpoint) = self.shared.endpoints.get(stream, api) {
            return Ok(endpoint);
        }
        let lookup = GetDataEndpoint::new(stream.clone(), api.clone());
        lookup.check()?;
        let endpoint = self.send_checked(&self.shared.control, &lookup).await?;
        self.check_encrypted(&endpoint)?;
        self.shared.endpoints.insert(stream, api, endpoint.clone());
        Ok(endpoint)
    }

    /// Whoever can answer for the control plane's name has its TLS certificate. A data endpoint without TLS has nothing.
    fn check_encrypted(&self, data: &Endpoint) -> Result<(), Error> {
        let weaker = self.shared.control.is_tls() && !data.is_tls() && !data.is_loopback();
        if !weaker || self.shared.config.plain_data_endpoints {
            return Ok(());
        }
        let problem = ResponseProblem::PlainDataEndpoint { endpoint: data.to_string() };
        Err(Error::Response { operation: GetDataEndpoint::NAME, problem })
    }

    /// Removes a data endpoint from the cache; the next call looks it up again.
    pub fn forget_data_endpoint(&self, stream: &StreamId, api: &ApiName) {
        self.shared.endpoints.remove(stream, api);
    }

    /// Returns when the current credentials expire by the service's clock, `None` if they do not. Fetches credentials if
    /// there are none yet.
    ///
    /// # Errors
    /// Returns an error if the provider has no credentials.
    pub async fn credentials_expiry(&self) -> Result<Option<SystemTime>, Error> {
        let credentials = self.shared.credentials.credentials(|| self.service_time()).await?;
        Ok(credentials.expiry())
    }

    /// Drops the cached credentials; the next call fetches new ones from the provider.
    pub fn forget_credentials(&self) {
        self.shared.credentials.forget();
    }

    /// Returns the current time by the service's clock: the local clock, corrected when the service rejected a signature
    /// because of its time.
    #[must_use]
    pub fn service_time(&self) -> SystemTime {
        self.shared.clock.now()
    }

    pub(crate) fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    pub(crate) fn dialer(&self) -> &Dialer {
        &self.shared.dialer
    }

    pub(crate) fn user_agent(&self) -> HeaderValue {
        self.shared.user_agent.clone()
    }

    /// The service knows the streams of its own region only, and what it answers about others names no region.
    fn check_region(&self, named: Option<&str>) -> Result<(), Error> {
        let asked = self.region().as_str();
        match named.filter(|named| *named != asked) {
            None => Ok(()),
            Some(named) => {
                let problem = FieldProblem::OtherRegion { named: named.to_owned(), asked: asked.to_owned() };
                Err(InvalidField::new("StreamARN", problem).into())
            }
        }
    }

    async fn send_checked<O: Operation>(&self, endpoint: &Endpoint, operation: &O) -> Result<O::Output, Error> {
        self.check_region(operation.region())?;
        let body = serde_json::to_vec(operation).expect("operations consist of texts, numbers and lists");
        let body = Bytes::from(body);
        let call = self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let mut retry = Retry::new(self.shared.config.retry, self.shared.config.retry_seed ^ call);
        let mut corrections = Corrections::default();
        loop {
            let error = match self.attempt::<O>(endpoint, body.clone()).await {
                Ok(output) => {
                    self.shared.budget.record_success();
                    return Ok(output);
                }
                Err(error) => error,
            };
            if self.correct(&error, &mut corrections) {
                continue;
            }
            match retry.decide(FailureKind::of(&error), &self.shared.budget, Instant::now()) {
                RetryDecision::RetryAt(at) => {
                    tracing::debug!(operation = O::NAME, error = %ErrorChain(&error), "attempt failed, will be repeated");
                    tokio::time::sleep_until(at.into()).await;
                }
                RetryDecision::Stop(reason) => {
                    let attempts = retry.failed();
                    tracing::debug!(operation = O::NAME, error = %ErrorChain(&error), ?reason, attempts, "call failed");
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
            return Err(response::read_error(head.status, &head.headers, body).await.into());
        }
        O::read(Response { operation: O::NAME, headers: head.headers, body }).await
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

    /// Removes the cause of an error if the same request can then succeed: expired credentials, or a wrong clock. Does each
    /// at most once per call.
    fn correct(&self, error: &Error, done: &mut Corrections) -> bool {
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

    /// Corrects the clock after an error about the time of the signature. Returns whether it was wrong.
    pub(crate) fn note_skew(&self, error: &ServiceError) -> bool {
        // The front end sends the same HTTP 403 for a wrong key and a wrong time; only the message differs.
        let about_time = matches!(error.kind, ServiceErrorKind::InvalidSignature | ServiceErrorKind::RequestExpired)
            || error.message.starts_with("Signature expired")
            || error.message.starts_with("Signature not yet current");
        let Some(date) = error.date.filter(|_| about_time) else { return false };
        let signed_at = self.service_time();
        let difference = date.duration_since(signed_at).unwrap_or_else(|error| error.duration());
        // Half of the tolerance: a `Date` header has whole seconds, and the response took time to arrive.
        if difference < limits::CLOCK_SKEW / 2 {
            return false;
        }
        let skew = self.shared.clock.set(date);
        tracing::warn!(skew_ms = skew, "local clock is wrong; requests are signed with the service's time");
        true
    }
}

/// Which corrections a call has made.
#[derive(Default)]
struct Corrections {
    credentials: bool,
    clock: bool,
}

/// Whether the data endpoint may be out of date, as opposed to an error of the request.
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

/// A request that cannot be built, because a value does not fit into a header.
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
    fn looks_up_unreachable_data_endpoints_again_but_not_slow_ones() {
        let late = |phase| Error::Transport(TransportError::Timeout { phase, limit: Duration::from_secs(5) });
        assert!(is_endpoint_fault(&late(Phase::Connect)));
        assert!(!is_endpoint_fault(&late(Phase::Head)));
        let refused = TransportError::Connect { endpoint: "b-1.example".to_owned(), source: "refused".into() };
        assert!(is_endpoint_fault(&Error::Transport(refused)));
    }
}
