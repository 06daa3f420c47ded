//! Frames on their way: times, tracks, flush, pause and new caps.

use std::time::{Duration, SystemTime};

use gst::prelude::*;
use gst_check::Harness;

use crate::support::{Run, SINK, Service, VIDEO, encode, number, wait_until};

/// A harness on the video pad of an element, with a bus.
struct Pad {
    harness: Harness,
    sink: gst::Element,
    bus: gst::Bus,
}

impl Pad {
    fn new(sink: gst::Element, caps: &gst::Caps) -> Self {
        let bus = gst::Bus::new();
        sink.set_bus(Some(&bus));
        let mut harness = Harness::with_element(&sink, Some("video_0"), None);
        harness.set_src_caps(caps.clone());
        Self { harness, sink, bus }
    }

    fn push(&mut self, frames: &[gst::Buffer]) {
        for frame in frames {
            assert_eq!(self.harness.push(frame.clone()), Ok(gst::FlowSuccess::Ok));
        }
    }

    fn end(&mut self) -> gst::Structure {
        assert!(self.harness.push_event(gst::event::Eos::new()));
        let end = self.bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &[gst::MessageType::Eos]);
        assert!(end.is_some(), "no end of the stream");
        self.sink.property("stats")
    }
}

fn frames(size: u32, count: u32) -> (gst::Caps, Vec<gst::Buffer>) {
    encode(&format!(
        "videotestsrc num-buffers={count} ! video/x-raw,width={size},height={size},framerate=25/1 ! \
         x264enc key-int-max=25 bframes=0 ! h264parse ! video/x-h264,stream-format=avc"
    ))
}

#[test]
fn a_recording_keeps_its_times() {
    let service = Service::start();
    let line = format!(
        "{VIDEO} ! {SINK} name=sink stream-name=s endpoint={} streaming-type=offline file-start-time=1700000000",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    assert_eq!(service.starts("s"), [1_700_000_000_000, 1_700_000_001_000, 1_700_000_002_000]);
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
}

#[test]
fn live_times_are_those_of_the_wall_clock() {
    let service = Service::start();
    let before = SystemTime::now();
    let line = format!(
        "videotestsrc is-live=true num-buffers=30 ! video/x-raw,width=64,height=64,framerate=25/1 ! \
         x264enc key-int-max=25 ! h264parse ! {SINK} name=sink stream-name=s endpoint={}",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let since =
        |time: SystemTime| u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let first = service.starts("s")[0];
    assert!((since(before)..=since(SystemTime::now()) - 1_000).contains(&first), "{first}");
    assert_eq!(number(&run.stats(), "persisted-frames"), 30);
}

#[test]
fn the_base_of_a_segment_shifts_the_times() {
    let service = Service::start();
    let (caps, frames) = frames(64, 50);
    let sink = service.sink("s");
    sink.set_property_from_str("streaming-type", "offline");
    sink.set_property("file-start-time", 1_700_000_000_u64);
    let mut pad = Pad::new(sink, &caps);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_base(gst::ClockTime::from_seconds(60));
    assert!(pad.harness.push_event(gst::event::Segment::new(&segment)));
    pad.push(&frames);
    pad.end();
    assert_eq!(service.starts("s"), [1_700_000_060_000, 1_700_000_061_000]);
}

#[test]
fn what_is_outside_of_the_segment_is_not_sent() {
    let service = Service::start();
    let (caps, frames) = frames(64, 50);
    let mut pad = Pad::new(service.sink("s"), &caps);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_start(gst::ClockTime::from_seconds(1));
    assert!(pad.harness.push_event(gst::event::Segment::new(&segment)));
    pad.push(&frames);
    assert_eq!(number(&pad.end(), "persisted-frames"), 25);
}

#[test]
fn new_caps_in_mid_stream_begin_a_new_session() {
    let service = Service::start();
    let ((small, first), (large, second)) = (frames(64, 50), frames(128, 50));
    let sink = service.sink("s");
    sink.set_property_from_str("streaming-type", "offline");
    let mut pad = Pad::new(sink, &small);
    pad.push(&first);
    pad.harness.set_src_caps(large);
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_base(gst::ClockTime::from_seconds(2));
    assert!(pad.harness.push_event(gst::event::Segment::new(&segment)));
    pad.push(&second);
    let stats = pad.end();
    assert_eq!((number(&stats, "persisted-frames"), number(&stats, "lost-frames")), (100, 0));
    assert_eq!(number(&stats, "connections"), 2);
    assert_eq!(service.starts("s").len(), 4);
}

#[test]
fn a_flush_ends_nothing_and_frees_a_pad_that_waits() {
    let service = Service::start();
    let (caps, frames) = frames(64, 50);
    let mut pad = Pad::new(service.sink("s"), &caps);
    pad.push(&frames);
    assert!(pad.harness.push_event(gst::event::FlushStart::new()));
    assert_eq!(pad.harness.push(frames[0].clone()), Err(gst::FlowError::Flushing));
    assert!(pad.harness.push_event(gst::event::FlushStop::new(true)));
    assert!(pad.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new())));
    // Running time starts again from zero; the stored times go on.
    std::thread::sleep(Duration::from_millis(1));
    pad.push(&frames);
    let stats = pad.end();
    assert_eq!((number(&stats, "persisted-frames"), number(&stats, "lost-frames")), (100, 0));
}

#[test]
fn a_pause_holds_the_frames_of_a_file() {
    let service = Service::start();
    let line = format!(
        "videotestsrc num-buffers=2000 ! video/x-raw,width=64,height=64,framerate=25/1 ! x264enc key-int-max=25 \
         speed-preset=ultrafast ! h264parse ! {SINK} name=sink stream-name=s endpoint={}",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    wait_until("the first frame", || number(&run.stats(), "submitted-frames") > 0);
    run.pipeline.set_state(gst::State::Paused).unwrap();
    let at = number(&run.stats(), "submitted-frames");
    std::thread::sleep(Duration::from_millis(300));
    let later = number(&run.stats(), "submitted-frames");
    // One frame may be on its way when the state changes.
    assert!(later <= at + 1 && later < 2_000, "{at} {later}");
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "submitted-frames"), 2_000);
    assert_eq!(number(&run.stats(), "persisted-frames"), 2_000);
}
