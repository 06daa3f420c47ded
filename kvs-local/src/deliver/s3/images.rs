//! Images of tagged fragments: made, put into the bucket's folder, and announced as S3 does it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kvs_notify::{ImageFormat as KeyFormat, ImageId, ImageMetadata, ImageObject, ImageObjectKey};
use ring::digest::{SHA256, digest};
use uuid::Uuid;

use super::event::ObjectCreated;
use super::object_store::{NewObject, ObjectFolder};
use crate::clock::{Clock, epoch_ms};
use crate::deliver::triggers::{ImageOrder, sampling_instants};
use crate::deliver::{DeliverySettings, ImageSettings, PersistedFragment};
use crate::images::{DecodeOptions, ImageEncoding, ImageRequest, extract_images};

/// Makes images and puts them where they belong. All of it blocks.
#[derive(Debug)]
pub(in crate::deliver) struct ImageMaker {
    objects: ObjectFolder,
    pub(in crate::deliver) region: String,
    pub(in crate::deliver) account: String,
    clock: Clock,
    sequencer: AtomicU64,
}

/// An image that was stored, and the event that tells of it.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct StoredImage {
    pub(in crate::deliver) object: ImageObject,
    pub(in crate::deliver) path: std::path::PathBuf,
    pub(in crate::deliver) event: String,
}

/// What became of one sampled instant.
pub(in crate::deliver) type ImageOutcome = Result<StoredImage, ImageFailure>;

/// An image that is not in the bucket: no marker is left there, as at the service.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct ImageFailure {
    pub(in crate::deliver) at: Duration,
    pub(in crate::deliver) reason: String,
}

impl ImageMaker {
    pub(in crate::deliver) fn new(settings: &DeliverySettings, clock: Clock) -> Self {
        Self {
            objects: ObjectFolder::new(settings.data_dir.join("s3")),
            region: settings.region.clone(),
            account: settings.account.clone(),
            // Rises over restarts, as the clock does.
            sequencer: AtomicU64::new(epoch_ms(clock.wall()) << 20),
            clock,
        }
    }

    /// Makes the images that a fragment's tags ask for; none if they do not.
    pub(in crate::deliver) fn make(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        options: DecodeOptions<'_>,
    ) -> Vec<ImageOutcome> {
        let Some(order) = ImageOrder::of(&fragment.tags) else { return Vec::new() };
        let Some(span) = fragment.spans.get(fragment.place) else { return Vec::new() };
        let instants = sampling_instants(span, settings.axis, settings.interval);
        let request = ImageRequest { instants, axis: settings.axis, rendering: settings.rendering };
        let made = extract_images(&*fragment.source, &fragment.spans, &request, options);
        let outcome = |(at, picture): (&Duration, Result<Bytes, crate::images::ExtractError>)| {
            let fail = |reason: String| ImageFailure { at: *at, reason };
            let picture = picture.map_err(|error| fail(error.to_string()))?;
            self.store(fragment, settings, &order, *at, &picture).map_err(|error| fail(error.to_string()))
        };
        request.instants.iter().zip(made.results).map(outcome).collect()
    }

    fn store(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        order: &ImageOrder,
        at: Duration,
        picture: &Bytes,
    ) -> Result<StoredImage, Box<dyn std::error::Error + Send + Sync>> {
        let span = fragment.spans.get(fragment.place).ok_or("the fragment is not there")?;
        let offset = at.saturating_sub(span.start(settings.axis));
        let time = |start: Duration| UNIX_EPOCH.checked_add(start.saturating_add(offset)).unwrap_or(UNIX_EPOCH);
        let mut metadata =
            ImageMetadata::new(span.number.clone(), time(span.producer_timestamp), time(span.server_timestamp));
        for (name, value) in &order.pairs {
            metadata = metadata.pair(name, value);
        }
        metadata.check_size()?;
        let key = self.key(fragment, settings, order, at)?;
        let text = key.to_string();
        let object = NewObject {
            bucket: &settings.bucket,
            key: &text,
            content_type: settings.rendering.format.content_type(),
            metadata: &metadata.to_pairs(),
            content: picture,
        };
        let path = self.objects.put(&object)?;
        let event = self.event(&object).to_string();
        Ok(StoredImage { object: ImageObject::new(&settings.bucket, key, metadata), path, event })
    }

    fn key(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        order: &ImageOrder,
        at: Duration,
    ) -> Result<ImageObjectKey, kvs_notify::InvalidKeyPart> {
        let timecode = UNIX_EPOCH.checked_add(at).unwrap_or(SystemTime::UNIX_EPOCH);
        let id = ImageId::from_bytes(Uuid::new_v4().into_bytes());
        let format = match settings.rendering.format {
            ImageEncoding::Jpeg(_) => KeyFormat::Jpeg,
            ImageEncoding::Png => KeyFormat::Png,
        };
        ImageObjectKey::new(&self.account, &fragment.stream, timecode, id, format)?
            .with_prefix(&order.prefix)?
            .with_folder(&settings.folder)
    }

    fn event(&self, object: &NewObject<'_>) -> serde_json::Value {
        // S3's tags are opaque; this one is as long as its own.
        let hash = digest(&SHA256, object.content);
        let etag: String = hash.as_ref().iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        let event = ObjectCreated {
            bucket: object.bucket,
            key: object.key,
            size: object.content.len(),
            etag: &etag,
            region: &self.region,
            account: &self.account,
            at: self.clock.wall(),
            sequencer: self.sequencer.fetch_add(1, Ordering::Relaxed),
            request_id: &Uuid::new_v4().simple().to_string(),
        };
        event.document()
    }
}

impl std::fmt::Debug for PersistedFragment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let number = self.spans.get(self.place).map(|span| &span.number);
        f.debug_struct("PersistedFragment")
            .field("stream", &self.stream)
            .field("number", &number)
            .finish_non_exhaustive()
    }
}

/// A place to read footage from that may be handed to other threads.
pub type SharedSource = Arc<dyn crate::images::MediaSource + Send + Sync>;
