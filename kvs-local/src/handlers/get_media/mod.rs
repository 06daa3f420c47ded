//! GetMedia: the media of a stream from a start selector on, including media that arrives later.

mod follower;
mod reader;
mod selector;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;
use kvs_types::__internal::from_epoch_millis;
use kvs_types::StartSelector;
use serde::Deserialize;

use self::follower::Follower;
use self::reader::MediaReader;
use super::media_response::media_response;
use super::readable::ReadableStreams;
use crate::api::wire::Response;
use crate::api::{ApiError, StreamRef, Text, optional, parse, required};
use crate::clock::from_json_seconds;
use crate::error_chain::error_chain;
use crate::quotas::Quota;
use crate::shutdown::Shutdown;
use crate::stream::ReadKind;

/// Handles GetMedia.
#[derive(Debug)]
pub(super) struct GetMedia {
    streams: ReadableStreams,
    quota: Arc<Quota>,
    shutdown: Shutdown,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Request {
    #[serde(flatten)]
    stream: StreamRef,
    start_selector: Option<RequestedStart>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct RequestedStart {
    start_selector_type: Option<String>,
    after_fragment_number: Option<String>,
    start_timestamp: Option<f64>,
    continuation_token: Option<String>,
}

/// Checks a request body.
pub(super) fn validate(body: &[u8]) -> Result<(), ApiError> {
    let request: Request = parse(body)?;
    required("startSelector", request.start_selector)?.parse().map(drop)
}

impl GetMedia {
    pub(super) const fn new(streams: ReadableStreams, quota: Arc<Quota>, shutdown: Shutdown) -> Self {
        Self { streams, quota, shutdown }
    }

    pub(super) async fn handle(&self, body: &Bytes) -> Result<Response, ApiError> {
        let request: Request = parse(body)?;
        let start = required("startSelector", request.start_selector)?.parse()?;
        let stream = self.streams.find(&request.stream).await?;
        let hub = Arc::clone(self.streams.hub());
        let lease = hub.acquire_read(&stream.media_key(), ReadKind::Follow)?;
        let arrivals = hub.arrivals(&stream.media_key());
        let clock = self.streams.clock().clone();
        let (sender, response) = media_response(Arc::clone(&self.quota), clock.clone());
        let reader = MediaReader::new(start);
        let follower =
            Follower { stream, reader, arrivals, hub, clock, shutdown: self.shutdown.clone(), _lease: lease };
        // Read before the response starts: the meaning of NOW must not depend on when the body's task is scheduled.
        let (follower, first) = follower.read().await.map_err(|error| {
            tracing::error!(error = error_chain(&*error), "failed to read stored media");
            ApiError::internal()
        })?;
        drop(tokio::spawn(follower.run(first, sender)));
        Ok(response)
    }
}

impl RequestedStart {
    fn parse(&self) -> Result<StartSelector, ApiError> {
        let kind = required("startSelector.startSelectorType", self.start_selector_type.as_deref())?;
        // Also those that the type does not need: the service checks the model first.
        optional(&Text::AFTER_FRAGMENT_NUMBER, self.after_fragment_number.as_deref())?;
        optional(&Text::CONTINUATION_TOKEN, self.continuation_token.as_deref())?;
        let start = self.start_timestamp.map(|start| from_json_seconds("StartTimestamp", start)).transpose()?;
        let start = start.map(from_epoch_millis);
        let after = self.after_fragment_number.as_deref();
        selector::parse(kind, after, start, self.continuation_token.as_deref())
            .map_err(|error| ApiError::invalid(error.to_string()))
    }
}
