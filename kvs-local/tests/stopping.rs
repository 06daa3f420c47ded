//! Stopping while hostile media is being decoded.
#![cfg(feature = "server")]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use kvs_mkv::codec::h264;
use kvs_mkv::{Frame, SegmentInfo, Tag, TrackNumber, Writer};
use kvs_types::tag_names;
use support::{Put, SOME_TIME, builder, create, post};

/// Key frames of the next test: 20 s, an image each.
const FRAMES: u64 = 100;

/// The largest picture that is decoded, as often as a fragment may have images: nearly a minute of work.
#[tokio::test(flavor = "multi_thread")]
async fn image_work_is_canceled_when_the_service_stops() {
    let local = builder().start().await.unwrap();
    create(local.address(), "door").await;
    let configuration = r#"{"StreamName":"door","ImageGenerationConfiguration":{"Status":"ENABLED","ImageSelectorType":
        "PRODUCER_TIMESTAMP","DestinationConfig":{"Uri":"s3://pictures","DestinationRegion":"us-west-2"},"SamplingInterval":200,
        "Format":"JPEG"}}"#;
    let set = post(local.address(), "/updateImageGenerationConfiguration", configuration).await;
    assert_eq!(set.status, 200, "{set:?}");

    let clip = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips/large_4096x2304.h264")).unwrap();
    let sets = h264::ParameterSets::from_annex_b(&clip.clone().into()).unwrap();
    let track = h264::track(TrackNumber::ONE, &sets).unwrap().with_codec_private(sets.to_avcc().unwrap());
    let picture = kvs_mkv::codec::nal::annex_b_to_length_prefixed(&clip.into()).unwrap();
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap();
    let at = |frame: u64| Duration::from_millis(SOME_TIME + 199 * frame);
    let mut put = Put::open(local.address(), "door", "").await;
    put.send(&writer.start_segment()).await;
    put.send(&writer.start_cluster(at(0)).unwrap()).await;
    for number in 0..FRAMES {
        let frame = Frame::new(TrackNumber::ONE, at(number), picture.clone()).with_keyframe(true);
        put.send(&writer.block(frame).unwrap().into_bytes()).await;
    }
    put.send(&writer.tags(&[Tag::new(tag_names::IMAGE_GENERATION, "")]).unwrap()).await;
    put.send(&writer.end_of_fragment()).await;
    put.ack_of("PERSISTED").await;
    drop(put);

    let start = Instant::now();
    local.shutdown().await;
    let taken = start.elapsed();
    assert!(taken < Duration::from_secs(12), "stopping took {taken:?}");
}
