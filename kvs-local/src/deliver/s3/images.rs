//! Makes the images of tagged fragments and stores them as objects.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use kvs_notify::{ImageFormat, ImageId, ImageMetadata, ImageObject, ImageObjectKey, InvalidKeyPart};
use kvs_types::__internal::epoch_millis;
use ring::digest::{SHA256, digest};
use uuid::Uuid;

use super::bucket_client::BucketClient;
use super::object_created::ObjectCreated;
use super::object_store::{NewObject, ObjectStore};
use crate::clock::Clock;
use crate::deliver::cancel::Canceled;
use crate::deliver::settings::{DeliverySettings, ImageSettings, PersistedFragment};
use crate::deliver::triggers::{ImageTrigger, sampling_instants};
use crate::images::{DecodeError, DecodeOptions, Decoders, ExtractError, ImageEncoding, ImageRequest, extract_images};

/// Makes images and stores them in the bucket of the configuration. All calls block.
#[derive(Debug)]
pub(in crate::deliver) struct ImageWriter {
    objects: ObjectStore,
    /// Takes the objects first, if there is one.
    remote: Option<BucketClient>,
    pub(in crate::deliver) region: String,
    pub(in crate::deliver) account: String,
    clock: Clock,
    sequencer: AtomicU64,
}

/// A stored image.
#[derive(Clone, Debug)]
pub(in crate::deliver) struct StoredImage {
    pub(in crate::deliver) object: ImageObject,
    pub(in crate::deliver) path: PathBuf,
    /// The JSON of the S3 event.
    pub(in crate::deliver) event: String,
}

/// The result for one sampled instant.
pub(in crate::deliver) type ImageResult = Result<StoredImage, ImageError>;

/// An image that was not stored. As in the service, the bucket then contains nothing for this instant.
#[derive(Debug)]
pub(in crate::deliver) struct ImageError {
    /// The sampled instant since the Unix epoch.
    pub(in crate::deliver) at: Duration,
    pub(in crate::deliver) source: Box<dyn std::error::Error + Send + Sync>,
}

impl ImageError {
    pub(in crate::deliver) fn canceled(at: Duration) -> Self {
        Self { at, source: canceled_error() }
    }
}

impl ImageWriter {
    pub(in crate::deliver) fn new(settings: &DeliverySettings, remote: Option<BucketClient>, clock: Clock) -> Self {
        Self {
            objects: ObjectStore::new(settings.data_dir.join("s3")),
            remote,
            region: settings.region.clone(),
            account: settings.account.clone(),
            // Starts at the clock, so that it also increases over restarts.
            sequencer: AtomicU64::new(epoch_millis(clock.wall()) << 20),
            clock,
        }
    }

    /// Returns whether this service announces objects itself: an S3 endpoint has events of its own.
    pub(in crate::deliver) const fn sends_events(&self) -> bool {
        self.remote.is_none()
    }

    /// Returns the instants whose images the tags of a fragment ask for: none if they do not.
    pub(in crate::deliver) fn instants(fragment: &PersistedFragment, settings: &ImageSettings) -> Vec<Duration> {
        let span = fragment.span().filter(|_| ImageTrigger::find(&fragment.tags).is_some());
        span.map(|span| sampling_instants(span, settings.origin, settings.interval)).unwrap_or_default()
    }

    /// Makes and stores the images that the tags of a fragment ask for. Passes a result for each of its
    /// [`instants`](Self::instants) to `output`, in their order, as soon as it is there.
    pub(in crate::deliver) fn write(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        decoders: &Decoders,
        canceled: &Canceled,
        output: &mut dyn FnMut(ImageResult),
    ) {
        let Some(trigger) = ImageTrigger::find(&fragment.tags) else { return };
        let request = ImageRequest {
            instants: Self::instants(fragment, settings),
            origin: settings.origin,
            earliest_start: Duration::ZERO,
            rendering: settings.rendering,
        };
        let is_canceled = || canceled.is_set();
        // One thread per job: there are as many image tasks as cores.
        let options = DecodeOptions { threads: NonZeroUsize::MIN, decoders, canceled: &is_canceled };
        let extracted = extract_images(&*fragment.source, &fragment.spans, &request, options);
        let store = |(at, image): (&Duration, Result<Bytes, ExtractError>)| {
            if is_canceled() {
                return Err(ImageError::canceled(*at));
            }
            let failed = |source| ImageError { at: *at, source };
            let image = image.map_err(|error| failed(error.into()))?;
            self.store(fragment, settings, &trigger, (*at, &image), canceled).map_err(failed)
        };
        request.instants.iter().zip(extracted.results).map(store).for_each(output);
    }

    fn store(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        trigger: &ImageTrigger,
        (at, image): (Duration, &Bytes),
        canceled: &Canceled,
    ) -> Result<StoredImage, Box<dyn std::error::Error + Send + Sync>> {
        let span = fragment.span().ok_or("the index of the fragment is out of range")?;
        let offset = at.saturating_sub(span.start(settings.origin));
        let time = |start: Duration| UNIX_EPOCH.checked_add(start.saturating_add(offset)).unwrap_or(UNIX_EPOCH);
        let mut metadata =
            ImageMetadata::new(span.number.clone(), time(span.producer_timestamp), time(span.server_timestamp));
        for (name, value) in &trigger.pairs {
            metadata = metadata.pair(name, value);
        }
        metadata.check_size()?;
        let key = self.key(fragment, settings, trigger, at)?;
        let text = key.to_string();
        let object = NewObject {
            bucket: &settings.bucket,
            key: &text,
            content_type: settings.rendering.format.content_type(),
            metadata: &metadata.to_pairs(),
            content: image,
        };
        if let Some(remote) = &self.remote {
            // An endpoint that does not answer takes a minute.
            let put = async {
                tokio::select! {
                    put = remote.put(&object, &self.region) => put.map_err(Into::into),
                    () = canceled.set() => Err(canceled_error()),
                }
            };
            // This is a thread that may block.
            tokio::runtime::Handle::try_current()?.block_on(put)?;
        }
        let path = self.objects.put(&object)?;
        let event = self.event(&object).to_string();
        Ok(StoredImage { object: ImageObject::new(&settings.bucket, key, metadata), path, event })
    }

    fn key(
        &self,
        fragment: &PersistedFragment,
        settings: &ImageSettings,
        trigger: &ImageTrigger,
        at: Duration,
    ) -> Result<ImageObjectKey, InvalidKeyPart> {
        let timecode = UNIX_EPOCH.checked_add(at).unwrap_or(SystemTime::UNIX_EPOCH);
        let id = ImageId::from_bytes(Uuid::new_v4().into_bytes());
        let format = match settings.rendering.format {
            ImageEncoding::Jpeg(_) => ImageFormat::Jpeg,
            ImageEncoding::Png => ImageFormat::Png,
        };
        ImageObjectKey::new(&self.account, &fragment.stream, timecode, id, format)?
            .with_prefix(&trigger.prefix)?
            .with_folder(&settings.folder)
    }

    fn event(&self, object: &NewObject<'_>) -> serde_json::Value {
        // An ETag of S3 is opaque. This one has the same length: 16 bytes in hexadecimal digits.
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

fn canceled_error() -> Box<dyn std::error::Error + Send + Sync> {
    ExtractError::from(DecodeError::Canceled).into()
}
