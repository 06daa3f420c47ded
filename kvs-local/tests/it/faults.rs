//! Injected faults, as clients see them.
#![cfg(feature = "server")]

use crate::support;
use std::time::Duration;

use kvs_local::{Fault, FaultKind, LocalKvs};
use support::{Media, Put, SOME_TIME, create, open, post};

async fn with(kind: FaultKind) -> LocalKvs {
    let local = open().await;
    create(local.address(), "door").await;
    local.faults().add(Fault::new(kind)).unwrap();
    local
}

/// Puts three fragments in one session. Returns the whole response.
async fn session(local: &LocalKvs) -> String {
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    for at in 0..3 {
        put.send(&media.fragment(SOME_TIME + 1000 * at, &[])).await;
    }
    put.end().await;
    put.rest().await
}

#[tokio::test]
async fn injects_exceptions_and_unusual_responses() {
    let local = with(FaultKind::Refuse { exception: "ClientLimitExceededException".into() }).await;
    let rejected = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    assert_eq!((rejected.status, rejected.exception()), (400, "ClientLimitExceededException"));
    local.faults().clear();

    local.faults().add(Fault::new(FaultKind::UnknownOperation).on("getImages").times(1)).unwrap();
    let unknown = post(local.address(), "/getImages", "{}").await;
    assert_eq!(unknown.status, 200);
    assert_eq!(unknown.json()["Output"]["__type"], "com.amazon.coral.service#UnknownOperationException");
    assert_eq!(post(local.address(), "/getImages", "{}").await.status, 400);

    local.faults().add(Fault::new(FaultKind::ScientificTimestamps).times(1)).unwrap();
    local.faults().add(Fault::new(FaultKind::OmitNulls).times(1)).unwrap();
    let odd = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    let odd = String::from_utf8_lossy(&odd.body).into_owned();
    assert!(odd.contains(r#""CreationTime":1."#) && odd.contains("E9,") && !odd.contains("null"), "{odd}");
    let plain = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    assert!(String::from_utf8_lossy(&plain.body).contains(r#""DeviceName":null"#), "{plain:?}");
    local.shutdown().await;
}

#[tokio::test]
async fn injects_error_ack_for_one_fragment() {
    let local = with(FaultKind::ErrorAck { fragment: 2, id: 4500 }).await;
    let acks = session(&local).await;
    assert_eq!(acks.matches("PERSISTED").count(), 1, "{acks}");
    assert!(acks.contains(r#""ErrorCode":"KMS_KEY_ACCESS_DENIED","ErrorId":4500"#), "{acks}");
    assert_eq!(local.fragments("door").await.unwrap().len(), 1);
    local.shutdown().await;
}

/// A client may wait for its acks before it sends more.
#[tokio::test]
async fn injected_error_ack_does_not_wait_for_more_media() {
    let local = with(FaultKind::ErrorAck { fragment: 1, id: 4500 }).await;
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    // Its cluster ends the first fragment.
    put.send(&media.fragment(SOME_TIME + 1000, &[])).await;
    put.read_until(r#""ErrorId":4500"#).await;
    local.shutdown().await;
}

#[tokio::test]
async fn drops_duplicates_and_splits_acks() {
    let local = with(FaultKind::LoseAcks { event: "PERSISTED".into() }).await;
    let lost = session(&local).await;
    assert_eq!((lost.matches("RECEIVED").count(), lost.matches("PERSISTED").count()), (3, 0), "{lost}");
    local.faults().clear();
    local.faults().add(Fault::new(FaultKind::DuplicateAcks).times(1)).unwrap();
    assert_eq!(session(&local).await.matches("PERSISTED").count(), 6);
    local.faults().add(Fault::new(FaultKind::SplitAcks { bytes: 7 }).times(1)).unwrap();
    let split = session(&local).await;
    assert!(split.contains("\r\n7\r\n{\"Event\r\n7\r\nType\":\""), "{split}");
    local.shutdown().await;
}

#[tokio::test]
async fn cuts_the_connection_within_the_body() {
    let local = with(FaultKind::CutAfter { bytes: 1000 }).await;
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.ack_of("BUFFERING").await;
    put.send(&[0; 1000]).await;
    let ended = tokio::spawn(async move { put.rest().await }).await;
    assert!(ended.is_err(), "the response must be incomplete: {ended:?}");
    local.shutdown().await;
}

#[tokio::test]
async fn stalls_and_continues() {
    let local = with(FaultKind::StallAfter { bytes: 1, ms: 300 }).await;
    let began = tokio::time::Instant::now();
    assert_eq!(session(&local).await.matches("PERSISTED").count(), 3);
    assert!(began.elapsed() >= Duration::from_millis(300));
    local.shutdown().await;
}

#[tokio::test]
async fn clock_skew_rejects_signatures_and_reports_the_time() {
    let local =
        LocalKvs::builder().faults([Fault::new(FaultKind::ClockSkew { seconds: -3600 })]).start().await.unwrap();
    let credentials = kvs_aws::Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = kvs_aws::ClientConfig::new(kvs_aws::Region::new("us-west-2").unwrap(), credentials);
    let client = kvs_aws::Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    // kvs-aws determines the clock difference and tries again.
    client.send(kvs_aws::ListStreams::new()).await.unwrap();
    local.shutdown().await;
}

#[tokio::test]
async fn injects_image_errors() {
    let local = with(FaultKind::MediaError).await;
    let request = r#"{"StreamName":"door","ImageSelectorType":"PRODUCER_TIMESTAMP","StartTimestamp":1,"EndTimestamp":2,
                       "Format":"JPEG","SamplingInterval":1000}"#;
    let response = post(local.address(), "/getImages", request).await.json();
    assert_eq!(response["Images"][1], serde_json::json!({ "TimeStamp": 2.0, "Error": "MEDIA_ERROR" }));
    local.faults().clear();
    local.faults().add(Fault::new(FaultKind::NoMedia)).unwrap();
    let response = post(local.address(), "/getImages", request).await.json();
    assert_eq!(response["Images"][1], serde_json::json!({ "TimeStamp": 2.0, "Error": "NO_MEDIA" }));
    local.shutdown().await;
}
