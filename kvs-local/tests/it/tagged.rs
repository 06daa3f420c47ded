//! Delivery for tagged fragments, as seen through [`LocalKvs`](kvs_local::LocalKvs).
#![cfg(feature = "server")]

use crate::support;
use std::time::Duration;

use kvs_local::{DeliveryEvent, Subscription};
use kvs_mkv::Tag;
use kvs_types::tag_names;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::{Media, Put, SOME_TIME, TIMEOUT, builder, create, exchange, post};

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
async fn publishes_one_notification_per_tagged_fragment() {
    let local = builder().start().await.unwrap();
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    local.settled().await;
    let messages = local.notifications(TOPIC).await.unwrap();
    let kvs_notify::SnsMessage::Notification(message) = &messages[0] else { panic!("{messages:?}") };
    let notification: serde_json::Value = serde_json::from_str(&message.message).unwrap();
    let first = &local.fragments("door").await.unwrap()[0];
    assert_eq!((messages.len(), &notification["FragmentNumber"]), (1, &first.number.as_str().into()));
    assert_eq!(notification["FragmentStartProducerTimestamp"], SOME_TIME);
    assert_eq!(notification["NotificationPayload"]["door"], "open");
    assert!(local.images("door").await.unwrap().is_empty());
    assert!(local.notifications("../door").await.is_err());
    local.shutdown().await;
}

#[tokio::test]
async fn raw_subscriber_confirms_and_receives_the_message_without_envelope() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let subscription = Subscription::new(TOPIC, &url).unwrap().raw();
    let local = builder().subscription(subscription).start().await.unwrap();
    let confirmation: serde_json::Value = serde_json::from_str(&receive_post(&listener).await.1).unwrap();
    assert_eq!(confirmation["Type"], "SubscriptionConfirmation");
    let confirm = confirmation["SubscribeURL"].as_str().unwrap();
    let path = confirm.strip_prefix(local.endpoint_url()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", local.address());
    assert_eq!(exchange(local.address(), request.as_bytes()).await.status, 200);
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    let (head, body) = receive_post(&listener).await;
    assert!(head.contains("x-amz-sns-rawdelivery: true\r\n"), "{head}");
    let notification: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(notification["FragmentStartProducerTimestamp"], SOME_TIME);
    local.shutdown().await;
}

/// Receives a post and responds with 200. Returns the head in lower case, and the body.
async fn receive_post(listener: &tokio::net::TcpListener) -> (String, String) {
    let receive = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        loop {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "connection closed within the post");
            let text = String::from_utf8_lossy(&all).to_lowercase();
            let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            if body.len() >= length.parse().unwrap() {
                stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await.unwrap();
                let (_, body) = std::str::from_utf8(&all).unwrap().split_once("\r\n\r\n").unwrap();
                return (format!("{head}\r\n"), body.to_owned());
            }
        }
    };
    tokio::time::timeout(TIMEOUT, receive).await.expect("a post arrives")
}

#[tokio::test]
async fn configuration_takes_effect_after_its_delay() {
    let local = builder().config_delay(Duration::from_secs(3600)).start().await.unwrap();
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    local.settled().await;
    assert!(local.notifications(TOPIC).await.unwrap().is_empty());
    local.shutdown().await;
}

#[tokio::test]
async fn failed_images_are_reported_and_leave_no_files() {
    let local = builder().start().await.unwrap();
    create(local.address(), "door").await;
    let images = r#"{"StreamName":"door","ImageGenerationConfiguration":{"Status":"ENABLED","ImageSelectorType":
        "PRODUCER_TIMESTAMP","SamplingInterval":500,"Format":"JPEG","DestinationConfig":{"Uri":"s3://pics",
        "DestinationRegion":"us-west-2"}}}"#;
    assert_eq!(post(local.address(), "/updateImageGenerationConfiguration", images).await.status, 200);
    let mut events = local.deliveries();
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    // The frames are not H.264.
    put.send(&media.fragment(SOME_TIME, &[Tag::new(tag_names::IMAGE_GENERATION, "")])).await;
    put.end().await;
    put.rest().await;
    local.settled().await;
    let event = events.next().await.unwrap();
    assert!(matches!(&event, DeliveryEvent::ImageFailed { stream, .. } if stream == "door"), "{event:?}");
    assert!(local.images("door").await.unwrap().is_empty());
    local.shutdown().await;
}
