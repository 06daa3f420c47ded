//! PutMedia: checks who may put media, and starts the session.

mod post_persist;
mod request;
mod session;
mod upload;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::api::{ApiError, StreamRef};
use crate::faults::InjectedFaults;
use crate::ingest::{Ingest, IngestConfig, Profile, Retention};
use crate::limits;
use crate::stream::PutLease;
use crate::stream::registry::{Registry, StreamRecord};

pub(crate) use self::post_persist::PostPersist;
pub(super) use self::request::PutMediaRequest;
pub(super) use self::session::Session;
pub(crate) use self::session::SessionContext;

/// Handles PutMedia.
#[derive(Debug)]
pub(crate) struct PutMedia {
    registry: Arc<Registry>,
    profile: Profile,
    /// Seeds the random part of fragment numbers.
    seeds: Mutex<fastrand::Rng>,
    /// One permit per session; all are back when every session has ended.
    permits: Arc<Semaphore>,
    context: Arc<SessionContext>,
}

impl PutMedia {
    pub(crate) fn new(registry: Arc<Registry>, profile: Profile, seed: u64, context: SessionContext) -> Self {
        let seeds = Mutex::new(fastrand::Rng::with_seed(seed));
        let permits = Arc::new(Semaphore::new(limits::CONNECTIONS));
        Self { registry, profile, seeds, permits, context: Arc::new(context) }
    }

    /// Waits until all sessions have ended.
    pub(crate) async fn sessions_ended(&self) {
        let all = u32::try_from(limits::CONNECTIONS).unwrap_or(u32::MAX);
        // Fails only if the semaphore was closed, which nothing does.
        drop(self.permits.acquire_many(all).await);
    }

    /// Takes the stream's put lease and creates the session. Refusals happen here, before any of the body is read.
    pub(super) async fn open(&self, request: PutMediaRequest, faults: InjectedFaults) -> Result<Session, ApiError> {
        let (stream, lease) = self.acquire(request.stream).await?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let config = self.complete(request.config, &stream, &lease);
        let ingest = Ingest::new(config, self.context.clock.now());
        Ok(Session::new(Arc::clone(&self.context), stream, lease, ingest, faults, permit))
    }

    async fn acquire(&self, wanted: StreamRef) -> Result<(StreamRecord, PutLease), ApiError> {
        let now = self.context.clock.wall();
        let (registry, hub, conflict) =
            (Arc::clone(&self.registry), Arc::clone(&self.context.hub), self.profile.into());
        let acquired = tokio::task::spawn_blocking(move || {
            let stream = registry.find(&wanted, now)?;
            if !stream.takes_media(now) {
                return Err(ApiError::no_stream());
            }
            let lease = hub.acquire_put(&stream.media_key(), conflict)?;
            Ok((stream, lease))
        });
        acquired.await.map_err(|_| ApiError::internal())?
    }

    /// Adds the settings of the stream and the service to those of the request.
    fn complete(&self, config: IngestConfig, stream: &StreamRecord, lease: &PutLease) -> IngestConfig {
        let retention = if stream.retention_hours == 0 { Retention::None } else { Retention::Kept };
        let seed = self.seeds.lock().unwrap_or_else(PoisonError::into_inner).u64(..);
        config.retention(retention).profile(self.profile).first_sequence(lease.first_sequence).seed(seed)
    }
}
