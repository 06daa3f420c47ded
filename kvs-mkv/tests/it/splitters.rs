//! Live byte streams become access units: cases from the field and encodes of x264 and x265, with FFmpeg as judge.

use crate::{judge, split};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use kvs_mkv::codec::SkipReason;
use kvs_mkv::codec::h264::RandomAccess;

use judge::{run, text};
use split::{AdtsSplit, Codec, Split, case, split, split_adts, split_whole};
use test_judges::available;

/// Returns the checksums of the pictures that FFmpeg decodes.
fn decoded(file: &Path) -> Vec<String> {
    let list = run(
        "ffmpeg",
        &["-v", "quiet", "-i", text(file), "-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"],
    );
    let sums = list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(',').next());
    sums.map(|sum| sum.trim().to_owned()).collect()
}

/// Writes each session into a Matroska file and returns the checksums of its pictures.
fn decoded_sessions(split: &Split, folder: &Path) -> Vec<Vec<String>> {
    let files = split.sessions.iter().enumerate().map(|(nth, session)| {
        let file = folder.join(format!("session-{nth}.mkv"));
        std::fs::write(&file, session.matroska()).unwrap();
        file
    });
    files.map(|file| decoded(&file)).collect()
}

/// Splits a file and compares the decoded pictures with those of the file.
fn same_pictures(file: &Path, folder: &Path) -> Split {
    let split = split_whole(file);
    let pictures = decoded_sessions(&split, folder).concat();
    assert_eq!(pictures, decoded(file), "{}", file.display());
    split
}

fn sizes(split: &Split) -> Vec<(u64, u64, usize)> {
    let video = |track: &kvs_mkv::Track| track.video.unwrap();
    let sessions = split.sessions.iter();
    sessions.map(|session| (video(&session.track).width, video(&session.track).height, session.units.len())).collect()
}

#[test]
fn stream_that_begins_in_a_gop_starts_at_its_first_key_frame() {
    let split = split_whole(&case("midgop.h264"));
    assert_eq!(sizes(&split), [(160, 96, 100)]);
    let [skipped] = split.skipped[..] else { panic!("{:?}", split.skipped) };
    assert_eq!((skipped.reason, skipped.at), (SkipReason::BeforeKeyFrame, 1));
    let first = &split.sessions[0].units[0];
    assert!(skipped.pictures > 0 && skipped.bytes > 0 && first.range.start > skipped.bytes, "{skipped}");
    assert_eq!((split.unit_types(0, 0), first.random_access), (vec![7, 8, 5], RandomAccess::Idr));
    if available("stream_that_begins_in_a_gop_starts_at_its_first_key_frame", &["ffmpeg"]) {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(decoded_sessions(&split, folder.path()).concat().len(), 100);
    }
}

#[test]
fn pictures_with_the_same_idr_number_stay_apart() {
    let split = split_whole(&case("sameidr.h264"));
    assert_eq!((sizes(&split), split.skipped.len()), (vec![(160, 96, 25)], 0));
    assert!(split.sessions[0].units.iter().all(|unit| unit.random_access == RandomAccess::Idr));
    if available("pictures_with_the_same_idr_number_stay_apart", &["ffmpeg"]) {
        same_pictures(&case("sameidr.h264"), tempfile::tempdir().unwrap().path());
    }
}

#[test]
fn slices_are_read_through_their_own_parameter_sets() {
    let split = split_whole(&case("twosps.h264"));
    assert_eq!(split.sessions.iter().map(|session| session.units.len()).sum::<usize>(), 110, "{:?}", sizes(&split));
    if available("slices_are_read_through_their_own_parameter_sets", &["ffmpeg"]) {
        same_pictures(&case("twosps.h264"), tempfile::tempdir().unwrap().path());
    }
}

#[test]
fn change_of_size_starts_a_session() {
    let split = split_whole(&case("reschange.h265"));
    assert_eq!(sizes(&split), [(160, 96, 50), (320, 240, 25)]);
    let split = split_whole(&case("size_change.h264"));
    assert_eq!(split.sessions.iter().map(|session| session.units.len()).sum::<usize>(), 120, "{:?}", sizes(&split));
    assert_eq!(sizes(&split)[0].0, 128);
    if available("change_of_size_starts_a_session", &["ffmpeg"]) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["reschange.h265", "size_change.h264"] {
            let split = split_whole(&case(name));
            let pictures: Vec<_> = decoded_sessions(&split, folder.path()).iter().map(Vec::len).collect();
            let units: Vec<_> = split.sessions.iter().map(|session| session.units.len()).collect();
            assert_eq!(pictures, units, "{name}");
        }
    }
}

#[test]
fn small_h265_stream_decodes() {
    let split = split_whole(&case("h265_208x120.265"));
    assert_eq!(sizes(&split)[0], (208, 120, split.sessions[0].units.len()));
    if available("small_h265_stream_decodes", &["ffmpeg"]) {
        same_pictures(&case("h265_208x120.265"), tempfile::tempdir().unwrap().path());
    }
}

/// Encodes three seconds of a test picture.
fn encode(folder: &Path, name: &str, options: &[&str]) -> PathBuf {
    let file = folder.join(name);
    let input = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=3"];
    run("ffmpeg", &[&input[..], options, &[text(&file)]].concat());
    file
}

/// Returns what ffprobe says about the packets: position and whether it is a key frame.
fn packets(file: &Path) -> Vec<(u64, bool)> {
    let entries = "packet=pos,flags";
    let list = run("ffprobe", &["-v", "quiet", "-show_entries", entries, "-of", "csv=p=0", text(file)]);
    let packet = |line: &str| {
        let (pos, flags) = line.split_once(',').unwrap();
        (pos.parse().unwrap(), flags.starts_with('K'))
    };
    list.lines().filter(|line| !line.is_empty()).map(packet).collect()
}

/// Compares with FFmpeg: the packets of its own splitter, and the pictures that it decodes.
fn judge(file: &Path, folder: &Path) -> Split {
    let split = same_pictures(file, folder);
    let [session] = &split.sessions[..] else { panic!("{}: {:?}", file.display(), sizes(&split)) };
    let bytes = std::fs::read(file).unwrap();
    let ours: Vec<_> = session.units.iter().map(|unit| (unit.range.start, unit.is_keyframe())).collect();
    // The position of ffprobe includes a zero before the start code, ours does not.
    let start = |at: u64| at + u64::from(bytes[usize::try_from(at).unwrap()..].starts_with(&[0, 0, 0, 1]));
    let theirs: Vec<_> = packets(file).into_iter().map(|(at, key)| (start(at), key)).collect();
    assert_eq!(ours, theirs, "{}", file.display());
    split
}

#[test]
fn h264_of_x264_splits_as_ffmpeg_does() {
    if !available("h264_of_x264_splits_as_ffmpeg_does", &["ffmpeg", "ffprobe"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (nth, params) in [
        "keyint=25:bframes=0",
        "keyint=25:bframes=3:b-pyramid=normal",
        "keyint=25:bframes=3:aud=1:slices=4",
        "keyint=25:bframes=2:open-gop=1",
        "keyint=25:intra-refresh=1:bframes=0",
        "keyint=1",
        "keyint=25:slices=8:sps-id=5:sliced-threads=1:bframes=0",
        "keyint=25:interlaced=1:tff=1:bframes=3",
        "keyint=25:interlaced=1:bff=1:slices=3:aud=1",
        "keyint=25:fake-interlaced=1:nal-hrd=cbr:vbv-maxrate=200:vbv-bufsize=200:bitrate=200:filler=1",
        "keyint=10:ref=8:weightp=2:bframes=5:direct=temporal",
    ]
    .into_iter()
    .enumerate()
    {
        let options = ["-c:v", "libx264", "-preset", "veryfast", "-x264-params", params];
        let split = judge(&encode(folder.path(), &format!("{nth}.h264"), &options), folder.path());
        assert_eq!((split.skipped.len(), split.sessions[0].units.len()), (0, 75), "{params}");
    }
    for profile in [["baseline", "yuv420p"], ["high422", "yuv422p"], ["high444", "yuv444p"], ["high10", "yuv420p10le"]]
    {
        let options =
            ["-c:v", "libx264", "-preset", "ultrafast", "-profile:v", profile[0], "-pix_fmt", profile[1], "-g", "20"];
        judge(&encode(folder.path(), &format!("{}.h264", profile[0]), &options), folder.path());
    }
}

#[test]
fn h265_of_x265_splits_as_ffmpeg_does() {
    if !available("h265_of_x265_splits_as_ffmpeg_does", &["ffmpeg", "ffprobe"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (nth, params) in [
        "keyint=25:bframes=0",
        "keyint=25:bframes=4:open-gop=1",
        "keyint=25:bframes=4:open-gop=0:aud=1:slices=2",
        "keyint=25:repeat-headers=1:hrd=1:vbv-maxrate=200:vbv-bufsize=200:bitrate=200",
        "keyint=1",
        "keyint=25:temporal-layers=1:eos=1:eob=1",
        "keyint=25:interlace=tff",
    ]
    .into_iter()
    .enumerate()
    {
        let params = format!("{params}:log-level=error");
        let options = ["-c:v", "libx265", "-preset", "ultrafast", "-x265-params", &params];
        let split = judge(&encode(folder.path(), &format!("{nth}.h265"), &options), folder.path());
        assert_eq!(split.skipped.len(), 0, "{params}");
    }
}

#[test]
fn streams_joined_anywhere_decode_from_the_first_picture() {
    if !available("streams_joined_anywhere_decode_from_the_first_picture", &["ffmpeg"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let x264 = ["-c:v", "libx264", "-x264-params", "keyint=20:open-gop=1:bframes=3:repeat-headers=1"];
    let x265 = ["-c:v", "libx265", "-x265-params", "keyint=20:open-gop=1:bframes=3:repeat-headers=1:log-level=error"];
    for (codec, file) in [
        (Codec::H264, encode(folder.path(), "open.h264", &x264)),
        (Codec::H265, encode(folder.path(), "open.h265", &x265)),
    ] {
        let whole = Bytes::from(std::fs::read(&file).unwrap());
        let all = decoded(&file);
        for part in 1..8 {
            let from = whole.len() * part / 10;
            let split = split(codec, [whole.slice(from..)]);
            assert_eq!(split.skipped[0].reason, SkipReason::BeforeKeyFrame);
            let pictures = decoded_sessions(&split, folder.path()).concat();
            assert_eq!(pictures.len(), split.sessions[0].units.len(), "{codec:?} from {from}");
            // Nothing is damaged: they are the last pictures of the whole stream.
            assert!(pictures.len() > 10 && all.ends_with(&pictures), "{codec:?} from {from}");
        }
    }
}

/// Compares with the packets of ffprobe: positions, and sizes with headers.
fn same_packets(file: &Path) -> AdtsSplit {
    let split = split_adts([Bytes::from(std::fs::read(file).unwrap())]);
    let theirs: Vec<_> = packets(file).into_iter().map(|(at, _)| at).collect();
    let ours: Vec<_> = split.sessions.iter().flat_map(|(_, frames)| frames).map(|frame| frame.at).collect();
    assert_eq!(ours, theirs, "{}", file.display());
    split
}

#[test]
fn adts_becomes_frames_and_a_new_rate_a_session() {
    let rates = |split: &AdtsSplit| -> Vec<_> {
        let rate = |track: &kvs_mkv::Track| track.audio.unwrap().sampling_frequency;
        split.sessions.iter().map(|(track, frames)| (rate(track), frames.len())).collect()
    };
    let read = |name| split_adts([Bytes::from(std::fs::read(case(name)).unwrap())]);
    let tone = read("tone.aac");
    assert_eq!((rates(&tone).len(), tone.skipped.len()), (1, 0));
    let change = read("ratechange.aac");
    let [(48_000.0, _), (44_100.0, _)] = rates(&change)[..] else { panic!("{:?}", rates(&change)) };
    assert_eq!(change.skipped, []);
    if !available("adts_becomes_frames_and_a_new_rate_a_session", &["ffmpeg", "ffprobe"]) {
        return;
    }
    for name in ["tone.aac", "ratechange.aac"] {
        same_packets(&case(name));
    }
    let folder = tempfile::tempdir().unwrap();
    for (nth, options) in [["-ar", "8000", "-ac", "1"], ["-ar", "96000", "-ac", "2"], ["-ar", "22050", "-ac", "6"]]
        .into_iter()
        .enumerate()
    {
        let file = folder.path().join(format!("{nth}.aac"));
        let input = ["-v", "error", "-y", "-f", "lavfi", "-i", "sine=duration=3", "-c:a", "aac"];
        run("ffmpeg", &[&input[..], &options, &[text(&file)]].concat());
        assert_eq!(same_packets(&file).skipped, []);
    }
    // A frame that is cut short costs that frame and no other.
    let whole = std::fs::read(case("tone.aac")).unwrap();
    let frames = &tone.sessions[0].1;
    let (cut, next) = (usize::try_from(frames[5].at).unwrap(), usize::try_from(frames[6].at).unwrap());
    let damaged = [&whole[..cut + 20], &whole[next..]].concat();
    let split = split_adts([Bytes::from(damaged)]);
    assert_eq!((split.sessions[0].1.len(), split.skipped.len()), (frames.len() - 1, 1));
    assert_eq!((split.skipped[0].at, split.skipped[0].bytes), (frames[5].at, 20));
}
