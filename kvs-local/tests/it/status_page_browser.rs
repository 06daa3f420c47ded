//! The status page in a browser: what a stream contains is shown as text and never runs.
#![cfg(feature = "server")]

use crate::judge;
use crate::support;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use judge::Recording;
use kvs_local::LocalKvs;
use kvs_mkv::Tag;
use serde_json::{Value, json};
use support::{Put, SOME_TIME, create, putting};
use test_judges::available;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

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

/// Opens the page in a window of this size, takes steps there and returns their results. See `judges/browser/page.mjs`.
async fn used(url: &str, (width, height): (u32, u32), downloads: &Path, steps: &[Value]) -> Vec<Value> {
    let task = json!({ "url": url, "width": width, "height": height, "downloads": downloads, "steps": steps });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../judges/browser/page.mjs");
    let mut node = tokio::process::Command::new("node");
    let node = node.arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut node = node.spawn().unwrap();
    node.stdin.take().unwrap().write_all(task.to_string().as_bytes()).await.unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(240), node.wait_with_output()).await;
    let outcome: Value = serde_json::from_slice(&ended.expect("the steps end").unwrap().stdout).unwrap();
    outcome["results"].as_array().unwrap_or_else(|| panic!("{}", outcome["failed"].as_str().unwrap())).clone()
}

/// The focused control, and whether its outline can be seen.
const FOCUSED: &str =
    "document.activeElement.id + ' ' + (parseFloat(getComputedStyle(document.activeElement).outlineWidth) > 1)";
/// Nothing is cut off at the side, and every control is as wide as the window at most.
const FITS: &str = "document.documentElement.scrollWidth <= innerWidth && \
    [...document.querySelectorAll('button, select, input, video, img')].every(one => one.getBoundingClientRect().right <= innerWidth \
    || one.closest('.scroll'))";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_works_by_mouse_and_keyboard_on_large_and_small_screens() {
    let name = "the_page_works_by_mouse_and_keyboard_on_large_and_small_screens";
    if !available(name, &["chromium", "ffmpeg", "node"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = support::open().await;
    let start = SOME_TIME / 1000;
    put_recording(&local, "door", start, &["-c:v", "libx264", "-g", "30", "-pix_fmt", "yuv420p"]).await;
    let url = page(local.address(), "door");
    let playing = json!({ "wait": "document.querySelector('#video').currentTime > 0.5", "seconds": 60 });
    let note = |text: &str| json!({ "wait": format!("document.querySelector('#player-note').textContent.includes('{text}')") });
    let ready = json!({ "wait": "document.querySelector('#play-0')" });

    let steps = [
        ready.clone(),
        json!({ "run": FITS }),
        json!({ "click": "#play-1" }),
        playing.clone(),
        json!({ "click": "#stop" }),
        json!({ "wait": "document.querySelector('#video').hidden && document.querySelector('#stop').hidden" }),
        json!({ "click": "#see-0" }),
        note("Picture of "),
        json!({ "run": "document.querySelector('#image').naturalWidth" }),
        json!({ "click": "#copy-dash" }),
        note("Copied: "),
        json!({ "run": "navigator.clipboard.readText()" }),
        json!({ "click": "#clip" }),
        note("Clip of "),
        json!({ "wait": "true" }),
    ];
    let results = used(&url, (1280, 900), folder.path(), &steps).await;
    assert_eq!((&results[0], &results[1]), (&json!(true), &json!(320)));
    assert!(results[2].as_str().unwrap().contains("/dash/v1/getDASHManifest.mpd?SessionToken="), "{results:?}");
    let clips: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(clips.len() == 1 && std::fs::read(&clips[0]).unwrap()[4..8] == *b"ftyp", "{clips:?}");

    // By keyboard, in the window of a phone: filter, stream, Play live, Latest picture.
    let tab = || json!({ "key": "Tab" });
    let mut steps = vec![ready, json!({ "run": FITS }), json!({ "run": "document.querySelector('#filter').focus()" })];
    for _ in 0..3 {
        steps.extend([tab(), json!({ "run": FOCUSED })]);
    }
    steps.extend([json!({ "key": "Enter" }), note("Picture of "), json!({ "run": FITS })]);
    steps.extend([json!({ "run": "document.querySelector('#play-0').focus()" }), json!({ "key": "Enter" }), playing]);
    let results = used(&url, (360, 740), folder.path(), &steps).await;
    let wanted =
        [json!(true), Value::Null, json!("stream-0 true"), json!("live true"), json!("picture true"), json!(true)];
    assert_eq!(results[..6], wanted);
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_plays_live_media_while_it_arrives() {
    let name = "the_page_plays_live_media_while_it_arrives";
    if !available(name, &["chromium", "ffmpeg", "node"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = support::open().await;
    create(local.address(), "door").await;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let start = format!("x-amzn-producer-start-timestamp: {now}.000\r\n");
    let mut put = Put::open_with_timecodes(local.address(), "door", "RELATIVE", &start).await;
    // ffmpeg writes at the speed of the recording until the browser has seen enough.
    let mut camera = tokio::process::Command::new("ffmpeg");
    camera.args(["-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=15:duration=120"]);
    camera.args(["-c:v", "libx264", "-preset", "ultrafast", "-g", "15", "-pix_fmt", "yuv420p", "-f", "matroska"]);
    camera.args(["-cluster_time_limit", "20000", "-cluster_size_limit", "50000000", "-live", "1", "-"]);
    let mut camera = camera.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    let mut media = camera.stdout.take().unwrap();
    let sending = tokio::spawn(async move {
        let mut piece = vec![0; 64 << 10];
        while let Ok(size @ 1..) = media.read(&mut piece).await {
            put.send(&piece[..size]).await;
        }
    });
    let url = page(local.address(), "door");
    let steps = [
        json!({ "wait": "document.querySelectorAll('#fragments-table tbody tr').length > 1", "seconds": 60 }),
        json!({ "wait": "document.querySelector('#stream-0').textContent.includes('● live')" }),
        json!({ "click": "#live" }),
        json!({ "wait": "document.querySelector('#video').currentTime > 0", "seconds": 60 }),
        json!({ "run": "performance.now() / 1000 - document.querySelector('#video').currentTime" }),
        json!({ "wait": "document.querySelector('#video').getVideoPlaybackQuality().totalVideoFrames > 120", "seconds": 60 }),
        json!({ "run": "performance.now() / 1000 - document.querySelector('#video').currentTime" }),
        json!({ "run": "document.querySelector('#player-note').textContent" }),
    ];
    let results = used(&url, (1280, 900), folder.path(), &steps).await;
    let lag = results[1].as_f64().unwrap() - results[0].as_f64().unwrap();
    // It kept up with the clock: eight seconds of video took about eight seconds.
    assert!(lag < 6.0, "{results:?}");
    assert!(results[2].as_str().unwrap().starts_with("Live · avc1."), "{results:?}");
    sending.abort();
    local.shutdown().await;
}
