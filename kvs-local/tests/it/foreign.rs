//! Media written by GStreamer and ffmpeg, sent by curl, read by boto3 and third-party consumer libraries. The suite is
//! `tests/foreign/suite.py`.
#![cfg(feature = "server")]

use crate::suite;

#[tokio::test(flavor = "multi_thread")]
async fn third_party_producers_and_consumers_suite_passes() {
    let judges = suite::Judges {
        modules: &["boto3", "kvsparser", "av"],
        tools: &[["ffmpeg", "-version"], ["curl", "--version"], ["gst-inspect-1.0", "x264enc"]],
    };
    suite::assert_suite_passes("tests/foreign/suite.py", &judges).await;
}
