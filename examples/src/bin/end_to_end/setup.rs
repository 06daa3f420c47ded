//! Before the first frame: the stream, what its images look like, where its notifications go.

use std::time::Duration;

use kvs_aws::{CreateStream, DescribeStream, Error, ServiceErrorKind, StreamId, StreamName, StreamStatus};
use kvs_examples::cli::Failure;
use kvs_images::{
    ImageGenerationConfiguration, NotificationConfiguration, UpdateImageGenerationConfiguration,
    UpdateNotificationConfiguration,
};
use kvs_mkv::CodecId;

use crate::options::Options;
use crate::service::{BUCKET, Service, topic_arn};

/// Size of the pictures, in pixels, as in the walkthrough of KVS Images.
pub(crate) const PICTURE: (u32, u32) = (320, 240);
/// JPEG quality of the pictures.
pub(crate) const QUALITY: u8 = 80;
/// How long a stream may take to become active.
const ACTIVE_WITHIN: Duration = Duration::from_secs(60);
/// How often it is looked at meanwhile; the service allows five calls a second.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Hours that media is kept: without any there are no images.
const RETENTION_HOURS: u32 = 24;

/// Creates the stream if need be and configures it.
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
        .sampling_interval(options.interval())
        .size(PICTURE.0, PICTURE.1)
        .jpeg_quality(QUALITY);
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
        Err(error) if is_there_already(&error) => Ok(()),
        // Nobody answers at the endpoint that was given: that is the user's to mend.
        Err(error @ Error::Transport(_)) => Err(Failure::of_input(error)),
        Err(error) => Err(Failure::of_run(error)),
    }
}

fn is_there_already(error: &Error) -> bool {
    error.service().is_some_and(|error| error.kind == ServiceErrorKind::ResourceInUse)
}

/// Waits until the stream is active; gives the account it belongs to.
async fn active(service: &Service, stream: &StreamId) -> Result<String, Failure> {
    let looking = async {
        loop {
            let info = service.client.send(DescribeStream::new(stream.clone())).await.map_err(Failure::of_run)?;
            if info.status == Some(StreamStatus::Active) {
                return Ok::<_, Failure>(info.stream_arn.unwrap_or_default());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = || Failure::run(format!("the stream did not become active within {} s", ACTIVE_WITHIN.as_secs()));
    let arn: String = tokio::time::timeout(ACTIVE_WITHIN, looking).await.map_err(|_| late())??;
    // arn:aws:kinesisvideo:region:account:stream/name/time
    Ok(arn.split(':').nth(4).unwrap_or_default().to_owned())
}
