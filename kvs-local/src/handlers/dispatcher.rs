//! Routes requests to handlers, after authentication, injected faults and quotas.

use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode};
use hyper::body::Incoming;

use super::control::ControlPlane;
use super::double::{self, RESET_PATH, Reset};
use super::get_images::GetImages;
use super::get_media::GetMedia;
use super::get_media_for_fragment_list::GetMediaForFragmentList;
use super::list_fragments::ListFragments;
use super::playback::{self, GetClip, RequestedBy, StreamingSessions};
use super::put_media::{PutMedia, PutMediaRequest, Session};
use super::status_page::StatusPage;
use crate::api::wire::{self, Response};
use crate::api::{ApiError, DataPorts, Exception, Operation, Plane, ReadOperation, StreamRef};
use crate::clock::Clock;
use crate::deliver::{Delivery, SNS_PATH};
use crate::faults::{Faults, InjectedFaults};
use crate::http::{
    Admitted, Authenticator, BodyRoom, ConnectionInfo, Door, Payload, Service, UnverifiedBody, body, mark_varying,
};
use crate::quotas::Quota;

/// Routes the requests of all connections.
#[derive(Debug)]
pub(crate) struct Dispatcher {
    pub(super) gate: Gate,
    pub(super) handlers: Handlers,
    pub(super) clock: Clock,
    pub(super) data_ports: DataPorts,
    pub(super) unknown_paths: UnknownPaths,
}

/// What a path that names no operation gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UnknownPaths {
    /// Status 404 and `UnknownOperationException`, which clients report.
    NotFound,
    /// Status 200 without a result, as captured from the service.
    Empty,
}

/// What every request must pass before it reaches its handler.
#[derive(Debug)]
pub(crate) struct Gate {
    pub(crate) door: Door,
    pub(crate) authenticator: Authenticator,
    pub(crate) body_room: BodyRoom,
    pub(crate) faults: Arc<Faults>,
    pub(crate) quota: Arc<Quota>,
}

/// The handlers of all operations.
#[derive(Debug)]
pub(super) struct Handlers {
    pub(super) control: ControlPlane,
    pub(super) put_media: Arc<PutMedia>,
    pub(super) get_media: GetMedia,
    pub(super) get_media_for_fragment_list: GetMediaForFragmentList,
    pub(super) list_fragments: ListFragments,
    pub(super) get_images: GetImages,
    pub(super) get_clip: GetClip,
    pub(super) streaming_sessions: StreamingSessions,
    pub(super) reset: Arc<Reset>,
    pub(super) page: Option<StatusPage>,
    /// Serves the signing certificate and the URLs that confirm and end subscriptions.
    pub(super) delivery: Arc<Delivery>,
}

impl Service for Dispatcher {
    async fn respond(&self, request: Request<Incoming>, info: ConnectionInfo) -> Response {
        let (parts, body) = request.into_parts();
        let mut date = self.clock.wall();
        let mut response = match self.gate.door.admit(&parts, info) {
            Ok(admitted) => self.answer(&parts, body, (&admitted, info), &mut date).await,
            Err(refusal) => {
                body::discard(body);
                refused(&parts, &refusal)
            }
        };
        mark_varying(&mut response);
        // Clients correct their clocks by it.
        wire::set_date(&mut response, date);
        response
    }
}

impl Dispatcher {
    async fn answer(
        &self,
        parts: &Parts,
        body: Incoming,
        (admitted, info): (&Admitted, ConnectionInfo),
        date: &mut SystemTime,
    ) -> Response {
        let mut response = match admitted.preflight(parts) {
            Some(preflight) => preflight,
            None => {
                let result = self.dispatch(parts, body, (admitted, info), date).await;
                result.unwrap_or_else(|error| refused(parts, &error))
            }
        };
        admitted.mark(&mut response);
        response
    }

    /// `date` is the time at which the request is handled; an injected clock skew changes it.
    async fn dispatch(
        &self,
        parts: &Parts,
        body: Incoming,
        (admitted, info): (&Admitted, ConnectionInfo),
        date: &mut SystemTime,
    ) -> Result<Response, ApiError> {
        if parts.method == Method::GET
            && let Some(health) = double::health(parts.uri.path())
        {
            return Ok(health);
        }
        if parts.method == Method::POST && parts.uri.path() == RESET_PATH {
            let body = self.gate.read(parts, body).await?;
            self.gate.authenticator.check(parts, Payload::Whole(body.bytes()), *date)?;
            return self.handlers.reset.run().await;
        }
        if parts.method == Method::GET && parts.uri.path().starts_with(SNS_PATH) {
            return Ok(self.sns_page(parts).await);
        }
        if let Some(page) = self.handlers.page.as_ref().filter(|page| page.serves(parts, info)) {
            return page.respond(parts, admitted, self).await;
        }
        if matches!(info.plane, Plane::ArchivedMedia | Plane::All) && playback::is_playback_path(parts.uri.path()) {
            body::discard(body);
            let query = parts.uri.query().unwrap_or_default();
            return self.handlers.streaming_sessions.resource(&parts.method, parts.uri.path(), query).await;
        }
        let operation = if parts.method == Method::POST { Operation::from_path(parts.uri.path()) } else { None };
        let Some(operation) = operation else {
            body::discard(body);
            return match self.unknown_paths {
                UnknownPaths::NotFound => Err(wire::unknown_operation()),
                UnknownPaths::Empty => Ok(without_result()),
            };
        };
        if !info.plane.serves(operation) {
            body::discard(body);
            return Ok(wrong_endpoint(parts, operation, info));
        }
        if operation == Operation::PutMedia {
            return self.put_media(parts, body, date).await;
        }
        let body = self.gate.read(parts, body).await?;
        let stream = named_stream(body.bytes());
        let faults = self.gate.faults_for(parts, stream.as_deref());
        *date = faults.skewed(*date);
        self.gate.authenticator.check(parts, Payload::Whole(body.bytes()), *date)?;
        let body = body.verified();
        if let Some(response) = faults.intervene().await? {
            return Ok(response);
        }
        self.gate.quota.take_call(parts.uri.path(), stream.as_deref(), self.clock.now().at)?;
        match operation {
            Operation::Control(operation) => {
                let endpoints = self.data_ports.endpoints(&admitted.endpoint);
                self.handlers.control.handle(operation, body, endpoints, faults.json_style()).await
            }
            Operation::Read(operation) => self.read(operation, &body, &faults, &admitted.endpoint).await,
            Operation::NotImplemented { name, reason, .. } => Err(not_implemented(name, reason)),
            Operation::PutMedia => Err(wire::unknown_operation()),
        }
    }

    async fn read(
        &self,
        operation: ReadOperation,
        body: &Bytes,
        faults: &InjectedFaults,
        endpoint: &str,
    ) -> Result<Response, ApiError> {
        let handlers = &self.handlers;
        let sessions = &handlers.streaming_sessions;
        let as_caller = (faults.json_style(), RequestedBy::Caller);
        match operation {
            ReadOperation::GetMedia => handlers.get_media.handle(body).await,
            ReadOperation::GetMediaForFragmentList => handlers.get_media_for_fragment_list.handle(body, faults).await,
            ReadOperation::ListFragments => handlers.list_fragments.handle(body, faults).await,
            ReadOperation::GetImages => handlers.get_images.handle(body, faults).await,
            ReadOperation::GetClip => handlers.get_clip.handle(body).await,
            ReadOperation::GetHlsStreamingSessionUrl => sessions.hls(body, endpoint, as_caller).await,
            ReadOperation::GetDashStreamingSessionUrl => sessions.dash(body, endpoint, as_caller).await,
        }
    }

    async fn put_media(&self, parts: &Parts, body: Incoming, date: &mut SystemTime) -> Result<Response, ApiError> {
        let expects_continue = parts.headers.contains_key(http::header::EXPECT);
        match self.admit(parts, date).await {
            Ok(Admission::Session(session)) => Ok(session.start(body, expects_continue).await),
            Ok(Admission::Instead(response)) => {
                body::discard(body);
                Ok(response)
            }
            Err(refusal) => {
                body::discard(body);
                Err(refusal)
            }
        }
    }

    async fn admit(&self, parts: &Parts, date: &mut SystemTime) -> Result<Admission, ApiError> {
        let stream = PutMediaRequest::stream(&parts.headers).ok();
        let faults = self.gate.faults_for(parts, stream.as_ref().and_then(StreamRef::claimed_name));
        *date = faults.skewed(*date);
        self.gate.authenticator.check(parts, Payload::Streamed, *date)?;
        if let Some(response) = faults.intervene().await? {
            return Ok(Admission::Instead(response));
        }
        let request = PutMediaRequest::parse(&parts.headers)?;
        self.gate.quota.take_call(parts.uri.path(), request.stream.claimed_name(), self.clock.now().at)?;
        let session = self.handlers.put_media.open(request, faults).await?;
        Ok(Admission::Session(Box::new(session)))
    }

    async fn sns_page(&self, parts: &Parts) -> Response {
        let page = self.handlers.delivery.handle_sns_request(parts.uri.path(), parts.uri.query()).await;
        wire::with_body(page.status, HeaderValue::from_static(page.content_type), page.body.into())
    }
}

impl Gate {
    /// Reads the body of a request whose head shows a signature of the right form.
    async fn read(&self, parts: &Parts, body: Incoming) -> Result<UnverifiedBody, ApiError> {
        if let Err(refusal) = self.authenticator.precheck(parts) {
            body::discard(body);
            return Err(refusal);
        }
        self.body_room.read_to_end(body).await
    }

    fn faults_for(&self, parts: &Parts, stream: Option<&str>) -> InjectedFaults {
        self.faults.faults_for(parts.uri.path().trim_start_matches('/'), stream)
    }
}

/// The result of checking a PutMedia request.
enum Admission {
    Session(Box<Session>),
    /// An injected fault responds instead.
    Instead(Response),
}

/// Returns the response of the service to an operation of another endpoint: 200, and no result.
fn wrong_endpoint(parts: &Parts, operation: Operation, info: ConnectionInfo) -> Response {
    let (path, sent_to, belongs_to) = (parts.uri.path(), info.plane.name(), operation.plane().name());
    tracing::warn!(
        path,
        sent_to,
        belongs_to,
        "call to the wrong endpoint: ask GetDataEndpoint, or start with --one-port"
    );
    without_result()
}

fn without_result() -> Response {
    wire::with_body(StatusCode::OK, wire::JSON, Bytes::from_static(wire::UNKNOWN_OPERATION.as_bytes()))
}

fn refused(parts: &Parts, error: &ApiError) -> Response {
    let (path, status) = (parts.uri.path(), error.exception.status().as_u16());
    match status {
        // Failures of the service are logged where they happen, with their cause.
        500.. => tracing::debug!(path, status, %error, "request failed"),
        401 | 403 => tracing::warn!(path, status, %error, "request refused"),
        _ => tracing::info!(path, status, %error, "request refused"),
    }
    wire::error_response(error)
}

/// Returns the stream that a request body names, if it can be read. The body is not verified yet: its other members are skipped and
/// take no memory.
fn named_stream(body: &[u8]) -> Option<String> {
    if !body.trim_ascii_start().starts_with(b"{") {
        return None;
    }
    serde_json::from_slice::<StreamRef>(body).ok()?.claimed_name().map(str::to_owned)
}

fn not_implemented(operation: &str, reason: &str) -> ApiError {
    ApiError::new(Exception::NotImplemented, format!("kvs-local does not implement {operation}: {reason}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The members that are skipped take no memory: a number that no value can hold shows that none is made of them.
    #[test]
    fn the_stream_of_an_unverified_body_is_found_without_a_tree_of_its_other_members() {
        let named = |body: &str| named_stream(body.as_bytes());
        assert_eq!(named(r#" {"StreamName":"door","Other":1e999}"#).as_deref(), Some("door"));
        let arn =
            r#"{"x":[[1e999]],"StreamARN":"arn:aws:kinesisvideo:us-west-2:111122223333:stream/gate/1690707289209"}"#;
        assert_eq!(named(arn).as_deref(), Some("gate"));
        let deep = format!(r#"{{"StreamName":"door","x":{}"#, "[".repeat(100_000));
        for nothing in ["", "[]", r#"["door"]"#, "{}", r#"{"StreamName":7}"#, r#"{"StreamName":"door""#, &deep] {
            assert_eq!(named(nothing), None);
        }
    }
}
