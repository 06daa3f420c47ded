//! Images and notifications for a persisted fragment.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use kvs_mkv::{Track, TrackKind, VideoSettings};
use kvs_notify::StreamArn;
use kvs_types::{ConfigurationStatus, ImageGenerationConfiguration};

use crate::api::StreamRef;
use crate::deliver::{Delivery, ImageSettings, PersistedFragment, Topic};
use crate::images::{IMAGES_FOLLOW_CONTAINER, ImageEncoding, ImageSize, RenderOptions, Shape};
use crate::ingest::IngestedFragment;
use crate::stream::registry::{Registry, StreamRecord, check_quality};
use crate::stream::{StoreMediaSource, StreamHub};

/// Decides what follows from a persisted fragment, and passes it to delivery.
#[derive(Debug)]
pub(crate) struct PostPersist {
    registry: Arc<Registry>,
    hub: Arc<StreamHub>,
    delivery: Arc<Delivery>,
}

/// A persisted fragment and what must be delivered for it.
#[derive(Debug)]
pub(super) struct PostPersistActions {
    fragment: PersistedFragment,
    images: Option<ImageSettings>,
    topic: Option<Topic>,
}

impl PostPersist {
    pub(crate) const fn new(registry: Arc<Registry>, hub: Arc<StreamHub>, delivery: Arc<Delivery>) -> Self {
        Self { registry, hub, delivery }
    }

    /// Returns the actions for a fragment that was just stored, by the configuration in effect at `now`. Blocks.
    pub(super) fn plan(
        &self,
        stream_arn: &str,
        fragment: &IngestedFragment,
        now: SystemTime,
    ) -> Option<PostPersistActions> {
        let stream = self.registry.find(&StreamRef::by_arn(stream_arn), now).ok()?;
        let Some(since) = stream.keeps_since(now) else {
            self.hub.trim(&stream, now);
            return None;
        };
        if fragment.tags.is_empty() {
            return None;
        }
        let images = stream.images.in_effect(now).and_then(|images| image_settings(images, &fragment.tracks));
        let topic = stream.notifications.in_effect(now).filter(|to| to.status == ConfigurationStatus::Enabled);
        let topic = topic.and_then(|to| Topic::parse(&to.destination_config.uri).ok());
        if images.is_none() && topic.is_none() {
            return None;
        }
        let fragment = self.persisted(&stream, fragment, since)?;
        Some(PostPersistActions { fragment, images, topic })
    }

    fn persisted(
        &self,
        stream: &StreamRecord,
        fragment: &IngestedFragment,
        since: SystemTime,
    ) -> Option<PersistedFragment> {
        let media = StoreMediaSource { store: Arc::clone(self.hub.store()), key: stream.media_key(), since };
        let (spans, index) = media.up_to(&fragment.number).ok()??;
        Some(PersistedFragment {
            stream: stream.name.clone(),
            stream_arn: stream.arn.parse::<StreamArn>().ok()?,
            source: Arc::new(media),
            spans,
            index,
            tags: fragment.tags.clone(),
        })
    }

    /// Queues the actions for delivery; waits while too many are queued.
    pub(super) async fn run(&self, actions: PostPersistActions) {
        let PostPersistActions { fragment, images, topic } = actions;
        self.delivery.fragment_persisted(&fragment, images.as_ref(), topic.as_ref()).await;
    }
}

/// Returns the settings of an enabled configuration for media with these tracks.
fn image_settings(configuration: &ImageGenerationConfiguration, tracks: &[Track]) -> Option<ImageSettings> {
    if configuration.status != ConfigurationStatus::Enabled {
        return None;
    }
    let (bucket, folder) = bucket_and_folder(&configuration.destination_config.uri)?;
    if !IMAGES_FOLLOW_CONTAINER
        && let Some(track) = tracks.iter().find(|track| track.video.is_some_and(is_changed_for_display))
    {
        tracing::debug!(track = %track.number, "images show pictures as decoded; rotation and pixel shape are not applied");
    }
    let quality = check_quality(configuration.format_config.as_ref()).ok()?;
    let format = ImageEncoding::new(configuration.format, quality);
    Some(ImageSettings {
        origin: configuration.image_selector_type,
        interval: Duration::from_millis(configuration.sampling_interval.into()),
        rendering: RenderOptions { format, size: size(configuration, tracks) },
        bucket: bucket.to_owned(),
        folder: folder.to_owned(),
    })
}

/// Splits `s3://BUCKET/FOLDER` and removes slashes around the folder.
fn bucket_and_folder(uri: &str) -> Option<(&str, &str)> {
    let rest = uri.strip_prefix("s3://")?;
    let (bucket, folder) = rest.split_once('/').unwrap_or((rest, ""));
    Some((bucket, folder.trim_matches('/')))
}

/// Returns whether a player shows the picture in another way than it is decoded.
fn is_changed_for_display(video: VideoSettings) -> bool {
    let has_square_pixels = video.pixel_aspect().is_none_or(|aspect| aspect.width == aspect.height);
    !video.pose.is_upright() || !has_square_pixels || video.cropped() != (video.width, video.height)
}

/// Returns the size of the images. If only one side is configured, the other follows from the aspect ratio of the video.
fn size(configuration: &ImageGenerationConfiguration, tracks: &[Track]) -> Option<ImageSize> {
    let video = tracks.iter().find(|track| track.kind == TrackKind::Video).and_then(|track| track.video);
    let shape = video.map(|settings| Shape::of(video, IMAGES_FOLLOW_CONTAINER).size((settings.width, settings.height)));
    let follow = |given: u64, of: u64, to: u64| {
        let scaled = given.checked_mul(to)?.checked_add(of / 2)?.checked_div(of)?;
        Some(scaled.max(1))
    };
    let (width, height) = match (configuration.width_pixels.map(u64::from), configuration.height_pixels.map(u64::from))
    {
        (None, None) => return None,
        (Some(width), Some(height)) => (width, height),
        (Some(width), None) => (width, shape.and_then(|(of, to)| follow(width, of, to))?),
        (None, Some(height)) => (shape.and_then(|(to, of)| follow(height, of, to))?, height),
    };
    ImageSize::new(u32::try_from(width).ok()?, u32::try_from(height).ok()?)
}

#[cfg(test)]
mod tests {
    use kvs_mkv::{CodecId, TrackNumber};

    use super::*;
    use crate::api::parse;

    fn configuration(more: &str) -> ImageGenerationConfiguration {
        let json = format!(
            r#"{{"Status":"ENABLED","ImageSelectorType":"PRODUCER_TIMESTAMP","DestinationConfig":{{"Uri":"s3://pics/a/b/","DestinationRegion":"us-west-2"}},"SamplingInterval":200,"Format":"JPEG"{more}}}"#
        );
        parse(json.as_bytes()).unwrap()
    }

    fn sizes(more: &str) -> Option<(u16, u16)> {
        let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(1280, 720);
        let settings = image_settings(&configuration(more), &[track]).unwrap();
        settings.rendering.size.map(|size| (size.width(), size.height()))
    }

    #[test]
    fn derives_the_missing_side_from_the_video() {
        assert_eq!(sizes(""), None);
        assert_eq!(sizes(r#","WidthPixels":320,"HeightPixels":320"#), Some((320, 320)));
        assert_eq!(sizes(r#","WidthPixels":320"#), Some((320, 180)));
        assert_eq!(sizes(r#","HeightPixels":90"#), Some((160, 90)));
    }

    #[test]
    fn disabled_configuration_has_no_settings() {
        let mut disabled = configuration("");
        disabled.status = ConfigurationStatus::Disabled;
        assert_eq!(image_settings(&disabled, &[]), None);
        let enabled = image_settings(&configuration(""), &[]).unwrap();
        assert_eq!((enabled.bucket.as_str(), enabled.folder.as_str()), ("pics", "a/b"));
    }
}
