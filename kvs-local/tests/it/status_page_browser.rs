//! The status page in a browser: what a stream contains is shown as text and never runs.
#![cfg(feature = "server")]
#![expect(clippy::unwrap_used, reason = "tests only")]

use crate::support;
use std::net::SocketAddr;
use std::time::Duration;

use kvs_mkv::Tag;
use support::{SOME_TIME, putting};
use test_judges::available;

/// Opens a URL in Chromium and returns the document after its scripts ran for some seconds.
async fn document(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = tokio::process::Command::new("chromium");
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--virtual-time-budget=6000", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url)
        .kill_on_drop(true);
    let ended = tokio::time::timeout(Duration::from_secs(180), chromium.output()).await;
    String::from_utf8_lossy(&ended.expect("chromium ends").unwrap().stdout).into_owned()
}

fn page(address: SocketAddr, selected: &str) -> String {
    format!("http://{address}/#{selected}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hostile_texts_are_shown_and_do_not_run() {
    if !available("hostile_texts_are_shown_and_do_not_run", &["chromium"]) {
        return;
    }
    let (local, mut put, mut media) = putting().await;
    let hostile = [
        ("<img src=x onerror=\"document.title='owned'\">", "<script>document.title='owned'</script>"),
        ("</td></table><svg onload=document.title='owned'>", "javascript:document.title='owned'"),
        ("'\"`${document.title='owned'}", "\u{202e}\u{0}\u{1b}[31m"),
    ];
    let tags: Vec<Tag> = hostile.into_iter().map(|(name, value)| Tag::new(name, value)).collect();
    put.send(&media.fragment(SOME_TIME, &tags)).await;
    put.send(&media.fragment(SOME_TIME + 60_000, &[])).await;
    put.end().await;
    let acks = put.rest().await;
    assert!(acks.contains("PERSISTED"), "{acks}");

    let shown = document(&page(local.address(), "door")).await;
    assert!(shown.contains("<title>kvs-local</title>"), "{shown}");
    assert!(shown.contains("&lt;img src=x onerror=") && shown.contains("&lt;script&gt;document.title"), "{shown}");
    assert!(!shown.contains("<img src=\"x\"") && !shown.contains("<svg onload"), "{shown}");
    for part in ["Missing codec private data in fragment for track 1.", "1 gap", "Updated ", "None."] {
        assert!(shown.contains(part), "{part}: {shown}");
    }

    // The part of the address behind # comes from whoever made the link.
    let linked = document(&page(local.address(), "%3Cimg%20src%3Dx%20onerror%3Ddocument.title%3D'owned'%3E")).await;
    assert!(
        linked.contains("There is no stream &lt;img src=x") && linked.contains("<title>kvs-local</title>"),
        "{linked}"
    );
    local.shutdown().await;
}
