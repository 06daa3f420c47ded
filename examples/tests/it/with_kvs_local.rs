//! How to test a program against kvs-local: the service inside the test, media in, images and fragments out.

use std::time::{Duration, SystemTime};

use kvs_aws::{
    Client, ClientConfig, Credentials, ImageGenerationConfiguration, Region, UpdateImageGenerationConfiguration,
};
use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_producer::{Frame, ImageGeneration, NewStream, Producer, ProducerConfig, StreamLookup};

/// The program under test: sends a recording and requests images of its first fragment.
async fn send_recording(client: Client, recording: Recording) -> Result<(), Box<dyn std::error::Error>> {
    let day = Duration::from_secs(24 * 3600);
    let config = ProducerConfig::new("front-door", recording.tracks().to_vec())
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(day)));
    let producer = Producer::open(config, client.clone()).await?;
    let images = ImageGenerationConfiguration::new("s3://camera-images", "us-west-2");
    client.send(UpdateImageGenerationConfiguration::new("front-door".parse()?, images)).await?;
    let start = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    for (number, sample) in recording.samples().iter().enumerate() {
        let frame = Frame::new(sample.track, start + sample.pts, sample.data.clone()).with_keyframe(sample.keyframe);
        producer.put_frame(frame).await?;
        if number == 0 {
            producer.put_event(ImageGeneration::new().with_prefix("first"))?;
        }
    }
    let report = producer.stop(Duration::from_secs(10)).await;
    if report.is_complete() { Ok(()) } else { Err("frames were lost".into()) }
}

#[tokio::test(flavor = "multi_thread")]
async fn stores_every_fragment_and_writes_images_of_the_first() {
    // Without data_dir the service keeps its files in a temporary directory, which it removes.
    let local = LocalKvs::builder().start().await.unwrap();
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).unwrap(), credentials);
    let client = Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    let recording = Recording::open(concat!(env!("CARGO_MANIFEST_DIR"), "/media/clock.mp4")).unwrap();

    send_recording(client, recording).await.unwrap();

    // Images and notifications are written after the acks.
    local.settled().await;
    let fragments = local.fragments("front-door").await.unwrap();
    assert_eq!(fragments.len(), 10);
    let images = local.images("front-door").await.unwrap();
    assert!(!images.is_empty());
    assert!(images.iter().all(|image| image.object.key.prefix() == Some("first")), "{images:?}");
    local.shutdown().await;
}
