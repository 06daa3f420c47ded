//! A service, pipelines with a time limit, and frames of a real encoder.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::time::{Duration, Instant};

use gst::prelude::*;
use kvs_local::LocalKvs;
use tokio::runtime::Runtime;

/// The name that this build registers.
pub const SINK: &str = if cfg!(feature = "kvssink") { "kvssink" } else { "kvsproducersink" };
/// The longest that a step of a test may take.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Video of 25 frames a second with B-frames and a key frame each second.
pub const VIDEO: &str = "videotestsrc num-buffers=75 ! video/x-raw,width=160,height=120,framerate=25/1 ! \
                         x264enc key-int-max=25 ! h264parse";

/// kvs-local on a runtime of its own.
pub struct Service {
    pub runtime: Runtime,
    pub local: LocalKvs,
}

impl Service {
    pub fn start() -> Self {
        Self::with(LocalKvs::builder())
    }

    pub fn with(builder: kvs_local::Builder) -> Self {
        init();
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let local = runtime.block_on(builder.start()).unwrap();
        Self { runtime, local }
    }

    pub fn endpoint(&self) -> &str {
        self.local.endpoint_url()
    }

    /// An element that sends to this service.
    pub fn sink(&self, stream: &str) -> gst::Element {
        let element = gst::ElementFactory::make(SINK).property("stream-name", stream);
        element.property("endpoint", self.endpoint()).build().unwrap()
    }

    /// The start of each stored fragment in milliseconds.
    pub fn starts(&self, stream: &str) -> Vec<u64> {
        let fragments = self.runtime.block_on(self.local.fragments(stream)).unwrap();
        let mut starts: Vec<u64> = fragments
            .iter()
            .map(|fragment| fragment.producer_timestamp.duration_since(std::time::UNIX_EPOCH).unwrap())
            .map(|time| u64::try_from(time.as_millis()).unwrap())
            .collect();
        starts.sort_unstable();
        starts
    }
}

pub fn init() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // A registry of its own would scan all plugins in each process.
        gst::init().unwrap();
        gstkvs::plugin_register_static().unwrap();
    });
}

/// A pipeline that is set to NULL at the end of the test.
pub struct Run {
    pub pipeline: gst::Pipeline,
    pub messages: Vec<gst::Message>,
}

impl Run {
    pub fn new(line: &str) -> Self {
        init();
        let pipeline = gst::parse::launch(line).unwrap().downcast::<gst::Pipeline>().unwrap();
        Self { pipeline, messages: Vec::new() }
    }

    /// A line in front of an element that is named sink.
    pub fn with_sink(line: &str, sink: &gst::Element) -> Self {
        let run = Self::new(&format!("{line} ! queue name=last"));
        sink.set_property("name", "sink");
        run.pipeline.add(sink).unwrap();
        run.pipeline.by_name("last").unwrap().link(sink).unwrap();
        run
    }

    pub fn play(&self) {
        self.pipeline.set_state(gst::State::Playing).unwrap();
    }

    pub fn sink(&self) -> gst::Element {
        self.pipeline.by_name("sink").expect("the line names the element sink")
    }

    /// Waits for the end, or for an error, whose text it returns.
    pub fn finish(&mut self) -> Result<(), String> {
        let last = self.wait_for(|message| matches!(message.type_(), gst::MessageType::Eos | gst::MessageType::Error));
        match last.view() {
            gst::MessageView::Error(error) => Err(error.error().to_string()),
            _ => Ok(()),
        }
    }

    pub fn wait_for(&mut self, is_it: impl Fn(&gst::Message) -> bool) -> gst::Message {
        let bus = self.pipeline.bus().unwrap();
        let end = Instant::now() + LIMIT;
        while Instant::now() < end {
            let Some(message) = bus.timed_pop(gst::ClockTime::from_mseconds(100)) else { continue };
            self.messages.push(message.clone());
            if is_it(&message) {
                return message;
            }
        }
        panic!("not within {LIMIT:?}; messages: {:?}", self.names());
    }

    /// The names of the element messages so far.
    pub fn names(&self) -> Vec<String> {
        let element = |message: &&gst::Message| message.type_() == gst::MessageType::Element;
        let name = |message: &gst::Message| message.structure().unwrap().name().to_string();
        self.messages.iter().filter(element).map(name).collect()
    }

    /// A field of each element message of this name so far.
    pub fn fields(&self, name: &str, field: &str) -> Vec<String> {
        let fields = self.messages.iter().filter(|message| message.type_() == gst::MessageType::Element);
        let fields = fields.filter_map(|message| message.structure()).filter(|fields| fields.name() == name);
        fields.map(|fields| fields.get(field).unwrap()).collect()
    }

    pub fn stats(&self) -> gst::Structure {
        self.sink().property("stats")
    }

    pub fn warnings(&self) -> Vec<String> {
        let warning = |message: &gst::Message| match message.view() {
            gst::MessageView::Warning(warning) => Some(warning.error().to_string()),
            _ => None,
        };
        self.messages.iter().filter_map(warning).collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.pipeline.set_state(gst::State::Null);
    }
}

/// Frames of a real encoder with their caps.
pub fn encode(line: &str) -> (gst::Caps, Vec<gst::Buffer>) {
    init();
    let pipeline = gst::parse::launch(&format!("{line} ! fakesink name=out sync=false signal-handoffs=true"))
        .unwrap()
        .downcast::<gst::Pipeline>()
        .unwrap();
    let (sender, frames) = std::sync::mpsc::channel();
    let out = pipeline.by_name("out").unwrap();
    out.connect("handoff", false, move |values| {
        let _ = sender.send(values[1].get::<gst::Buffer>().unwrap());
        None
    });
    pipeline.set_state(gst::State::Playing).unwrap();
    let bus = pipeline.bus().unwrap();
    let end =
        bus.timed_pop_filtered(gst::ClockTime::from_seconds(60), &[gst::MessageType::Eos, gst::MessageType::Error]);
    assert_eq!(end.unwrap().type_(), gst::MessageType::Eos);
    let caps = out.static_pad("sink").unwrap().current_caps().unwrap();
    pipeline.set_state(gst::State::Null).unwrap();
    let offset = gst::ClockTime::from_seconds(3_600_000);
    let mut frames: Vec<gst::Buffer> = frames.try_iter().collect();
    for frame in &mut frames {
        // x264enc counts from 1,000 hours.
        let frame = frame.make_mut();
        let from_zero = |time: Option<gst::ClockTime>| time.map(|time| time.checked_sub(offset).unwrap_or(time));
        let (pts, dts) = (from_zero(frame.pts()), from_zero(frame.dts()));
        frame.set_pts(pts);
        frame.set_dts(dts);
    }
    (caps, frames)
}

/// A number of a structure.
pub fn number(fields: &gst::StructureRef, name: &str) -> u64 {
    fields.get::<u64>(name).unwrap_or_else(|error| panic!("{fields}: {error}"))
}

pub fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let end = Instant::now() + LIMIT;
    while !is_true() {
        assert!(Instant::now() < end, "{what} not within {LIMIT:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// All media of a stream as boto3 reads it.
pub fn read_media(python: &str, service: &Service, stream: &str, folder: &Path) -> PathBuf {
    let media = folder.join(format!("{stream}.mkv"));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/read_back.py");
    let read = Command::new(python)
        .arg(script)
        .args([service.endpoint(), stream])
        .arg(&media)
        .env("KVS_REGION", service.local.region())
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    media
}

/// The payloads of a stream as one piece.
pub fn read_back(python: &str, service: &Service, stream: &str, folder: &Path) -> Vec<u8> {
    let (media, bytes) = (read_media(python, service, stream, folder), folder.join(format!("{stream}.data")));
    let mut ffmpeg = Command::new("ffmpeg");
    let ffmpeg = ffmpeg.args(["-v", "quiet", "-y", "-i"]).arg(media).args(["-map", "0", "-c", "copy", "-f", "data"]);
    assert!(ffmpeg.arg(&bytes).status().unwrap().success());
    std::fs::read(bytes).unwrap()
}
