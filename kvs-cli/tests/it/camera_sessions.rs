//! `kvs put` with a camera that is away at the start, or comes back with other tracks.

#![cfg(unix)]

use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use kvs_local::LocalKvs;
use serde_json::Value;
use tokio::process::Command;

use crate::scripted::media::{INTERVAL, PAUSE, alaw, packets, pictures, sdp, video, video_h265};
use crate::scripted::{Connection, Server, Step};

async fn put(local: &LocalKvs, url: &str, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(["put", "door", url, "--json", "--endpoint", local.endpoint_url()]).args(more).stdin(Stdio::null());
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
        command.env_remove(name);
    }
    command.output().await.unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn errors(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// The notices of a kind.
fn notices<'a>(lines: &'a [Value], kind: &str) -> Vec<&'a str> {
    lines.iter().filter(|line| line["kind"] == kind).filter_map(|line| line["text"].as_str()).collect()
}

/// An address where nothing listens yet.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Pictures with sound.
fn with_sound() -> Connection {
    let mut steps = Vec::new();
    for (number, picture) in (0..60_u32).zip(pictures()) {
        steps.extend(packets(&picture, number * INTERVAL));
        steps.extend([alaw(1, number * 80), Step::Sleep(PAUSE)]);
    }
    steps.push(Step::HalfAndClose);
    Connection::new(&[sdp::H264, sdp::ALAW], steps)
}

fn pictures_only() -> Connection {
    Connection::new(&[sdp::H264], [video(0..60, 0), vec![Step::HalfAndClose]].concat())
}

fn h265() -> Connection {
    Connection::new(&[sdp::H265], [video_h265(60), vec![Step::HalfAndClose]].concat())
}

#[tokio::test]
async fn a_camera_that_is_away_at_the_start_is_waited_for() {
    let local = LocalKvs::builder().start().await.unwrap();
    let address = free_address();
    let url = format!("rtsp://admin:s3cret@{address}/live");
    let on = async {
        tokio::time::sleep(Duration::from_millis(1500)).await;
        Server::start_at(address, vec![Connection::new(&[sdp::H264], video(0..60, 0))]).await
    };
    let (output, _camera) = tokio::join!(put(&local, &url, &["--duration", "0.4"]), on);
    let lines = lines(&output);
    let retries = notices(&lines, "camera_retry");
    assert!(!retries.is_empty() && retries[0].contains("cannot connect to rtsp://127.0.0.1:"), "{lines:?}");
    assert!(retries[0].contains("next attempt in 1."), "{retries:?}");
    let report = lines.last().unwrap();
    assert!(report["complete"] == true && report["persisted_frames"].as_u64() >= Some(40), "{report}");
    local.shutdown().await;
}

#[tokio::test]
async fn a_camera_that_stays_away_is_given_up_when_that_is_asked_for() {
    let local = LocalKvs::builder().start().await.unwrap();
    let url = format!("rtsp://{}/live", free_address());
    let output = put(&local, &url, &["--give-up-after", "2s"]).await;
    let error = errors(&output);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("given up, because it sent nothing for 2 s (--give-up-after)"), "{error}");
    local.shutdown().await;
}

#[tokio::test]
async fn a_camera_that_comes_back_with_other_tracks_begins_a_new_session() {
    let local = LocalKvs::builder().start().await.unwrap();
    // Sound is switched on; the codec is changed; and the last plays until the end of the test.
    let last = Connection::new(&[sdp::H265], video_h265(60));
    let server = Server::start(vec![pictures_only(), with_sound(), h265(), last]).await;
    // The pauses of 1 s, 2 s and 4 s between the sessions are within it.
    let output = put(&local, &server.url(""), &["--duration", "7.9"]).await;
    let lines = lines(&output);
    let changes = notices(&lines, "tracks_changed");
    let (h264, h265, sound) = ("V_MPEG4/ISO/AVC", "V_MPEGH/ISO/HEVC", "A_MS/ACM");
    let wanted = [
        format!("it changed from {h264} to {h264}, {sound}: a new session begins"),
        format!("it changed from {h264}, {sound} to {h265}: a new session begins"),
    ];
    assert_eq!(changes, wanted, "{lines:?}");
    let report = lines.last().unwrap();
    assert!(report["complete"] == true && report["lost_frames"] == 0, "{report}");
    assert_eq!(report["persisted_frames"], report["submitted_frames"]);
    // Three sessions of 60 pictures, one of them with as many packets of sound, and what came of the last.
    assert!(report["persisted_frames"].as_u64() >= Some(235), "{report}");
    assert_eq!(report["sessions"], 4, "{report}");
    local.shutdown().await;
}
