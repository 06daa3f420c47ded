//! Each future of the driver is dropped at each of its await points: frames are queued or not, and a started stop continues.
#![cfg(feature = "tokio")]

use crate::{service, support};
use std::collections::BTreeSet;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use kvs_producer::{Event, Overflow, Producer, ProducerConfig, Timestamps};
use service::Service;
use support::*;

const SOON: Duration = Duration::from_secs(20);

fn live() -> ProducerConfig {
    config()
        .timestamps(Timestamps::StartAt(start()))
        .overflow(Overflow::Refuse)
        .initial_backoff(Duration::from_millis(10))
}

/// Polls a future at most `polls` times, each time it is woken, then drops it. Returns `None` if it was not ready.
async fn dropped_after<F: Future>(polls: usize, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut done = 0;
    std::future::poll_fn(|cx| {
        if done == polls {
            return Poll::Ready(None);
        }
        done += 1;
        match future.as_mut().poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if done == polls => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Waits until no task but the test's own is left.
async fn quiet() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let settle = async {
        while tasks() > 0 {
            tokio::task::yield_now().await
        }
    };
    assert!(tokio::time::timeout(SOON, settle).await.is_ok(), "{} tasks are left", tasks());
}

#[tokio::test]
async fn a_dropped_open_leaves_no_task() {
    let service = Service::start();
    for polls in 0.. {
        let opened = dropped_after(polls, Producer::open(live(), service.client())).await;
        if let Some(stream) = opened {
            assert!(polls > 1, "there was no wait to drop it at");
            assert!(stream.unwrap().stop(SOON).await.is_complete());
            break;
        }
        quiet().await;
    }
}

#[tokio::test]
async fn a_dropped_put_queues_nothing() {
    let service = Service::start();
    service.hold();
    let stream = Producer::open(live().buffer_bytes(64 << 10), service.client()).await.unwrap();
    let (mut ms, mut dropped) = (0, 0);
    let put = async |ms| stream.put_frame(frame(V, ms, ms % 400 == 0)).await.unwrap();
    for round in 0..400 {
        if round == 300 {
            assert!(dropped > 50, "the buffer was full: {dropped}");
            service.release();
        }
        // While the service does not read, nothing wakes a second poll.
        let polls = if round < 300 { round % 2 } else { round % 5 };
        match dropped_after(polls, put(ms)).await {
            Some(()) => ms += 40,
            None => dropped += 1,
        }
        assert_eq!(stream.stats().totals.submitted.frames, ms / 40, "a dropped put is no put");
    }
    put(ms).await;
    let report = stream.stop(SOON).await;
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(report.totals.persisted.frames, ms / 40 + 1);
}

#[tokio::test]
async fn a_dropped_stop_continues_and_can_be_called_again() {
    let service = Service::start();
    for polls in 0..6 {
        let stream = Producer::open(live(), service.client()).await.unwrap();
        for ms in (0..4_000).step_by(40) {
            stream.put_frame(frame(V, ms, ms % 2000 == 0)).await.unwrap();
        }
        let dropped = dropped_after(polls, stream.stop(SOON)).await;
        let refused = stream.try_put_frame(frame(V, 4_000, true)).is_err();
        assert_eq!(refused, polls > 0, "a stop that was polled has begun");
        let report = stream.stop(SOON).await;
        assert!(report.is_complete(), "{report:?}");
        assert!(dropped.is_none_or(|earlier| earlier == report));
        drop(stream);
        quiet().await;
    }
}

#[tokio::test]
async fn a_dropped_wait_for_events_loses_and_repeats_none() {
    let service = Service::start();
    let stream = Producer::open(live(), service.client()).await.unwrap();
    let watching = async {
        let (mut events, mut persisted, mut seen) = (stream.events(), BTreeSet::new(), 0_usize);
        for round in 0.. {
            match dropped_after(round % 4, events.next()).await {
                Some(None) => break,
                Some(Some(Event::Persisted(fragment))) => {
                    assert!(persisted.insert(fragment.fragment), "told twice: {fragment:?}");
                    seen += 1;
                }
                Some(Some(_)) => {}
                None => tokio::task::yield_now().await,
            }
        }
        seen
    };
    let sending = async {
        for ms in (0..20_000).step_by(40) {
            stream.put_frame(frame(V, ms, ms % 1000 == 0)).await.unwrap();
        }
        stream.stop(SOON).await
    };
    let (seen, report) = tokio::join!(watching, sending);
    assert!(report.is_complete(), "{report:?}");
    assert_eq!(seen, 20);
}
