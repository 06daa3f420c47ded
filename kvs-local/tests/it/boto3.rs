//! boto3, the AWS CLI and Pillow as judges of the running service. The suites are in `tests/boto3`.
#![cfg(feature = "server")]

use crate::suite;

const JUDGES: suite::Judges = suite::Judges { modules: &["boto3", "awscli", "PIL"], tools: &[["ffmpeg", "-version"]] };

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_pillow_suite_passes() {
    suite::assert_suite_passes("tests/boto3/suite.py", &JUDGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn playback_suite_passes() {
    suite::assert_suite_passes("tests/boto3/playback.py", &JUDGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aws_cli_suite_passes() {
    suite::assert_suite_passes("tests/boto3/cli.py", &JUDGES).await;
}
