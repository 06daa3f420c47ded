//! What changes while a stream runs: pads, caps, seeks, and the times of its buffers.

use std::time::Duration;

use gst::prelude::*;
use gst_check::Harness;

use crate::support::{Run, SINK, Service, VIDEO, encode, number, wait_until};

/// 25 frames a second with a key frame each second, in real time.
const LIVE: &str = "videotestsrc is-live=true num-buffers=125 ! video/x-raw,width=160,height=120,framerate=25/1 ! \
                    x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse";
const LAW: &str = "audio/x-raw,rate=8000,channels=1 ! alawenc";

/// One key frame, then frames that need it.
fn one_group(count: u32) -> (gst::Caps, Vec<gst::Buffer>) {
    encode(&format!(
        "videotestsrc num-buffers={count} ! video/x-raw,width=64,height=64,framerate=5/1 ! \
         x264enc key-int-max=10000 bframes=0 option-string=scenecut=0 speed-preset=ultrafast ! h264parse ! \
         video/x-h264,stream-format=avc"
    ))
}

#[test]
fn a_long_group_of_pictures_makes_the_element_ask_for_a_key_frame() {
    let service = Service::start();
    let (caps, frames) = one_group(150);
    let mut harness = Harness::with_element(&service.sink("s"), Some("video_0"), None);
    harness.set_src_caps(caps);
    let asked = |harness: &mut Harness| {
        let events = std::iter::from_fn(|| harness.try_pull_upstream_event());
        events.filter(|event| event.has_name("GstForceKeyUnit")).count()
    };
    let (short, long) = frames.split_at(25);
    for frame in short {
        harness.push(frame.clone()).unwrap();
    }
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(asked(&mut harness), 0, "5 s are no long group");
    for frame in long {
        harness.push(frame.clone()).unwrap();
    }
    wait_until("the request", || asked(&mut harness) > 0);
}

#[test]
fn timestamps_can_be_those_of_the_epoch() {
    let service = Service::start();
    let sink = service.sink("s");
    sink.set_property("use-original-pts", true);
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let (caps, mut frames) = one_group(10);
    let mut harness = Harness::with_element(&sink, Some("video_0"), None);
    harness.set_src_caps(caps);
    // The segment says where they are in running time, which does not matter.
    let mut segment = gst::FormattedSegment::<gst::ClockTime>::new();
    segment.set_base(gst::ClockTime::from_seconds(77));
    assert!(harness.push_event(gst::event::Segment::new(&segment)));
    let start = frames[0].pts().unwrap();
    for frame in frames.drain(..) {
        let mut frame = frame;
        let time = frame.pts().unwrap() - start + gst::ClockTime::from_seconds(1_700_000_000);
        frame.make_mut().set_pts(time);
        harness.push(frame).unwrap();
    }
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(bus.timed_pop_filtered(gst::ClockTime::from_seconds(30), &[gst::MessageType::Eos]).is_some());
    assert_eq!(service.starts("s"), [1_700_000_000_000]);
}

#[test]
fn a_pad_can_be_added_while_the_pipeline_plays() {
    let service = Service::start();
    let mut run = Run::new(&format!("{LIVE} ! {SINK} name=sink stream-name=s endpoint={}", service.endpoint()));
    run.play();
    wait_until("persisted frames", || number(&run.stats(), "persisted-frames") > 0);
    let source = gst::parse::bin_from_description(
        &format!("audiotestsrc is-live=true num-buffers=20 samplesperbuffer=800 ! {LAW} ! queue"),
        true,
    );
    let source = source.unwrap();
    run.pipeline.add(&source).unwrap();
    source.link(&run.sink()).unwrap();
    source.sync_state_with_parent().unwrap();
    run.finish().unwrap();
    let stats = run.stats();
    let [submitted, persisted, lost] =
        ["submitted-frames", "persisted-frames", "lost-frames"].map(|name| number(&stats, name));
    // The new session waits for a key frame, for which the element asks: without the request that is up to a second.
    assert_eq!((submitted, persisted + lost), (145, 145), "{stats}");
    assert!(lost <= 8, "{stats}");
    assert_eq!(run.names().iter().any(|name| name == "kvs-loss"), lost > 0);
}

#[test]
fn the_rate_of_the_audio_can_change() {
    let service = Service::start();
    let part = |rate: u32| {
        format!(
            "audiotestsrc num-buffers=40 samplesperbuffer={} ! audio/x-raw,rate={rate},channels=1 ! alawenc ! c.",
            rate / 10
        )
    };
    let line = format!(
        "concat name=c ! audio/x-alaw ! {SINK} name=sink stream-name=s endpoint={} streaming-type=offline {} {}",
        service.endpoint(),
        part(8_000),
        part(16_000)
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let stats = run.stats();
    assert_eq!((number(&stats, "persisted-frames"), number(&stats, "lost-frames")), (80, 0), "{stats}");
    assert_eq!(number(&stats, "connections"), 2);
}

#[test]
fn video_goes_on_after_the_end_of_the_audio() {
    let service = Service::start();
    let line = format!(
        "{VIDEO} ! queue ! {SINK} name=sink stream-name=s endpoint={} streaming-type=offline \
         audiotestsrc num-buffers=10 samplesperbuffer=800 ! {LAW} ! queue ! sink.",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let stats = run.stats();
    assert_eq!((number(&stats, "submitted-frames"), number(&stats, "persisted-frames")), (85, 85), "{stats}");
}

/// A file of three seconds.
fn recording(folder: &std::path::Path) -> String {
    let file = folder.join("clip.mkv").display().to_string();
    let mut run = Run::new(&format!("{VIDEO} ! matroskamux ! filesink location={file}"));
    run.play();
    run.finish().unwrap();
    file
}

/// Plays a file in real time, seeks to its start in the middle, and returns the counts: entered, persisted, lost.
fn seek_in(properties: &str) -> [u64; 3] {
    let (service, folder) = (Service::start(), tempfile::tempdir().unwrap());
    let line = format!(
        "filesrc location={} ! matroskademux ! h264parse ! identity sync=true name=pace ! {SINK} name=sink stream-name=s endpoint={} \
         {properties}",
        recording(folder.path()),
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    wait_until("the middle", || number(&run.stats(), "submitted-frames") >= 40);
    run.pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::KEY_UNIT, gst::ClockTime::ZERO).unwrap();
    run.finish().unwrap();
    let stats = run.stats();
    ["submitted-frames", "persisted-frames", "lost-frames"].map(|name| number(&stats, name))
}

#[test]
fn a_flushing_seek_sends_the_media_again_at_the_present() {
    let [submitted, persisted, lost] = seek_in("");
    assert!(submitted >= 40 + 75, "{submitted}");
    assert_eq!((persisted, lost), (submitted, 0));
}

#[test]
fn a_flushing_seek_in_a_recording_follows_what_was_sent() {
    let [submitted, persisted, lost] = seek_in("streaming-type=offline file-start-time=1700000000");
    assert!(submitted >= 40 + 75, "{submitted}");
    assert_eq!((persisted, lost), (submitted, 0));
}
