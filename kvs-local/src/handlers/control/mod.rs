//! The control plane: creates, describes, changes and deletes streams.

mod operations;
mod paging;
mod requests;
mod tags;

use std::sync::Arc;

use bytes::Bytes;

pub(crate) use self::operations::Control;
use self::operations::Effect;
use crate::api::wire::{self, JsonStyle, Response};
use crate::api::{ApiError, ControlOperation, DataEndpoints};
use crate::clock::Clock;
use crate::stream::StreamHub;

/// Handles the operations of the control plane.
#[derive(Debug)]
pub(super) struct ControlPlane {
    control: Arc<Control>,
    hub: Arc<StreamHub>,
    clock: Clock,
}

impl ControlPlane {
    pub(super) fn new(control: Control, hub: Arc<StreamHub>, clock: Clock) -> Self {
        Self { control: Arc::new(control), hub, clock }
    }

    /// Runs an operation on a thread that may block, since it writes to disk. `endpoints` are what GetDataEndpoint returns.
    pub(super) async fn handle(
        &self,
        operation: ControlOperation,
        body: Bytes,
        endpoints: DataEndpoints,
        style: JsonStyle,
    ) -> Result<Response, ApiError> {
        let (control, now) = (Arc::clone(&self.control), self.clock.wall());
        let call = move || control.call(operation, &body, &endpoints, now);
        let reply = tokio::task::spawn_blocking(call).await.map_err(|_| ApiError::internal())??;
        if let Some(effect) = reply.effect {
            self.apply(effect).await;
        }
        Ok(wire::ok(reply.body, style))
    }

    async fn apply(&self, effect: Effect) {
        let (hub, now) = (Arc::clone(&self.hub), self.clock.wall());
        let applied = tokio::task::spawn_blocking(move || match effect {
            Effect::Deleted(stream) => hub.delete(&stream.media_key()),
            Effect::RetentionChanged(stream) => hub.trim(&stream, now),
        });
        if applied.await.is_err() {
            tracing::error!("the removal of a stream's media panicked");
        }
    }
}
