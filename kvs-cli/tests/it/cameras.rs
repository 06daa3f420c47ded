//! `kvs put` and `kvs doctor` with IP cameras.

#![cfg(unix)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use kvs_local::LocalKvs;
use serde_json::Value;
use test_judges::available;

use crate::gstreamer::{GstServer, is_installed};

const KVS: &str = env!("CARGO_BIN_EXE_kvs");
const CREDENTIALS: &str = "admin:p%40ss%2Fw0rd@";
/// The bundled recording.
pub(crate) const RECORDING: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
/// It at its own speed: every picture shows its number.
pub(crate) const CLOCK: &str = concat!(
    "( filesrc location=",
    env!("CARGO_MANIFEST_DIR"),
    "/../examples/media/clock.mp4 ! qtdemux name=d d.video_0 ! queue ! h264parse ! identity sync=true \
     ! rtph264pay name=pay0 pt=96 config-interval=1 d.audio_0 ! queue ! identity sync=true ! rtpmp4gpay name=pay1 pt=97 )"
);
pub(crate) const ELEMENTS: &[&str] = &["h264parse", "qtdemux", "rtph264pay"];

async fn kvs(local: &LocalKvs, arguments: &[&str]) -> Output {
    let mut command = Command::new(KVS);
    command.args(arguments).args(["--endpoint", local.endpoint_url()]).stdin(Stdio::null());
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"] {
        command.env_remove(name);
    }
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// The number of the picture, from the strip of ten squares at its bottom (examples/media/make_clock.sh).
fn picture_number(file: &Path) -> u32 {
    let gray = Command::new("ffmpeg")
        .args(["-v", "error", "-i", file.to_str().unwrap(), "-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()
        .unwrap()
        .stdout;
    assert_eq!(gray.len(), 640 * 360, "{}", file.display());
    let is_white = |bit: &u32| gray[320 * 640 + 40 + usize::try_from(*bit).unwrap() * 56 + 28] > 128;
    (0..10).filter(is_white).map(|bit| 1 << bit).sum()
}

/// The recording without B-frames, as cameras send it. With them a player sends pictures by decoding time, before the time of
/// presentation that the sender reports tell.
pub(crate) fn without_b_frames(folder: &Path) -> PathBuf {
    let file = folder.join("clock.mp4");
    let coding = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "50", "-c:a", "copy"];
    let status =
        Command::new("ffmpeg").args(["-v", "error", "-i", RECORDING]).args(coding).arg(&file).status().unwrap();
    assert!(status.success());
    file
}

/// Sends the clock and compares what the pictures show with the times of the images.
async fn assert_times(clock: &str) {
    let dir = tempfile::tempdir().unwrap();
    let file = without_b_frames(dir.path());
    let server = GstServer::start(&CLOCK.replace(RECORDING, file.to_str().unwrap()), true);
    let local = LocalKvs::builder().data_dir(dir.path().join("service")).start().await.unwrap();
    let url = server.url(CREDENTIALS);
    let put = ["put", "door", &url, "--duration", "11", "--clock", clock, "--json", "--tag", "site=test"];
    let put = kvs(&local, &put).await;
    let put = lines(&put);
    assert_eq!(put.last().unwrap()["complete"], true, "{put:?}");
    assert!(!format!("{put:?}").contains("w0rd"));
    // With the clock of the camera: its first report comes some seconds after its first picture.
    let switched = put.iter().any(|line| line["kind"] == "clock_right");
    assert_images(&local, &server, dir.path(), switched, clock).await;
    local.shutdown().await;
}

/// Gets images of the stream `door` and compares what they show with their times. If the clock was switched on the way, only the
/// second half counts.
pub(crate) async fn assert_images(local: &LocalKvs, server: &GstServer, dir: &Path, switched: bool, clock: &str) {
    let folder = dir.join("images");
    let images = kvs(
        local,
        &["images", "door", "--from", "-2m", "--every", "500ms", "--out", folder.to_str().unwrap(), "--json"],
    )
    .await;
    let mut checked = 0;
    let all: Vec<Value> = lines(&images).into_iter().filter(|line| line["event"] == "image").collect();
    let skip = if switched { all.len() / 2 } else { 0 };
    for image in &all[skip..] {
        let number = picture_number(&dir.join(image["file"].as_str().unwrap()));
        let time: jiff::Timestamp = image["time"].as_str().unwrap().parse().unwrap();
        let taken = server.origin() + f64::from(number) * 0.04;
        let off = time.as_millisecond() as f64 / 1000.0 - taken;
        assert!(off.abs() <= 0.1, "picture {number} at {time} is off by {off:.3} s with the clock {clock}");
        checked += 1;
    }
    assert!(checked >= 8, "{checked} images: {all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_show_the_time_of_their_timestamp_by_the_local_clock() {
    let test = "images_show_the_time_of_their_timestamp_by_the_local_clock";
    if is_installed(test, ELEMENTS) && available(test, &["ffmpeg"]) {
        assert_times("local").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn images_show_the_time_of_their_timestamp_by_the_clock_of_the_camera() {
    let test = "images_show_the_time_of_their_timestamp_by_the_clock_of_the_camera";
    if is_installed(test, ELEMENTS) && available(test, &["ffmpeg"]) {
        assert_times("camera").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_was_switched_off_and_on_is_sent_again_and_the_gap_told() {
    let test = "a_camera_that_was_switched_off_and_on_is_sent_again_and_the_gap_told";
    if !is_installed(test, ELEMENTS) {
        return;
    }
    let local = LocalKvs::builder().start().await.unwrap();
    let server = GstServer::start(CLOCK, true);
    let url = server.url(CREDENTIALS);
    let put = ["put", "door", &url, "--duration", "12", "--json"];
    let restart = async {
        tokio::time::sleep(std::time::Duration::from_secs(5)).await;
        tokio::task::spawn_blocking(move || server.restart(CLOCK, true)).await.unwrap()
    };
    let (put, _server) = tokio::join!(kvs(&local, &put), restart);
    let put = lines(&put);
    let notices: Vec<&str> = put.iter().filter_map(|line| line["kind"].as_str()).collect();
    let at = |kind| notices.iter().position(|notice| *notice == kind).unwrap_or_else(|| panic!("{kind}: {notices:?}"));
    assert!(at("camera_lost") < at("connected") && at("connected") < at("camera_back"), "{notices:?}");
    let report = put.last().unwrap();
    assert!(report["complete"] == true && report["lost_frames"] == 0, "{report}");
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_what_a_camera_sends_and_which_setting_to_change() {
    let test = "doctor_says_what_a_camera_sends_and_which_setting_to_change";
    if !is_installed(test, &[ELEMENTS, &["x264enc", "alawenc"]].concat()) {
        return;
    }
    let local = LocalKvs::builder().start().await.unwrap();
    let server = GstServer::start(CLOCK, true);
    let good = kvs(&local, &["doctor", &server.url(CREDENTIALS), "--for", "6s"]).await;
    let out = text(&good.stdout);
    assert_eq!(good.status.code(), Some(0), "{out} {}", text(&good.stderr));
    for expected in [
        "video: H.264 640x360",
        "audio: AAC 44100 Hz, 1 channels",
        "key frames: at most 2.0 s apart",
        "note  B-frames: ",
        "loss: no packet lost",
        "every link from the camera to the stream is in order",
    ] {
        assert!(out.contains(expected), "{expected}: {out}");
    }
    // A live encoder on a loaded machine is late with some frames.
    let rate = number_before(&out, " frames per second").unwrap();
    assert!((20.0..=26.0).contains(&rate), "{rate}: {out}");
    let long = "( videotestsrc is-live=true ! video/x-raw,width=160,height=120,framerate=10/1 \
        ! x264enc tune=zerolatency key-int-max=1000 speed-preset=ultrafast ! rtph264pay name=pay0 pt=96 )";
    let server = GstServer::start(long, false);
    let bad = kvs(&local, &["doctor", &server.url(""), "--for", "13s"]).await;
    let out = text(&bad.stdout);
    assert_eq!(bad.status.code(), Some(1), "{out}");
    assert!(out.contains("BAD   key frames: more than 1"), "{out}");
    // Two seconds of frames.
    let advice =
        out.split("set the I-frame interval (GOP) to ").nth(1).and_then(|rest| number_before(rest, " frames")).unwrap();
    assert!((16.0..=21.0).contains(&advice), "{advice}: {out}");
    local.shutdown().await;
}

/// Returns the number in front of the first occurrence of `unit`.
fn number_before(text: &str, unit: &str) -> Option<f64> {
    text.split(unit).next()?.rsplit(' ').next()?.parse().ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_to_be_corrected_is_one_line_and_exit_code_2() {
    let test = "what_has_to_be_corrected_is_one_line_and_exit_code_2";
    if !is_installed(test, &["jpegenc", "rtpjpegpay"]) {
        return;
    }
    let local = LocalKvs::builder().start().await.unwrap();
    let jpeg = "( videotestsrc is-live=true ! video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! jpegenc \
        ! rtpjpegpay name=pay0 pt=26 )";
    let server = GstServer::start(jpeg, true);
    let cases = [
        ("rtsps://admin:s3cret@10.0.0.7/".to_owned(), "stunnel"),
        ("http://admin:s3cret@10.0.0.7/".to_owned(), "only rtsp is supported"),
        ("rtsp://admin:s3cret/x@10.0.0.7/".to_owned(), "%2F"),
        (server.url("admin:s3cret@"), "check user name and password"),
        (server.url(CREDENTIALS), "video jpeg"),
        (server.url(CREDENTIALS).replace("/live", "/none"), "check the path"),
    ];
    for (url, says) in cases {
        for command in [&["put", "door", &url][..], &["doctor", &url]] {
            let output = kvs(&local, command).await;
            let error = text(&output.stderr);
            assert_eq!(output.status.code(), Some(2), "{command:?}: {error}");
            assert!(error.starts_with("error: ") && error.contains(says) && error.lines().count() == 1, "{error}");
            assert!(!error.contains("s3cret") && !error.contains("p@ss") && !error.contains("p%40ss"), "{error}");
        }
    }
    let output = kvs(&local, &["put", "door", &server.url(CREDENTIALS), "--offline"]).await;
    assert!(text(&output.stderr).contains("--offline is not for cameras"));
    local.shutdown().await;
}
