//! Compares with other programs: this crate parses files of FFmpeg, mkvmerge and GStreamer; ffprobe, mkvinfo and mkvmerge
//! read files of this crate; and two other parsers read the same frames.

use crate::{common, judge};
use std::io::Cursor;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::fragment::{Fragment, FragmentReader, Merger, Times};
use kvs_mkv::{Chunks, Event, Frame, Limits, SegmentInfo, Tag, Track, Writer, WriterError};
use matroska_demuxer::MatroskaFile;
use webm_iterable::WebmIterator;
use webm_iterable::matroska_spec::{Block, Master, MatroskaSpec, SimpleBlock};

use common::parse_whole;
use judge::{run, text};
use test_judges::available;

/// A frame with the fields that every program reports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Packet {
    track: u64,
    millis: i128,
    size: usize,
    key: bool,
    offset: Option<u64>,
}

/// Reads the frames of a file with this crate.
fn by_us(file: &Path) -> (Vec<Track>, Vec<Packet>) {
    let stream = Bytes::from(std::fs::read(file).unwrap());
    let (events, end) = parse_whole(&stream);
    assert_eq!(end, Ok(()), "{}", file.display());
    let mut tracks = Vec::new();
    let mut packets = Vec::new();
    for (event, position) in events {
        match event {
            Event::Tracks(found) => tracks = found,
            Event::Frame(frame) => packets.push(packet(&frame, position.payload)),
            _ => {}
        }
    }
    (tracks, packets)
}

fn packet(frame: &Frame, offset: Option<u64>) -> Packet {
    let millis = i128::try_from(frame.pts.as_millis()).unwrap();
    Packet { track: frame.track.get(), millis, size: frame.data.len(), key: frame.keyframe, offset }
}

/// Reads the frames of a file with ffprobe, which counts tracks from 0 and reports the position of unlaced frames.
fn by_ffprobe(file: &Path, laced: bool) -> Vec<Packet> {
    let entries = "packet=stream_index,pts_time,size,flags,pos";
    let list = run("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv=nk=0:p=0", text(file)]);
    let packets = list.lines().filter(|line| !line.is_empty()).map(|line| {
        let field = |name: &str| {
            let fields = line.split(',').filter_map(|field| field.split_once('='));
            let mut values = fields.filter(|(key, _)| *key == name).map(|(_, value)| value);
            values.next().unwrap_or_else(|| panic!("no {name} in {line}")).to_owned()
        };
        let millis = (field("pts_time").parse::<f64>().unwrap() * 1000.0).round();
        Packet {
            track: field("stream_index").parse::<u64>().unwrap() + 1,
            millis: format!("{millis}").parse().unwrap(),
            size: field("size").parse().unwrap(),
            key: field("flags").contains('K'),
            offset: Some(field("pos").parse().unwrap()).filter(|_| !laced),
        }
    });
    packets.collect()
}

/// Compares with ffprobe, per track. ffprobe marks every audio packet as key, which the container need not, and reports the
/// block instead of the payload in files that mkvmerge wrote with lacing.
fn same_as_ffprobe(file: &Path, laced: bool) {
    let (tracks, ours) = by_us(file);
    let theirs = by_ffprobe(file, laced);
    assert!(ours.len() > 20, "{} has frames", file.display());
    for track in tracks {
        let of_track = |list: &[Packet]| -> Vec<(i128, usize, bool)> {
            let packets = list.iter().filter(|packet| packet.track == track.number.get());
            packets.map(|packet| (packet.millis, packet.size, packet.key || track.audio.is_some())).collect()
        };
        assert_eq!(of_track(&ours), of_track(&theirs), "{} {}", file.display(), track.codec);
    }
    if laced {
        return;
    }
    // ffprobe reports the position of the block; its payload starts a few bytes later.
    for packet in &theirs {
        let ours =
            ours.iter().find(|our| (our.track, our.millis, our.size) == (packet.track, packet.millis, packet.size));
        let (ours, theirs) = (ours.unwrap().offset.unwrap(), packet.offset.unwrap());
        assert!((theirs..theirs + 32).contains(&ours), "{ours} is after {theirs}");
    }
}

/// Writes three seconds of a test picture with B-frames and of a tone.
fn source(folder: &Path, name: &str, more: &[&str]) -> std::path::PathBuf {
    let file = folder.join(name);
    let inputs = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=160x120:rate=25:duration=3", "-f", "lavfi"];
    let sound = ["-i", "sine=frequency=440:duration=3:sample_rate=8000"];
    run("ffmpeg", &[&inputs[..], &sound, more, &[text(&file)]].concat());
    file
}

const H264_AAC: [&str; 10] = ["-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25", "-c:a", "aac"];

#[test]
fn ffmpeg_files_have_the_packets_of_ffprobe() {
    if !available("files_of_ffmpeg_parse_to_ffprobe_s_packets", &["ffmpeg", "ffprobe"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let codecs: [&[&str]; 5] = [
        &H264_AAC,
        &["-c:v", "mjpeg", "-c:a", "pcm_alaw"],
        &["-c:v", "mjpeg", "-c:a", "pcm_mulaw"],
        &["-c:v", "libx264", "-preset", "ultrafast", "-c:a", "pcm_s16le"],
        &["-c:v", "mpeg4", "-c:a", "mp2"],
    ];
    for (nth, codec) in codecs.into_iter().enumerate() {
        for (kind, options) in
            [("whole", &[][..]), ("live", &["-live", "1"]), ("short", &["-cluster_time_limit", "400"])]
        {
            let file = source(folder.path(), &format!("{nth}-{kind}.mkv"), &[codec, options].concat());
            same_as_ffprobe(&file, false);
        }
    }
}

#[test]
fn mkvmerge_files_have_the_packets_of_ffprobe() {
    if !available("files_of_mkvmerge_parse_to_ffprobe_s_packets", &["ffmpeg", "ffprobe", "mkvmerge"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), "source.mkv", &H264_AAC);
    let variants: [(&str, &[&str]); 5] = [
        ("plain", &[]),
        ("no-cues", &["--no-cues"]),
        ("groups", &["--engage", "no_simpleblocks"]),
        ("xiph", &["--engage", "lacing_xiph"]),
        ("ebml", &["--engage", "lacing_ebml"]),
    ];
    for (name, options) in variants {
        let file = folder.path().join(format!("{name}.mkv"));
        run("mkvmerge", &[&["-q", "-o", text(&file)][..], options, &[text(&source)]].concat());
        same_as_ffprobe(&file, true);
    }
}

#[test]
fn gstreamer_files_have_the_packets_of_ffprobe() {
    if !available("files_of_gstreamer_parse_to_ffprobe_s_packets", &["ffmpeg", "ffprobe", "gst-launch-1.0"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), "source.mp4", &H264_AAC);
    for streamable in ["streamable=true", "streamable=false"] {
        let file = folder.path().join(streamable).with_extension("mkv");
        let (from, to) = (format!("location={}", text(&source)), format!("location={}", text(&file)));
        let muxer =
            ["filesrc", &from, "!", "qtdemux", "name=d", "matroskamux", "name=m", streamable, "!", "filesink", &to];
        let tracks = ["d.video_0", "!", "queue", "!", "m.", "d.audio_0", "!", "queue", "!", "aacparse", "!", "m."];
        run("gst-launch-1.0", &[&["-q"], &muxer[..], &tracks[..]].concat());
        same_as_ffprobe(&file, false);
    }
}

#[test]
fn reports_compressed_track_and_rejects_writing_it() {
    if !available("a_track_that_the_container_compresses_is_told_and_not_written", &["ffmpeg", "mkvmerge"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = source(folder.path(), "source.mkv", &H264_AAC);
    let file = folder.path().join("zlib.mkv");
    run("mkvmerge", &["-q", "-o", text(&file), "--compression", "1:zlib", text(&source)]);
    let (tracks, _) = by_us(&file);
    assert_eq!(tracks.iter().map(|track| track.encoded).collect::<Vec<_>>(), [false, true]);
    let refused = Writer::new(SegmentInfo::new([1; 16]), tracks).unwrap_err();
    assert!(matches!(refused, WriterError::Encoded { number } if number.get() == 2), "{refused}");
}

/// Reads the frames of a file with `matroska-demuxer`.
fn by_demuxer(file: &Bytes) -> Vec<Packet> {
    let mut file = MatroskaFile::open(Cursor::new(file)).unwrap();
    let scale = i128::from(file.info().timestamp_scale().get());
    let mut frame = matroska_demuxer::Frame::default();
    let mut packets = Vec::new();
    while file.next_frame(&mut frame).unwrap() {
        let millis = i128::from(frame.timestamp) * scale / 1_000_000;
        let key = frame.is_keyframe.unwrap_or_default();
        packets.push(Packet { track: frame.track, millis, size: frame.data.len(), key, offset: None });
    }
    packets
}

/// Reads the frames of a file with `webm-iterable`, which leaves times and lacing of groups to its user.
fn by_webm_iterable(file: &Bytes) -> Vec<Packet> {
    let mut source = &file[..];
    let mut cluster = 0;
    let mut packets = Vec::new();
    for tag in WebmIterator::new(&mut source, &[MatroskaSpec::BlockGroup(Master::Start)]) {
        match tag.unwrap() {
            MatroskaSpec::Timestamp(at) => cluster = i128::from(at),
            tag @ MatroskaSpec::SimpleBlock(_) => {
                let block = SimpleBlock::try_from(&tag).unwrap();
                for frame in block.read_frame_data().unwrap() {
                    let millis = cluster + i128::from(block.timestamp);
                    packets.push(Packet {
                        track: block.track,
                        millis,
                        size: frame.data.len(),
                        key: block.keyframe,
                        offset: None,
                    });
                }
            }
            MatroskaSpec::BlockGroup(Master::Full(children)) => {
                let key = !children.iter().any(|child| matches!(child, MatroskaSpec::ReferenceBlock(_)));
                for child in children.iter().filter(|child| matches!(child, MatroskaSpec::Block(_))) {
                    let block = Block::try_from(child).unwrap();
                    for frame in block.read_frame_data().unwrap() {
                        let millis = cluster + i128::from(block.timestamp);
                        packets.push(Packet { track: block.track, millis, size: frame.data.len(), key, offset: None });
                    }
                }
            }
            _ => {}
        }
    }
    packets
}

/// Removes what the other parsers do not report: positions, and the times inside a laced block.
fn without_places(packets: Vec<Packet>, laced: bool) -> Vec<Packet> {
    packets.into_iter().map(|p| Packet { offset: None, millis: if laced { 0 } else { p.millis }, ..p }).collect()
}

#[test]
fn two_other_parsers_read_the_same_frames() {
    if !available("two_other_parsers_read_the_same", &["ffmpeg", "mkvmerge"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let plain = source(folder.path(), "plain.mkv", &H264_AAC);
    let live = source(folder.path(), "live.mkv", &[&H264_AAC[..], &["-live", "1"]].concat());
    let laced = folder.path().join("laced.mkv");
    run("mkvmerge", &["-q", "-o", text(&laced), "--engage", "lacing_xiph", text(&plain)]);
    let ebml = folder.path().join("ebml.mkv");
    run("mkvmerge", &["-q", "-o", text(&ebml), "--engage", "lacing_ebml", text(&plain)]);
    let groups = folder.path().join("groups.mkv");
    run("mkvmerge", &["-q", "-o", text(&groups), "--engage", "no_simpleblocks", text(&plain)]);
    let own = folder.path().join("own.mkv");
    std::fs::write(&own, rewrite(&plain)).unwrap();
    for (file, lacing) in [(plain, false), (live, false), (laced, true), (ebml, true), (groups, true), (own, false)] {
        let ours = without_places(by_us(&file).1, lacing);
        let bytes = Bytes::from(std::fs::read(&file).unwrap());
        assert!(ours.len() > 90, "{}", file.display());
        let mut demuxed = without_places(by_demuxer(&bytes), lacing);
        if file.ends_with("groups.mkv") {
            // It does not report whether a BlockGroup is a key frame.
            demuxed.iter_mut().zip(&ours).for_each(|(theirs, ours)| theirs.key = ours.key);
        }
        assert_eq!(ours, demuxed, "matroska-demuxer on {}", file.display());
        assert_eq!(ours, without_places(by_webm_iterable(&bytes), lacing), "webm-iterable on {}", file.display());
    }
}

/// Writes the frames of a file with this crate: a fragment at each key frame, with tags between fragments.
fn rewrite(file: &Path) -> Bytes {
    let stream = Bytes::from(std::fs::read(file).unwrap());
    let mut out = Chunks::new();
    let mut writer = None;
    for (event, ..) in parse_whole(&stream).0 {
        match event {
            Event::Tracks(tracks) => {
                let mut new = Writer::new(SegmentInfo::new([7; 16]), tracks).unwrap();
                out.push(new.start_segment());
                out.push(new.tags(&[Tag::new("site", "yard")]).unwrap());
                writer = Some(new);
            }
            Event::Frame(frame) => {
                let writer = writer.as_mut().unwrap();
                if frame.keyframe && frame.track.get() == 1 {
                    if frame.pts > Duration::from_secs(1) {
                        out.push(writer.tags(&[Tag::new("door", "open"), Tag::new("rain", "")]).unwrap());
                    }
                    out.push(writer.start_cluster(frame.pts).unwrap());
                }
                if let Ok(block) = writer.block(frame) {
                    out.append(block);
                }
            }
            _ => {}
        }
    }
    out.push(writer.unwrap().end_of_fragment());
    out.into_bytes()
}

#[test]
fn mkvinfo_mkvmerge_and_ffmpeg_read_our_files_without_warnings() {
    let judges = ["ffmpeg", "ffprobe", "mkvmerge", "mkvinfo"];
    if !available("mkvinfo_mkvmerge_and_ffmpeg_take_what_we_write_without_a_word", &judges) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (name, codec) in [("avc", &H264_AAC[..]), ("alaw", &["-c:v", "mjpeg", "-c:a", "pcm_alaw"])] {
        let source = source(folder.path(), &format!("{name}-source.mkv"), codec);
        let ours = folder.path().join(format!("{name}.mkv"));
        std::fs::write(&ours, rewrite(&source)).unwrap();
        no_complaint(&ours);
        same_as_ffprobe(&ours, true);
        let (from, to) = (by_ffprobe(&source, true), by_ffprobe(&ours, true));
        let pictures = |list: &[Packet]| list.iter().filter(|packet| packet.track == 1).cloned().collect::<Vec<_>>();
        assert_eq!(pictures(&from), pictures(&to), "{name}");
        assert_eq!(decoded(&source), decoded(&ours), "{name}");
    }
}

/// Returns the checksums of the decoded pictures.
fn decoded(file: &Path) -> String {
    let list = run("ffmpeg", &["-v", "error", "-i", text(file), "-map", "0:v", "-f", "framemd5", "-"]);
    let sums = list.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.rsplit(',').next());
    sums.collect::<Vec<_>>().join("\n")
}

/// Checks that three programs read all of a file without a warning.
fn no_complaint(file: &Path) {
    let dump = run("mkvinfo", &["--all", text(file)]);
    assert!(!dump.contains("(Unknown") && !dump.to_lowercase().contains("error"), "{dump}");
    let copy = file.with_extension("copy.mkv");
    let said = run("mkvmerge", &["-o", text(&copy), text(file)]);
    assert!(!said.contains("Warning") && !said.contains("Error"), "{said}");
    let output = std::process::Command::new("ffmpeg");
    let said = { output }.args(["-v", "error", "-xerror", "-i", text(file), "-f", "null", "-"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&said.stderr), "", "{}", file.display());
}

#[test]
fn merged_fragments_of_get_media_play() {
    let judges = ["ffmpeg", "ffprobe", "mkvmerge", "mkvinfo"];
    if !available("what_get_media_sent_becomes_one_file_that_plays", &judges) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let source = source(
        folder.path(),
        "source.mkv",
        &["-c:v", "libx264", "-preset", "ultrafast", "-bf", "0", "-g", "25", "-an"],
    );
    let fragments = fragments_of(&source);
    assert_eq!(fragments.len(), 3);
    // GetMedia sends a whole document for each fragment, with absolute times.
    let mut sent = Chunks::new();
    for mut fragment in fragments {
        let mut alone = Merger::new(Times::Kept);
        let epoch = Duration::from_secs(1_700_000_000);
        fragment.at += epoch;
        fragment.frames.iter_mut().for_each(|frame| frame.pts += epoch);
        sent.append(alone.fragment(fragment).unwrap().bytes);
    }
    let mut reader = FragmentReader::new(Limits::default());
    sent.into_iter().for_each(|piece| reader.push(piece));
    let mut merger = Merger::new(Times::FromZero);
    let mut file = Chunks::new();
    while let Some(fragment) = reader.finish().unwrap() {
        file.append(merger.fragment(fragment).unwrap().bytes);
    }
    let merged = folder.path().join("merged.mkv");
    std::fs::write(&merged, file.into_bytes()).unwrap();
    no_complaint(&merged);
    assert_eq!(decoded(&source), decoded(&merged));
    let from_zero: Vec<_> = by_ffprobe(&merged, true).into_iter().map(|packet| packet.millis).collect();
    assert_eq!((from_zero.first(), from_zero.last()), (Some(&0), Some(&2960)));
}

/// Divides the frames of a file into fragments at the key frames.
fn fragments_of(file: &Path) -> Vec<Fragment> {
    let mut reader = FragmentReader::new(Limits::default());
    reader.push(rewrite(file));
    std::iter::from_fn(|| reader.finish().unwrap()).collect()
}
