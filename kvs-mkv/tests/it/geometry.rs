//! Picture geometry compared with other programs: files of FFmpeg, mkvmerge and mkvpropedit are read, and ffprobe, mkvinfo and
//! mkvmerge read what this crate writes.

use crate::{common, judge};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use kvs_mkv::codec::{h264, h265, nal};
use kvs_mkv::{
    Chunks, Cropping, DisplaySize, Event, Frame, PixelAspect, Pose, SegmentInfo, Track, TrackNumber, VideoSettings,
    Writer, WriterError,
};

use common::parse_whole;
use judge::{run, text};
use test_judges::available;

fn geometry(file: &Path) -> VideoSettings {
    let (events, end) = parse_whole(&Bytes::from(std::fs::read(file).unwrap()));
    assert_eq!(end, Ok(()), "{}", file.display());
    let tracks =
        events.into_iter().find_map(|(event, _)| if let Event::Tracks(tracks) = event { Some(tracks) } else { None });
    tracks.unwrap()[0].video.unwrap()
}

/// Encodes five pictures; `filter` sets the shape of the pixels.
fn encode(file: &Path, filter: &str, more: &[&str]) {
    let input = ["-v", "error", "-y", "-f", "lavfi", "-i", "testsrc=size=160x96:rate=25:duration=0.2", "-vf", filter];
    run("ffmpeg", &[&input[..], more, &[text(file)]].concat());
}

/// Returns values of the video track as ffprobe sees them.
fn ffprobe(file: &Path) -> String {
    let entries = "stream=width,height,sample_aspect_ratio,display_aspect_ratio";
    run("ffprobe", &["-v", "error", "-show_entries", entries, "-of", "csv=p=0", text(file)]).trim().to_owned()
}

#[test]
fn geometry_of_other_programs_is_read() {
    if !available("geometry_of_other_programs_is_read", &["ffmpeg", "mkvmerge", "mkvpropedit"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let shape = |width, height| Some(PixelAspect { width, height });
    for (nth, (sar, aspect)) in
        [("4/3", shape(4, 3)), ("8/9", shape(8, 9)), ("2/1", shape(2, 1)), ("64/45", shape(64, 45))]
            .into_iter()
            .enumerate()
    {
        let file = file(&format!("{nth}.mkv"));
        encode(&file, &format!("setsar={sar}"), &["-c:v", "mjpeg"]);
        assert_eq!(geometry(&file).pixel_aspect(), aspect, "{sar}");
    }
    let (source, cropped) = (file("0.mkv"), file("cropped.mkv"));
    run("mkvmerge", &["-q", "-o", text(&cropped), "--cropping", "0:1,2,3,4", text(&source)]);
    assert_eq!(geometry(&cropped).cropping, Cropping { left: 1, top: 2, right: 3, bottom: 4 });
    for (roll, yaw, quarters, mirrored) in [("-90", "0", 1, false), ("180", "0", 2, false), ("90", "180", 3, true)] {
        let (roll, yaw) = (format!("projection-pose-roll={roll}"), format!("projection-pose-yaw={yaw}"));
        run("mkvpropedit", &["-q", text(&source), "--edit", "track:v1", "--set", &roll, "--set", &yaw]);
        let pose = geometry(&source).pose;
        assert_eq!((pose.quarter_turns(), pose.is_mirrored()), (Some(quarters), mirrored), "{roll} {yaw}");
    }
    // A pose of spherical video says where the viewer looks, not how the camera was turned.
    run("mkvpropedit", &["-q", text(&source), "--edit", "track:v1", "--set", "projection-type=1"]);
    assert!(geometry(&source).pose.is_upright());
}

/// Writes the pictures of a bare H.264 stream with this track.
fn write(file: &Path, bare: &Path, change: impl Fn(VideoSettings) -> VideoSettings) -> VideoSettings {
    let stream = Bytes::from(std::fs::read(bare).unwrap());
    let mut track = h264::track(TrackNumber::ONE, &h264::ParameterSets::from_annex_b(&stream).unwrap()).unwrap();
    let video = change(track.video.unwrap());
    track.video = Some(video);
    let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track]).unwrap();
    let mut out = Chunks::from(writer.start_segment());
    out.push(writer.start_cluster(Duration::ZERO).unwrap());
    let frame = Frame::new(TrackNumber::ONE, Duration::ZERO, nal::annex_b_to_length_prefixed(&stream).unwrap());
    out.append(writer.block(frame.with_keyframe(true)).unwrap());
    std::fs::write(file, out.into_bytes()).unwrap();
    video
}

#[test]
fn geometry_that_we_write_is_read_by_other_programs() {
    let judges = ["ffmpeg", "ffprobe", "mkvinfo", "mkvmerge"];
    if !available("geometry_that_we_write_is_read_by_other_programs", &judges) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (bare, file) = (folder.path().join("one.h264"), folder.path().join("ours.mkv"));
    encode(&bare, "null", &["-frames:v", "1", "-c:v", "libx264"]);
    for (aspect, expected) in [((4, 3), "160,96,4:3,20:9"), ((2, 1), "160,96,2:1,10:3"), ((8, 9), "160,96,8:9,40:27")] {
        let (width, height) = aspect;
        let written = write(&file, &bare, |video| video.with_pixel_aspect(PixelAspect { width, height }));
        assert_eq!((ffprobe(&file).as_str(), geometry(&file)), (expected, written));
    }
    let pose = Pose::clockwise(90.0).mirrored();
    let cropping = Cropping { left: 2, right: 4, top: 6, bottom: 8 };
    let written = write(&file, &bare, |video| {
        video.with_cropping(cropping).with_display(DisplaySize::ratio(16, 9)).with_pose(pose)
    });
    assert_eq!(geometry(&file), written);
    let dump = run("mkvinfo", &["--all", text(&file)]);
    for line in [
        "Pixel crop left: 2",
        "Pixel crop right: 4",
        "Pixel crop top: 6",
        "Pixel crop bottom: 8",
        "Display width: 16",
        "Display height: 9",
        "Display unit: 3 (aspect ratio)",
        "Projection's yaw rotation: 180",
        "Projection's roll rotation: -90",
        "Document type version: 4",
    ] {
        assert!(dump.contains(line), "{line}: {dump}");
    }
    assert!(!dump.contains("(Unknown"), "{dump}");
    let copy = run("mkvmerge", &["-o", text(&folder.path().join("copy.mkv")), text(&file)]);
    assert!(!copy.contains("Warning") && !copy.contains("Error"), "{copy}");
    assert_eq!(geometry(&folder.path().join("copy.mkv")).pose, pose);
}

#[test]
fn pixel_shape_of_the_bitstream_gives_the_display_size() {
    if !available("pixel_shape_of_the_bitstream_gives_the_display_size", &["ffmpeg"]) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    for (sar, width, height) in [("12/11", 12, 11), ("80/33", 80, 33), ("7/5", 7, 5), ("1/1", 1, 1)] {
        let aspect = Some(PixelAspect { width, height });
        let avc = folder.path().join("aspect.h264");
        encode(&avc, &format!("setsar={sar}"), &["-c:v", "libx264"]);
        let sets = h264::ParameterSets::from_annex_b(&std::fs::read(&avc).unwrap().into()).unwrap();
        assert_eq!(sets.sps().unwrap().pixel_aspect, aspect, "{sar}");
        let square = width == height;
        let shown = |track: Track| track.video.unwrap().pixel_aspect();
        assert_eq!(shown(h264::track(TrackNumber::ONE, &sets).unwrap()), aspect.filter(|_| !square), "{sar}");
        let hevc = folder.path().join("aspect.h265");
        encode(&hevc, &format!("setsar={sar}"), &["-c:v", "libx265", "-x265-params", "log-level=error"]);
        let sets = h265::ParameterSets::from_annex_b(&std::fs::read(&hevc).unwrap().into()).unwrap();
        assert_eq!(shown(h265::track(TrackNumber::ONE, &sets).unwrap()), aspect.filter(|_| !square), "{sar}");
    }
}

#[test]
fn geometry_that_shows_nothing_is_refused() {
    let new = |video| {
        let mut track = Track::new(TrackNumber::ONE, kvs_mkv::TrackKind::Video, "V_TEST");
        track.video = Some(video);
        Writer::new(SegmentInfo::new([1; 16]), vec![track]).map(|_| ())
    };
    let video = VideoSettings::new(160, 96);
    let all = video.with_cropping(Cropping { left: 80, right: 80, ..Cropping::NONE });
    assert_eq!(new(all), Err(WriterError::CroppedAway { number: TrackNumber::ONE, width: 160, height: 96 }));
    for degrees in [181.0, f64::NAN, f64::INFINITY] {
        let mut pose = Pose::UPRIGHT;
        pose.roll = degrees;
        assert_eq!(new(video.with_pose(pose)), Err(WriterError::Pose { number: TrackNumber::ONE }));
    }
}
