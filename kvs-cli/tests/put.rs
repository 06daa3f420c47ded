//! `kvs put`, run as a user runs it, against a service of its own.

#![expect(clippy::unwrap_used, reason = "a test may unwrap")]

use std::collections::BTreeSet;
use std::process::{Command, Output, Stdio};

use kvs_local::LocalKvs;
use serde_json::Value;

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");

fn put(endpoint: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.arg("put").args(arguments).args(["--endpoint", endpoint]);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
        command.env_remove(name);
    }
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn objects(output: &Output) -> Vec<Value> {
    String::from_utf8_lossy(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test]
async fn persists_every_fragment_at_its_recorded_time() {
    let local = LocalKvs::builder().start().await.unwrap();
    let more = ["--offline", "--start-time", "2026-01-02T03:04:05Z", "--json"];
    let output = run(put(local.endpoint_url(), &[&["camera", CLOCK], &more[..]].concat())).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects = objects(&output);
    let persisted: BTreeSet<u64> = objects
        .iter()
        .filter(|one| one["event"] == "ack" && one["type"] == "PERSISTED")
        .map(|one| one["timecode"].as_u64().unwrap())
        .collect();
    // 2026-01-02T03:04:05Z, and a fragment every two seconds from there.
    let start = 1_767_323_045_000;
    assert_eq!(persisted, (0..10).map(|n| start + n * 2000).collect());
    let report = objects.last().unwrap();
    assert_eq!((&report["complete"], &report["lost_frames"]), (&Value::from(true), &Value::from(0)));
    assert_eq!(local.fragments("camera").await.unwrap().len(), 10);
    local.shutdown().await;
}

#[tokio::test]
async fn sends_live_matroska_from_standard_input() {
    let local = LocalKvs::builder().start().await.unwrap();
    let live = tempfile::NamedTempFile::new().unwrap();
    let remuxed = Command::new(env!("CARGO_BIN_EXE_kvs")).args(["remux", CLOCK]).arg(live.path()).status().unwrap();
    assert!(remuxed.success());
    let mut command = put(local.endpoint_url(), &["camera", "-", "--audio", "none"]);
    command.stdin(Stdio::from(std::fs::File::open(live.path()).unwrap()));
    let output = run(command).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("500 of 500 frames persisted in 10 fragments, 0 lost"), "{text}");
    local.shutdown().await;
}

#[tokio::test]
async fn rejects_wrong_input_with_one_line_and_exit_code_2() {
    let local = LocalKvs::builder().start().await.unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["camera", "missing.mp4"], "does not exist"),
        (&["no name", CLOCK], "StreamName"),
        (&["camera", CLOCK, "--tag", "AWS_NAME=1"], "reserved"),
        (&["camera", CLOCK, "--audio", "alaw"], "A-law"),
        (&["camera", CLOCK, "--endpoint-is-no-option"], "unexpected argument"),
    ];
    for (arguments, says) in cases {
        let output = run(put(local.endpoint_url(), arguments)).await;
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
    local.shutdown().await;
}
