//! What an application hears: signals, messages, and its own events on fragments.

use std::sync::{Arc, Mutex};

use gst::prelude::*;
use kvs_local::{Fault, FaultKind};

use crate::support::{Run, SINK, Service, VIDEO, number, read_media};

fn line(service: &Service, properties: &str) -> String {
    format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={} {properties}", service.endpoint())
}

/// The acks of a stream as the signal gives them: type and time.
fn acks(run: &Run) -> Arc<Mutex<Vec<(String, u64)>>> {
    let acks = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&acks);
    run.sink().connect("fragment-ack", false, move |values| {
        let ack = values[1].get::<gst::Structure>().unwrap();
        told.lock().unwrap().push((ack.get("ack-type").unwrap(), number(&ack, "timestamp")));
        None
    });
    acks
}

#[test]
fn each_fragment_is_acknowledged_by_a_signal() {
    let service = Service::start();
    let mut run = Run::new(&line(&service, ""));
    let acks = acks(&run);
    run.play();
    run.finish().unwrap();
    let acks = acks.lock().unwrap();
    let persisted: Vec<u64> = acks.iter().filter(|(kind, _)| kind == "PERSISTED").map(|(_, at)| *at).collect();
    assert_eq!(persisted, service.starts("s"));
    assert!(acks.iter().any(|(kind, _)| kind == "BUFFERING"));
}

#[test]
fn the_signal_can_be_turned_off() {
    let service = Service::start();
    let mut run = Run::new(&line(&service, "fragment-acks=false"));
    let acks = acks(&run);
    run.play();
    run.finish().unwrap();
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
    assert_eq!(*acks.lock().unwrap(), []);
}

/// A camera: fragments arrive one after the other.
fn live_line(service: &Service, properties: &str) -> String {
    line(service, properties)
        .replace("videotestsrc", "videotestsrc is-live=true")
        .replace("x264enc", "x264enc tune=zerolatency")
}

#[test]
fn an_error_of_the_service_is_told_and_sending_continues() {
    let service = Service::start();
    service.local.faults().add(Fault::new(FaultKind::ErrorAck { fragment: 2, id: 5000 }).times(1)).unwrap();
    let mut run = Run::new(&live_line(&service, ""));
    run.play();
    run.finish().unwrap();
    for expected in ["kvs-error", "kvs-reconnected"] {
        assert!(run.names().iter().any(|name| name == expected), "{expected}: {:?}", run.names());
    }
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
}

#[test]
fn a_connection_that_breaks_is_told_and_replaced() {
    let service = Service::start();
    service.local.faults().add(Fault::new(FaultKind::CutAfter { bytes: 40_000 }).times(1)).unwrap();
    let mut run = Run::new(&line(&service, ""));
    run.play();
    run.finish().unwrap();
    assert!(run.names().iter().any(|name| name == "kvs-disconnected"), "{:?}", run.names());
    assert!(run.names().iter().any(|name| name == "kvs-reconnected"), "{:?}", run.names());
    assert_eq!(number(&run.stats(), "persisted-frames"), 75);
}

#[test]
fn an_error_of_the_service_can_end_the_stream() {
    let service = Service::start();
    service.local.faults().add(Fault::new(FaultKind::ErrorAck { fragment: 2, id: 4004 }).times(1)).unwrap();
    let mut run = Run::new(&live_line(&service, "restart-on-error=false"));
    run.play();
    let error = run.finish().unwrap_err();
    assert!(error.starts_with("stream s: ") && error.contains("4004"), "{error}");
}

#[test]
fn metadata_and_requests_are_tags_of_fragments() {
    let service = Service::start();
    let mut run = Run::new(&line(&service, "image-every=2 notify-every=1"));
    let sink = run.sink();
    let send = |fields: gst::structure::Builder| {
        let pad = sink.static_pad("video_0").unwrap();
        pad.send_event(gst::event::CustomDownstream::new(fields.build()))
    };
    run.pipeline.set_state(gst::State::Paused).unwrap();
    let tag = |name: &str, value: &str, persist: bool| {
        let fields = gst::Structure::builder("kvs-add-metadata").field("name", name).field("value", value);
        fields.field("persist", persist)
    };
    assert!(send(tag("door", "open", false)));
    assert!(send(tag("camera", "north", true)));
    // As kvssink: all fields are needed, and names of the service are not the user's.
    assert!(!send(gst::Structure::builder("kvs-add-metadata").field("name", "a").field("value", "b")));
    run.play();
    run.finish().unwrap();
    assert_eq!(run.warnings().len(), 1, "{:?}", run.warnings());
    assert_eq!(service.starts("s").len(), 3);
    let Some(media) = stored(&service, "metadata_and_requests_are_tags_of_fragments") else { return };
    assert_eq!(count(&media, b"door"), 1);
    assert_eq!(count(&media, b"camera"), 3);
    assert_eq!(count(&media, b"AWS_KINESISVIDEO_IMAGE_GENERATION"), 2);
    assert_eq!(count(&media, b"AWS_KINESISVIDEO_NOTIFICATION"), 3);
}

#[test]
fn a_pipeline_asks_for_images_when_something_happens() {
    let service = Service::start();
    let mut run = Run::new(&line(&service, ""));
    run.pipeline.set_state(gst::State::Paused).unwrap();
    let fields = gst::Structure::builder("kvs-generate-images")
        .field("prefix", "motion")
        .field("metadata", gst::Structure::builder("metadata").field("detection-zone", "door").build());
    let pad = run.sink().static_pad("video_0").unwrap();
    assert!(pad.send_event(gst::event::CustomDownstream::new(fields.build())));
    let metadata = gst::Structure::builder("metadata").field("seen-person", "yes").build();
    let notify = gst::Structure::builder("kvs-notify").field("metadata", metadata);
    assert!(pad.send_event(gst::event::CustomDownstream::new(notify.build())));
    run.play();
    run.finish().unwrap();
    let Some(media) = stored(&service, "a_pipeline_asks_for_images_when_something_happens") else { return };
    for once in [
        "AWS_KINESISVIDEO_IMAGE_GENERATION",
        "AWS_KINESISVIDEO_IMAGE_PREFIX",
        "motion",
        "detection-zone",
        "seen-person",
    ] {
        assert_eq!(count(&media, once.as_bytes()), 1, "{once}");
    }
}

/// All media of the stream as boto3 reads it; `None` without that judge.
fn stored(service: &Service, test: &str) -> Option<Vec<u8>> {
    let python = test_judges::python(test, &["boto3"])?;
    let folder = tempfile::tempdir().unwrap();
    Some(std::fs::read(read_media(&python, service, "s", folder.path())).unwrap())
}

fn count(bytes: &[u8], word: &[u8]) -> usize {
    bytes.windows(word.len()).filter(|window| *window == word).count()
}
