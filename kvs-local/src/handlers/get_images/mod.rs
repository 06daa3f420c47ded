//! GetImages: images of stored media at requested times.

mod page;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use tokio::sync::Semaphore;

use self::page::{ImageJob, ImagesPage, Request};
use crate::api::wire::{self, Response};
use crate::api::{ApiError, Exception, parse};
use crate::clock::Clock;
use crate::faults::InjectedFaults;
use crate::images::Decoders;
use crate::ingest::Profile;
use crate::limits;
use crate::quotas::Quota;
use crate::stream::registry::{Registry, StreamRecord};
use crate::stream::{StoreMediaSource, StreamHub};

/// Handles GetImages.
#[derive(Debug)]
pub(super) struct GetImages {
    registry: Arc<Registry>,
    hub: Arc<StreamHub>,
    quota: Arc<Quota>,
    clock: Clock,
    profile: Profile,
    decoders: Arc<Decoders>,
    /// Decoding takes much CPU and memory, so only [`limits::IMAGE_REQUESTS`] requests run at a time.
    permits: Arc<Semaphore>,
}

/// Checks a request body.
pub(super) fn validate(body: &[u8], profile: Profile) -> Result<(), ApiError> {
    ImagesPage::new(&parse(body)?, profile).map(drop)
}

impl GetImages {
    pub(super) fn new(
        registry: Arc<Registry>,
        hub: Arc<StreamHub>,
        quota: Arc<Quota>,
        clock: Clock,
        profile: Profile,
        decoders: Arc<Decoders>,
    ) -> Self {
        let permits = Arc::new(Semaphore::new(limits::IMAGE_REQUESTS));
        Self { registry, hub, quota, clock, profile, decoders, permits }
    }

    pub(super) async fn handle(&self, body: &Bytes, faults: &InjectedFaults) -> Result<Response, ApiError> {
        let request: Request = parse(body)?;
        let page = ImagesPage::new(&request, self.profile)?;
        let now = self.clock.now();
        let stream = self.registry.find(&request.stream, now.wall)?;
        let since = archived_since(&stream, now.wall)?;
        self.quota.take_metadata_points(&stream.name, limits::IMAGES_POINTS.saturating_add(page.size), now.at)?;
        self.quota.take_media_points(&stream.name, page.size, now.at)?;
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| ApiError::internal())?;
        let (store, decoders) = (Arc::clone(self.hub.store()), Arc::clone(&self.decoders));
        let cancel = CancelOnDrop::default();
        let (canceled, injected_error) = (Arc::clone(&cancel.0), faults.image_error());
        let rendered = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let media = StoreMediaSource { store, key: stream.media_key(), since };
            let canceled = || canceled.load(Ordering::Relaxed);
            page.render(&ImageJob { media: &media, decoders: &decoders, injected_error, canceled: &canceled })
        });
        let response = rendered.await.map_err(|_| ApiError::internal())??;
        Ok(wire::ok(Some(response), faults.json_style()))
    }
}

/// Set when dropped, so that rendering stops when the client has gone.
#[derive(Debug, Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the oldest server time whose media is archived; a stream without retention has no images.
fn archived_since(stream: &StreamRecord, now: SystemTime) -> Result<SystemTime, ApiError> {
    if !stream.takes_media(now) {
        return Err(ApiError::no_stream());
    }
    stream.keeps_since(now).ok_or_else(|| {
        let message = "the stream keeps no data (DataRetentionInHours is 0), so there is nothing to read";
        ApiError::new(Exception::NoDataRetention, message)
    })
}
