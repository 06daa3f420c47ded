//! The blocking face, in programs that have no runtime of their own.
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
fn frames_go_in_events_come_out_and_the_stop_says_that_all_is_persisted() {
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
fn a_full_buffer_holds_the_caller_back_for_as_long_as_it_said_and_hands_the_frame_back() {
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
    // Who waits without a limit is let in when there is room.
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
fn streams_share_a_background_that_lives_as_long_as_the_last_of_them() {
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
fn a_stream_dropped_while_media_is_held_up_lets_go_at_once() {
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
fn a_service_that_is_not_there_is_an_error_in_time() {
    let client = Service::start().client();
    let error = Producer::open_within(live(), client.clone(), Duration::from_millis(300)).unwrap_err();
    assert_eq!(error.to_string(), "stream endpoint not resolved within 0.3 s");
    assert!(matches!(error, OpenError::TimedOut { last: None, .. }), "no response and no failure yet");
    // Without a network it begins all the same, and says at the stop what did not arrive.
    let stream = Producer::start(live(), client).unwrap();
    stream.put_frame(frame(V, 0, true)).unwrap();
    let report = stream.stop(Duration::from_millis(50));
    assert_eq!((report.totals.submitted.frames, report.totals.lost.frames), (1, 1));
}
