//! Stopping while hostile media is being decoded, and while images wait for an endpoint.
#![cfg(feature = "server")]

use crate::support;
use std::path::Path;
use std::time::{Duration, Instant};

use kvs_local::{Builder, DeliveryEvent, DeliveryEvents, LocalKvs};
use kvs_mkv::codec::h264;
use kvs_mkv::{Frame, SegmentInfo, Tag, TrackNumber, Writer};
use kvs_types::tag_names;
use support::{Put, SOME_TIME, builder, create, post};

/// Key frames of the next test, 199 ms apart.
const FRAMES: u64 = 100;

/// The images of their time, 200 ms apart.
const INSTANTS: usize = 99;

/// The longest time that stopping may take: the grace of 10 s, and some for a slow machine.
const STOP: Duration = Duration::from_secs(12);

/// Starts a service and puts a fragment of `frames` pictures, with an image of each.
async fn put_pictures(builder: Builder, clip: &str, frames: u64) -> LocalKvs {
    let local = builder.start().await.unwrap();
    create(local.address(), "door").await;
    let configuration = r#"{"StreamName":"door","ImageGenerationConfiguration":{"Status":"ENABLED","ImageSelectorType":
        "PRODUCER_TIMESTAMP","DestinationConfig":{"Uri":"s3://pictures","DestinationRegion":"us-west-2"},"SamplingInterval":200,
        "Format":"JPEG"}}"#;
    let set = post(local.address(), "/updateImageGenerationConfiguration", configuration).await;
    assert_eq!(set.status, 200, "{set:?}");

    let clip = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips").join(clip)).unwrap();
    let sets = h264::ParameterSets::from_annex_b(&clip.clone().into()).unwrap();
    let track = h264::track(TrackNumber::ONE, &sets).unwrap().with_codec_private(sets.to_avcc().unwrap());
    let picture = kvs_mkv::codec::nal::annex_b_to_length_prefixed(&clip.into()).unwrap();
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap();
    let at = |frame: u64| Duration::from_millis(SOME_TIME + 199 * frame);
    let mut put = Put::open(local.address(), "door", "").await;
    put.send(&writer.start_segment()).await;
    put.send(&writer.start_cluster(at(0)).unwrap()).await;
    for number in 0..frames {
        let frame = Frame::new(TrackNumber::ONE, at(number), picture.clone()).with_keyframe(true);
        put.send(&writer.block(frame).unwrap().into_bytes()).await;
    }
    put.send(&writer.tags(&[Tag::new(tag_names::IMAGE_GENERATION, "")]).unwrap()).await;
    put.send(&writer.end_of_fragment()).await;
    put.ack_of("PERSISTED").await;
    local
}

/// Returns the reasons of the images that failed, after the service has stopped.
async fn failures(mut events: DeliveryEvents) -> Vec<String> {
    let mut reasons = Vec::new();
    while let Some(event) = events.next().await {
        if let DeliveryEvent::ImageFailed { reason, .. } = event {
            reasons.push(reason);
        }
    }
    reasons
}

/// The largest picture that is decoded, as often as a fragment may have images: nearly a minute of work.
#[tokio::test(flavor = "multi_thread")]
async fn image_work_is_canceled_when_the_service_stops() {
    let local = put_pictures(builder(), "large_4096x2304.h264", FRAMES).await;
    let events = local.deliveries();
    let start = Instant::now();
    local.shutdown().await;
    let taken = start.elapsed();
    assert!(taken < STOP, "stopping took {taken:?}");
    // One for every instant, even if a picture takes longer than the service waits for it.
    assert_eq!(failures(events).await, ["request canceled"; INSTANTS]);
}

/// An endpoint that takes connections and never answers: each image of the fragment would wait for a minute.
#[tokio::test(flavor = "multi_thread")]
async fn a_put_to_a_dead_endpoint_is_canceled_when_the_service_stops() {
    let endpoint = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", endpoint.local_addr().unwrap());
    let (called, mut calls) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        while let Ok((connection, _)) = endpoint.accept() {
            let _ = called.send(connection);
        }
    });
    let local = put_pictures(builder().s3_endpoint(&url), "large_4096x2304.h264", 3).await;
    let events = local.deliveries();
    let _open = calls.recv().await.unwrap();
    let start = Instant::now();
    local.shutdown().await;
    let taken = start.elapsed();
    assert!(taken < STOP, "stopping took {taken:?}");
    // Two instants in the time of three pictures. Both are reported before the service has stopped, the one in progress too.
    assert_eq!(failures(events).await, ["request canceled"; 2]);
}
