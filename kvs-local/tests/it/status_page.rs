//! The status page: who gets it, what is in it, and that it shows what happened.
#![cfg(feature = "server")]

use crate::support;
use std::net::SocketAddr;
use std::time::Duration;

use kvs_local::{LocalKvs, StatusPage};
use kvs_mkv::Tag;
use serde_json::{Value, json};
use support::{Response, SOME_TIME, create, exchange, put_one, put_to, putting};

async fn get(to: SocketAddr, path: &str, more: &str) -> Response {
    let head = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\n{more}connection: close\r\n\r\n");
    exchange(to, head.as_bytes()).await
}

async fn report(local: &LocalKvs, stream: &str) -> Value {
    let response = get(local.address(), &format!("/_kvs/status?prefix=&stream={stream}"), "").await;
    assert_eq!(response.status, 200, "{response:?}");
    response.json()
}

/// Reads reports until one is as wanted.
async fn reported(local: &LocalKvs, stream: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    for _ in 0..600 {
        let report = report(local, stream).await;
        if wanted(&report) {
            return report;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("never reported: {}", report(local, stream).await);
}

#[tokio::test]
async fn the_page_is_static_and_confined() {
    let local = LocalKvs::builder().start().await.unwrap();
    let page = get(local.address(), "/", "").await;
    assert_eq!(page.status, 200);
    for header in [
        "content-type: text/html; charset=utf-8\r\n",
        "content-security-policy: default-src 'none'; script-src 'sha256-",
        "x-content-type-options: nosniff\r\n",
        "x-frame-options: DENY\r\n",
        "cross-origin-resource-policy: same-origin\r\n",
    ] {
        assert!(page.head.contains(header), "{header} {}", page.head);
    }
    create_signed(&local).await;
    assert_eq!(get(local.address(), "/", "").await.body, page.body, "no stream is in it");
    local.shutdown().await;
}

/// Creates nothing, but shows that the key is still needed for everything that changes something.
async fn create_signed(local: &LocalKvs) {
    assert_eq!(support::post(local.address(), "/createStream", r#"{"StreamName":"door"}"#).await.status, 403);
}

#[tokio::test]
async fn the_page_is_served_on_loopback_only_unless_asked_for() {
    let key = |builder: kvs_local::Builder| builder.credentials("key", "secret");
    for (builder, page, media) in [
        (LocalKvs::builder(), 200, true),
        (LocalKvs::builder().anonymous(), 200, true),
        (key(LocalKvs::builder()), 200, false),
        (key(LocalKvs::builder()).status_page(StatusPage::On), 200, true),
        (LocalKvs::builder().status_page(StatusPage::Off), 404, false),
        (key(LocalKvs::builder()).allow_remote(), 404, false),
        (key(LocalKvs::builder()).allow_remote().status_page(StatusPage::On), 200, true),
    ] {
        let local = builder.start().await.unwrap();
        assert_eq!(get(local.address(), "/", "").await.status, page);
        let report = get(local.address(), "/_kvs/status", "").await;
        assert_eq!(report.status, page);
        if page == 200 {
            assert_eq!(report.json()["media"], media);
        }
        for path in ["image?stream=none&at=1", "hls?stream=none", "dash?stream=none", "clip?stream=none&from=1&to=2"] {
            let response = get(local.address(), &format!("/_kvs/{path}"), "").await;
            assert_eq!(response.status, if page == 200 && !media { 403 } else { 404 }, "{path} {response:?}");
        }
        local.shutdown().await;
    }
}

#[tokio::test]
async fn only_the_page_itself_gets_reports() {
    let local = LocalKvs::builder().cors_origin("https://page.example").start().await.unwrap();
    let own = local.address();
    for path in
        ["/_kvs/status", "/_kvs/image?stream=door&at=0", "/_kvs/hls?stream=door", "/_kvs/clip?stream=door&from=1&to=2"]
    {
        for more in [
            "origin: http://localhost:3000\r\n",
            "origin: https://page.example\r\n",
            "origin: https://evil.example\r\n",
            "origin: null\r\n",
            "sec-fetch-site: cross-site\r\n",
            "sec-fetch-site: same-site\r\n",
        ] {
            assert_eq!(get(own, path, more).await.status, 403, "{path} {more}");
        }
    }
    assert_eq!(
        get(own, "/_kvs/status", &format!("origin: http://{own}\r\nsec-fetch-site: same-origin\r\n")).await.status,
        200
    );
    let rebound = "GET /_kvs/status HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n";
    assert_eq!(exchange(own, rebound.as_bytes()).await.status, 403);
    local.shutdown().await;
}

#[tokio::test]
async fn a_report_shows_fragments_gaps_errors_and_connections() {
    let (local, mut put, mut media) = putting().await;
    let tags = [Tag::new("<script>alert(1)</script>", "\"'&<b>")];
    put.send(&media.fragment(SOME_TIME, &tags)).await;
    put.send(&media.fragment(SOME_TIME + 1000, &[])).await;
    put.send(&media.fragment(SOME_TIME + 60_000, &[])).await;
    put.send(&media.end()).await;
    let shown = reported(&local, "door", |report| report["stream"]["coverage"]["fragments"] == 3).await;
    let (listed, stream) = (&shown["streams"][0], &shown["stream"]);
    assert_eq!((&listed["name"], &listed["live"]), (&json!("door"), &json!(true)));
    let newest = &stream["fragments"][0];
    assert_eq!((&newest["producer"], &newest["duration"]), (&json!(SOME_TIME + 60_000), &json!(750)));
    assert_eq!((&newest["media"]["frames"], &newest["media"]["playable"]), (&json!(4), &json!(false)));
    assert_eq!(newest["media"]["reason"], "Missing codec private data in fragment for track 1.");
    let tagged = &stream["fragments"][2]["media"]["tags"][0];
    assert_eq!(tagged, &json!({ "name": "<script>alert(1)</script>", "value": "\"'&<b>" }));
    let runs = &stream["coverage"]["producer"];
    assert_eq!(runs, &json!([[SOME_TIME, SOME_TIME + 1750], [SOME_TIME + 60_000, SOME_TIME + 60_750]]));
    assert_eq!(stream["connections"][0]["operation"], "PutMedia");
    assert!(stream["connections"][0]["bytes"].as_u64().unwrap() > 300);

    put.send(b"this is no Matroska").await;
    put.end().await;
    put.ack_of("ERROR").await;
    put.rest().await;
    let failed = reported(&local, "door", |report| report["stream"]["connections"] == json!([])).await;
    assert_eq!(failed["errorAcks"][0]["stream"], "door");
    assert!(failed["errorAcks"][0]["id"].as_u64().unwrap() >= 4000);
    assert_eq!((&failed["streams"][0]["live"], &failed["streams"][0]["errors"]), (&json!(false), &json!(1)));

    create(local.address(), "gate").await;
    assert_eq!(report(&local, "gate").await["errorAcks"], json!([]));
    let narrowed = get(local.address(), "/_kvs/status?prefix=ga", "").await.json();
    assert_eq!(narrowed["streams"].as_array().unwrap().len(), 1);
    assert_eq!(report(&local, "%3Cscript%3E").await["stream"], Value::Null);
    local.shutdown().await;
}

#[tokio::test]
async fn a_report_stays_small() {
    let local = support::open().await;
    for number in 0..600 {
        create(local.address(), &format!("stream-{number:03}-{}", "n".repeat(200))).await;
    }
    let name = format!("stream-000-{}", "n".repeat(200));
    let (mut put, mut media) = put_to(&local, &name).await;
    for number in 0..40 {
        let tag = |tag: u64| Tag::new(format!("{tag}{}", "k".repeat(120)), "v".repeat(250));
        put.send(&media.fragment(SOME_TIME + number * 1000, &(0..10).map(tag).collect::<Vec<_>>())).await;
    }
    put.end().await;
    put.rest().await;
    let report = get(local.address(), &format!("/_kvs/status?stream={name}"), "").await;
    assert_eq!(report.json()["streams"].as_array().unwrap().len(), 500);
    assert_eq!(report.json()["moreStreams"], true);
    assert_eq!(report.json()["stream"]["fragments"].as_array().unwrap().len(), 20);
    assert!(report.body.len() < 500_000, "{}", report.body.len());
    assert!(put_one(&local, &name, SOME_TIME + 900_000).await.contains("PERSISTED"));
    local.shutdown().await;
}
