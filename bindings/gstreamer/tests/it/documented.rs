//! The launch lines of kvssink's documentation and of its users run as they are, and what arrives is what entered the element.
//!
//! Only what this machine cannot have is replaced: sources that are devices, the address of a camera, the names of files, and the
//! endpoint. A line whose encoder exists only on other systems is not run.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use gst::glib;
use gst::prelude::*;

use crate::helpers::{self, Helper};
use crate::support::{Run, SINK, Service, number, read_media, wait_until};

const LINES: &str = include_str!("documented_lines.txt");
/// Encoders of macOS and of the Raspberry Pi.
const OTHER_SYSTEMS: [&str; 3] = ["vtenc_h264_hw", "omxh264enc", "v4l2h264enc"];
const CAMERAS: [&str; 5] = ["v4l2src", "libcamerasrc", "ksvideosrc", "autovideosrc", "avfvideosrc"];
const MICROPHONES: [&str; 4] = ["alsasrc", "osxaudiosrc", "wasapisrc", "pulsesrc"];
const SENSOR: &str = "videotestsrc is-live=true";
/// A camera that encodes.
const ENCODER: &str = "videotestsrc is-live=true ! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency \
                       speed-preset=ultrafast key-int-max=30 ! h264parse ! video/x-h264,stream-format=byte-stream,profile=baseline ! queue";
/// What the test camera sends; it repeats its parameter sets.
const CAMERA: &str = "( videotestsrc is-live=true ! video/x-raw,format=I420,width=320,height=240,framerate=25/1 ! x264enc \
                      tune=zerolatency speed-preset=ultrafast key-int-max=25 ! rtph264pay name=pay0 pt=96 config-interval=-1 )";
/// After so many frames a line without an end gets one.
const FRAMES: usize = 60;

/// A line, and where it is from.
struct Documented {
    from: &'static str,
    line: &'static str,
}

/// What a line needs of the outside.
struct Outside {
    folder: tempfile::TempDir,
    camera: String,
    iot: (Helper, String),
    _camera: Helper,
}

/// What entered a pad.
#[derive(Default)]
struct Entered {
    frames: Vec<Vec<u8>>,
    /// Frames before the first key frame: a camera that runs already. No decoder can use them, and they are reported as lost.
    early: u64,
    /// `stream-format` of its caps.
    format: String,
}

fn documented() -> Vec<Documented> {
    let lines = LINES.lines().filter(|line| !line.starts_with('#'));
    lines.map(|line| line.split_once(": ").unwrap()).map(|(from, line)| Documented { from, line }).collect()
}

impl Outside {
    fn start(python: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let iot = helpers::iot_endpoint(python, folder.path(), ["AKIDDEVICE", "device-secret", "device-token"]);
        let (server, camera) = helpers::camera(CAMERA);
        for kind in ["mkv", "mp4", "ts"] {
            let made = Command::new("ffmpeg")
                .args([
                    "-v",
                    "error",
                    "-f",
                    "lavfi",
                    "-i",
                    "testsrc2=s=320x240:r=25:d=4",
                    "-f",
                    "lavfi",
                    "-i",
                    "sine=d=4",
                ])
                .args(["-c:v", "libx264", "-pix_fmt", "yuv420p", "-g", "50", "-c:a", "aac"])
                .arg(folder.path().join(format!("YourAudioVideo.{kind}")))
                .status();
            assert!(made.unwrap().success());
        }
        Self { folder, camera, iot, _camera: server }
    }

    /// The words of a line as a shell gives them to gst-launch, with what this machine has.
    fn words(&self, line: &str) -> Vec<String> {
        let folder = self.folder.path();
        let device = helpers::iot_certificate(&self.iot.1, folder, ",role-aliases=role-aliases");
        let given: Vec<String> = glib::shell_parse_argv(line.replace("$STREAM_NAME", "STREAM"))
            .unwrap()
            .into_iter()
            .filter_map(|word| word.into_string().ok())
            .collect();
        let mut words = Vec::new();
        let mut given = given.iter().map(String::as_str).filter(|word| *word != "-v").peekable();
        while let Some(word) = given.next() {
            if CAMERAS.contains(&word) || MICROPHONES.contains(&word) {
                // Without the properties of the device.
                while given.next_if(|word| *word != "!").is_some() {}
                let takes = given.clone().nth(1).unwrap();
                words.extend(source(word, takes).split_whitespace().map(str::to_owned));
                continue;
            }
            words.push(match word.split_once('=') {
                None if word == "kvssink" => SINK.to_owned(),
                // Its author took the value out.
                Some((_, "")) => continue,
                Some(("location", url)) if url.starts_with("rtsp:") => format!("location={}", self.camera),
                Some(("location", file)) => format!("location={}", folder.join(file).display()),
                Some(("iot-certificate", _)) => format!("iot-certificate={device}"),
                _ => word.to_owned(),
            });
        }
        words
    }
}

/// What stands for a device in front of this element.
fn source(device: &str, takes: &str) -> &'static str {
    match (CAMERAS.contains(&device), takes) {
        (true, takes) if takes == "h264parse" || takes.starts_with("video/x-h264") => ENCODER,
        (true, _) => SENSOR,
        (false, takes) if takes.starts_with("audio/x-alaw") => "audiotestsrc is-live=true ! alawenc",
        (false, _) => "audiotestsrc is-live=true",
    }
}

/// The value of a property in a line; `None` if it is empty.
fn value<'a>(words: &'a [String], name: &str) -> Option<&'a str> {
    let found = words.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('='));
    found.filter(|value| !value.is_empty())
}

/// A service that accepts the keys in the line, in its Region.
fn service(words: &[String]) -> Service {
    let mut builder = kvs_local::LocalKvs::builder().region(value(words, "aws-region").unwrap_or("us-west-2"));
    builder = match (value(words, "access-key"), value(words, "secret-key")) {
        (Some(key), Some(secret)) => builder.credentials(key, secret),
        _ if value(words, "iot-certificate").is_some() => {
            builder.session_credentials("AKIDDEVICE", "device-secret", "device-token")
        }
        _ => builder,
    };
    Service::with(builder.credentials(kvs_local::ACCESS_KEY, kvs_local::SECRET_KEY))
}

/// Runs a line to its end and returns what entered each pad.
fn run(words: &[String], service: &Service) -> BTreeMap<String, Entered> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let pipeline = gst::parse::launchv(&words)
        .unwrap_or_else(|error| panic!("{words:?}: {error}"))
        .downcast::<gst::Pipeline>()
        .unwrap();
    let sink = pipeline.iterate_elements().into_iter().flatten();
    let sink =
        sink.into_iter().find(|element| element.factory().is_some_and(|factory| factory.name() == SINK)).unwrap();
    sink.set_property("endpoint", service.endpoint());
    let entered: Arc<Mutex<BTreeMap<String, Entered>>> = Arc::default();
    let seen = Arc::clone(&entered);
    let watch = move |pad: &gst::Pad| {
        let seen = Arc::clone(&seen);
        pad.add_probe(gst::PadProbeType::BUFFER, move |pad, info| {
            let buffer = info.buffer().unwrap();
            if is_in_segment(pad, buffer) {
                let mut seen = seen.lock().unwrap();
                let own = seen.entry(pad.name().to_string()).or_default();
                let caps = pad.current_caps().unwrap();
                own.format = caps.structure(0).unwrap().get("stream-format").unwrap_or_default();
                match own.frames.is_empty() && buffer.flags().contains(gst::BufferFlags::DELTA_UNIT) {
                    true => own.early += 1,
                    false => own.frames.push(buffer.map_readable().unwrap().to_vec()),
                }
            }
            gst::PadProbeReturn::Ok
        });
    };
    sink.sink_pads().iter().for_each(&watch);
    sink.connect_pad_added(move |_, pad| watch(pad));
    let mut run = Run { pipeline, messages: Vec::new() };
    run.play();
    if !words.iter().any(|word| word.starts_with("num-buffers=") || *word == "filesrc") {
        wait_until("frames", || {
            let entered = entered.lock().unwrap();
            entered.len() == usize::from(sink.num_sink_pads()) && entered.values().all(|pad| pad.frames.len() >= FRAMES)
        });
        run.pipeline.send_event(gst::event::Eos::new());
    }
    run.finish().unwrap();
    let stats: gst::Structure = sink.property("stats");
    drop(run);
    let entered = std::mem::take(&mut *entered.lock().unwrap());
    assert_eq!(number(&stats, "lost-frames"), entered.values().map(|pad| pad.early).sum::<u64>(), "{words:?}: {stats}");
    entered
}

/// What is outside is not shown: the lead-in of AAC in MP4, for example.
fn is_in_segment(pad: &gst::Pad, buffer: &gst::BufferRef) -> bool {
    let segment = pad.sticky_event::<gst::event::Segment>(0).unwrap();
    let segment = segment.segment().downcast_ref::<gst::ClockTime>().unwrap();
    let start = buffer.pts().unwrap();
    segment.clip(start, start + buffer.duration().unwrap_or_default()).is_some()
}

/// What boto3 and ffmpeg read of the video or the audio of a stream.
fn stored(media: &Path, kind: &str) -> Vec<u8> {
    let mut ffmpeg = Command::new("ffmpeg");
    let ffmpeg = ffmpeg.args(["-v", "error", "-i"]).arg(media).args(["-map", kind, "-c", "copy", "-f", "data", "-"]);
    ffmpeg.output().unwrap().stdout
}

/// The NAL units with picture data of Annex B.
fn of_byte_stream(bytes: &[u8]) -> Vec<&[u8]> {
    let starts: Vec<usize> =
        (0..bytes.len().saturating_sub(3)).filter(|at| bytes[*at..].starts_with(&[0, 0, 1])).collect();
    let ends = starts.iter().skip(1).copied().chain([bytes.len()]);
    let units = starts.iter().zip(ends).map(|(start, end)| {
        let unit = &bytes[start + 3..end];
        &unit[..unit.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
    });
    units.filter(|unit| unit.first().is_some_and(|first| (1..=5).contains(&(first & 31)))).collect()
}

/// The NAL units with picture data of avc with lengths of four bytes.
fn of_lengths(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut units = Vec::new();
    while let Some((length, rest)) = bytes.split_first_chunk::<4>() {
        let (unit, rest) = rest.split_at(u32::from_be_bytes(*length) as usize);
        units.extend((1..=5).contains(&(unit[0] & 31)).then_some(unit));
        bytes = rest;
    }
    units
}

fn judge(documented: &Documented, words: &[String], python: &str) {
    let (from, line) = (documented.from, documented.line);
    println!("runs: {from}: {line}");
    let service = service(words);
    let entered = run(words, &service);
    let folder = tempfile::tempdir().unwrap();
    let media = read_media(python, &service, value(words, "stream-name").unwrap(), folder.path());
    for (pad, entered) in entered {
        let read = stored(&media, if pad.starts_with("video") { "0:v" } else { "0:a" });
        let sent = entered.frames.concat();
        let is_equal = match entered.format.as_str() {
            "byte-stream" => of_byte_stream(&sent) == of_lengths(&read),
            // Without the headers, which repeat what the codec private data says.
            "adts" => entered.frames.iter().map(|frame| &frame[7..]).collect::<Vec<_>>().concat() == read,
            _ => sent == read,
        };
        assert!(is_equal && !read.is_empty(), "{from}: {line}: {pad}: {} of {} bytes", read.len(), sent.len());
    }
}

/// Lines that no sink makes run, with the reason.
fn reason_not_to_run(line: &str) -> Option<&'static str> {
    if line.contains("rtph264depay ! video/x-h264, format=avc") {
        return Some("rtph264depay has no caps with the field format: the line fails with fakesink too");
    }
    let other = OTHER_SYSTEMS.iter().find(|encoder| line.contains(**encoder))?;
    gst::ElementFactory::find(other).is_none().then_some(*other)
}

#[test]
fn documented_lines_run_unchanged_and_lose_nothing() {
    let test = "documented_lines_run_unchanged_and_lose_nothing";
    let Some(python) = test_judges::python(test, &["boto3", "cryptography"]) else { return };
    let elements = ["clockoverlay", "avenc_aac", "x265enc"];
    let has = |element: &str| test_judges::succeeds(test, "gst-inspect-1.0", &[element]);
    if !(test_judges::available(test, &["ffmpeg"]) && helpers::has_camera(test) && elements.into_iter().all(has)) {
        return;
    }
    crate::support::init();
    let outside = Outside::start(&python);
    let (not_run, to_run): (Vec<Documented>, Vec<Documented>) =
        documented().into_iter().partition(|documented| reason_not_to_run(documented.line).is_some());
    println!("{} lines run, {} do not:", to_run.len(), not_run.len());
    for documented in &not_run {
        println!("{}: {:?}", documented.from, reason_not_to_run(documented.line));
    }
    let next = Mutex::new(to_run.iter());
    // Live lines wait for their own clock.
    std::thread::scope(|scope| {
        let work = || {
            while let Some(documented) = { next.lock().unwrap().next() } {
                judge(documented, &outside.words(documented.line), &python);
            }
        };
        (0..4).for_each(|_| drop(scope.spawn(work)));
    });
    let device = outside.iot.0.lines();
    assert!(device.iter().any(|line| line == "/role-aliases/role-aliases/credentials iot-stream"), "{device:?}");
    assert!(to_run.len() >= 23, "{}", to_run.len());
}
