//! The whole journey, run as a user runs it, judged by what the images show.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;

/// Size of the bundled recording, in which a strip of squares shows the number of each frame in binary.
const RECORDING: (usize, usize) = (640, 360);
/// Milliseconds of one frame of it.
const FRAME_MS: u64 = 40;

fn run(out: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_end_to_end"));
    command.args(["--speed", "max", "--out"]).arg(out).args(more);
    for name in ["AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.output().unwrap()
}

fn report(out: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(out.join("report.json")).unwrap()).unwrap()
}

/// The frame number that an image shows, whatever its size is.
fn shown_frame(jpeg: &[u8]) -> u64 {
    let mut decoder = JpegDecoder::new(ZCursor::new(jpeg));
    let pixels = decoder.decode().unwrap();
    let (width, height) = decoder.dimensions().unwrap();
    let channels = pixels.len() / (width * height);
    let is_white = |bit: usize| {
        let x = (40 + bit * 56 + 28) * width / RECORDING.0;
        let y = (296 + 24) * height / RECORDING.1;
        pixels[(y * width + x) * channels] > 128
    };
    (0..10).filter(|&bit| is_white(bit)).map(|bit| 1 << bit).sum()
}

fn assert_shows(jpeg: &Path, at_ms: u64, start_ms: u64) {
    let (shown, wanted) = (shown_frame(&std::fs::read(jpeg).unwrap()), (at_ms - start_ms) / FRAME_MS);
    assert!(shown.abs_diff(wanted) <= 1, "{} shows frame {shown}, its time is that of {wanted}", jpeg.display());
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

#[test]
fn every_image_shows_the_time_of_its_timestamp() {
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &[]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = report(folder.path());
    let start_ms = report["start_ms"].as_u64().unwrap();

    let images = report["images"].as_array().unwrap();
    assert_eq!(images.len(), 20);
    for image in images {
        assert_shows(&folder.path().join(text(&image["path"])), image["timestamp"].as_u64().unwrap(), start_ms);
    }
    let objects = report["image_objects"].as_array().unwrap();
    assert!(objects.len() >= 10);
    for image in objects {
        assert_shows(&folder.path().join(text(&image["path"])), image["timecode"].as_u64().unwrap(), start_ms);
    }
    assert!(std::fs::metadata(folder.path().join("timelapse.mp4")).unwrap().len() > 1000);
    assert!(std::fs::read_to_string(folder.path().join("index.html")).unwrap().contains("Everything arrived"));
}

/// Recordings whose tracks lie apart, or that have a frame without payload: the program ends by itself, and everything that
/// the producer made is judged.
#[test]
fn recordings_with_gaps_are_sent_whole() {
    // Packets as ffprobe counts them, but for one sound of screen_vfr.mp4: the priming of its encoder, 64 ms before the first
    // picture, where the program begins.
    for (name, frames) in [("screen_vfr.mp4", 40 + 250), ("latevideo.mp4", 75 + 142), ("zerolen.mkv", 75 + 142)] {
        let folder = tempfile::tempdir().unwrap();
        let input = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/media/");
        let output = run(folder.path(), &["--input", &format!("{input}{name}")]);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        let report = report(folder.path());
        let count = |member: &str| report[member].as_u64().unwrap();
        assert_eq!(count("submitted_frames"), count("persisted_frames"), "{name}");
        assert_eq!(count("persisted_frames"), frames, "{name}");
    }
}

#[test]
fn images_and_notifications_name_fragments_that_were_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path(), &["--every", "3", "--stream", "gate_1.left-2"]).status.success());
    let report = report(folder.path());
    let fragments: BTreeMap<&str, &Value> =
        report["fragments"].as_object().unwrap().values().map(|one| (text(&one["number"]), one)).collect();
    let tagged: BTreeSet<&str> =
        fragments.iter().filter(|(_, one)| one["image_tag"] == true).map(|(&number, _)| number).collect();
    assert_eq!((fragments.len(), tagged.len()), (10, 4));

    for image in report["image_objects"].as_array().unwrap() {
        let (key, metadata) = (text(&image["key"]), &image["metadata"]);
        assert!(tagged.contains(text(&metadata["aws_kinesisvideo_fragment_number"])));
        // [prefix_]account_stream_epoch-ms_guid.jpg
        let fields = key.strip_prefix("end-to-end_111122223333_gate_1.left-2_").unwrap().strip_suffix(".jpg").unwrap();
        let (millis, guid) = fields.split_once('_').unwrap();
        assert_eq!(text(&metadata["aws_kinesisvideo_producer_timestamp"]), millis);
        assert!(text(&metadata["aws_kinesisvideo_server_timestamp"]).parse::<u64>().is_ok());
        let groups: Vec<usize> = guid.split('-').map(str::len).collect();
        assert_eq!((groups, guid.to_ascii_lowercase().as_str()), (vec![8, 4, 4, 4, 12], guid));
        assert!(metadata["fragment"].is_string(), "the custom pair is there");
    }
    let notified: BTreeSet<&str> =
        report["notifications"].as_array().unwrap().iter().map(|one| text(&one["fragment_number"])).collect();
    assert_eq!(notified, tagged);
}

#[test]
fn rejects_bad_input_with_one_line_and_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let whole = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/media/clock.mp4")).unwrap();
    let file = |name: &str, bytes: &[u8]| -> PathBuf {
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let cases = [
        (folder.path().join("missing.mp4"), "does not exist"),
        (file("text.mp4", b"just some words\n"), "text"),
        (file("cut.mp4", &whole[..250_000]), "cut off"),
        (file("empty.mp4", b""), "empty"),
    ];
    for (input, says) in cases {
        let output = run(&folder.path().join("out"), &["--input", input.to_str().unwrap()]);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(errors.contains(says), "{errors}");
    }
}

#[test]
fn names_an_endpoint_that_does_not_answer() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_end_to_end"));
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}");
    command.args(["--endpoint", &endpoint, "--out"]).arg(folder.path());
    command.envs([("AWS_REGION", "us-west-2"), ("AWS_ACCESS_KEY_ID", "key"), ("AWS_SECRET_ACCESS_KEY", "secret")]);
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
    assert!(errors.contains(&format!("127.0.0.1:{port}")), "{errors}");
}
