//! Media of GStreamer and ffmpeg, sent by curl, read by boto3 and the consumer libraries of others: see
//! `tests/foreign/suite.py`.
#![cfg(feature = "server")]

mod suite;

#[tokio::test(flavor = "multi_thread")]
async fn what_others_write_others_read() {
    let judges = suite::Judges {
        modules: &["boto3", "kvsparser", "av"],
        tools: &[["ffmpeg", "-version"], ["curl", "--version"], ["gst-inspect-1.0", "x264enc"]],
    };
    suite::finds_nothing_wrong("tests/foreign/suite.py", &judges).await;
}
