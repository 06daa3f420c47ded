//! The samples that the guide shows to those who come from the C SDK, kvssink and boto3.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use kvs_local::LocalKvs;
use kvs_media::Recording;
use kvs_producer::TrackNumber;
use rusty_h264_common::YuvFrame;
use rusty_h264_encoder::{Encoder, EncoderConfig};
use tempfile::tempdir;

use crate::support::{example_at, recording};

/// Runs a program to its end and returns its standard output.
async fn run(mut command: Command) -> String {
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The environment of a program of others that uses the service.
fn with_service(command: &mut Command, local: &LocalKvs) {
    command
        .env("AWS_ENDPOINT_URL", local.endpoint_url())
        .env("AWS_DEFAULT_REGION", local.region())
        .env("AWS_ACCESS_KEY_ID", local.access_key())
        .env("AWS_SECRET_ACCESS_KEY", local.secret_key())
        .env_remove("AWS_SESSION_TOKEN");
}

#[tokio::test(flavor = "multi_thread")]
async fn from_c_sends_a_folder_of_frames_again_and_again() {
    const SIZE: (usize, usize) = (64, 48);
    let (local, frames) = (LocalKvs::builder().start().await.unwrap(), tempdir().unwrap());
    let mut encoder = Encoder::new(EncoderConfig::baseline(SIZE.0, SIZE.1)).unwrap();
    let chroma = vec![128; SIZE.0 * SIZE.1 / 4];
    for number in 1..=50_u8 {
        let y = vec![number * 4; SIZE.0 * SIZE.1];
        let picture = YuvFrame { width: SIZE.0, height: SIZE.1, y, u: chroma.clone(), v: chroma.clone() };
        let file = frames.path().join(format!("frame-{number:03}.h264"));
        std::fs::write(file, encoder.try_encode(&picture).unwrap()).unwrap();
    }
    let mut sample = example_at(&local, "from_c");
    sample.arg("front-door").arg(frames.path()).arg("3");
    let text = run(sample).await;
    assert!(text.ends_with("75 of 75 frames persisted\n"), "{text}");
    let fragments = local.fragments("front-door").await.unwrap();
    assert!(fragments.len() >= 2, "a fragment for each time the folder begins: {}", fragments.len());
    local.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_kvssink_sends_what_gstreamer_muxes() {
    const TEST: &str = "ported::from_kvssink_sends_what_gstreamer_muxes";
    if !test_judges::available(TEST, &["gst-launch-1.0"]) {
        return;
    }
    let local = LocalKvs::builder().start().await.unwrap();
    let mut pipeline = Command::new("gst-launch-1.0");
    pipeline.args(["-q", "filesrc"]).arg(format!("location={}", recording().display()));
    pipeline.args(["!", "qtdemux", "!", "h264parse", "!", "matroskamux", "streamable=true", "!", "fdsink"]);
    let mut pipeline = pipeline.stdout(Stdio::piped()).spawn().unwrap();
    let mut sample = example_at(&local, "from_kvssink");
    sample.arg("front-door").stdin(pipeline.stdout.take().unwrap());
    let text = run(sample).await;
    assert!(pipeline.wait().unwrap().success());
    let recording = Recording::open(recording()).unwrap();
    // The pipeline sends the first track.
    let frames = recording.samples().iter().filter(|sample| sample.track == TrackNumber::ONE).count();
    assert!(text.ends_with(&format!("{frames} of {frames} frames persisted\n")), "{text}");
    local.shutdown().await;
}

/// The files of a folder.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    entries.map(|file| (file.file_name().into_string().unwrap(), std::fs::read(file.path()).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn from_boto3_writes_the_images_of_the_script() {
    const TEST: &str = "ported::from_boto3_writes_the_images_of_the_script";
    let Some(python) = test_judges::python(TEST, &["boto3"]) else { return };
    let local = LocalKvs::builder().start().await.unwrap();
    let mut events = example_at(&local, "events");
    events.arg("front-door").arg(recording());
    run(events).await;

    let (theirs, ours) = (tempdir().unwrap(), tempdir().unwrap());
    let mut script = Command::new(python);
    script.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("boto3/images.py"));
    script.args(["front-door", "600"]).arg(theirs.path());
    with_service(&mut script, &local);
    let mut sample = example_at(&local, "from_boto3");
    sample.args(["front-door", "600"]).arg(ours.path());
    assert_eq!(run(script).await, run(sample).await);
    let (theirs, ours) = (files(theirs.path()), files(ours.path()));
    assert_eq!(theirs.keys().collect::<Vec<_>>(), ours.keys().collect::<Vec<_>>());
    assert!(theirs == ours && theirs.len() >= 15, "{} images", theirs.len());
    local.shutdown().await;
}
