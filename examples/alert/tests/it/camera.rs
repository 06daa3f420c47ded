//! A camera that sends one of the two recordings.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kvs_aws::{
    Client, ClientConfig, CreateStream, Credentials, ImageGenerationConfiguration, NotificationConfiguration, Region,
    UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};
use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_producer::{EventInterval, Frame, ImageGeneration, Notification, Producer, ProducerConfig};

pub(crate) const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:cameras";

pub(crate) fn recording(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("media").join(name)
}

/// Sends a recording to a stream that asks for images and notifications of every fragment. It ended now.
pub(crate) async fn send(local: &LocalKvs, stream: &str, name: &str) {
    send_from(local, stream, name, SystemTime::now() - Duration::from_secs(8)).await;
}

/// The same for a recording that began at a time.
pub(crate) async fn send_from(local: &LocalKvs, stream: &str, name: &str, start: SystemTime) {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).unwrap(), credentials);
    let client = Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    client.send(CreateStream::new(stream.parse().unwrap()).data_retention_in_hours(24)).await.unwrap();
    let images = ImageGenerationConfiguration::new("s3://camera-images", "us-west-2");
    client.send(UpdateImageGenerationConfiguration::new(stream.parse().unwrap(), images)).await.unwrap();
    let notifications = NotificationConfiguration::new(TOPIC);
    client.send(UpdateNotificationConfiguration::new(stream.parse().unwrap(), notifications)).await.unwrap();

    let recording = Recording::open(recording(name)).unwrap();
    let every = EventInterval::Time(Duration::from_secs(1));
    let config = ProducerConfig::new(stream, recording.tracks().to_vec())
        .event_every(every, ImageGeneration::new())
        .event_every(every, Notification::new());
    let producer = Producer::open(config, client).await.unwrap();
    let start = start.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    for sample in recording.samples() {
        let frame = Frame::new(sample.track, start + sample.pts, sample.data.clone()).with_keyframe(sample.keyframe);
        producer.put_frame(frame).await.unwrap();
    }
    assert!(producer.stop(Duration::from_secs(30)).await.is_complete());
    // Images and messages are written after the acks.
    local.settled().await;
}
