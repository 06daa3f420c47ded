//! The service as a whole: how it starts, stops, restarts, speaks TLS, and changes its streams over time.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

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
async fn it_is_ready_at_once() {
    let began = Instant::now();
    let local = LocalKvs::builder().start().await.unwrap();
    let took = began.elapsed();
    assert!(client(&local, TlsRoots::Default).send(ListStreams::new()).await.unwrap().streams.is_empty());
    local.shutdown().await;
    // 100 ms is the promise; a loaded test machine gets ten times that.
    assert!(took < Duration::from_secs(1), "{took:?}");
    println!("ready after {took:?}");
}

#[tokio::test]
async fn tls_is_trusted_by_its_authority_alone_and_the_authority_stays() {
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
async fn the_service_s_rates_hold_when_that_was_said_and_only_then() {
    for (quotas, passes) in [(Quotas::Off, 12), (Quotas::Service, 5)] {
        let local = builder().quotas(quotas).start().await.unwrap();
        create(local.address(), "door").await;
        let mut told = Vec::new();
        for _ in 0..12 {
            let answer = post(local.address(), "/listTagsForStream", r#"{"StreamName":"door"}"#).await;
            told.push((answer.status, answer.exception().to_owned()));
        }
        let passed = told.iter().filter(|(status, _)| *status == 200).count();
        // A second may begin meanwhile.
        assert!(passed == passes || quotas != Quotas::Off && passed > passes && passed < 12, "{quotas:?}: {told:?}");
        let refused = told.iter().filter(|(status, _)| *status != 200);
        assert!(refused.clone().all(|told| *told == (400, "ClientLimitExceededException".to_owned())), "{told:?}");
        local.shutdown().await;
    }
}

#[tokio::test]
async fn streams_media_and_settings_are_there_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let local = builder().data_dir(dir.path()).start().await.unwrap();
    let arn = create(local.address(), "door").await;
    put_one(&local, "door", SOME_TIME).await;
    post(local.address(), "/tagStream", r#"{"StreamName":"door","Tags":{"a":"b"}}"#).await;
    let kept = local.fragments("door").await.unwrap();
    let in_use = builder().data_dir(dir.path()).start().await.unwrap_err();
    assert!(matches!(in_use, StartError::InUse { .. }), "{in_use}");
    local.shutdown().await;

    let local = builder().data_dir(dir.path()).start().await.unwrap();
    let described = post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(described["StreamInfo"]["StreamARN"], arn.as_str());
    let tags = post(local.address(), "/listTagsForStream", r#"{"StreamName":"door"}"#).await.json();
    assert_eq!(tags["Tags"]["a"], "b");
    assert_eq!(local.fragments("door").await.unwrap(), kept);
    local.shutdown().await;
}

#[tokio::test]
async fn other_machines_are_let_in_only_when_that_was_said() {
    let refused = builder().listen("0.0.0.0:0".parse().unwrap()).start().await.unwrap_err();
    assert!(matches!(refused, StartError::NotLoopback { .. }), "{refused}");
    for (region, account) in [("us west", "111122223333"), ("us-west-2", "1")] {
        assert!(builder().region(region).account(account).start().await.is_err());
    }
}

/// A service whose clock is turned by the test, with its hand.
async fn clockwork(transition: Duration) -> (LocalKvs, Arc<AtomicU64>) {
    let seconds = Arc::new(AtomicU64::new(1_700_000_000));
    let hand = Arc::clone(&seconds);
    let clock = move || SystemTime::UNIX_EPOCH + Duration::from_secs(hand.load(Ordering::Relaxed));
    (builder().clock(clock).transition_delay(transition).start().await.unwrap(), seconds)
}

#[tokio::test]
async fn streams_pass_through_creating_updating_and_deleting() {
    let (local, seconds) = clockwork(Duration::from_secs(10)).await;
    let pass = || seconds.fetch_add(10, Ordering::Relaxed);
    let arn = create(local.address(), "door").await;
    let describe = async || post(local.address(), "/describeStream", r#"{"StreamName":"door"}"#).await;
    let info = describe().await.json()["StreamInfo"].clone();
    assert_eq!(info["Status"], "CREATING");
    let endpoint = r#"{"StreamName":"door","APIName":"PUT_MEDIA"}"#;
    assert_eq!(post(local.address(), "/getDataEndpoint", endpoint).await.status, 404);
    let update = format!(r#"{{"StreamName":"door","CurrentVersion":{},"DeviceName":"d"}}"#, info["Version"]);
    assert_eq!(post(local.address(), "/updateStream", &update).await.exception(), "ResourceInUseException");
    pass();
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "ACTIVE");
    assert_eq!(post(local.address(), "/updateStream", &update).await.status, 200);
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "UPDATING");
    pass();
    let delete = format!(r#"{{"StreamARN":"{arn}"}}"#);
    assert_eq!(post(local.address(), "/deleteStream", &delete).await.status, 200);
    assert_eq!(describe().await.json()["StreamInfo"]["Status"], "DELETING");
    let again = post(local.address(), "/createStream", r#"{"StreamName":"door"}"#).await;
    assert_eq!(again.exception(), "ResourceInUseException");
    pass();
    assert_eq!(describe().await.status, 404);
    create(local.address(), "door").await;
    local.shutdown().await;
}

#[tokio::test]
async fn media_past_its_retention_is_not_given_any_more() {
    let (local, seconds) = clockwork(Duration::ZERO).await;
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
fn the_binary_says_where_it_listens_and_stops_when_asked() {
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
    let asked = Command::new("kill").arg(service.id().to_string()).status();
    if !asked.is_ok_and(|status| status.success()) {
        test_judges::skip("stopping by signal", "kill is not installed");
        service.kill().unwrap();
    }
    let status = service.wait().unwrap();
    assert!(status.success() || cfg!(not(unix)), "{status}");
}

#[test]
fn the_binary_refuses_what_it_cannot_use_with_an_error_and_status_two() {
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
        // The folder is a file.
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
async fn the_data_endpoint_is_where_the_client_reached_the_service() {
    let local = support::open().await;
    create(local.address(), "door").await;
    let port = local.address().port();
    let body = r#"{"StreamName":"door","APIName":"PUT_MEDIA"}"#;
    // The C producer leaves the port out of the host; others come through a name of their own.
    for (host, leads_to) in [
        ("127.0.0.1".to_owned(), format!("http://127.0.0.1:{port}")),
        ("localhost".to_owned(), format!("http://localhost:{port}")),
        (format!("localhost:{port}"), format!("http://localhost:{port}")),
        ("kvs.test:80".to_owned(), "http://kvs.test:80".to_owned()),
    ] {
        let length = body.len();
        let request = format!(
            "POST /getDataEndpoint HTTP/1.1\r\nhost: {host}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let answer = support::exchange(local.address(), request.as_bytes()).await;
        assert_eq!(answer.json()["DataEndpoint"], leads_to.as_str());
    }
    local.shutdown().await;
}

#[tokio::test]
async fn a_stream_without_retention_can_be_followed_and_has_nothing_archived() {
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
