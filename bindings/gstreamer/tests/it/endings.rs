//! Ends of streams: of all pads, of one pad, and without any media.

use gst::prelude::*;

use crate::support::{Run, SINK, Service, VIDEO, number, wait_until};

const LAW: &str = "audio/x-raw,rate=8000,channels=1 ! alawenc";

#[test]
fn the_end_comes_when_all_is_persisted() {
    let service = Service::start();
    let mut run = Run::new(&format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={}", service.endpoint()));
    run.play();
    run.finish().unwrap();
    let stats = run.stats();
    assert_eq!((number(&stats, "submitted-frames"), number(&stats, "persisted-frames")), (75, 75));
    assert_eq!(run.warnings(), Vec::<String>::new());
}

#[test]
fn audio_goes_on_after_the_end_of_the_video() {
    let service = Service::start();
    let line = format!(
        "{VIDEO} ! {SINK} name=sink stream-name=s endpoint={} streaming-type=offline \
         audiotestsrc num-buffers=60 samplesperbuffer=800 ! {LAW} ! queue ! sink.",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    let stats = run.stats();
    // 3 s of video, 6 s of audio.
    assert_eq!((number(&stats, "submitted-frames"), number(&stats, "persisted-frames")), (135, 135));
    let starts = service.starts("s");
    assert!(starts.last().unwrap() - starts[0] >= 4_000, "{starts:?}");
}

#[test]
fn audio_alone_is_a_stream() {
    let service = Service::start();
    let line = format!(
        "audiotestsrc num-buffers=40 samplesperbuffer=800 ! {LAW} ! {SINK} name=sink stream-name=s endpoint={} fragment-duration=1000",
        service.endpoint()
    );
    let mut run = Run::new(&line);
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 40);
    assert_eq!(service.starts("s").len(), 4);
}

#[test]
fn a_pad_that_never_has_caps_does_not_hold_the_others() {
    let service = Service::start();
    let live =
        VIDEO.replace("videotestsrc", "videotestsrc is-live=true").replace("x264enc", "x264enc tune=zerolatency");
    let mut run = Run::new(&format!("{live} ! {SINK} name=sink stream-name=s endpoint={}", service.endpoint()));
    let silent = run.sink().request_pad_simple("audio_%u").unwrap();
    run.play();
    wait_until("frames without the other pad", || number(&run.stats(), "submitted-frames") > 0);
    // The release of the pad is its end.
    run.sink().release_request_pad(&silent);
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
}

#[test]
fn a_stream_without_media_ends() {
    let service = Service::start();
    let sink = service.sink("s");
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let mut harness = gst_check::Harness::with_element(&sink, Some("video_0"), None);
    harness.set_src_caps_str("video/x-h264,stream-format=byte-stream,alignment=au");
    assert!(harness.push_event(gst::event::Eos::new()));
    assert!(bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Eos]).is_some());
}

#[test]
fn the_end_is_not_told_before_playing() {
    let service = Service::start();
    let sink = service.sink("s");
    let bus = gst::Bus::new();
    sink.set_bus(Some(&bus));
    let pad = sink.request_pad_simple("video_%u").unwrap();
    sink.set_state(gst::State::Paused).unwrap();
    assert!(pad.send_event(gst::event::StreamStart::new("s")));
    assert!(pad.send_event(gst::event::Eos::new()));
    assert!(bus.timed_pop_filtered(gst::ClockTime::from_mseconds(100), &[gst::MessageType::Eos]).is_none());
    sink.set_state(gst::State::Playing).unwrap();
    assert!(bus.timed_pop_filtered(gst::ClockTime::from_seconds(10), &[gst::MessageType::Eos]).is_some());
    sink.set_state(gst::State::Null).unwrap();
}
