//! The status page in a browser: what a stream contains is shown as text and never runs.
#![cfg(feature = "server")]

use crate::judge;
use crate::support;
use std::net::SocketAddr;
use std::time::Duration;

use judge::Recording;
use kvs_local::LocalKvs;
use kvs_mkv::Tag;
use support::{Put, SOME_TIME, create, putting};
use test_judges::available;

/// Opens a URL in Chromium and returns the document after its scripts ran for some seconds.
async fn document(url: &str) -> String {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = tokio::process::Command::new("chromium");
    chromium
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args([
            "--virtual-time-budget=8000",
            "--autoplay-policy=no-user-gesture-required",
            "--mute-audio",
            "--dump-dom",
        ])
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

/// Puts a recording whose first frame is at this time, in seconds since the epoch.
async fn put_recording(local: &LocalKvs, stream: &str, start: u64, options: &[&str]) {
    create(local.address(), stream).await;
    // Clusters begin with key frames.
    let clusters = ["-cluster_time_limit", "20000", "-cluster_size_limit", "50000000"];
    let recording = Recording::make("testsrc2=size=320x180:rate=15:duration=4", &[options, &clusters].concat());
    let start = format!("x-amzn-producer-start-timestamp: {start}.000\r\n");
    let mut put = Put::open_with_timecodes(local.address(), stream, "RELATIVE", &start).await;
    put.send(&std::fs::read(&recording.path).unwrap()).await;
    put.end().await;
    let acks = put.rest().await;
    assert!(acks.contains("PERSISTED") && !acks.contains("ERROR"), "{acks}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_plays_what_the_browser_can_decode_and_shows_pictures_of_the_rest() {
    let name = "the_page_plays_what_the_browser_can_decode_and_shows_pictures_of_the_rest";
    if !available(name, &["chromium", "ffmpeg"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let start = SOME_TIME / 1000;
    let local = support::builder().data_dir(folder.path()).start().await.unwrap();
    let x264 = ["-c:v", "libx264", "-g", "30", "-bf", "2", "-pix_fmt", "yuv420p"];
    let x265 = ["-c:v", "libx265", "-pix_fmt", "yuv420p", "-x265-params", "log-level=error:keyint=30:bframes=0"];
    put_recording(&local, "door", start, &x264).await;
    put_recording(&local, "gate", start, &x265).await;
    create(local.address(), "empty").await;
    local.shutdown().await;
    // Requests are signed, but not those of the page; media has a port of its own, which is another origin for the browser.
    let local = LocalKvs::builder().data_dir(folder.path()).start().await.unwrap();

    let get = async |path: &str| {
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n", local.address());
        support::exchange(local.address(), request.as_bytes()).await
    };
    let (first, end) = (start * 1000, start * 1000 + 10_000);
    let clip = get(&format!("/_kvs/clip?stream=door&from={first}&to={end}")).await;
    assert!(clip.status == 200 && clip.body[4..8] == *b"ftyp", "{}", clip.head);
    let dash = get(&format!("/_kvs/dash?stream=door&at={first}")).await.json();
    let dash = dash["DASHStreamingSessionURL"].as_str().unwrap().to_owned();
    assert!(!dash.contains(&local.address().to_string()) && dash.contains("/dash/v1/"), "{dash}");

    let played = document(&page(local.address(), &format!("door/{}", start * 1000))).await;
    assert!(played.contains("avc1.") && played.contains(" · 320×180</p>"), "a frame was decoded: {played}");
    let pictured = document(&page(local.address(), &format!("gate/{}", start * 1000))).await;
    assert!(pictured.contains("This browser cannot decode hvc1"), "{pictured}");
    assert!(pictured.contains("src=\"data:image/jpeg;base64,/9j/"), "{pictured}");
    let idle = document(&page(local.address(), "empty/live")).await;
    assert!(idle.contains("Cannot play: No fragments found in the stream"), "{idle}");
    local.shutdown().await;
}
