//! Before the first frame: the stream and its configurations.

use std::time::Duration;

use kvs_aws::{
    CreateStream, DescribeStream, Error, ImageGenerationConfiguration, NotificationConfiguration, ServiceErrorKind,
    StreamId, StreamName, StreamStatus, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};
use kvs_mkv::CodecId;

use crate::failure::Failure;
use crate::options::Options;
use crate::service::{BUCKET, Service, topic_arn};

/// Width and height of the images in pixels, as in the AWS walkthrough of image generation.
pub(crate) const IMAGE_SIZE: (u32, u32) = (320, 240);
/// JPEG quality of the images.
pub(crate) const QUALITY: u8 = 80;
/// How long a stream may take to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// Time between two DescribeStream calls; the service allows five per second.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// Hours to keep media for; a stream that keeps none has no images.
const RETENTION_HOURS: u32 = 24;

/// Creates the stream if it does not exist and configures it.
pub(crate) async fn prepare(
    service: &Service,
    options: &Options,
    codec: Option<&CodecId>,
) -> Result<StreamId, Failure> {
    let name: StreamName = options.stream.parse().map_err(Failure::of_input)?;
    let stream = StreamId::from(name.clone());
    create(service, name, codec).await?;
    let account = active(service, &stream).await?;
    let images = ImageGenerationConfiguration::new(format!("s3://{BUCKET}"), &service.region)
        .with_sampling_interval(options.interval())
        .with_size(IMAGE_SIZE.0, IMAGE_SIZE.1)
        .with_jpeg_quality(QUALITY);
    let update = UpdateImageGenerationConfiguration::new(stream.clone(), images);
    service.client.send(update).await.map_err(Failure::of_run)?;
    let notifications = NotificationConfiguration::new(topic_arn(&service.region, &account));
    let update = UpdateNotificationConfiguration::new(stream.clone(), notifications);
    service.client.send(update).await.map_err(Failure::of_run)?;
    Ok(stream)
}

async fn create(service: &Service, name: StreamName, codec: Option<&CodecId>) -> Result<(), Failure> {
    let media_type = if codec == Some(&CodecId::H265) { "video/h265" } else { "video/h264" };
    let create = CreateStream::new(name).media_type(media_type).data_retention_in_hours(RETENTION_HOURS);
    match service.client.send(create).await {
        Ok(_) => Ok(()),
        Err(error) if exists_already(&error) => Ok(()),
        // Nobody answers at the endpoint that was given: an input error.
        Err(error @ Error::Transport(_)) => Err(Failure::of_input(error)),
        Err(error) => Err(Failure::of_run(error)),
    }
}

fn exists_already(error: &Error) -> bool {
    error.service().is_some_and(|error| error.kind == ServiceErrorKind::ResourceInUse)
}

/// Waits until the stream is active and returns the account it belongs to.
async fn active(service: &Service, stream: &StreamId) -> Result<String, Failure> {
    let looking = async {
        loop {
            let info = service.client.send(DescribeStream::new(stream.clone())).await.map_err(Failure::of_run)?;
            if info.status == Some(StreamStatus::Active) {
                return Ok::<_, Failure>(info.stream_arn.unwrap_or_default());
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    };
    let late = || Failure::run(format!("the stream did not become active within {} s", ACTIVE_WITHIN.as_secs()));
    let arn: String = tokio::time::timeout(ACTIVE_WITHIN, looking).await.map_err(|_| late())??;
    // arn:aws:kinesisvideo:region:account:stream/name/time
    Ok(arn.split(':').nth(4).unwrap_or_default().to_owned())
}
