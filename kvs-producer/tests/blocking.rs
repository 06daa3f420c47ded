//! The module `blocking`, in programs without an async runtime.
#![allow(clippy::unwrap_used, reason = "tests")]

mod service;
mod support;

use std::time::Duration;

use kvs_producer::blocking::{DriverThread, Producer};
use kvs_producer::{Event, ImageGeneration, OpenError, Overflow, ProducerConfig, Refusal, Timestamps};
use service::Service;
use support::*;

const SOON: Duration = Duration::from_secs(20);

fn live() -> ProducerConfig {
    config()
        .timestamps(Timestamps::StartAt(start()))
        .overflow(Overflow::Refuse)
        .initial_backoff(Duration::from_millis(10))
}

#[test]
fn stop_reports_that_all_frames_are_persisted() {
    let service = Service::start();
    let stream = Producer::open(live(), service.client()).unwrap();
    let events = stream.events();
    let watching = std::thread::spawn(move || events.filter(|event| matches!(event, Event::Persisted(_))).count());
    for ms in (0..10_000).step_by(40) {
        stream.put_frame(frame(V, ms, ms % 2000 == 0)).unwrap();
    }
    stream.put_event(ImageGeneration::new()).unwrap();
    let report = stream.stop(SOON);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!((service.fragments(), watching.join().unwrap()), (5, 5));
    assert_eq!(stream.stop(SOON), report);
    assert!(stream.try_put_frame(frame(V, 10_000, true)).is_err());
}

#[test]
fn a_full_buffer_blocks_for_the_given_time_and_returns_the_frame() {
    let service = Service::start();
    service.hold();
    let stream = Producer::open(live().buffer_bytes(64 << 10), service.client()).unwrap();
    let (mut ms, brief) = (0, Duration::from_millis(20));
    let error = loop {
        match stream.put_frame_within(frame(V, ms, ms % 400 == 0), brief) {
            Ok(()) => ms += 40,
            Err(error) => break error,
        }
    };
    assert!(matches!(error.refusal, Refusal::BufferFull { .. }), "{error}");
    let returned = error.into_frame();
    assert_eq!(returned, frame(V, ms, ms % 400 == 0));
    // A caller that waits without a limit continues when there is room.
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| stream.put_frame(returned));
        service.release();
        waiting.join().unwrap().unwrap();
    });
    let report = stream.stop(SOON);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.totals.submitted.frames, ms / 40 + 1);
}

#[test]
fn producers_share_a_thread_that_ends_with_the_last_of_them() {
    let service = Service::start();
    let driver_thread = DriverThread::spawn().unwrap();
    let open =
        |name: &str| driver_thread.open(ProducerConfig::new(name, vec![video()]).seed(1), service.client()).unwrap();
    let streams = ["front", "back", "side"].map(open);
    let mut events = streams[0].events();
    drop(driver_thread);
    for stream in &streams {
        assert!(stream.stop(SOON).is_complete());
    }
    assert!(matches!(events.try_next(), Some(Event::Ready { .. })));
    drop(streams);
    assert!(events.by_ref().count() > 0);
    assert!(events.next_within(SOON).is_none());
}

#[test]
fn dropping_a_producer_with_unsent_media_returns_immediately() {
    let service = Service::start();
    service.hold();
    let stream = Producer::open(live(), service.client()).unwrap();
    let mut events = stream.events();
    for ms in (0..4_000).step_by(40) {
        stream.put_frame(frame(V, ms, ms % 2000 == 0)).unwrap();
    }
    assert!(std::iter::from_fn(|| events.next_within(SOON)).any(|event| matches!(event, Event::Opened { .. })));
    drop(stream);
    assert!(events.all(|event| !matches!(event, Event::Finished(_))));
}

#[test]
fn an_unreachable_service_is_an_error_at_the_timeout() {
    let client = Service::start().client();
    let error = Producer::open_within(live(), client.clone(), Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.to_string(), "stream endpoint not resolved within 0.3 s");
    assert!(matches!(error, OpenError::TimedOut { last: None, .. }), "no response and no failure yet");
    // `start` works without a network, and the stop reports what was not delivered.
    let stream = Producer::start(live(), client).unwrap();
    stream.put_frame(frame(V, 0, true)).unwrap();
    let report = stream.stop(Duration::from_millis(50));
    assert_eq!((report.totals.submitted.frames, report.totals.lost.frames), (1, 1));
}
