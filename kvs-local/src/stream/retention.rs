//! Removal of media past its retention.

use std::sync::Arc;

use super::hub::StreamHub;
use super::registry::Registry;
use crate::clock::Clock;
use crate::limits;
use crate::shutdown::Shutdown;

/// Trims all streams every [`limits::TRIM_INTERVAL`] until the service stops.
pub(crate) async fn run(registry: Arc<Registry>, hub: Arc<StreamHub>, clock: Clock, shutdown: Shutdown) {
    while tokio::time::timeout(limits::TRIM_INTERVAL, shutdown.requested()).await.is_err() {
        let (registry, hub, now) = (Arc::clone(&registry), Arc::clone(&hub), clock.wall());
        let trimmed = tokio::task::spawn_blocking(move || {
            for stream in registry.all(now) {
                hub.trim(&stream, now);
            }
        });
        if trimmed.await.is_err() {
            tracing::error!("the removal of media past its retention panicked");
        }
    }
}
