//! A camera of one frame per second has an image for every second.

use crate::support;
use std::collections::HashSet;
use std::path::Path;
use std::time::{Duration, SystemTime};

use futures_util::StreamExt;
use kvs_aws::StreamId;
use kvs_images::{ImagesExt, Pace};
use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_mkv::{Frame, TrackNumber};
use kvs_producer::{NewStream, Producer, ProducerConfig, StreamLookup};

const SECOND: Duration = Duration::from_secs(1);

/// amazon-kinesis-video-streams-producer-c#399: at one frame a second half of the images were NO_MEDIA.
#[tokio::test(flavor = "multi_thread")]
async fn one_fps_images() {
    let dir = tempfile::tempdir().unwrap();
    let local = LocalKvs::builder().data_dir(dir.path()).start().await.unwrap();
    let client = support::client_of(&local);
    let recording = Recording::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("media/clock.mp4")).unwrap();
    let recording = recording.starting_with_video();
    let video = recording.video().unwrap().clone();
    let config = ProducerConfig::new("slow", vec![video])
        .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 3600))));
    let producer = Producer::open(config, client.clone()).await.unwrap();
    let a_minute_ago = SystemTime::now() - Duration::from_secs(60);
    let whole_seconds = a_minute_ago.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let start = SystemTime::UNIX_EPOCH + Duration::from_secs(whole_seconds);

    // Its key frames, each two seconds from the next, shown twice as fast.
    let keys = recording.samples().iter().filter(|sample| sample.track == TrackNumber::ONE && sample.keyframe);
    let mut frames = 0;
    for (sample, at) in keys.zip(0..) {
        let pts = start.duration_since(SystemTime::UNIX_EPOCH).unwrap() + SECOND * at;
        let frame = Frame::new(TrackNumber::ONE, pts, sample.data.clone()).with_keyframe(true);
        producer.put_frame(frame).await.unwrap();
        frames += 1;
    }
    assert!(producer.stop(Duration::from_secs(30)).await.is_complete());

    let stream: StreamId = "slow".parse().unwrap();
    let range = start..start + SECOND * frames;
    let images = client.images(stream).range(range).every(SECOND).pace(Pace::Unlimited);
    let images: Vec<_> = images.stream().unwrap().collect().await;
    let shown: HashSet<_> = images.iter().map(|image| image.content.clone().unwrap()).collect();
    assert_eq!(shown.len(), frames as usize, "every second has its own image");
    assert!(frames >= 10);
    local.shutdown().await;
}
