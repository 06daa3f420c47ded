//! What `kvs remux` writes, judged by ffprobe, ffmpeg and mkvinfo on files that ffmpeg made.

#[path = "../../kvs-media/tests/judge/mod.rs"]
mod judge;

use std::path::Path;
use std::process::{Command, Output};

use judge::{make, packets};
use test_judges::available;

const TOOLS: &[&str] = &["ffmpeg", "ffprobe", "mkvinfo"];

const VIDEO: &str = "-f lavfi -i testsrc2=size=162x98:rate=30000/1001:duration=2.4";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=2.4";

fn remux(input: &Path, output: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvs")).arg("remux").arg(input).arg(output).output().expect("remux runs")
}

/// MD5 of each decoded frame of one stream.
fn frame_hashes(path: &Path, stream: &str) -> Vec<String> {
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-hide_banner", "-loglevel", "error", "-i"])
        .arg(path)
        .args(["-map", &format!("0:{stream}:0"), "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output()
        .expect("ffmpeg runs");
    assert!(output.status.success(), "decoding {}: {}", path.display(), String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("framemd5 is text");
    let hash = |line: &str| line.rsplit(',').next().unwrap_or_default().trim().to_owned();
    text.lines().filter(|line| !line.starts_with('#')).map(hash).collect()
}

/// Sizes and key frames are the same; times are but for one shift of all of them.
#[track_caller]
fn assert_same(source: &Path, ours: &Path, streams: &[&str]) {
    let mut shifts = Vec::new();
    for stream in streams {
        let (expected, found) = (packets(source, stream), packets(ours, stream));
        assert_eq!(found.len(), expected.len(), "{stream} of {}", source.display());
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let what = format!("{stream} packet {index} of {}", source.display());
            assert_eq!((found.size, found.keyframe), (expected.size, expected.keyframe), "{what}");
            shifts.push(found.seconds.expect("a time") - expected.seconds.expect("a time"));
        }
        let (found, expected) = (frame_hashes(ours, stream), frame_hashes(source, stream));
        // An MP4 says that the priming of AAC, its first frame, is not to be heard; live Matroska has no way to say so.
        let priming = found.len().saturating_sub(expected.len());
        assert!(priming <= usize::from(*stream == "a"), "{priming} more frames in {stream} of {}", source.display());
        assert_eq!(found[priming..], expected[..], "{stream} of {}", source.display());
    }
    let (low, high) =
        (shifts.iter().copied().fold(f64::MAX, f64::min), shifts.iter().copied().fold(f64::MIN, f64::max));
    assert!(high - low < 0.00101, "times of {} differ by {low} to {high} s", source.display());
}

#[track_caller]
fn assert_clean(path: &Path) {
    let output = Command::new("mkvinfo").arg("--all").arg(path).output().expect("mkvinfo runs");
    let text = String::from_utf8_lossy(&output.stdout).to_lowercase();
    let complaint =
        text.lines().find(|line| ["error", "warning", "unknown element"].iter().any(|word| line.contains(word)));
    assert!(output.status.success() && complaint.is_none(), "mkvinfo on {}: {complaint:?}", path.display());
}

#[track_caller]
fn check(dir: &Path, name: &str, arguments: &str, streams: &[&str]) {
    let source = make(dir, name, &format!("{VIDEO} {SOUND} {arguments}"));
    let ours = dir.join(format!("{name}.ours.mkv"));
    let output = remux(&source, &ours);
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    assert_same(&source, &ours, streams);
    assert_clean(&ours);
}

#[test]
fn remuxes_h264_with_b_frames_and_audio_from_mp4_and_matroska() {
    if !available("remuxing H.264", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let encoding = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -bf 3 -g 20 -c:a aac";
    check(dir.path(), "b_frames.mp4", encoding, &["v", "a"]);
    check(dir.path(), "b_frames.mkv", encoding, &["v", "a"]);
    check(dir.path(), "fragmented.mp4", &format!("{encoding} -movflags frag_keyframe+empty_moov"), &["v", "a"]);
    let open = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=15:bframes=3 -an";
    check(dir.path(), "open_gop.mp4", open, &["v"]);
}

#[test]
fn remuxes_h265() {
    if !available("remuxing H.265", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let encoding =
        "-pix_fmt yuv420p -c:v libx265 -preset superfast -x265-params log-level=error:keyint=15:bframes=3 -an";
    check(dir.path(), "h265.mp4", &format!("{encoding} -tag:v hvc1"), &["v"]);
    check(dir.path(), "h265.mkv", encoding, &["v"]);
}

#[test]
fn remuxes_other_codecs() {
    if !available("remuxing G.711, PCM and Motion JPEG", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    check(dir.path(), "a_law.mkv", "-map 1 -ar 8000 -c:a pcm_alaw", &["a"]);
    check(dir.path(), "mu_law.mkv", "-map 1 -ar 8000 -ac 2 -c:a pcm_mulaw", &["a"]);
    check(dir.path(), "jpeg_and_pcm.mkv", "-pix_fmt yuvj420p -c:v mjpeg -c:a pcm_s16le", &["v", "a"]);
    check(dir.path(), "big_endian.mkv", "-map 1 -c:a pcm_s16be", &["a"]);
    check(dir.path(), "jpeg.mov", "-pix_fmt yuvj420p -c:v mjpeg -an", &["v"]);
}

#[test]
fn byte_streams_decode_to_the_same_video_and_audio() {
    if !available("remuxing byte streams", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let variants = [
        ("b_frames.h264", "v", "-pix_fmt yuv420p -c:v libx264 -preset veryfast -bf 3 -g 20"),
        ("open_gop.h264", "v", "-pix_fmt yuv420p -c:v libx264 -x264-params open-gop=1:keyint=15:slices=3:aud=1"),
        ("high_422.h264", "v", "-pix_fmt yuv422p10le -c:v libx264 -preset veryfast -bf 2"),
        (
            "b_frames.h265",
            "v",
            "-pix_fmt yuv420p -c:v libx265 -preset superfast -x265-params log-level=error:keyint=15",
        ),
        ("sound.aac", "a", "-map 1 -c:a aac"),
    ];
    for (name, stream, arguments) in variants {
        let source = make(dir.path(), name, &format!("{VIDEO} {SOUND} {arguments}"));
        let ours = dir.path().join(format!("{name}.mkv"));
        let output = remux(&source, &ours);
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        assert_clean(&ours);
        assert_eq!(frame_hashes(&ours, stream), frame_hashes(&source, stream), "{name}");
        let keys = |path: &Path| packets(path, stream).iter().map(|packet| packet.keyframe).collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&source), "{name}");
    }
}

#[test]
fn output_is_deterministic() {
    let dir = tempfile::tempdir().unwrap();
    let input = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clock.mp4");
    let (one, other) = (dir.path().join("one.mkv"), dir.path().join("other.mkv"));
    assert!(remux(&input, &one).status.success() && remux(&input, &other).status.success());
    assert!(std::fs::read(one).unwrap() == std::fs::read(other).unwrap());
}

#[test]
fn rejects_bad_input_with_exit_code_2_and_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let clock = std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clock.mp4")).unwrap();
    let inputs: [(&str, &[u8]); 4] = [
        ("notes.txt", b"dear diary"),
        ("empty.mp4", b""),
        ("cut.mp4", &clock[..clock.len() / 2]),
        ("noise.mkv", b"\x1a\x45\xdf\xa3\xff\xff\xff\xff\xff"),
    ];
    for (name, bytes) in inputs {
        let (input, output) = (dir.path().join(name), dir.path().join("out.mkv"));
        std::fs::write(&input, bytes).unwrap();
        let run = remux(&input, &output);
        let line = String::from_utf8(run.stderr).unwrap();
        assert_eq!((run.status.code(), line.lines().count()), (Some(2), 1), "{name}: {line}");
        assert!(line.contains(name) && !line.contains("panicked"), "{line}");
        std::fs::remove_file(&input).unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0, "{name} left a file behind");
    }
    let run = remux(&dir.path().join("nowhere.mp4"), &dir.path().join("out.mkv"));
    assert_eq!(run.status.code(), Some(2));
}

#[test]
fn unwritable_output_ends_with_exit_code_1_and_keeps_the_input() {
    let dir = tempfile::tempdir().unwrap();
    let input = dir.path().join("clock.mp4");
    std::fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clock.mp4"), &input).unwrap();
    let run = remux(&input, &dir.path().join("no/such/directory.mkv"));
    assert_eq!(run.status.code(), Some(1), "{}", String::from_utf8_lossy(&run.stderr));
    let run = remux(&input, &input);
    assert_eq!(run.status.code(), Some(2), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
}
