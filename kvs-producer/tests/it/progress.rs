//! Progress over links that reset every connection.

use crate::support;
use std::time::Duration;

use kvs_producer::{Event, SessionId};
use support::{Service, V, all_acks, config, frame};

/// A service that sends no acknowledgements, and a backlog of five fragments of two seconds.
fn backlog() -> Service {
    let mut service = Service::new(config());
    (service.down, service.ack) = (true, |_| Vec::new());
    service.play(0, 10_040, 2_000);
    service.down = false;
    service.pass(Duration::from_secs(10));
    service
}

fn waits(service: &Service) -> Vec<Duration> {
    let wait = |event: &Event| if let Event::Retrying { wait, .. } = event { Some(*wait) } else { None };
    service.events.iter().filter_map(wait).collect()
}

#[test]
fn after_a_reset_one_fragment_is_sent_until_it_is_persisted() {
    let mut service = backlog();
    assert_eq!(service.stored.len(), 2, "the first session begins with two");
    service.cut();
    service.pass(Duration::from_secs(1));
    assert_eq!(service.stored.len(), 3, "an end mark completes it, and nothing follows it");
    service.put(frame(V, 10_040, false));
    assert_eq!(service.stored[2].timecode, service.stored[0].timecode);
    service.ack = all_acks;
    service.cut();
    service.pass(Duration::from_secs(1));
    assert_eq!(service.producer.stats().totals.persisted_fragments, 5, "each acknowledgement lets the next one out");
    service.finish(Duration::from_secs(1));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

#[test]
fn live_media_follows_as_soon_as_a_fragment_is_persisted() {
    let mut service = Service::new(config());
    service.play(0, 2_000, 2_000);
    service.cut();
    service.pass(Duration::from_millis(200));
    service.play(2_000, 2_080, 2_000);
    assert_eq!(
        service.stored.len(),
        1,
        "an end mark completes the first fragment, because the second one waits for its ack"
    );
    let sent = service.producer.stats().sent_bytes;
    service.put(frame(V, 2_080, false));
    assert!(service.producer.stats().sent_bytes > sent, "the second one is sent while it fills");
}

#[test]
fn an_ack_that_arrives_after_the_news_of_the_reset_counts() {
    let mut service = backlog();
    let (session, timecode) = (service.session.unwrap(), service.stored[0].timecode);
    service.cut();
    let [_, _, persisted] = <[String; 3]>::try_from(all_acks(timecode)).unwrap();
    service.producer.handle_ack(session, persisted.as_bytes(), service.now);
    service.ack = all_acks;
    service.pass(Duration::from_secs(1));
    let sent: Vec<_> = service.stored.iter().filter(|seen| seen.timecode == timecode).collect();
    assert_eq!(sent.len(), 1, "it is not sent again");
    service.finish(Duration::from_secs(1));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.lost.frames, totals.persisted_fragments), (0, 6));
}

#[test]
fn a_late_ack_of_a_fragment_that_was_sent_again_settles_it_in_the_new_session_too() {
    let mut service = backlog();
    let (session, timecode): (SessionId, u64) = (service.session.unwrap(), service.stored[0].timecode);
    service.cut();
    service.pass(Duration::from_secs(1));
    assert_eq!(service.stored.len(), 3);
    service.producer.handle_ack(session, all_acks(timecode)[2].as_bytes(), service.now);
    service.ack = all_acks;
    service.run();
    assert_eq!(service.stored.len(), 7, "the window is free: the others follow");
    service.finish(Duration::from_secs(1));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

#[test]
fn a_reset_session_is_followed_at_once_while_there_is_progress_and_within_a_second_while_not() {
    let mut service = backlog();
    let before = waits(&service).len();
    for _ in 0..20 {
        service.cut();
        service.pass(Duration::from_secs(1));
    }
    let barren = waits(&service).split_off(before);
    assert_eq!(barren.len(), 20);
    assert!(barren.iter().all(|wait| *wait <= Duration::from_secs(1)), "{barren:?}");
    service.ack = all_acks;
    service.cut();
    service.pass(Duration::from_secs(1));
    service.play(11_000, 13_000, 1_000);
    service.cut();
    let last = waits(&service).pop().unwrap();
    assert!(last <= Duration::from_millis(100), "{last:?} after a session with progress");
}

#[test]
fn sessions_without_progress_are_reported_with_the_numbers_that_help() {
    let mut service = backlog();
    for _ in 0..40 {
        service.cut();
        service.pass(Duration::from_secs(1));
    }
    let reports =
        service.events.iter().filter_map(|event| if let Event::NoProgress(one) = event { Some(*one) } else { None });
    let reports: Vec<_> = reports.collect();
    assert_eq!(reports.iter().map(|report| report.sessions).collect::<Vec<_>>(), [5, 10, 20, 40]);
    // A key frame of 4,000 bytes and 49 others of 400.
    assert_eq!(reports[0].span.bytes, 23_600);
    assert!(reports[0].accepted_bytes > 23_600, "the first session took two fragments: {}", reports[0].accepted_bytes);
    let text = reports[1].to_string();
    assert!(
        text.contains("10 sessions") && text.contains("23600 bytes") && text.contains("key frame interval"),
        "{text}"
    );
}

#[test]
fn a_link_that_takes_longer_for_a_fragment_than_silence_may_last_gets_it_through() {
    let mut service = Service::new(config().drain_timeout(Duration::from_secs(2)).ack_timeout(Duration::from_secs(2)));
    // The buffers of the transport take everything at once; the acknowledgement comes ten seconds later.
    service.ack = |_| Vec::new();
    service.lingers = true;
    service.put(frame(V, 0, true));
    service.producer.finish(None, service.now);
    service.run();
    for _ in 0..400 {
        let session = service.session.map(|session| (session, service.now));
        for _ in 0..100 {
            service.pass(Duration::from_millis(100));
            if service.producer.is_finished() || service.session != session.map(|(session, _)| session) {
                break;
            }
        }
        let Some((session, since)) = session else { continue };
        if service.session == Some(session) && service.now - since >= Duration::from_secs(10) {
            let timecode = service.stored[0].timecode;
            service.producer.handle_ack(session, all_acks(timecode)[2].as_bytes(), service.now);
            service.run();
        }
        if service.producer.is_finished() {
            break;
        }
    }
    assert_eq!(service.producer.stats().totals.persisted_fragments, 1);
}
