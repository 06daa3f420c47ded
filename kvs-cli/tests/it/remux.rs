//! What `kvs remux` writes, judged by ffprobe, ffmpeg and mkvinfo on files that ffmpeg made.

use std::path::Path;
use std::process::{Command, Output};

use crate::judge::{frames, make, packets};
use test_judges::available;

const TOOLS: &[&str] = &["ffmpeg", "ffprobe", "mkvinfo"];

const VIDEO: &str = "-f lavfi -i testsrc2=size=162x98:rate=30000/1001:duration=2.4";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=2.4";

fn remux(input: &Path, output: &Path) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvs")).arg("remux").arg(input).arg(output).output().expect("remux runs")
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
        let (found, expected) = (frames(ours, stream), frames(source, stream));
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
        assert_eq!(frames(&ours, stream), frames(&source, stream), "{name}");
        let keys = |path: &Path| packets(path, stream).iter().map(|packet| packet.keyframe).collect::<Vec<_>>();
        assert_eq!(keys(&ours), keys(&source), "{name}");
    }
}

/// A recording rebuilt after a report, kept beside the tests of kvs-media.
fn case(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../kvs-media/tests/cases").join(name)
}

fn remux_with(input: &Path, output: &Path, options: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.arg("remux").args(options).arg(input).arg(output).output().expect("remux runs")
}

#[test]
fn chosen_tracks_are_written_and_the_others_named() {
    if !available("choosing tracks", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.mkv");
    let run = remux_with(&case("twoaudio.mp4"), &ours, &[]);
    assert!(run.status.success());
    assert_eq!(packets(&ours, "a").len(), 142);
    assert!(String::from_utf8_lossy(&run.stderr).contains("left out: audio track 2"));
    assert!(remux_with(&case("twoaudio.mp4"), &ours, &["--audio-track", "2"]).status.success());
    assert_eq!(packets(&ours, "a").len(), 131);
    assert!(remux_with(&case("twoaudio.mp4"), &ours, &["--audio-track", "all"]).status.success());
    let sounds = ["-v", "error", "-select_streams", "a", "-count_packets", "-show_entries", "stream=nb_read_packets"];
    let sounds = Command::new("ffprobe").args(sounds).args(["-of", "csv=p=0"]).arg(&ours).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&sounds.stdout).split_whitespace().collect::<Vec<_>>(), ["142", "131"]);
    let run = remux_with(&case("twoaudio.mp4"), &ours, &["--audio-track", "3"]);
    let line = String::from_utf8_lossy(&run.stderr).into_owned();
    assert_eq!((run.status.code(), line.lines().count()), (Some(2), 1), "{line}");
}

#[test]
fn changed_sample_description_decodes_whole() {
    if !available("decoding two sample descriptions", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.mkv");
    assert!(remux(&case("twodesc_frag.mp4"), &ours).status.success());
    assert_eq!(frames(&ours, "v").len(), 100);
    assert_clean(&ours);
}

#[test]
fn edit_lists_geometry_and_tags_survive() {
    if !available("remuxing edits and tags", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let ours = dir.path().join("ours.mkv");
    for (name, pictures) in
        [("elst_cut.mp4", 50), ("elst_gap.mp4", 75), ("annexb_cp.mkv", 75), ("emptyfirstvideo.mkv", 75)]
    {
        assert!(remux(&case(name), &ours).status.success(), "{name}");
        assert_eq!(frames(&ours, "v").len(), pictures, "{name}");
        assert_clean(&ours);
    }
    assert!(remux(&case("pasp.mp4"), &ours).status.success());
    let shape =
        ["-v", "error", "-show_entries", "stream=sample_aspect_ratio", "-select_streams", "v", "-of", "csv=p=0"];
    let shape = Command::new("ffprobe").args(shape).arg(&ours).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shape.stdout).trim(), "4:3");

    // A live recording with a tag on its second fragment, as GetMedia returns it.
    let track = kvs_mkv::Track::new(kvs_mkv::TrackNumber::ONE, kvs_mkv::TrackKind::Video, "V_MJPEG").with_video(16, 16);
    let mut writer = kvs_mkv::Writer::new(kvs_mkv::SegmentInfo::new([3; 16]), vec![track]).unwrap();
    let mut live = writer.start_segment().to_vec();
    for second in 0..3_u64 {
        let at = std::time::Duration::from_secs(1_700_000_000 + 2 * second);
        live.extend_from_slice(&writer.start_cluster(at).unwrap());
        let frame = kvs_mkv::Frame::new(kvs_mkv::TrackNumber::ONE, at, vec![1, 2, 3]).with_keyframe(true);
        live.extend_from_slice(&writer.block(frame).unwrap().into_bytes());
        if second == 1 {
            let service = kvs_mkv::Tag::new("AWS_KINESISVIDEO_FRAGMENT_NUMBER", "91343852333181432392682062622167");
            live.extend_from_slice(&writer.tags(&[kvs_mkv::Tag::new("door", "open"), service]).unwrap());
        }
    }
    let source = dir.path().join("live.mkv");
    std::fs::write(&source, live).unwrap();
    assert!(remux(&source, &ours).status.success());
    let mut reader = kvs_mkv::fragment::FragmentReader::new(kvs_mkv::Limits::default());
    reader.push(std::fs::read(&ours).unwrap().into());
    let mut tags = Vec::new();
    while let Some(fragment) = reader.next_fragment().unwrap() {
        tags.push(fragment.tags);
    }
    tags.extend(reader.finish().unwrap().map(|fragment| fragment.tags));
    assert_eq!(tags, [vec![], vec![kvs_mkv::Tag::new("door", "open")], vec![]]);
}

#[test]
fn interrupted_recording_is_written_up_to_the_cut_or_refused_if_strict() {
    let dir = tempfile::tempdir().unwrap();
    let (source, ours) = (dir.path().join("cut.mkv"), dir.path().join("ours.mkv"));
    let whole = std::fs::read(case("annexb_cp.mkv")).unwrap();
    std::fs::write(&source, &whole[..whole.len() / 2]).unwrap();
    let run = remux(&source, &ours);
    let line = String::from_utf8_lossy(&run.stderr).into_owned();
    assert!(run.status.success() && line.contains("interrupted") && line.lines().count() == 1, "{line}");
    std::fs::remove_file(&ours).unwrap();
    let run = remux_with(&source, &ours, &["--strict"]);
    assert_eq!((run.status.code(), ours.exists()), (Some(2), false));
}

#[test]
fn transport_stream_and_wav_are_remuxed() {
    if !available("remuxing MPEG-TS and WAV", TOOLS) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let encoding = "-pix_fmt yuv420p -c:v libx264 -preset veryfast -bf 2 -g 20 -c:a aac";
    let mp4 = make(dir.path(), "source.mp4", &format!("{VIDEO} {SOUND} {encoding}"));
    let stream = make(dir.path(), "stream.ts", &format!("-i {} -c copy", mp4.display()));
    let ours = dir.path().join("ours.mkv");
    let run = remux(&stream, &ours);
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_clean(&ours);
    for kind in ["v", "a"] {
        assert_eq!(frames(&ours, kind), frames(&stream, kind), "{kind}");
    }
    let wav = make(dir.path(), "sound.wav", &format!("{VIDEO} {SOUND} -map 1 -c:a pcm_s16le"));
    assert!(remux(&wav, &ours).status.success());
    let samples = |path: &Path| {
        let output =
            Command::new("ffmpeg").args(["-v", "error", "-i"]).arg(path).args(["-f", "s16le", "-"]).output().unwrap();
        output.stdout
    };
    assert!(samples(&ours) == samples(&wav), "the samples are the same");
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
