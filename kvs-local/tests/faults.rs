//! Scripted faults, as clients see them.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::time::Duration;

use kvs_local::{Fault, FaultKind, LocalKvs};
use support::{Media, Put, SOME_TIME, create, open, post};

async fn with(kind: FaultKind) -> LocalKvs {
    let local = open().await;
    create(local.address(), "door").await;
    local.faults().add(Fault::new(kind)).unwrap();
    local
}

/// A session of three fragments; gives all that was answered.
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
async fn requests_are_refused_and_answered_as_the_service_does_in_its_bad_moments() {
    let local = with(FaultKind::Refuse { exception: "ClientLimitExceededException".into() }).await;
    let refused = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    assert_eq!((refused.status, refused.exception()), (400, "ClientLimitExceededException"));
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
async fn a_fragment_gets_the_scripted_error_and_those_before_it_are_kept() {
    let local = with(FaultKind::ErrorAck { fragment: 2, id: 4500 }).await;
    let acks = session(&local).await;
    assert_eq!(acks.matches("PERSISTED").count(), 1, "{acks}");
    assert!(acks.contains(r#""ErrorCode":"KMS_KEY_ACCESS_DENIED","ErrorId":4500"#), "{acks}");
    assert_eq!(local.fragments("door").await.unwrap().len(), 1);
    local.shutdown().await;
}

#[tokio::test]
async fn acks_are_lost_doubled_and_split() {
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
async fn a_connection_is_cut_in_the_middle_of_the_body() {
    let local = with(FaultKind::CutAfter { bytes: 1000 }).await;
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(SOME_TIME, &[])).await;
    put.ack_of("BUFFERING").await;
    put.send(&[0; 1000]).await;
    let ended = tokio::spawn(async move { put.rest().await }).await;
    assert!(ended.is_err(), "the answer must not end in order: {ended:?}");
    local.shutdown().await;
}

#[tokio::test]
async fn the_service_stalls_and_goes_on() {
    let local = with(FaultKind::StallAfter { bytes: 1, ms: 300 }).await;
    let began = tokio::time::Instant::now();
    assert_eq!(session(&local).await.matches("PERSISTED").count(), 3);
    assert!(began.elapsed() >= Duration::from_millis(300));
    local.shutdown().await;
}

#[tokio::test]
async fn a_clock_that_is_off_refuses_good_signatures_and_tells_its_time() {
    let local =
        LocalKvs::builder().faults([Fault::new(FaultKind::ClockSkew { seconds: -3600 })]).start().await.unwrap();
    let credentials = kvs_aws::Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = kvs_aws::ClientConfig::new(kvs_aws::Region::new("us-west-2").unwrap(), credentials);
    let client = kvs_aws::Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap();
    // The client of this family finds out by how much the two differ and tries again.
    client.send(kvs_aws::ListStreams::new()).await.unwrap();
    local.shutdown().await;
}

#[tokio::test]
async fn images_cannot_be_had_when_the_script_says_so() {
    let local = with(FaultKind::MediaError).await;
    let question = r#"{"StreamName":"door","ImageSelectorType":"PRODUCER_TIMESTAMP","StartTimestamp":1,"EndTimestamp":2,
                       "Format":"JPEG","SamplingInterval":1000}"#;
    let answer = post(local.address(), "/getImages", question).await.json();
    assert_eq!(answer["Images"][1], serde_json::json!({ "TimeStamp": 2.0, "Error": "MEDIA_ERROR" }));
    local.faults().clear();
    local.faults().add(Fault::new(FaultKind::NoMedia)).unwrap();
    let answer = post(local.address(), "/getImages", question).await.json();
    assert_eq!(answer["Images"][1], serde_json::json!({ "TimeStamp": 2.0, "Error": "NO_MEDIA" }));
    local.shutdown().await;
}
