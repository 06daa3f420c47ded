//! `kvs mkv` says what is in a file, and where a file stops being Matroska.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use kvs_mkv::{Chunks, CodecId, Frame, SegmentInfo, Tag, Track, TrackKind, TrackNumber, Writer};
use serde_json::{Value, json};

fn dump(file: &Path, json: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_kvs")).arg("mkv").arg(file).args(json).output().unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// A saved stream of one fragment with one frame of nine bytes.
fn saved() -> Vec<u8> {
    let track = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264).with_video(320, 240);
    let mut writer = Writer::new(SegmentInfo::new([0xAB; 16]).with_title("yard"), vec![track]).unwrap();
    let mut stream = Chunks::from(writer.start_segment());
    stream.push(writer.tags(&[Tag::new("AWS_KINESISVIDEO_FRAGMENT_NUMBER", "17")]).unwrap());
    stream.push(writer.start_cluster(Duration::from_millis(1000)).unwrap());
    // The check value of CRC-32: cbf43926 for these nine digits.
    let frame = Frame::new(TrackNumber::ONE, Duration::from_millis(1040), b"123456789".to_vec()).with_keyframe(true);
    stream.append(writer.block(frame).unwrap());
    stream.push(writer.tags(&[Tag::new("door", "open")]).unwrap());
    stream.into_bytes().to_vec()
}

#[test]
fn prints_one_json_object_per_event() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("saved.mkv");
    let bytes = saved();
    std::fs::write(&file, &bytes).unwrap();
    let output = dump(&file, &["--json"]);
    assert!(output.status.success());
    let lines = lines(&output);
    let events: Vec<_> = lines.iter().map(|line| line["event"].as_str().unwrap()).collect();
    assert_eq!(events, ["segment", "track", "tags", "cluster", "frame", "cluster_end", "tags", "fragment"]);
    let offset = bytes.windows(9).position(|window| window == b"123456789").unwrap();
    let frame = json!({
        "event": "frame", "offset": offset, "track": 1, "time_ns": 1_040_000_000u64, "key": true, "size": 9,
        "crc32": "cbf43926",
    });
    assert_eq!(lines[4], frame);
    assert_eq!((&lines[1]["codec"], &lines[1]["width"]), (&json!("V_MPEG4/ISO/AVC"), &json!(320)));
    assert_eq!((&lines[7]["number"], &lines[7]["frames"]), (&json!("17"), &json!(1)));
    assert_eq!(lines[7]["tags"], json!([{ "name": "door", "value": "open" }]));
}

#[test]
fn names_the_offset_of_what_is_not_matroska_with_exit_code_2() {
    let folder = tempfile::tempdir().unwrap();
    let mut broken = saved();
    let tags = broken.len() - 60;
    broken[tags..tags + 4].copy_from_slice(&[0; 4]);
    let mut cut = saved();
    cut.truncate(cut.len() - 1);
    let cases = [
        (b"GIF89a, no Matroska".to_vec(), "at byte 0: not Matroska: no EBML head".to_owned()),
        (Vec::new(), "at byte 0: the file is empty".to_owned()),
        (broken, format!("Cluster at byte {tags}: invalid element id or size")),
        (cut, format!("Tags at byte {tags}: input ends inside it")),
    ];
    for (bytes, message) in cases {
        let file = folder.path().join("garbage");
        std::fs::write(&file, bytes).unwrap();
        let output = dump(&file, &[]);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(2), 1), "{errors}");
        assert!(errors.contains(&message), "{errors} has no {message}");
    }
    assert_eq!(dump(&folder.path().join("missing"), &[]).status.code(), Some(2));
    assert_eq!(dump(folder.path(), &[]).status.code(), Some(2));
}
