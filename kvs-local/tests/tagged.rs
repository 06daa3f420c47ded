//! What becomes of tagged fragments, seen through the handles of the library.
#![cfg(feature = "server")]

mod support;

use std::time::Duration;

use kvs_local::delivery::DeliveryEvent;
use kvs_mkv::Tag;
use kvs_mkv::service::tag_names;
use support::{Media, Put, SOME_TIME, builder, create, post};

const TOPIC: &str = "arn:aws:sns:us-west-2:111122223333:door";

async fn notify(to: std::net::SocketAddr) {
    let topic = format!(
        r#"{{"StreamName":"door","NotificationConfiguration":{{"Status":"ENABLED","DestinationConfig":{{"Uri":"{TOPIC}"}}}}}}"#
    );
    assert_eq!(post(to, "/updateNotificationConfiguration", &topic).await.status, 200);
}

async fn put_tagged(to: std::net::SocketAddr, at: u64) {
    let mut put = Put::open(to, "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(at, &[Tag::new(tag_names::NOTIFICATION, ""), Tag::new("door", "open")])).await;
    put.send(&media.fragment(at + 1000, &[])).await;
    put.end().await;
    put.rest().await;
}

#[tokio::test]
async fn a_tagged_fragment_is_announced_once_and_others_are_not() {
    let local = builder().start().await.unwrap();
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    local.settled().await;
    let messages = local.notifications(TOPIC).await.unwrap();
    let kvs_notify::SnsMessage::Notification(message) = &messages[0] else { panic!("{messages:?}") };
    let told: serde_json::Value = serde_json::from_str(&message.message).unwrap();
    let first = &local.fragments("door").await.unwrap()[0];
    assert_eq!((messages.len(), &told["FragmentNumber"]), (1, &first.number.as_str().into()));
    assert_eq!(told["FragmentStartProducerTimestamp"], SOME_TIME);
    assert_eq!(told["NotificationPayload"]["door"], "open");
    assert!(local.images("door").await.unwrap().is_empty());
    assert!(local.notifications("../door").await.is_err());
    local.shutdown().await;
}

#[tokio::test]
async fn configuration_comes_into_effect_after_its_delay() {
    let local = builder().config_delay(Duration::from_secs(3600)).start().await.unwrap();
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    local.settled().await;
    assert!(local.notifications(TOPIC).await.unwrap().is_empty());
    local.shutdown().await;
}

#[tokio::test]
async fn images_that_cannot_be_made_are_told_of_and_leave_nothing_behind() {
    let local = builder().start().await.unwrap();
    create(local.address(), "door").await;
    let images = r#"{"StreamName":"door","ImageGenerationConfiguration":{"Status":"ENABLED","ImageSelectorType":
        "PRODUCER_TIMESTAMP","SamplingInterval":500,"Format":"JPEG","DestinationConfig":{"Uri":"s3://pics",
        "DestinationRegion":"us-west-2"}}}"#;
    assert_eq!(post(local.address(), "/updateImageGenerationConfiguration", images).await.status, 200);
    let mut told = local.deliveries();
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    // The frames are no H.264.
    put.send(&media.fragment(SOME_TIME, &[Tag::new(tag_names::IMAGE_GENERATION, "")])).await;
    put.end().await;
    put.rest().await;
    local.settled().await;
    let event = told.recv().await.unwrap();
    assert!(matches!(&event, DeliveryEvent::ImageFailed { stream, .. } if stream == "door"), "{event:?}");
    assert!(local.images("door").await.unwrap().is_empty());
    local.shutdown().await;
}
