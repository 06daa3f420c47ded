//! The whole service: start, stop, restart, TLS, and streams over time.
#![cfg(feature = "server")]

use crate::support;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use kvs_aws::{Client, ClientConfig, Credentials, ListStreams, Region, TlsRoots};
use kvs_local::{LocalKvs, Quotas, StartError};
use support::{Media, Put, SOME_TIME, builder, create, post, put_one};

fn client(local: &LocalKvs, roots: TlsRoots) -> Client {
    let credentials = Credentials::from_keys(local.access_key(), local.secret_key(), None);
    let config = ClientConfig::new(Region::new(local.region()).unwrap(), credentials).tls_roots(roots);
    Client::new(config.endpoint_url(local.endpoint_url()).unwrap()).unwrap()
}

#[tokio::test]
async fn starts_quickly() {
    let began = Instant::now();
    let local = LocalKvs::builder().start().await.unwrap();
    let took = began.elapsed();
    assert!(client(&local, TlsRoots::Default).send(ListStreams::new()).await.unwrap().streams.is_empty());
    local.shutdown().await;
    // The goal is 100 ms. A loaded test machine may take ten times as long.
    assert!(took < Duration::from_secs(1), "{took:?}");
    println!("ready after {took:?}");
}

#[tokio::test]
async fn tls_requires_its_authority_which_survives_restarts() {
    let dir = tempfile::tempdir().unwrap();
    let mut seen = Vec::new();
    for _ in 0..2 {
        let local = LocalKvs::builder().data_dir(dir.path()).tls().start().await.unwrap();
        assert!(local.endpoint_url().starts_with("https://127.0.0.1:"));
        let authority = dir.path().join("ca.pem");
        assert_eq!(std::fs::read_to_string(&authority).unwrap(), local.ca_certificate().unwrap());
        let trusting = client(&local, TlsRoots::PemFile(authority));
        assert!(trusting.send(ListStreams::new()).await.is_ok());
        assert!(client(&local, TlsRoots::Default).send(ListStreams::new()).await.is_err());
        seen.push(local.ca_certificate().unwrap().to_owned());
        local.shutdown().await;
    }
    assert_eq!(seen[0], seen[1]);
}

#[tokio::test]
async fn quotas_are_enforced_only_if_enabled() {
    for (quotas, passes) in [(Quotas::Off, 12), (Quotas::Service, 5)] {
        let local = builder().quotas(quotas).start().await.unwrap();
        create(local.address(), "door").await;
        let mut responses = Vec::new();
        for _ in 0..12 {
            let response = post(local.address(), "/listTagsForStream", r#"{"StreamName":"door"}"#).await;
            responses.push((response.status, response.exception().to_owned()));
        }
        let passed = responses.iter().filter(|(status, _)| *status == 200).count();
        // A new second may start during the loop.
        assert!(
            passed == passes || quotas != Quotas::Off && passed > passes && passed < 12,
            "{quotas:?}: {responses:?}"
        );
        let rejected = responses.iter().filter(|(status, _)| *status != 200);
        assert!(
            rejected.clone().all(|response| *response == (400, "ClientLimitExceededException".to_owned())),
            "{responses:?}"
        );
        local.shutdown().await;
    }
}

#[tokio::test]
async fn streams_media_and_configuration_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let local = builder().data_dir(dir.path()).start().await.unwrap();
    let arn = create(local.address(), "door").await;
    put_one(&local, "door", SOME_TIME).await;
    post(local.address(), "/tagStream", r#"{"StreamName":"door","Tags":{"a":"b"}}"#).await;
    let stored = local.fragments("door").await.unwrap();
    let in_use = builder().data_dir(dir.path()).start().await.unwrap_err();
    assert!(matches!(in_use, StartError::InUse { .. }), "{in_use}");
    local.shutdown().await;

    let local = builder().data_dir(dir.path()).start().await.unwrap();
    let described = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(described["StreamInfo"]["StreamARN"], arn.as_str());
    let tags = post(local.address(), "/listTagsForStream", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(tags["Tags"]["a"], "b");
    assert_eq!(local.fragments("door").await.unwrap(), stored);
    local.shutdown().await;
}

#[tokio::test]
async fn rejects_non_loopback_address_unless_allowed() {
    let error = builder().listen("0.0.0.0:0".parse().unwrap()).start().await.unwrap_err();
    assert!(matches!(error, StartError::NotLoopback { .. }), "{error}");
    for (region, account) in [("us west", "111122223333"), ("us-west-2", "1")] {
        assert!(builder().region(region).account(account).start().await.is_err());
    }
}

/// Starts a service with a clock that the test controls. Returns the seconds of the clock.
async fn with_test_clock(transition: Duration) -> (LocalKvs, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let shared = Arc::clone(&seconds);
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(shared.load(Ordering::Relaxed));
    (builder().clock(clock).transition_delay(transition).start().await.unwrap(), seconds)
}

#[tokio::test]
async fn streams_change_status_while_they_are_created_updated_and_deleted() {
    let (local, seconds) = with_test_clock(Duration::from_secs(10)).await;
    let wait = || seconds.fetch_add(10, Ordering::Relaxed);
    let arn = create(local.address(), "door").await;
    let describe = async || post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    let info = describe().await.json()["StreamInfo"].clone();
    assert_eq!(info["Status"], "CREATING");
    let endpoint = r#"{"StreamName":"door","APIName":"PUT_MEDIA"}"#;
    assert_eq!(post(local.address(), "/getDataEndpoint", endpoint).await.status, 404);
    let update = format!(r#"{{"StreamName":"door","CurrentVersion":{},"DeviceName":"d"}}"#, info["Version"]);
    assert_eq!(post(local.address(), "/updateStream", &update).await.exception(), "ResourceInUseException");
    wait();
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "ACTIVE");
    assert_eq!(post(local.address(), "/updateStream", &update).await.status, 200);
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "UPDATING");
    wait();
    let delete = format!(r#"{{"StreamARN":"{arn}"}}"#);
    assert_eq!(post(local.address(), "/deleteStream", &delete).await.status, 200);
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "DELETING");
    let again = post(local.address(), "/createStream", r#"{"StreamName":"door"}"#).await;
    assert_eq!(again.exception(), "ResourceInUseException");
    wait();
    assert_eq!(describe().await.status, 404);
    create(local.address(), "door").await;
    local.shutdown().await;
}

#[tokio::test]
async fn media_past_its_retention_is_not_returned() {
    let (local, seconds) = with_test_clock(Duration::ZERO).await;
    create(local.address(), "door").await;
    put_one(&local, "door", SOME_TIME).await;
    let listed = async || {
        let listed = post(local.address(), "/listFragments", r#"{"StreamName":"door"}"#).await.json();
        listed["Fragments"].as_array().unwrap().len()
    };
    assert_eq!(listed().await, 1);
    seconds.fetch_add(24 * 3600, Ordering::Relaxed);
    assert_eq!(listed().await, 1);
    seconds.fetch_add(1, Ordering::Relaxed);
    assert_eq!(listed().await, 0);
    local.shutdown().await;
}

#[test]
fn binary_prints_its_endpoint_and_stops_on_a_signal() {
    let dir = tempfile::tempdir().unwrap();
    let mut service = Command::new(env!("CARGO_BIN_EXE_kvs-local"))
        .args(["--listen", "127.0.0.1:0", "--tls", "--data-dir"])
        .arg(dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(service.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert!(line.starts_with("kvs-local listening on https://127.0.0.1:") && line.ends_with('\n'), "{line:?}");
    assert!(dir.path().join("ca.pem").is_file());
    let killed = Command::new("kill").arg(service.id().to_string()).status();
    if !killed.is_ok_and(|status| status.success()) {
        test_judges::skip("stopping by signal", "kill is not installed");
        service.kill().unwrap();
    }
    let status = service.wait().unwrap();
    assert!(status.success() || cfg!(not(unix)), "{status}");
}

#[test]
fn binary_rejects_invalid_arguments_with_status_two() {
    let dir = tempfile::tempdir().unwrap();
    let script = dir.path().join("faults.json");
    std::fs::write(&script, r#"[{"do":"explode"}]"#).unwrap();
    let script = script.to_str().unwrap();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = listener.local_addr().unwrap().to_string();
    for bad in [
        ["--listen", "0.0.0.0:0"],
        ["--faults", script],
        ["--credentials", "x"],
        ["--subscribe", "x"],
        ["--account", "1"],
        ["--region", "US WEST"],
        ["--listen", &taken],
        // Not a folder but a file.
        ["--data-dir", script],
    ] {
        let folder = dir.path().join("data");
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvs-local"));
        if bad[0] != "--data-dir" {
            command.arg("--data-dir").arg(folder);
        }
        let run = command.args(bad).output().unwrap();
        let error = String::from_utf8_lossy(&run.stderr);
        assert!(error.starts_with("error: ") && error.ends_with('\n'), "{bad:?}: {error}");
        assert_eq!((run.status.code(), run.stdout.len()), (Some(2), 0), "{bad:?}: {error}");
    }
}

#[tokio::test]
async fn data_endpoint_has_the_host_of_the_request() {
    let local = support::open().await;
    create(local.address(), "door").await;
    let port = local.address().port();
    let body = r#"{"StreamName":"door","APIName":"PUT_MEDIA"}"#;
    // The C producer omits the port in the Host header.
    for (host, expected) in [
        ("127.0.0.1".to_owned(), format!("http://127.0.0.1:{port}")),
        ("localhost".to_owned(), format!("http://localhost:{port}")),
        (format!("localhost:{port}"), format!("http://localhost:{port}")),
    ] {
        let length = body.len();
        let request = format!(
            "POST /getDataEndpoint HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let response = support::exchange(local.address(), request.as_bytes()).await;
        assert_eq!(response.json()["DataEndpoint"], expected.as_str());
    }
    local.shutdown().await;
}

#[tokio::test]
async fn stream_without_retention_can_be_followed_but_not_listed() {
    let local = support::open().await;
    assert_eq!(post(local.address(), "/createStream", r#"{"StreamName":"door"}"#).await.status, 200);
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    let fragment = media.fragment(SOME_TIME, &[]);
    put.send(&fragment).await;
    put.end().await;
    let acks = put.rest().await;
    assert!(acks.contains("RECEIVED") && !acks.contains("PERSISTED"), "{acks}");
    let listed = post(local.address(), "/listFragments", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(listed["Fragments"], serde_json::json!([]));
    let followed = r#"{"StreamName":"door","StartSelector":{"StartSelectorType":"EARLIEST"}}"#;
    let media = post(local.address(), "/getMedia", followed).await.body;
    assert!(media.windows(fragment.len()).any(|window| window == fragment), "{} bytes", media.len());
    local.shutdown().await;
}
