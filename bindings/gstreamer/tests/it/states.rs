//! States under a dead network: each change returns within its bound.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use gst::prelude::*;

use crate::support::{Run, SINK, Service, VIDEO, init, number, wait_until};

/// An address that takes connections and never answers.
fn silence() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    (listener, url)
}

fn timed(step: impl FnOnce()) -> Duration {
    let start = Instant::now();
    step();
    start.elapsed()
}

#[test]
fn no_change_of_state_waits_for_a_dead_network() {
    let (_listener, endpoint) = silence();
    for endpoint in [endpoint.as_str(), "http://127.0.0.1:9", "http://nothing.invalid:80"] {
        let run = Run::new(&format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={endpoint} drain-timeout=1"));
        let up = timed(|| run.play());
        wait_until("frames", || number(&run.stats(), "submitted-frames") > 0);
        let pause = timed(|| {
            run.pipeline.set_state(gst::State::Paused).unwrap();
        });
        let again = timed(|| run.play());
        let down = timed(|| {
            run.pipeline.set_state(gst::State::Null).unwrap();
        });
        assert!(up.max(pause).max(again) < Duration::from_secs(2), "{endpoint}: {up:?} {pause:?} {again:?}");
        // drain-timeout, and time for a busy machine.
        assert!(down < Duration::from_secs(4), "{endpoint}: {down:?}");
    }
}

#[test]
fn without_a_drain_timeout_the_end_is_immediate_and_the_loss_is_told() {
    let (_listener, endpoint) = silence();
    let mut run = Run::new(&format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={endpoint} drain-timeout=0"));
    run.play();
    run.finish().unwrap();
    assert!(run.names().iter().any(|name| name == "kvs-loss"));
    assert_eq!(run.warnings(), ["75 of 75 frames are not persisted: 75 lost, 0 left in the spool"]);
}

#[test]
fn the_loss_of_a_recording_is_an_error() {
    let (_listener, endpoint) = silence();
    let line =
        format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={endpoint} drain-timeout=0 streaming-type=offline");
    let mut run = Run::new(&line);
    run.play();
    assert!(run.finish().unwrap_err().starts_with("75 of 75 frames are not persisted"));
}

#[test]
fn a_file_that_waits_for_room_stops_at_once() {
    let (_listener, endpoint) = silence();
    let line = format!(
        "videotestsrc pattern=snow ! video/x-raw,width=320,height=240,framerate=25/1 ! x264enc speed-preset=ultrafast \
         key-int-max=25 bitrate=8000 ! h264parse ! {SINK} name=sink stream-name=s endpoint={endpoint} \
         storage-size=1 drain-timeout=0"
    );
    let run = Run::new(&line);
    run.play();
    wait_until("a full buffer", || number(&run.stats(), "buffered-bytes") > 900_000);
    let submitted = || number(&run.stats(), "submitted-frames");
    let mut last = 0;
    wait_until("frames that wait", || {
        let before = std::mem::replace(&mut last, submitted());
        std::thread::sleep(Duration::from_millis(300));
        before == last
    });
    assert_eq!(number(&run.stats(), "lost-frames"), 0);
    let down = timed(|| {
        run.pipeline.set_state(gst::State::Null).unwrap();
    });
    assert!(down < Duration::from_secs(3), "{down:?}");
}

#[test]
fn settings_are_checked_without_a_network() {
    init();
    let sink = gst::ElementFactory::make(SINK).property("endpoint", "http://127.0.0.1:9").build().unwrap();
    let ready = timed(|| {
        sink.set_state(gst::State::Ready).unwrap();
    });
    assert!(ready < Duration::from_secs(1), "{ready:?}");
    sink.set_state(gst::State::Null).unwrap();
}

#[test]
fn what_the_spool_keeps_is_sent_by_the_next_run() {
    let (_listener, endpoint) = silence();
    let folder = tempfile::tempdir().unwrap();
    let line = |endpoint: &str| {
        let folder = folder.path().display();
        format!("{VIDEO} ! {SINK} name=sink stream-name=s endpoint={endpoint} drain-timeout=5 spool-dir={folder}")
    };
    let mut run = Run::new(&line(&endpoint));
    run.sink().set_property("drain-timeout", 0_u32);
    run.play();
    run.finish().unwrap();
    assert_eq!(run.warnings(), ["75 of 75 frames are not persisted: 0 lost, 75 left in the spool"]);
    drop(run);
    let service = Service::start();
    let mut run = Run::new(&line(service.endpoint()));
    run.play();
    run.finish().unwrap();
    assert!(run.names().iter().any(|name| name == "kvs-recovered"), "{:?}", run.names());
    assert_eq!(service.starts("s").len(), 6);
}

/// A spool writes what is left when the state changes; that has a bound of its own.
#[test]
fn a_change_of_state_with_a_spool_keeps_what_is_left_within_its_bound() {
    let (_listener, endpoint) = silence();
    let folder = tempfile::tempdir().unwrap();
    let run = Run::new(&format!(
        "{VIDEO} ! {SINK} name=sink stream-name=s endpoint={endpoint} drain-timeout=1 spool-dir={}",
        folder.path().display()
    ));
    run.play();
    wait_until("all frames", || number(&run.stats(), "submitted-frames") == 75);
    let down = timed(|| {
        run.pipeline.set_state(gst::State::Null).unwrap();
    });
    assert!(down < Duration::from_secs(1 + 12), "{down:?}");
    let kept: u64 = files(folder.path()).iter().map(|file| file.metadata().unwrap().len()).sum();
    assert!(kept > 10_000, "{kept}");
}

fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}
