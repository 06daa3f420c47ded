//! PutMedia over a socket: what a producer sees, byte by byte.
#![cfg(feature = "server")]

mod support;

use std::time::Duration;

use kvs_local::ingest::Profile;
use support::{Media, PATIENCE, Put, SOME_TIME, builder, create, open, post, put_one, put_to, putting};

#[tokio::test]
async fn the_head_comes_before_the_first_byte_of_media_and_acks_while_the_body_is_open() {
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

    let kept = local.fragments("door").await.unwrap();
    assert_eq!(kept.len(), 1);
    assert_eq!(kept[0].number.as_str(), persisted["FragmentNumber"].as_str().unwrap());
    assert_eq!(kept[0].duration, Duration::from_secs(1));
    put.end().await;
    put.rest().await;
    local.shutdown().await;
}

#[tokio::test]
async fn the_end_of_the_body_ends_the_last_fragment_and_then_the_answer() {
    let (local, mut put, mut media) = putting().await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.end().await;
    assert_eq!(put.ack_of("PERSISTED").await["FragmentTimecode"], SOME_TIME);
    put.rest().await;
    local.shutdown().await;
}

#[tokio::test]
async fn a_client_that_waits_for_100_continue_gets_it_at_once() {
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
async fn a_stream_takes_one_connection_at_a_time_and_the_next_once_it_ended() {
    let local = open().await;
    create(local.address(), "door").await;
    let mut first = Put::open(local.address(), "door", "").await;
    assert!(first.head().await.contains("200 OK"));
    let mut second = Put::open(local.address(), "door", "").await;
    let refusal = second.head().await;
    assert!(refusal.starts_with("HTTP/1.1 400") && refusal.contains("ConnectionLimitExceededException"), "{refusal}");
    first.cut();
    let next = async {
        loop {
            if Put::open(local.address(), "door", "").await.head().await.contains("200 OK") {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, next).await.unwrap();
    local.shutdown().await;
}

#[tokio::test]
async fn in_2022_the_newest_connection_of_a_stream_took_the_place_of_the_one_before() {
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
async fn numbers_rise_over_sessions_and_jump_to_the_next_thousand() {
    let local = open().await;
    create(local.address(), "door").await;
    for at in [SOME_TIME, SOME_TIME + 1000] {
        put_one(&local, "door", at).await;
    }
    let kept = local.fragments("door").await.unwrap();
    let sequences: Vec<u64> =
        kept.iter().map(|kept| kvs_local::ingest::NumberParts::of(&kept.number).unwrap().sequence).collect();
    assert_eq!(sequences, [1, 1001]);
    local.shutdown().await;
}

#[tokio::test]
async fn an_error_ack_is_the_last_line_and_ends_the_answer() {
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
async fn heads_that_say_too_little_are_refused_and_the_refusal_reaches_a_client_that_is_sending() {
    let local = open().await;
    create(local.address(), "door").await;
    let refused = async |stream: &str, more: &str| {
        let mut put = Put::open(local.address(), stream, more).await;
        put.send(&vec![0; 1 << 20]).await;
        put.head().await
    };
    let unknown = refused("nobody", "").await;
    assert!(unknown.starts_with("HTTP/1.1 404") && unknown.contains("ResourceNotFoundException"), "{unknown}");
    let both =
        refused("door", "x-amzn-stream-arn: arn:aws:kinesisvideo:us-west-2:111122223333:stream/door/1\r\n").await;
    assert!(both.starts_with("HTTP/1.1 400") && both.contains("InvalidArgumentException"), "{both}");
    local.shutdown().await;
}

#[tokio::test]
async fn deleting_a_stream_ends_the_connection_of_its_producer() {
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
async fn stopping_the_service_acks_what_is_complete_and_does_not_wait_for_the_producer() {
    let (local, mut put, mut media) = putting().await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.send(&media.fragment(SOME_TIME + 1000, &[])).await;
    put.ack_of("RECEIVED").await;
    let began = tokio::time::Instant::now();
    local.shutdown().await;
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
    assert_eq!(put.ack_of("ERROR").await["ErrorId"], 5000);
}
