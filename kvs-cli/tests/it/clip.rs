//! `kvs get --clip` saves what was put as an MP4 file, and leaves no part of one.

use std::path::Path;
use std::process::{Command, Output};

use kvs_local::LocalKvs;
use serde_json::Value;

const CLOCK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/media/clock.mp4");
const START: &str = "2026-01-02T03:04:05Z";

fn kvs(local: &LocalKvs, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(arguments).args(["--endpoint", local.endpoint_url()]).current_dir(folder).output().unwrap()
}

/// The hashes of the packets of a track.
fn packets(file: &Path, track: &str) -> Vec<String> {
    let mut ffmpeg = Command::new("ffmpeg");
    ffmpeg.args(["-v", "error", "-i"]).arg(file).args(["-map", track, "-c", "copy", "-f", "framemd5", "-"]);
    let output = ffmpeg.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    let rows = text.lines().filter(|line| !line.starts_with('#'));
    // Behind the hash, side data may follow.
    rows.filter_map(|line| line.split(',').nth(5)).map(|hash| hash.trim().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clip_has_the_packets_that_were_put() {
    if !test_judges::succeeds("a_clip_has_the_packets_that_were_put", "ffmpeg", &["-version"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let local = LocalKvs::builder().start().await.unwrap();
    let put = kvs(&local, folder.path(), &["put", "camera", CLOCK, "--offline", "--start-time", START]);
    assert!(put.status.success(), "{}", String::from_utf8_lossy(&put.stderr));

    let taken = kvs(&local, folder.path(), &["get", "camera", "--clip", "clip.mp4", "--from", START, "--json"]);
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    let (report, file): (Value, _) = (serde_json::from_slice(&taken.stdout).unwrap(), folder.path().join("clip.mp4"));
    assert_eq!(report["bytes"], std::fs::metadata(&file).unwrap().len());
    for track in ["0:v:0", "0:a:0"] {
        let sent = packets(Path::new(CLOCK), track);
        assert!(sent.len() > 100, "{track}");
        assert_eq!(packets(&file, track), sent, "{track}");
    }
    let part = kvs(&local, folder.path(), &["get", "camera", "--clip", "clip.mp4", "--from", START, "--length", "3s"]);
    assert!(part.status.success(), "{}", String::from_utf8_lossy(&part.stderr));
    // Two fragments of two seconds start within three; the file is replaced.
    assert_eq!(packets(&file, "0:v:0").len(), 100);

    for (arguments, code, message) in [
        (
            ["--from", "2020-01-01T00:00:00Z", "--length", "1m"],
            1,
            "No fragments found in the stream for the clip request.",
        ),
        (["--from", START, "--length", "25h"], 2, "at most 86400 s"),
        (["--from", "earliest", "--length", "1m"], 2, "--clip starts at a time"),
    ] {
        let refused = kvs(&local, folder.path(), &[&["get", "camera", "--clip", "none.mp4"], &arguments[..]].concat());
        let text = String::from_utf8_lossy(&refused.stderr);
        assert!(refused.status.code() == Some(code) && text.contains(message), "{:?} {text}", refused.status);
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["clip.mp4"], "no part of a clip is left");
    local.shutdown().await;
}
