//! boto3, the AWS CLI and Pillow judge the running service: see `tests/boto3`.
#![cfg(feature = "server")]

mod suite;

const JUDGES: suite::Judges = suite::Judges { modules: &["boto3", "awscli", "PIL"], tools: &[["ffmpeg", "-version"]] };

#[tokio::test(flavor = "multi_thread")]
async fn boto3_and_pillow_find_nothing_wrong() {
    suite::finds_nothing_wrong("tests/boto3/suite.py", &JUDGES).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_aws_cli_finds_nothing_wrong() {
    suite::finds_nothing_wrong("tests/boto3/cli.py", &JUDGES).await;
}
