//! Images and notifications sent to an S3 and an SNS endpoint. moto and MiniStack are the judges; boto3 reads back what they got.
#![cfg(feature = "server")]

use crate::support;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use kvs_local::{Builder, DeliveryEvent, LocalKvs, SnsMessage, StartError};
use kvs_mkv::codec::{h264, nal};
use kvs_mkv::{Frame, SegmentInfo, Tag, TrackNumber, Writer};
use kvs_types::tag_names;
use serde_json::Value;
use support::{Put, SOME_TIME, TIMEOUT, builder, create, post};

const BUCKET: &str = "pictures-of-the-door";

/// An emulator in a process of its own; ends with its input.
struct Emulator {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
    url: String,
    topic: String,
}

impl Emulator {
    fn moto(test: &str) -> Option<Self> {
        Some(Self::start(&test_judges::python(test, &["moto", "boto3", "flask"])?, None))
    }

    fn ministack(test: &str) -> Option<Self> {
        let program = test_judges::python_data(test, "share/ministack/bin/ministack")?;
        Some(Self::start(&test_judges::python(test, &["boto3"])?, Some(&program)))
    }

    fn start(python: &str, program: Option<&Path>) -> Self {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws/emulator_judge.py");
        let mut command = Command::new(python);
        command.arg(script).args(["door", BUCKET]).args(program).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        let (input, output) = (child.stdin.take(), BufReader::new(child.stdout.take().unwrap()));
        let mut emulator = Self { child, input, output, url: String::new(), topic: String::new() };
        let first = emulator.line();
        emulator.url = first["url"].as_str().unwrap().to_owned();
        emulator.topic = first["topic"].as_str().unwrap().to_owned();
        emulator
    }

    fn line(&mut self) -> Value {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
    }

    /// Returns the objects of the bucket and the messages in the queue.
    fn received(&mut self) -> Value {
        self.input.as_mut().unwrap().write_all(b"\n").unwrap();
        self.line()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

/// Configures images and notifications and puts a fragment with one picture that asks for both.
async fn put_tagged_picture(local: &LocalKvs, topic: &str, prefix: &str) {
    let to = local.address();
    create(to, "door").await;
    let images = format!(
        r#"{{"StreamName":"door","ImageGenerationConfiguration":{{"Status":"ENABLED","ImageSelectorType":"PRODUCER_TIMESTAMP",
        "DestinationConfig":{{"Uri":"s3://{BUCKET}/a+b","DestinationRegion":"us-west-2"}},"SamplingInterval":1000,
        "Format":"JPEG"}}}}"#
    );
    let topic = format!(
        r#"{{"StreamName":"door","NotificationConfiguration":{{"Status":"ENABLED","DestinationConfig":{{"Uri":"{topic}"}}}}}}"#
    );
    for (path, body) in [("/updateImageGenerationConfiguration", &images), ("/updateNotificationConfiguration", &topic)]
    {
        let set = post(to, path, body).await;
        assert_eq!(set.status, 200, "{set:?}");
    }
    let clip = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clips/cropped.h264")).unwrap();
    let mut picture = Vec::new();
    for unit in nal::annex_b_lossy(&clip) {
        picture.extend_from_slice(&[0, 0, 0, 1]);
        picture.extend_from_slice(unit);
        if h264::NalType::of(unit).is_some_and(h264::NalType::is_slice) {
            break;
        }
    }
    let picture = Bytes::from(picture);
    let sets = h264::ParameterSets::from_annex_b(&picture).unwrap();
    let track = h264::track(TrackNumber::ONE, &sets).unwrap().with_codec_private(sets.to_avcc().unwrap());
    let mut writer = Writer::new(SegmentInfo::new([7; 16]), vec![track]).unwrap();
    let at = Duration::from_millis(SOME_TIME);
    // The data port of PutMedia, unless one port serves all.
    let mut put = Put::open(to, "door", "").await;
    put.send(&writer.start_segment()).await;
    put.send(&writer.start_cluster(at).unwrap()).await;
    let picture = nal::annex_b_to_length_prefixed(&picture).unwrap();
    let frame = Frame::new(TrackNumber::ONE, at, picture).with_keyframe(true);
    put.send(&writer.block(frame).unwrap().into_bytes()).await;
    let tags = [
        Tag::new(tag_names::IMAGE_GENERATION, ""),
        Tag::new(tag_names::IMAGE_PREFIX, prefix),
        Tag::new(tag_names::NOTIFICATION, ""),
        Tag::new("camera", "Tür"),
    ];
    put.send(&writer.tags(&tags).unwrap()).await;
    put.end().await;
    put.rest().await;
}

fn sending_to(moto_url: &str) -> Builder {
    // moto's account.
    builder().one_port().account("123456789012").s3_endpoint(moto_url).sns_endpoint(moto_url)
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_notifications_arrive_at_s3_and_sns() {
    let Some(moto) = Emulator::moto("images_and_notifications_arrive_at_s3_and_sns") else { return };
    assert_image_and_notification_arrive(moto).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_and_notifications_arrive_at_ministack() {
    let Some(ministack) = Emulator::ministack("images_and_notifications_arrive_at_ministack") else { return };
    assert_image_and_notification_arrive(ministack).await;
}

async fn assert_image_and_notification_arrive(mut emulator: Emulator) {
    let local = sending_to(&emulator.url).create_missing().start().await.unwrap();
    // A prefix that no file system of ours would take as it is.
    put_tagged_picture(&local, &emulator.topic, "gate: a|b?/.x/..").await;
    tokio::time::timeout(TIMEOUT, local.settled()).await.unwrap();

    let image = local.images("door").await.unwrap().remove(0);
    let received = emulator.received();
    assert_eq!(received["objects"].as_array().map(Vec::len), Some(1), "{received}");
    let object = &received["objects"][0];
    let key = image.object.key.to_string();
    assert!(key.starts_with("a+b/gate: a|b?/.x/.._123456789012_door_"), "{key}");
    assert_eq!((object["key"].as_str(), received["region"].as_str()), (Some(key.as_str()), Some("us-west-2")));
    assert_eq!(object["content_type"], "image/jpeg");
    let body = base64_simd::STANDARD.decode_to_vec(object["body"].as_str().unwrap()).unwrap();
    assert!(body == std::fs::read(&image.path).unwrap() && body.starts_with(b"\xff\xd8\xff"));
    // boto3 decodes RFC 2047 text itself or returns it as S3 does.
    let camera = object["metadata"]["camera"].as_str().unwrap();
    assert!(["Tür", "=?UTF-8?B?VMO8cg==?="].contains(&camera), "{received}");

    let number = local.fragments("door").await.unwrap()[0].number.to_string();
    assert_eq!(object["metadata"]["aws_kinesisvideo_fragment_number"], *number, "{received}");
    let message: SnsMessage = serde_json::from_str(received["messages"][0].as_str().unwrap()).unwrap();
    let SnsMessage::Notification(notification) = message else { panic!("{received}") };
    assert_eq!(notification.topic_arn, emulator.topic);
    let text: Value = serde_json::from_str(&notification.message).unwrap();
    assert_eq!(
        (text["FragmentNumber"].as_str(), &text["NotificationPayload"]["camera"]),
        (Some(&*number), &"Tür".into())
    );
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_bucket_and_topic_are_failures_with_their_reason() {
    let Some(mut moto) = Emulator::moto("a_missing_bucket_and_topic_are_failures_with_their_reason") else { return };
    let local = sending_to(&moto.url).start().await.unwrap();
    let mut events = local.deliveries();
    put_tagged_picture(&local, &moto.topic.replace(":door", ":other"), "").await;
    tokio::time::timeout(TIMEOUT, local.settled()).await.unwrap();
    let (mut image, mut message) = (None, None);
    while image.is_none() || message.is_none() {
        match tokio::time::timeout(TIMEOUT, events.next()).await.unwrap().unwrap() {
            DeliveryEvent::ImageFailed { reason, .. } => image = Some(reason),
            DeliveryEvent::PublishFailed { reason, .. } => message = Some(reason),
            _ => {}
        }
    }
    assert!(image.as_ref().unwrap().contains("NoSuchBucket"), "{image:?}");
    assert!(message.as_ref().unwrap().contains("status 404"), "{message:?}");
    assert!(local.images("door").await.unwrap().is_empty(), "the folder has what the endpoint has");
    local.shutdown().await;
    drop(moto.input.take());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_cannot_be_reached_is_a_failure_after_bounded_retries() {
    // Nothing listens there.
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://{closed}");
    let local = builder().one_port().s3_endpoint(&url).start().await.unwrap();
    let mut events = local.deliveries();
    put_tagged_picture(&local, "arn:aws:sns:us-west-2:111122223333:door", "").await;
    let failed = async {
        loop {
            if let DeliveryEvent::ImageFailed { reason, .. } = events.next().await.unwrap() {
                return reason;
            }
        }
    };
    let reason = tokio::time::timeout(TIMEOUT, failed).await.unwrap();
    assert!(reason.contains(&url) && reason.contains("connection failed"), "{reason}");
    local.shutdown().await;
}

#[tokio::test]
async fn endpoints_of_aws_need_a_word() {
    let refused = builder().s3_endpoint("https://s3.us-west-2.amazonaws.com").start().await.unwrap_err();
    assert!(matches!(refused, StartError::Aws { .. }), "{refused:?}");
    let invalid = builder().sns_endpoint("localhost:4566").start().await.unwrap_err();
    assert!(matches!(invalid, StartError::Url { .. }), "{invalid:?}");
    // Nothing is sent at the start.
    builder().s3_endpoint("https://s3.us-west-2.amazonaws.com").allow_aws().start().await.unwrap().shutdown().await;
}
