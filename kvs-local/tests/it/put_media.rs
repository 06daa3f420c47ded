//! PutMedia over a socket, as a producer sees it.
#![cfg(feature = "server")]

use crate::support;
use std::time::Duration;

use kvs_local::Profile;
use support::{Media, Put, SOME_TIME, TIMEOUT, builder, create, open, post, put_one, put_to, putting};

#[tokio::test]
async fn sends_head_before_media_and_acks_while_the_body_is_open() {
    let local = open().await;
    create(local.address(), "door").await;
    let mut put = Put::open(local.address(), "door", "").await;
    let head = put.head().await;
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(head.contains("content-type: application/json") && head.contains("x-amzn-requestid: "), "{head}");

    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    let buffering = put.ack().await;
    assert_eq!((&buffering["EventType"], &buffering["FragmentTimecode"]), (&"BUFFERING".into(), &SOME_TIME.into()));
    put.send(&media.end()).await;
    assert_eq!(put.ack().await["EventType"], "RECEIVED");
    let persisted = put.ack().await;
    assert_eq!(persisted["EventType"], "PERSISTED");
    assert_eq!(persisted["FragmentNumber"], buffering["FragmentNumber"]);

    let stored = local.fragments("door").await.unwrap();
    assert_eq!(stored.len(), 1);
    assert_eq!(stored[0].number.as_str(), persisted["FragmentNumber"].as_str().unwrap());
    assert_eq!(stored[0].duration, Duration::from_millis(750));
    put.end().await;
    put.rest().await;
    local.shutdown().await;
}

#[tokio::test]
async fn end_of_body_completes_the_last_fragment_and_the_response() {
    let (local, mut put, mut media) = putting().await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.end().await;
    assert_eq!(put.ack_of("PERSISTED").await["FragmentTimecode"], SOME_TIME);
    put.rest().await;
    local.shutdown().await;
}

#[tokio::test]
async fn sends_100_continue_at_once() {
    let local = open().await;
    create(local.address(), "door").await;
    let mut put = Put::open(local.address(), "door", "expect: 100-continue\r\n").await;
    let began = tokio::time::Instant::now();
    assert_eq!(put.head().await, "HTTP/1.1 100 Continue\r\n\r\n");
    assert!(put.head().await.starts_with("HTTP/1.1 200 OK\r\n"));
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    local.shutdown().await;
}

#[tokio::test]
async fn accepts_one_put_media_connection_per_stream_at_a_time() {
    let local = open().await;
    create(local.address(), "door").await;
    let mut first = Put::open(local.address(), "door", "").await;
    assert!(first.head().await.contains("200 OK"));
    let mut second = Put::open(local.address(), "door", "").await;
    let rejection = second.head().await;
    assert!(
        rejection.starts_with("HTTP/1.1 400") && rejection.contains("ConnectionLimitExceededException"),
        "{rejection}"
    );
    first.cut();
    let next = async {
        loop {
            if Put::open(local.address(), "door", "").await.head().await.contains("200 OK") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(TIMEOUT, next).await.unwrap();
    local.shutdown().await;
}

#[tokio::test]
async fn new_connection_replaces_the_old_one_in_profile_2022() {
    let local = builder().profile(Profile::Year2022).start().await.unwrap();
    create(local.address(), "door").await;
    let (mut first, mut media) = put_to(&local, "door").await;
    first.send(&media.fragment(SOME_TIME, &[])).await;
    first.ack_of("BUFFERING").await;
    let mut second = Put::open(local.address(), "door", "").await;
    assert!(second.head().await.contains("200 OK"));
    first.ends().await;
    let mut media = Media::new();
    second.send(&media.header()).await;
    second.send(&media.fragment(SOME_TIME + 1000, &[])).await;
    second.end().await;
    assert_eq!(second.ack_of("PERSISTED").await["FragmentTimecode"], SOME_TIME + 1000);
    second.rest().await;
    assert_eq!(local.fragments("door").await.unwrap().len(), 1);
    local.shutdown().await;
}

#[tokio::test]
async fn fragment_numbers_of_a_new_session_start_at_the_next_thousand() {
    let local = open().await;
    create(local.address(), "door").await;
    for at in [SOME_TIME, SOME_TIME + 1000] {
        put_one(&local, "door", at).await;
    }
    let stored = local.fragments("door").await.unwrap();
    let sequences: Vec<u64> = stored
        .iter()
        .map(|fragment| kvs_local::__internal::ingest::NumberParts::of(&fragment.number).unwrap().sequence)
        .collect();
    assert_eq!(sequences, [1, 1001]);
    local.shutdown().await;
}

#[tokio::test]
async fn error_ack_ends_the_response() {
    let local = open().await;
    create(local.address(), "door").await;
    let mut put = Put::open(local.address(), "door", "").await;
    put.send(b"this is no Matroska").await;
    let error = put.ack_of("ERROR").await;
    assert_eq!((&error["ErrorId"], &error["ErrorCode"]), (&4006.into(), &"INVALID_MKV_DATA".into()));
    put.rest().await;
    local.shutdown().await;
}

#[tokio::test]
async fn rejection_of_a_request_head_reaches_a_sending_client() {
    let local = open().await;
    create(local.address(), "door").await;
    let rejection = async |stream: &str, more: &str| {
        let mut put = Put::open(local.address(), stream, more).await;
        put.send(&vec![0; 1 << 20]).await;
        put.head().await
    };
    let unknown = rejection("nobody", "").await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("ResourceNotFoundException"), "{unknown}");
    let both =
        rejection("door", "x-amzn-stream-arn: arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1\r\n").await;
    assert!(both.starts_with("HTTP/1.1 400") && both.contains("InvalidArgumentException"), "{both}");
    local.shutdown().await;
}

#[tokio::test]
async fn deleting_a_stream_ends_its_put_media_connection() {
    let local = open().await;
    let arn = create(local.address(), "door").await;
    let mut put = Put::open(local.address(), "door", "").await;
    put.head().await;
    let deleted = post(local.address(), "/deleteStream", &format!(r#"{{"StreamARN":"{arn}"}}"#)).await;
    assert_eq!((deleted.status, deleted.body.len()), (200, 0));
    assert_eq!(put.ack_of("ERROR").await["ErrorId"], 4008);
    put.rest().await;
    assert!(local.fragments("door").await.unwrap().is_empty());
    local.shutdown().await;
}

#[tokio::test]
async fn shutdown_acks_complete_fragments_without_waiting_for_the_producer() {
    let (local, mut put, mut media) = putting().await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.send(&media.fragment(SOME_TIME + 1000, &[])).await;
    put.ack_of("RECEIVED").await;
    let began = tokio::time::Instant::now();
    local.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(put.ack_of("ERROR").await["ErrorId"], 5000);
}
