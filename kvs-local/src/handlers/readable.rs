//! Finding the stream that a request wants to read.

use std::sync::Arc;

use crate::api::{ApiError, StreamRef};
use crate::clock::Clock;
use crate::stream::StreamHub;
use crate::stream::registry::{Registry, StreamRecord};

/// Streams whose media can be read.
#[derive(Clone, Debug)]
pub(super) struct ReadableStreams {
    registry: Arc<Registry>,
    hub: Arc<StreamHub>,
    clock: Clock,
}

impl ReadableStreams {
    pub(super) const fn new(registry: Arc<Registry>, hub: Arc<StreamHub>, clock: Clock) -> Self {
        Self { registry, hub, clock }
    }

    /// Returns the media of the streams.
    pub(super) const fn hub(&self) -> &Arc<StreamHub> {
        &self.hub
    }

    /// Returns the clock.
    pub(super) const fn clock(&self) -> &Clock {
        &self.clock
    }

    /// Finds a stream and removes media past its retention, so that it is never returned.
    pub(super) async fn find(&self, wanted: &StreamRef) -> Result<StreamRecord, ApiError> {
        let now = self.clock.wall();
        let stream = self.registry.find(wanted, now)?;
        if !stream.takes_media(now) {
            return Err(ApiError::no_stream());
        }
        let (hub, trimmed) = (Arc::clone(&self.hub), stream.clone());
        tokio::task::spawn_blocking(move || hub.trim(&trimmed, now)).await.map_err(|_| ApiError::internal())?;
        Ok(stream)
    }
}
