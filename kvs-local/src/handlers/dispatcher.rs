//! From a request to its answer.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::control::{Control, Effect};
use super::put_media::session::now;
use crate::api::wire::{self, Answer};
use crate::api::{ApiError, ControlOperation, Exception, ReadOperation, Route, StreamRef, parse};
use crate::clock::Clock;
use crate::deliver::{Delivery, SNS_PATH};
use crate::faults::{Befallen, Faults};
use crate::http::listener::{Stop, stopped};
use crate::http::{Gate, Payload};
use crate::ingest::Profile;
use crate::limits;
use crate::quotas::Ledger;
use crate::stream::hub::StreamHub;
use crate::stream::registry::Registry;

/// Answers requests: one for all connections.
#[derive(Debug)]
pub(crate) struct Answerer {
    pub(crate) control: Arc<Control>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) media: Arc<StreamHub>,
    pub(crate) delivery: Delivery,
    pub(crate) gate: Gate,
    pub(crate) clock: Clock,
    pub(crate) profile: Profile,
    pub(crate) stop: Stop,
    pub(crate) faults: Faults,
    /// Where the random part of fragment numbers comes from.
    pub(crate) random: Mutex<fastrand::Rng>,
    /// A permit for each producer's session; all are back when all sessions are over.
    pub(crate) sessions: Arc<Semaphore>,
    /// How much of the service's rates is used.
    pub(crate) ledger: Ledger,
    /// Pictures cost much work and memory: so many requests at a time.
    pub(crate) picture_work: Arc<Semaphore>,
}

/// How a connection came in: it decides what the service calls itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) scheme: &'static str,
    pub(crate) local: SocketAddr,
}

impl Arrival {
    /// The base URL of this service as this client reaches it: the host it named, and the port it may not have named.
    fn endpoint(self, headers: &HeaderMap) -> String {
        let Self { scheme, local } = self;
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
        let authority = host.and_then(|host| host.parse::<http::uri::Authority>().ok());
        match authority {
            Some(authority) if authority.port_u16().is_some() => format!("{scheme}://{authority}"),
            // The C producer leaves the port out.
            Some(authority) => format!("{scheme}://{}:{}", authority.host(), local.port()),
            None => format!("{scheme}://{local}"),
        }
    }
}

impl Answerer {
    /// Answers one request; refusals are answers too.
    pub(crate) async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        arrival: Arrival,
    ) -> Result<Answer, Infallible> {
        let (parts, body) = request.into_parts();
        let mut date = self.clock.wall();
        let answered = self.dispatch(&parts, body, arrival, &mut date).await;
        let mut answer = answered.unwrap_or_else(|error| {
            tracing::debug!(path = parts.uri.path(), %error, "refused");
            wire::refusal(&error)
        });
        // Clients set their clocks by it.
        wire::set_date(&mut answer, date);
        Ok(answer)
    }

    /// `date` is the time as the service has it, and is changed if it has it wrong.
    async fn dispatch(
        self: &Arc<Self>,
        parts: &Parts,
        body: Incoming,
        arrival: Arrival,
        date: &mut SystemTime,
    ) -> Result<Answer, ApiError> {
        if parts.method == Method::GET && parts.uri.path().starts_with(SNS_PATH) {
            return Ok(self.sns_page(parts).await);
        }
        let route = if parts.method == Method::POST { Route::of(parts.uri.path()) } else { Route::Unknown };
        match route {
            Route::Unknown => {
                drain(body);
                return Err(wire::unknown_operation());
            }
            Route::PutMedia => return self.put_media(parts, body, date).await,
            Route::Control(_) | Route::Read(_) | Route::Missing { .. } => {}
        }
        let body = read_whole(body).await?;
        let named = named_stream(&body);
        let befallen = self.befall(parts.uri.path(), named.as_deref());
        *date = befallen.skewed(*date);
        self.gate.check(parts, Payload::Whole(&body), *date)?;
        if let Some(answer) = befallen.intervene().await? {
            return Ok(answer);
        }
        self.ledger.call(parts.uri.path(), named.as_deref(), now(&self.clock).at)?;
        match route {
            Route::Control(operation) => {
                let reply = self.control(operation, body, arrival.endpoint(&parts.headers)).await?;
                Ok(wire::ok(reply, befallen.style()))
            }
            Route::Read(operation) => self.read(operation, &body, &befallen).await,
            Route::Missing { operation, why } => Err(missing(operation, why)),
            Route::PutMedia | Route::Unknown => Err(wire::unknown_operation()),
        }
    }

    /// The scripted faults that befall a request.
    pub(super) fn befall(&self, path: &str, stream: Option<&str>) -> Befallen {
        Befallen::new(self.faults.befall(path.trim_start_matches('/'), stream))
    }

    /// The certificate of messages, and the URLs that begin and end subscriptions.
    async fn sns_page(&self, parts: &Parts) -> Answer {
        let page = self.delivery.page(parts.uri.path(), parts.uri.query()).await;
        wire::with_body(page.status, HeaderValue::from_static(page.content_type), page.body.into())
    }

    async fn read(
        self: &Arc<Self>,
        operation: ReadOperation,
        body: &Bytes,
        befallen: &Befallen,
    ) -> Result<Answer, ApiError> {
        match operation {
            ReadOperation::GetMedia => self.get_media(body).await,
            ReadOperation::GetMediaForFragmentList => self.get_media_for_fragment_list(body).await,
            ReadOperation::ListFragments => self.list_fragments(body, befallen.style()).await,
            ReadOperation::GetImages => self.get_images(body, befallen).await,
        }
    }

    /// The control plane writes to disk, so it works beside the connections.
    async fn control(
        &self,
        operation: ControlOperation,
        body: Bytes,
        endpoint: String,
    ) -> Result<Option<Value>, ApiError> {
        let (control, now) = (Arc::clone(&self.control), self.clock.wall());
        let call = move || control.call(operation, &body, &endpoint, now);
        let reply = tokio::task::spawn_blocking(call).await.map_err(|_| internal())??;
        if let Some(effect) = reply.effect {
            self.apply(effect).await;
        }
        Ok(reply.body)
    }

    async fn apply(&self, effect: Effect) {
        let (media, now) = (Arc::clone(&self.media), self.clock.wall());
        let applied = tokio::task::spawn_blocking(move || match effect {
            Effect::Deleted(stream) => media.delete(&stream.media_key()),
            Effect::RetentionChanged(stream) => media.trim(&stream, now),
        });
        if applied.await.is_err() {
            tracing::error!("media of a changed stream may still be there");
        }
    }
}

impl Answerer {
    /// Removes media past its retention from time to time, until the service stops.
    pub(crate) async fn tidy(self: Arc<Self>) {
        while tokio::time::timeout(limits::TRIM_INTERVAL, stopped(self.stop.clone())).await.is_err() {
            let (answerer, now) = (Arc::clone(&self), self.clock.wall());
            let trimmed = tokio::task::spawn_blocking(move || {
                for stream in answerer.registry.all(now) {
                    answerer.media.trim(&stream, now);
                }
            });
            if trimmed.await.is_err() {
                tracing::error!("media past its retention may still be there");
            }
        }
    }
}

/// The stream that a request names, if it can be told.
fn named_stream(body: &[u8]) -> Option<String> {
    parse::<StreamRef>(body).ok()?.said_name().map(str::to_owned)
}

/// Reads a whole body, within its bounds of size and time.
async fn read_whole(body: Incoming) -> Result<Bytes, ApiError> {
    let collected = tokio::time::timeout(limits::JSON_BODY_TIME, Limited::new(body, limits::JSON_BODY).collect()).await;
    match collected {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(ApiError::new(
            Exception::RequestEntityTooLarge,
            format!("the request body may have up to {} bytes", limits::JSON_BODY),
        )),
        Ok(Err(error)) => Err(ApiError::new(Exception::Serialization, format!("the request body broke off: {error}"))),
        Err(_) => Err(ApiError::new(
            Exception::RequestTimeout,
            format!("the request body did not arrive within {} s", limits::JSON_BODY_TIME.as_secs()),
        )),
    }
}

/// Reads away what comes of a refused request, for a short while: a client that is still writing when the connection closes
/// would lose the refusal.
pub(super) fn drain(mut body: Incoming) {
    let read = async move { while body.frame().await.is_some_and(|frame| frame.is_ok()) {} };
    let bounded = async { tokio::time::timeout(limits::REFUSED_DRAIN, read).await.unwrap_or(()) };
    drop(tokio::spawn(bounded));
}

fn missing(operation: &str, why: &str) -> ApiError {
    ApiError::new(Exception::NotImplemented, format!("kvs-local does not implement {operation}: {why}"))
}

pub(super) fn internal() -> ApiError {
    ApiError::new(Exception::InternalFailure, "the service failed; its log says more")
}
