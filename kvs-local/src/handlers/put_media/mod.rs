//! PutMedia: who may put, and how the answer begins.

mod post_persist;
pub(super) mod session;

use std::io;
use std::sync::{Arc, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::HeaderMap;
use http::request::Parts;
use http_body_util::BodyExt;
use http_body_util::channel::Channel;
use hyper::body::Incoming;

use self::session::{Session, Upload, now};
use super::dispatcher::{Answerer, drain, internal};
use crate::api::wire::{self, Answer};
use crate::api::{ApiError, StreamRef};
use crate::http::Payload;
use crate::ingest::{AckMode, Ingest, IngestConfig, ProducerStart, Retention, TimecodeType};
use crate::limits;
use crate::stream::lease::PutLease;
use crate::stream::registry::StreamRecord;

impl Answerer {
    /// Lets a producer in: the head of the answer goes out before the body is read, the body goes to a task of its own.
    pub(in crate::handlers) async fn put_media(
        self: &Arc<Self>,
        parts: &Parts,
        body: Incoming,
        date: &mut SystemTime,
    ) -> Result<Answer, ApiError> {
        let session = match self.admit(parts, date).await {
            Ok(Admitted::Session(session)) => session,
            Ok(Admitted::Instead(answer)) => {
                drain(body);
                return Ok(answer);
            }
            Err(refusal) => {
                drain(body);
                return Err(refusal);
            }
        };
        let mut body = Upload::new(body);
        if parts.headers.contains_key(http::header::EXPECT) {
            body.ask_for_more().await;
        }
        let (acks, answer) = Channel::<Bytes, io::Error>::new(limits::WAITING_ACKS);
        drop(tokio::spawn(session.run(body, acks)));
        Ok(wire::streamed(wire::JSON, answer.boxed_unsync()))
    }

    async fn admit(self: &Arc<Self>, parts: &Parts, date: &mut SystemTime) -> Result<Admitted, ApiError> {
        let named = stream(&parts.headers);
        let befallen = self.befall(parts.uri.path(), named.as_ref().ok().and_then(StreamRef::said_name));
        *date = befallen.skewed(*date);
        self.gate.check(parts, Payload::Streamed, *date)?;
        if let Some(answer) = befallen.intervene().await? {
            return Ok(Admitted::Instead(answer));
        }
        let (wanted, config) = (named?, config(&parts.headers)?);
        self.ledger.call(parts.uri.path(), wanted.said_name(), now(&self.clock).at)?;
        let answerer = Arc::clone(self);
        let found = tokio::task::spawn_blocking(move || answerer.acquire_lease(&wanted));
        let (stream, lease) = found.await.map_err(|_| internal())??;
        let permit = Arc::clone(&self.sessions).acquire_owned().await.map_err(|_| internal())?;
        let ingest = Ingest::new(self.complete(config, &stream, &lease), now(&self.clock));
        let session = Session::new(Arc::clone(self), stream, lease, ingest, befallen, permit);
        Ok(Admitted::Session(Box::new(session)))
    }

    /// Blocks: what the stream holds may have to be read first.
    fn acquire_lease(&self, wanted: &StreamRef) -> Result<(StreamRecord, PutLease), ApiError> {
        let now = self.clock.wall();
        let stream = self.registry.find(wanted, now)?;
        if !stream.takes_media(now) {
            return Err(ApiError::no_stream());
        }
        let lease = self.media.acquire_put(&stream.media_key(), self.profile.into())?;
        Ok((stream, lease))
    }

    /// Adds what the stream and the service say to what the request said.
    fn complete(&self, config: IngestConfig, stream: &StreamRecord, lease: &PutLease) -> IngestConfig {
        let retention = if stream.retention_hours == 0 { Retention::None } else { Retention::Kept };
        let seed = self.random.lock().unwrap_or_else(PoisonError::into_inner).u64(..);
        config.retention(retention).profile(self.profile).first_sequence(lease.first_sequence).seed(seed)
    }
}

/// How an admission ended.
enum Admitted {
    Session(Box<Session>),
    /// A scripted fault answers in its place.
    Instead(Answer),
}

/// Reads the headers of a request as its answer does, for fuzzing.
pub(crate) fn understand(headers: &HeaderMap) -> Result<(), ApiError> {
    let named = stream(headers);
    config(headers)?;
    named.map(drop)
}

/// The stream that the headers name: by name or by ARN, not both.
fn stream(headers: &HeaderMap) -> Result<StreamRef, ApiError> {
    match (text(headers, "x-amzn-stream-name")?, text(headers, "x-amzn-stream-arn")?) {
        (Some(name), None) => Ok(StreamRef::by_name(name)),
        (None, Some(arn)) => Ok(StreamRef::by_arn(arn)),
        (Some(_), Some(_)) => Err(ApiError::invalid("x-amzn-stream-name and x-amzn-stream-arn exclude each other")),
        (None, None) => Err(ApiError::invalid("x-amzn-stream-name or x-amzn-stream-arn is needed")),
    }
}

fn config(headers: &HeaderMap) -> Result<IngestConfig, ApiError> {
    let timecodes = text(headers, "x-amzn-fragment-timecode-type")?
        .ok_or_else(|| ApiError::invalid("x-amzn-fragment-timecode-type is needed"))?;
    let timecodes: TimecodeType =
        timecodes.parse().map_err(|error| ApiError::invalid(format!("x-amzn-fragment-timecode-type: {error}")))?;
    let start = text(headers, "x-amzn-producer-start-timestamp")?.map_or(ProducerStart::Absent, ProducerStart::parse);
    let acks = match text(headers, "x-amzn-fragment-acknowledgment-required")? {
        Some("0") => AckMode::ErrorsOnly,
        _ => AckMode::All,
    };
    Ok(IngestConfig::new(timecodes).producer_start(start).acks(acks))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let plain = |value: &'a http::HeaderValue| value.to_str().map(str::trim);
    let value = headers.get(name).map(plain).transpose();
    value.map_err(|_| ApiError::invalid(format!("{name} is not plain text")))
}
