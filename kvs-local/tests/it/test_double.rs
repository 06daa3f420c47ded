//! What tests expect of a double: health, streams at start, a reset, and a program that containers can watch.

use crate::support;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use kvs_local::LocalKvs;
use kvs_mkv::Tag;
use kvs_types::tag_names;
use support::{Media, Put, SOME_TIME, builder, post};

const STREAMS: &str = r#"[
  { "StreamName": "door", "DataRetentionInHours": 24, "Tags": { "room": "hall" },
    "NotificationConfiguration": { "Status": "ENABLED", "DestinationConfig": { "Uri": "arn:aws:sns:us-west-2:111122223333:t" } } },
  { "StreamName": "gate" }
]"#;

#[tokio::test]
async fn health_needs_no_signature() {
    let local = LocalKvs::builder().start().await.unwrap();
    let to = local.address();
    for path in ["/health", "/_localstack/health"] {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {to}\r\nconnection: close\r\n\r\n");
        let health = support::exchange(to, request.as_bytes()).await;
        assert_eq!(health.status, 200);
        assert_eq!(health.json()["services"]["kinesisvideo"], "running");
    }
    let refused = post(to, "/_kvs/reset", "").await;
    assert_eq!((refused.status, refused.exception()), (403, "MissingAuthenticationTokenException"));
    local.shutdown().await;
}

#[tokio::test]
async fn reset_returns_to_the_streams_of_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let local = builder().data_dir(dir.path()).streams(STREAMS).start().await.unwrap();
    let to = local.address();
    let names = async || {
        let list = post(to, "/listStreams", "{}").await.json();
        let list = list["StreamInfoList"].as_array().unwrap().clone();
        list.iter().map(|stream| stream["StreamName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let put = async || {
        let mut put = Put::open(to, "door", "").await;
        let mut media = Media::new();
        put.send(&media.header()).await;
        put.send(&media.fragment(SOME_TIME, &[Tag::new(tag_names::NOTIFICATION, "")])).await;
        put.send(&media.end()).await;
        put.ack_of("PERSISTED").await;
    };
    assert_eq!(names().await, ["door", "gate"]);
    let tags = post(to, "/listTagsForStream", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(tags["Tags"]["room"], "hall");
    put().await;
    local.settled().await;
    let topic = "arn:aws:sns:us-west-2:111122223333:t";
    assert_eq!((local.fragments("door").await.unwrap().len(), local.notifications(topic).await.unwrap().len()), (1, 1));
    assert_eq!(post(to, "/createStream", r#"{"StreamName":"new"}"#).await.status, 200);

    assert_eq!(post(to, "/_kvs/reset", "").await.status, 200);
    assert_eq!(names().await, ["door", "gate"]);
    assert_eq!((local.fragments("door").await.unwrap().len(), local.notifications(topic).await.unwrap().len()), (0, 0));
    put().await;
    local.settled().await;
    assert_eq!((local.fragments("door").await.unwrap().len(), local.notifications(topic).await.unwrap().len()), (1, 1));
    local.shutdown().await;

    // A restart keeps what there is.
    let local = builder().data_dir(dir.path()).streams(STREAMS).start().await.unwrap();
    assert_eq!(local.fragments("door").await.unwrap().len(), 1);
    local.shutdown().await;
}

#[tokio::test]
async fn invalid_streams_are_refused_at_start() {
    for (streams, reason) in [
        ("{}", "list of streams"),
        (r#"[{ "StreamNme": "door" }]"#, "unknown member 'StreamNme'"),
        (r#"[{ "StreamName": "a/b" }]"#, "StreamName"),
        (r#"[{ "StreamName": "door", "NotificationConfiguration": {} }]"#, "status"),
    ] {
        let error = builder().streams(streams).start().await.unwrap_err();
        let text = kvs_types::__internal::ErrorChain(&error).to_string();
        assert!(text.contains(reason), "{text}");
    }
}

#[test]
fn binary_says_ready_and_answers_its_health_command() {
    let dir = tempfile::tempdir().unwrap();
    let binary = || Command::new(env!("CARGO_BIN_EXE_kvs-local"));
    let seed = dir.path().join("seed.json");
    std::fs::write(&seed, r#"[{ "StreamName": "door" }]"#).unwrap();
    let mut service = binary()
        .args(["--listen", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path().join("data"))
        .arg("--seed")
        .arg(&seed)
        .env_remove("AWS_REGION")
        .env("AWS_DEFAULT_REGION", "eu-west-1")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(service.stdout.take().unwrap()).lines();
    let address = lines.next().unwrap().unwrap().rsplit("//").next().unwrap().to_owned();
    assert_eq!(lines.next().unwrap().unwrap(), "Ready.");
    assert!(binary().args(["health", "--address", &address]).status().unwrap().success());
    service.kill().unwrap();
    service.wait().unwrap();
    assert!(!binary().args(["health", "--address", &address]).stderr(Stdio::null()).status().unwrap().success());
    let record = std::fs::read_dir(dir.path().join("data/streams")).unwrap().next().unwrap().unwrap();
    assert!(std::fs::read_to_string(record.path()).unwrap().contains("arn:aws:kinesisvideo:eu-west-1:"));
}

#[test]
fn malformed_credentials_are_refused_without_being_printed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys");
    std::fs::write(&file, "# keys\nid:fine\nid;hunter2secret\n").unwrap();
    let long = format!("id:{}hunter2secret id", "x".repeat(5000));
    for (variable, option, place) in [
        (Some("hunter2secret"), None, "value 1 of --credentials"),
        (Some("id:fine hunter2secret:"), None, "value 2 of --credentials"),
        (Some(&*long), None, "value 2 of --credentials"),
        (None, Some(["--credentials", ":hunter2secret"]), "value 1 of --credentials"),
        (None, Some(["--credentials", "\u{1b}[31mhunter2secret"]), "value 1 of --credentials"),
        (None, Some(["--credentials-file", file.to_str().unwrap()]), "line 3"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-local"));
        command
            .args(["--listen", "127.0.0.1:0", "--data-dir"])
            .arg(dir.path().join("data"))
            .args(option.iter().flatten());
        command.env_remove("KVS_LOCAL_CREDENTIALS").envs(variable.map(|value| ("KVS_LOCAL_CREDENTIALS", value)));
        let refused = command.output().unwrap();
        let said = String::from_utf8([refused.stdout, refused.stderr].concat()).unwrap();
        assert_eq!(refused.status.code(), Some(2), "{said}");
        assert!(said.contains(place) && said.contains("KEY:SECRET") && !said.contains("hunter2"), "{said}");
    }
}
