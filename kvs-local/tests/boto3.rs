//! boto3, the AWS CLI, Pillow and ffmpeg judge the service: `tests/boto3/suite.py` says how.
#![cfg(feature = "server")]

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kvs_local::LocalKvs;

/// Longer than the suite ever takes.
const PATIENCE: Duration = Duration::from_secs(300);

/// The Python with the judges in it, if there is one.
fn python() -> Option<String> {
    let python = std::env::var("KVS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let runs = |program: &str, arguments: &[&str]| {
        let ran = Command::new(program).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
        ran.is_ok_and(|status| status.success())
    };
    (runs(&python, &["-c", "import boto3, awscli, PIL"]) && runs("ffmpeg", &["-version"])).then_some(python)
}

#[tokio::test(flavor = "multi_thread")]
async fn boto3_the_cli_and_pillow_find_nothing_wrong() {
    let Some(python) = python() else {
        assert!(std::env::var_os("KVS_REQUIRE_JUDGES").is_none(), "Python with boto3, awscli and Pillow, and ffmpeg");
        // Past the capture of the test harness: who lacks a judge should see it.
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!(
                "skipped: the suite of boto3, AWS CLI and Pillow (Python with these, or ffmpeg, is missing)\n"
            ),
        );
        return;
    };
    let local = LocalKvs::builder().start().await.unwrap();
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/boto3/suite.py");
    let mut judged = Command::new(python)
        .arg(suite)
        .args([local.endpoint_url(), local.access_key(), local.secret_key(), local.region()])
        .arg(local.data_dir())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let status = loop {
        if let Some(status) = judged.try_wait().unwrap() {
            break status;
        }
        if began.elapsed() > PATIENCE {
            judged.kill().unwrap();
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert!(status.success(), "the suite found something: {status}");
    local.shutdown().await;
}
