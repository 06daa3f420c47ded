//! Launch lines, read back with boto3: byte for byte what the encoder made.

use std::process::Command;

use gst::prelude::*;

use crate::support::{Run, SINK, Service, number, read_back};

/// Lines of kvssink's documentation and issues; `{sink}` is the element with its stream and endpoint. The source of a camera is a
/// test source, and what reaches the element is also written to a file.
const LINES: &[(&str, &str)] = &[
    (
        "v4l2src, README of kvssink",
        "videotestsrc is-live=true num-buffers=60 ! videoconvert ! video/x-raw,format=I420,width=640,height=480,framerate=30/1 ! \
         x264enc bframes=0 key-int-max=45 bitrate=500 tune=zerolatency ! \
         video/x-h264,stream-format=avc,alignment=au,profile=baseline ! {tee} ! {sink} storage-size=128",
    ),
    (
        "with h264parse, access-key and aws-region",
        "videotestsrc is-live=true num-buffers=60 ! videoconvert ! x264enc bframes=0 key-int-max=45 bitrate=500 ! h264parse ! \
         video/x-h264,stream-format=avc,alignment=au,width=320,height=240,framerate=30/1 ! {tee} ! \
         {sink} storage-size=512 access-key=kvs-local secret-key=kvs-local-secret aws-region=us-west-2",
    ),
    (
        "B-frames, where kvssink loses frames",
        "videotestsrc num-buffers=100 ! x264enc bframes=3 b-adapt=false key-int-max=30 ! h264parse ! \
         video/x-h264,stream-format=avc,alignment=au ! {tee} ! {sink}",
    ),
    (
        "H.265, hvc1",
        "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=25/1 ! x265enc key-int-max=25 \
         speed-preset=ultrafast ! h265parse ! video/x-h265,stream-format=hvc1,alignment=au ! {tee} ! {sink}",
    ),
    (
        "H.265, hev1",
        "videotestsrc num-buffers=60 ! video/x-raw,width=320,height=240,framerate=25/1 ! x265enc key-int-max=25 \
         speed-preset=ultrafast ! h265parse ! video/x-h265,stream-format=hev1,alignment=au ! {tee} ! {sink}",
    ),
    ("audio only, A-law", "audiotestsrc num-buffers=100 ! audio/x-raw,rate=8000,channels=1 ! alawenc ! {tee} ! {sink}"),
    (
        "audio only, mu-law",
        "audiotestsrc num-buffers=100 ! audio/x-raw,rate=8000,channels=1 ! mulawenc ! {tee} ! {sink}",
    ),
    (
        "audio only, AAC",
        "audiotestsrc num-buffers=200 ! audioconvert ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse ! \
         audio/mpeg,stream-format=raw ! {tee} ! {sink}",
    ),
    (
        "offline",
        "videotestsrc num-buffers=100 ! x264enc key-int-max=30 ! h264parse ! \
         video/x-h264,stream-format=avc,alignment=au ! {tee} ! {sink} streaming-type=offline max-latency=60 framerate=25",
    ),
];

#[test]
fn what_boto3_reads_is_what_the_encoder_made() {
    let test = "what_boto3_reads_is_what_the_encoder_made";
    let Some(python) = test_judges::python(test, &["boto3"]) else { return };
    if !test_judges::available(test, &["ffmpeg"]) {
        return;
    }
    let service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    for (at, (what, line)) in LINES.iter().enumerate() {
        let (stream, written) = (format!("line-{at}"), folder.path().join(format!("{at}.bytes")));
        let tee = format!("tee name=t t. ! queue ! filesink location={} t. ! queue", written.display());
        let sink = format!("{SINK} name=sink stream-name={stream} endpoint={}", service.endpoint());
        let mut run = Run::new(&line.replace("{tee}", &tee).replace("{sink}", &sink));
        run.play();
        run.finish().unwrap_or_else(|error| panic!("{what}: {error}"));
        assert_eq!(number(&run.stats(), "lost-frames"), 0, "{what}");
        drop(run);
        let read = read_back(&python, &service, &stream, folder.path());
        let expected = std::fs::read(&written).unwrap();
        assert!(read == expected && !read.is_empty(), "{what}: {} of {} bytes", read.len(), expected.len());
    }
}

#[test]
fn byte_stream_and_adts_are_stored_with_lengths_and_without_headers() {
    let test = "byte_stream_and_adts_are_stored_with_lengths_and_without_headers";
    let Some(python) = test_judges::python(test, &["boto3"]) else { return };
    if !test_judges::available(test, &["ffmpeg", "ffprobe"]) {
        return;
    }
    let lines = [
        "videotestsrc num-buffers=60 ! x264enc key-int-max=30 ! video/x-h264,stream-format=byte-stream ! {sink}",
        "audiotestsrc num-buffers=200 ! audioconvert ! audio/x-raw,rate=44100,channels=2 ! voaacenc ! aacparse ! \
         audio/mpeg,stream-format=adts ! {sink}",
    ];
    let service = Service::start();
    let folder = tempfile::tempdir().unwrap();
    for (at, line) in lines.iter().enumerate() {
        let stream = format!("converted-{at}");
        let sink = format!("{SINK} name=sink stream-name={stream} endpoint={}", service.endpoint());
        let mut run = Run::new(&line.replace("{sink}", &sink));
        run.play();
        run.finish().unwrap();
        let persisted = number(&run.stats(), "persisted-frames");
        read_back(&python, &service, &stream, folder.path());
        // The decoder complains about nothing and returns each frame.
        let path = folder.path().join(format!("{stream}.mkv"));
        let probe = Command::new("ffprobe")
            .args(["-v", "quiet", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of", "csv=p=0"])
            .arg(path)
            .output()
            .unwrap();
        assert_eq!(String::from_utf8_lossy(&probe.stdout).trim(), persisted.to_string(), "{line}");
    }
}

#[test]
fn audio_and_video_from_two_branches() {
    let service = Service::start();
    let line = format!(
        "videotestsrc is-live=true num-buffers=75 ! video/x-raw,width=160,height=120,framerate=25/1 ! x264enc \
         tune=zerolatency key-int-max=25 bframes=0 ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! \
         {SINK} name=sink stream-name=s endpoint={} audiotestsrc is-live=true num-buffers=140 ! audioconvert ! \
         audio/x-raw,rate=44100,channels=1 ! voaacenc ! queue ! sink.",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let stats = run.stats();
    assert_eq!(number(&stats, "lost-frames"), 0);
    assert_eq!(number(&stats, "persisted-frames"), number(&stats, "submitted-frames"));
    assert!(number(&stats, "persisted-frames") > 200);
}

#[test]
fn every_property_of_kvssink_can_be_set() {
    let service = Service::start();
    let sink = service.sink("s");
    for (name, value) in KVSSINK {
        assert!(sink.has_property(name), "{name}");
        sink.set_property_from_str(name, value);
        let spec = sink.find_property(name).unwrap();
        let read = sink.property_value(name);
        let read = read.serialize().map(|text| text.to_string()).unwrap_or_default();
        let hidden = matches!(*name, "access-key" | "secret-key" | "session-token");
        assert!(
            hidden || read.trim_matches('"') == *value || spec.value_type() == gst::Structure::static_type(),
            "{name}: {read}"
        );
    }
}

/// All properties of kvssink, with other values than their defaults.
const KVSSINK: &[(&str, &str)] = &[
    ("stream-name", "t"),
    ("user-agent", "u"),
    ("stream-tags", "stream-tags,a=b"),
    ("retention-period", "3"),
    ("streaming-type", "offline"),
    ("content-type", "video/h265"),
    ("max-latency", "61"),
    ("fragment-duration", "2001"),
    ("timecode-scale", "2"),
    ("key-frame-fragmentation", "false"),
    ("frame-timecodes", "false"),
    ("absolute-fragment-times", "false"),
    ("fragment-acks", "false"),
    ("restart-on-error", "false"),
    ("recalculate-metrics", "false"),
    ("allow-create-stream", "false"),
    ("use-original-pts", "true"),
    ("disable-buffer-clipping", "true"),
    ("get-kvs-metrics", "true"),
    ("framerate", "26"),
    ("avg-bandwidth-bps", "1"),
    ("buffer-duration", "121"),
    ("replay-duration", "41"),
    ("connection-staleness", "61"),
    ("codec-id", "V_MPEGH/ISO/HEVC"),
    ("track-name", "n"),
    ("access-key", "a"),
    ("secret-key", "s"),
    ("session-token", "t"),
    ("aws-region", "eu-west-1"),
    ("rotation-period", "1"),
    ("log-config", "l"),
    ("storage-size", "129"),
    ("credential-path", "p"),
    ("iot-certificate", "iot-certificate,endpoint=e"),
    ("connection-timeout", "6"),
    ("completion-timeout", "11"),
    ("stop-stream-timeout", "121"),
    ("file-start-time", "1"),
];

/// The lines of the README run: sources of a machine become test sources, and the service is the local one.
#[test]
fn the_lines_of_the_readme_run() {
    let service = Service::start();
    let readme = include_str!("../../README.md");
    let lines: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("gst-launch-1.0 ")).collect();
    assert_eq!(lines.len(), 3);
    for line in lines {
        let line = line
            .trim_start_matches("-e ")
            .replace("v4l2src", "videotestsrc is-live=true num-buffers=45")
            .replace("alsasrc", "audiotestsrc is-live=true num-buffers=60")
            .replace(" endpoint=http://127.0.0.1:4567", "")
            .replace("kvsproducersink name=sink", "kvsproducersink")
            .replace("kvsproducersink", &format!("{SINK} name=sink endpoint={}", service.endpoint()));
        let mut run = Run::new(&line);
        run.play();
        run.finish().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(number(&run.stats(), "lost-frames"), 0, "{line}");
        assert!(number(&run.stats(), "persisted-frames") >= 45, "{line}");
    }
}
