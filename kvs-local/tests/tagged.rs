//! What becomes of tagged fragments, seen through the handles of the library.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

mod support;

use std::time::Duration;

use kvs_local::{DeliveryEvent, Subscription};
use kvs_mkv::Tag;
use kvs_types::tag_names;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use support::{Media, PATIENCE, Put, SOME_TIME, builder, create, exchange, post};

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
async fn a_raw_subscriber_is_asked_first_and_gets_the_message_alone() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let subscription = Subscription::new(TOPIC, &url).unwrap().raw();
    let local = builder().subscription(subscription).start().await.unwrap();
    let asked: serde_json::Value = serde_json::from_str(&taken(&listener).await.1).unwrap();
    assert_eq!(asked["Type"], "SubscriptionConfirmation");
    let confirm = asked["SubscribeURL"].as_str().unwrap();
    let path = confirm.strip_prefix(local.endpoint_url()).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", local.address());
    assert_eq!(exchange(local.address(), request.as_bytes()).await.status, 200);
    create(local.address(), "door").await;
    notify(local.address()).await;
    put_tagged(local.address(), SOME_TIME).await;
    let (head, body) = taken(&listener).await;
    assert!(head.contains("x-amz-sns-rawdelivery: true\r\n"), "{head}");
    let told: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(told["FragmentStartProducerTimestamp"], SOME_TIME);
    local.shutdown().await;
}

/// Takes a post, says that it is fine, and gives its head and its body.
async fn taken(listener: &tokio::net::TcpListener) -> (String, String) {
    let take = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        loop {
            assert!(stream.read_buf(&mut all).await.unwrap() > 0, "the whole post");
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
    tokio::time::timeout(PATIENCE, take).await.expect("a post")
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
