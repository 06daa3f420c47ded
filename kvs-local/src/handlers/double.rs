//! What a test double has beyond the service: health and reset.

use std::fs;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use http::StatusCode;
use serde_json::json;

use crate::api::wire::{self, JsonStyle, Response};
use crate::api::{ApiError, Exception};
use crate::clock::Clock;
use crate::deliver::Delivery;
use crate::error_chain::error_chain;
use crate::handlers::Control;
use crate::limits;
use crate::seed::Seed;
use crate::stream::StreamHub;
use crate::stream::registry::Registry;

/// Paths that say whether the service runs. The second one is that of LocalStack, which tools wait for.
const HEALTH_PATHS: [&str; 2] = ["/health", "/_localstack/health"];
/// Removes everything.
pub(super) const RESET_PATH: &str = "/_kvs/reset";

/// Returns the health of the service if that is what a GET request asks for.
pub(super) fn health(path: &str) -> Option<Response> {
    HEALTH_PATHS.contains(&path).then(|| {
        let body = json!({
            "services": { "kinesisvideo": "running" },
            "edition": "kvs-local",
            "version": env!("CARGO_PKG_VERSION"),
        });
        wire::with_body(StatusCode::OK, wire::JSON, body.to_string().into())
    })
}

/// Brings the service back to its state after the start.
#[derive(Debug)]
pub(crate) struct Reset {
    pub(crate) registry: Arc<Registry>,
    pub(crate) hub: Arc<StreamHub>,
    pub(crate) delivery: Arc<Delivery>,
    /// Creates the streams of the seed, without delays.
    pub(crate) control: Control,
    pub(crate) seed: Seed,
    pub(crate) clock: Clock,
    /// The folders of images and messages.
    pub(crate) delivered: [PathBuf; 2],
}

impl Reset {
    /// Removes all streams with their media, all images and messages, and creates the streams of the seed. Faults,
    /// subscriptions and keys stay.
    pub(super) async fn run(self: &Arc<Self>) -> Result<Response, ApiError> {
        let reset = Arc::clone(self);
        blocking(move || {
            for stream in reset.registry.remove_all(reset.clock.wall()) {
                reset.hub.delete(&stream.media_key());
            }
            Ok(())
        })
        .await?;
        // Otherwise images of removed fragments would be written after their folder was removed.
        if tokio::time::timeout(limits::DELIVERY_GRACE, self.delivery.settled()).await.is_err() {
            tracing::warn!(limit = ?limits::DELIVERY_GRACE, "images were still being made during a reset");
        }
        let reset = Arc::clone(self);
        blocking(move || {
            for folder in &reset.delivered {
                remove_folder(folder).map_err(|error| {
                    tracing::error!(%error, folder = %folder.display(), "failed to remove delivered files");
                    ApiError::internal()
                })?;
            }
            reset.seed.apply(&reset.control, reset.clock.wall()).map_err(|error| {
                tracing::error!(error = error_chain(&error), "failed to create the streams of the seed");
                ApiError::new(Exception::InternalFailure, error_chain(&error))
            })
        })
        .await?;
        tracing::info!("reset: all streams, images and messages are removed");
        Ok(wire::ok(None, JsonStyle::default()))
    }
}

async fn blocking(work: impl FnOnce() -> Result<(), ApiError> + Send + 'static) -> Result<(), ApiError> {
    tokio::task::spawn_blocking(work).await.map_err(|_| ApiError::internal())?
}

fn remove_folder(folder: &PathBuf) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
