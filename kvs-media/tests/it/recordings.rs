//! Recordings as this crate reads them, judged by ffprobe on files that ffmpeg made.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::judge::{make, packets};
use kvs_media::{MediaError, Reader, ReaderOptions, Recording, Sample};
use kvs_mkv::{Track, TrackKind};
use test_judges::available;

const TOOLS: &[&str] = &["ffmpeg", "ffprobe"];

/// A second of moving video of a cropped size, and of audio.
const VIDEO: &str = "-f lavfi -i testsrc2=size=162x98:rate=30000/1001:duration=1.2";
const SOUND: &str = "-f lavfi -i sine=frequency=440:sample_rate=44100:duration=1.2";

fn directory() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn bundled() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/media/clock.mp4")
}

fn of<'a>(recording: &'a Recording, track: &Track) -> Vec<&'a Sample> {
    recording.samples().iter().filter(|sample| sample.track == track.number).collect()
}

/// Sizes, key frames and times are those that ffprobe lists, but for one shift of all times.
#[track_caller]
fn assert_same_packets(recording: &Recording, path: &Path) {
    let mut shifts = Vec::new();
    for track in recording.tracks() {
        let stream = if track.kind == TrackKind::Video { "v" } else { "a" };
        let (ours, theirs) = (of(recording, track), packets(path, stream));
        assert_eq!(ours.len(), theirs.len(), "{stream} packets of {}", path.display());
        for (index, (our, their)) in ours.iter().zip(&theirs).enumerate() {
            assert_eq!((our.data.len(), our.keyframe), (their.size, their.keyframe), "{stream} packet {index}");
            shifts.push(our.pts.as_secs_f64() - their.seconds.expect("a time"));
        }
    }
    let (low, high) =
        (shifts.iter().copied().fold(f64::MAX, f64::min), shifts.iter().copied().fold(f64::MIN, f64::max));
    assert!(high - low < 0.0011, "times of {} differ by {low} to {high} s: {shifts:?}", path.display());
    assert!(low > -0.0011, "times of {} moved back by {low} s", path.display());
}

#[track_caller]
fn assert_in_order(recording: &Recording) {
    for track in recording.tracks() {
        let samples = of(recording, track);
        assert!(samples.is_sorted_by_key(|sample| sample.dts), "decoding times of {track:?} fall");
        assert!(samples.iter().all(|sample| sample.dts <= sample.pts), "{track:?} is shown before it is decoded");
    }
    assert!(recording.samples().is_sorted_by_key(|sample| sample.dts), "tracks are not interleaved");
}

#[test]
fn reads_video_and_audio_of_bundled_recording() {
    let recording = Recording::open(bundled()).unwrap();
    let ids: Vec<_> = recording.tracks().iter().map(|track| (track.number.get(), track.codec.as_str())).collect();
    assert_eq!(ids, [(1, "V_MPEG4/ISO/AVC"), (2, "A_AAC")]);
    let video = recording.video().and_then(|track| track.video).unwrap();
    assert_eq!((video.width, video.height), (640, 360));
    assert_eq!(of(&recording, recording.video().unwrap()).len(), 500);
    assert_in_order(&recording);
    let from_video = recording.starting_with_video();
    assert_eq!(from_video.samples().iter().find(|sample| sample.keyframe).unwrap().pts.as_nanos(), 0);
}

#[test]
fn mp4_files_have_the_packets_that_ffprobe_lists() {
    if !available("reading MP4 files", TOOLS) {
        return;
    }
    let dir = directory();
    let variants = [
        ("b_frames.mp4", "-c:v libx264 -bf 3 -g 20 -c:a aac -shortest"),
        ("no_audio.mp4", "-an -c:v libx264 -bf 2 -x264-params open-gop=1:keyint=15"),
        ("no_edit_list.mp4", "-c:v libx264 -bf 2 -c:a aac -use_editlist 0"),
        ("negative_offsets.mp4", "-c:v libx264 -bf 2 -an -movflags negative_cts_offsets"),
        ("fragmented.mp4", "-c:v libx264 -bf 2 -g 20 -c:a aac -movflags frag_keyframe+empty_moov"),
        ("dash.mp4", "-c:v libx264 -bf 2 -g 20 -c:a aac -movflags frag_keyframe+empty_moov+default_base_moof"),
        ("late_audio.mp4", "-c:v libx264 -bf 2 -g 20 -c:a aac -af adelay=0 -output_ts_offset 0.5"),
        ("inband.mp4", "-c:v libx264 -tag:v avc3 -an"),
        ("h265.mp4", "-c:v libx265 -preset superfast -x265-params log-level=error -tag:v hvc1 -an"),
        ("quicktime.mov", "-c:v libx264 -bf 2 -c:a aac"),
        ("jpeg.mov", "-c:v mjpeg -an"),
    ];
    for (name, arguments) in variants {
        let path = make(dir.path(), name, &format!("{VIDEO} {SOUND} -pix_fmt yuv420p {arguments}"));
        let recording = Recording::open(&path).unwrap_or_else(|error| panic!("{error}"));
        let video = recording.video().and_then(|track| track.video).unwrap();
        assert_eq!((video.width, video.height), (162, 98), "{name}");
        assert_same_packets(&recording, &path);
        assert_in_order(&recording);
    }
}

#[test]
fn negative_composition_offsets_show_first_picture_at_zero() {
    if !available("reading CMAF", TOOLS) {
        return;
    }
    // ffprobe moves the pictures of such a file by a frame against the sound; the standard has them both at zero.
    let dir = directory();
    let encoding = "-pix_fmt yuv420p -c:v libx264 -bf 2 -g 20 -c:a aac -movflags frag_keyframe+empty_moov+cmaf";
    let path = make(dir.path(), "cmaf.mp4", &format!("{VIDEO} {SOUND} {encoding}"));
    let recording = Recording::open(&path).unwrap();
    let shown: Vec<_> = of(&recording, recording.video().unwrap()).iter().map(|sample| sample.pts).collect();
    assert_eq!(shown.iter().min(), Some(&Duration::ZERO));
    let expected = Duration::from_nanos(1_001_000_000 / 30);
    let third = shown.iter().copied().nth(2).unwrap();
    assert!(third.abs_diff(expected) < Duration::from_micros(1), "{shown:?}");
    assert_eq!(packets(&path, "v").len(), shown.len());
}

#[test]
fn matroska_files_have_the_packets_that_ffprobe_lists() {
    if !available("reading Matroska files", TOOLS) {
        return;
    }
    let dir = directory();
    let variants = [
        ("b_frames.mkv", "-c:v libx264 -bf 3 -g 20 -c:a aac"),
        ("live.mkv", "-c:v libx264 -bf 2 -g 20 -c:a aac -live 1"),
        ("epoch.mkv", "-c:v libx264 -bf 2 -g 20 -c:a aac -live 1 -output_ts_offset 1700000000"),
        ("h265.mkv", "-c:v libx265 -preset superfast -x265-params log-level=error -an"),
        ("a_law.mkv", "-c:v libx264 -ar 8000 -c:a pcm_alaw"),
        ("mu_law.mkv", "-c:v libx264 -ar 8000 -c:a pcm_mulaw"),
        ("pcm.mkv", "-c:v mjpeg -c:a pcm_s16le"),
    ];
    for (name, arguments) in variants {
        let path = make(dir.path(), name, &format!("{VIDEO} {SOUND} -pix_fmt yuv420p {arguments}"));
        let recording = Recording::open(&path).unwrap_or_else(|error| panic!("{error}"));
        if name == "epoch.mkv" {
            assert!(recording.duration() < Duration::from_secs(3), "{:?}", recording.duration());
        } else {
            assert_same_packets(&recording, &path);
        }
        assert_in_order(&recording);
    }
}

#[test]
fn byte_streams_have_the_access_units_and_times_of_their_mp4() {
    if !available("reading byte streams", TOOLS) {
        return;
    }
    let dir = directory();
    let variants = [
        ("b_frames.h264", "-c:v libx264 -bf 3 -g 20 -x264-params b-pyramid=normal"),
        ("open_gop.h264", "-c:v libx264 -bf 3 -x264-params open-gop=1:keyint=15:slices=4:aud=1"),
        (
            "interlaced.h264",
            "-vf scale=162:96 -c:v libx264 -flags +ildct+ilme -x264-params interlaced=1:bframes=2 -g 20",
        ),
        ("baseline.h264", "-c:v libx264 -profile:v baseline -g 20"),
        // Key frames of several hundred kilobytes: more than is looked through at a time.
        (
            "long_units.h264",
            "-vf scale=640:360,noise=alls=100:allf=t -c:v libx264 -preset ultrafast -profile:v baseline -qp 1 -frames:v 6",
        ),
        ("b_frames.h265", "-c:v libx265 -preset superfast -g 20 -x265-params log-level=error:bframes=4:b-pyramid=1"),
        (
            "open_gop.h265",
            "-c:v libx265 -preset superfast -x265-params log-level=error:open-gop=1:keyint=15:slices=2:aud=1",
        ),
    ];
    for (name, arguments) in variants {
        let source = make(dir.path(), &format!("{name}.mp4"), &format!("{VIDEO} -pix_fmt yuv420p {arguments}"));
        let stream = make(dir.path(), name, &format!("-i {} -c copy", source.display()));
        let mut expected = Recording::open(&source).unwrap();
        let ours = Recording::open(&stream).unwrap_or_else(|error| panic!("{error}"));
        if name.starts_with("open_gop") || name.starts_with("interlaced") {
            expected = expected.starting_with_video();
        }
        let times = |recording: &Recording| -> Vec<_> {
            recording.samples().iter().map(|sample| (sample.keyframe, sample.pts.as_millis())).collect()
        };
        assert_eq!(times(&ours), times(&expected), "{name}");
        let sizes: Vec<_> = packets(&stream, "v").iter().map(|packet| packet.size).collect();
        assert_eq!(sizes.len(), ours.samples().len(), "{name}");
        assert_in_order(&ours);
    }
}

#[test]
fn reader_keeps_an_index_and_some_frames_in_memory() {
    if !available("memory of a reader", TOOLS) {
        return;
    }
    let dir = directory();
    let encoding =
        "-vf scale=640:360,noise=alls=100:allf=t -pix_fmt yuv420p -c:v libx264 -preset ultrafast -qp 1 -frames:v 24";
    let mp4 = make(dir.path(), "large.mp4", &format!("{VIDEO} {encoding}"));
    let copy = |name| make(dir.path(), name, &format!("-i {} -c copy", mp4.display()));
    for path in [mp4.clone(), copy("fragmented.mov"), copy("large.mkv"), copy("large.h264")] {
        let file = std::fs::metadata(&path).unwrap().len();
        let mut largest = 0;
        let memory = allocation_counter::measure(|| {
            let mut reader = Reader::open(&path).unwrap_or_else(|error| panic!("{error}"));
            while let Some(sample) = reader.next_sample().unwrap_or_else(|error| panic!("{error}")) {
                largest = largest.max(sample.data.len() as u64);
            }
        });
        // A piece of a Matroska file or a byte stream that is looked through, once more while it grows to a frame's size.
        let bound = (3 * largest).max(1 << 20) + (512 << 10);
        assert!(bound < file / 3, "{} is too small to tell: {file} bytes", path.display());
        assert!(memory.bytes_max < bound, "{}: {} bytes of {file}", path.display(), memory.bytes_max);
    }
}

#[test]
fn adts_file_has_the_packets_that_ffprobe_lists() {
    if !available("reading ADTS", TOOLS) {
        return;
    }
    let dir = directory();
    let path = make(dir.path(), "sound.aac", &format!("{SOUND} -c:a aac -ac 2"));
    let recording = Recording::open(&path).unwrap();
    let theirs: Vec<_> = packets(&path, "a").iter().map(|packet| packet.size).collect();
    let ours: Vec<_> = recording.samples().iter().map(|sample| sample.data.len()).collect();
    // ffprobe counts the header of seven bytes.
    assert_eq!(ours.iter().map(|size| size + 7).collect::<Vec<_>>(), theirs);
    assert_eq!(recording.audio().unwrap().codec_private, [0x12, 0x10][..]);
    assert_eq!(recording.samples()[20].pts.as_millis(), 20 * 1024 * 1000 / 44_100);
}

#[test]
fn reports_truncated_file() {
    let whole = std::fs::read(bundled()).unwrap();
    let dir = directory();
    let path = dir.path().join("cut.mp4");
    for eighth in 1..8 {
        std::fs::write(&path, &whole[..whole.len() * eighth / 8]).unwrap();
        let error = Recording::open(&path).unwrap_err();
        assert!(matches!(error, MediaError::Truncated { .. }), "{error}");
        assert!(!error.to_string().contains('\n'));
    }
}

#[test]
fn reports_missing_index() {
    let dir = directory();
    let path = dir.path().join("recording.mp4");
    std::fs::write(&path, b"\0\0\0\x10ftypisom\0\0\0\0\0\0\xff\xffmdat....").unwrap();
    let error = Recording::open(&path).unwrap_err().to_string();
    assert!(error.contains("index") && error.contains("cut off"), "{error}");
}

#[test]
fn names_what_is_not_a_recording() {
    let dir = directory();
    let open = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        Recording::open(&path).unwrap_err().to_string()
    };
    assert!(open("notes.mp4", b"dear diary").contains("looks like text"));
    assert!(open("empty.mp4", b"").contains("an empty file"));
    assert!(open("picture.mp4", b"\xff\xd8\xff\xe0").contains("a JPEG image"));
    assert!(open("noise.mp4", &[0x00, 0xff, 0x13]).contains("unknown binary data"));
    let missing = Recording::open(dir.path().join("nowhere.mp4")).unwrap_err();
    assert!(matches!(missing, MediaError::Missing { .. }) && missing.to_string().contains("does not exist"));
    assert!(matches!(Recording::open(dir.path()).unwrap_err(), MediaError::Unreadable { .. }));
}

#[test]
fn names_unsupported_codec() {
    if !available("refusing codecs", TOOLS) {
        return;
    }
    let dir = directory();
    for (name, arguments, codec) in [
        ("visual.mp4", "-c:v mpeg4 -an", "MPEG-4 Visual"),
        ("mp3.mp4", "-c:v libx264 -c:a libmp3lame", "MP3"),
        ("ac3.mp4", "-c:v libx264 -c:a ac3", "AC-3"),
    ] {
        let path = make(dir.path(), name, &format!("{VIDEO} {SOUND} -t 0.2 -pix_fmt yuv420p {arguments}"));
        let error = Recording::open(&path).unwrap_err().to_string();
        assert!(error.contains(codec) && error.contains("convert it"), "{error}");
    }
}

#[test]
fn compressed_matroska_is_refused_with_the_command_that_unpacks_it() {
    if !available("compressed Matroska", &["ffmpeg", "ffprobe", "mkvmerge"]) {
        return;
    }
    let dir = directory();
    let plain = make(dir.path(), "plain.mkv", &format!("{VIDEO} {SOUND} -pix_fmt yuv420p -c:v libx264 -c:a aac"));
    let subtitles = dir.path().join("words.srt");
    std::fs::write(&subtitles, "1\n00:00:00,100 --> 00:00:00,900\nhello\n").unwrap();
    let merge = |name: &str, options: &[&str], inputs: &[&Path]| {
        let path = dir.path().join(name);
        let run = Command::new("mkvmerge").arg("-q").arg("-o").arg(&path).args(options).args(inputs).status();
        assert!(run.expect("mkvmerge runs").success(), "{name}");
        path
    };
    for (options, track) in [("0:zlib", 1), ("1:zlib", 2)] {
        let packed = merge("packed.mkv", &["--compression", options], &[&plain]);
        let file = Recording::open(&packed).unwrap_err();
        let pipe = Reader::from_pipe("pipe", std::fs::File::open(&packed).unwrap(), &ReaderOptions::new()).unwrap_err();
        for error in [file.to_string(), pipe.to_string()] {
            assert!(error.contains(&format!("the frames of track {track} are compressed or encrypted")), "{error}");
            assert!(error.contains("ffmpeg -i IN -c copy OUT.mkv") && !error.contains("damaged"), "{error}");
        }
        let unpacked = make(dir.path(), "unpacked.mkv", &format!("-i {} -c copy", packed.display()));
        let recording = Recording::open(&unpacked).unwrap();
        // mkvmerge moves times of sound by a millisecond or two.
        assert_same_packets(&recording, &unpacked);
        for (stream, kind) in [("v", TrackKind::Video), ("a", TrackKind::Audio)] {
            let track = recording.tracks().iter().find(|track| track.kind == kind).unwrap();
            let ours: Vec<usize> = of(&recording, track).iter().map(|sample| sample.data.len()).collect();
            let theirs: Vec<usize> = packets(&plain, stream).iter().map(|packet| packet.size).collect();
            assert_eq!(ours, theirs, "{stream}");
        }
    }
    // mkvmerge compresses subtitles unless told otherwise. They are left out, so nothing is refused.
    let with_words = merge("words.mkv", &["--disable-lacing"], &[&plain, &subtitles]);
    let recording = Recording::open(&with_words).unwrap();
    assert_eq!(recording.tracks().len(), 2);
    assert_same_packets(&recording, &with_words);
    let notices: Vec<String> = recording.notices().iter().map(ToString::to_string).collect();
    assert!(notices.len() == 1 && notices[0].contains("left out: subtitle"), "{notices:?}");
}

#[test]
fn survives_flipped_bytes_in_the_index() {
    let whole = std::fs::read(bundled()).unwrap();
    let moov = whole.windows(4).position(|window| window == b"moov").unwrap();
    let dir = directory();
    let path = dir.path().join("flipped.mp4");
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..300 {
        let mut flipped = whole[..moov + 20_000].to_vec();
        for _ in 0..4 {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            let at = moov + (random % 12_000) as usize;
            flipped[at] = (random >> 32) as u8;
        }
        std::fs::write(&path, &flipped).unwrap();
        let _whatever = Recording::open(&path);
    }
}
