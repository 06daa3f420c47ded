//! The guarantees of the core, against a minimal service.

use crate::support;
use std::time::Duration;

use kvs_producer::{Event, FragmentTag, ImageGeneration, LongGop, LossReason, Notification, SharedBudget};
use support::*;

const S: fn(u64) -> Duration = Duration::from_secs;

#[test]
fn fragments_start_at_key_frames_and_all_are_persisted() {
    let mut service = Service::new(config());
    assert_eq!(service.calls, ["credentials", "DescribeStream", "GetDataEndpoint"]);
    service.play(0, 10_000, 2000);
    service.finish(S(10));
    assert_eq!(service.stored.len(), 5);
    assert_eq!(service.sessions, 1);
    assert!(service.stored.iter().all(|seen| seen.frames.len() == 50 && seen.frames[0].keyframe));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.submitted, totals.persisted_fragments), (totals.persisted, 5));
    assert!(matches!(service.events.last(), Some(Event::Finished(_))));
}

#[test]
fn payloads_are_not_copied() {
    let mut service = Service::new(config());
    let sent = frame(V, 0, true);
    let pointer = sent.data.pieces()[0].as_ptr();
    service.put(sent);
    service.finish(S(1));
    assert_eq!(service.stored[0].frames[0].data.pieces()[0].as_ptr(), pointer);
}

#[test]
fn tags_and_events_follow_their_cluster() {
    let mut service = Service::new(config());
    service.play(0, 1000, 2000);
    service.producer.put_event(ImageGeneration::new().with_prefix("p").with_pair("k", "v")).unwrap();
    service.producer.put_event(Notification::new()).unwrap();
    service.producer.put_tag(FragmentTag::once("t", "1")).unwrap();
    service.producer.put_tag(FragmentTag::persistent("cam", "north")).unwrap();
    service.play(1000, 2000, 2000);
    service.play(2000, 4000, 2000);
    service.finish(S(10));
    // The first key frame of the second play comes at 1 s: three fragments.
    let names: Vec<Vec<&str>> =
        service.stored.iter().map(|seen| seen.tags.iter().map(|group| group[0].name.as_str()).collect()).collect();
    assert_eq!(names[0], ["AWS_KINESISVIDEO_NOTIFICATION", "AWS_KINESISVIDEO_IMAGE_GENERATION", "t", "cam"]);
    assert_eq!(names[1], ["cam"]);
    assert_eq!(service.stored[0].tags[1].len(), 3);
}

#[test]
fn sending_resumes_with_the_first_unpersisted_fragment() {
    let mut service = Service::new(config());
    service.play(0, 5000, 2000);
    service.cut();
    service.play(5000, 9000, 2000);
    service.finish(S(10));
    assert_eq!(service.sessions, 2);
    let timecodes: Vec<u64> = service.stored.iter().map(|seen| seen.timecode - EPOCH.as_millis() as u64).collect();
    assert_eq!(timecodes, [0, 2000, 4000, 5000, 7000]);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

#[test]
fn equal_timestamps_at_a_boundary_are_adjusted() {
    let mut service = Service::new(config());
    service.put(frame(V, 0, true));
    service.put(frame(V, 2000, false));
    service.put(frame(V, 2000, true));
    service.put(frame(V, 2040, false));
    service.finish(S(10));
    assert_eq!((service.times(0), service.times(1)), (vec![0, 2000], vec![2001, 2040]));
    assert!(service.events.iter().any(|event| matches!(event, Event::TimestampsAdjusted { frames: 1, .. })));
}

#[test]
fn a_long_gop_is_reported_and_cut() {
    for (policy, lost) in [(LongGop::Split, 0), (LongGop::Drop, 249)] {
        let mut service = Service::new(config().long_gop(policy));
        service.play(0, 30_000, 30_000);
        service.put(frame(V, 30_000, true));
        service.finish(S(10));
        let asked = service.events.iter().position(|event| matches!(event, Event::KeyframeNeeded { .. })).unwrap();
        let warned = service.events.iter().position(|event| matches!(event, Event::RuleViolated { .. })).unwrap();
        assert!(asked < warned, "the diagnosis comes before the limit is reached");
        assert_eq!(service.producer.stats().totals.lost_by.no_keyframe, lost);
        assert!(service.stored.iter().all(|seen| seen.frames.last().unwrap().pts - seen.frames[0].pts <= S(20)));
        assert_eq!(service.sessions, 1, "{policy:?}");
    }
}

#[test]
fn a_stop_reports_undelivered_media_as_lost() {
    let mut service = Service::new(config());
    service.black_hole = true;
    service.play(0, 4000, 2000);
    service.finish(S(5));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted.frames, totals.lost.frames, totals.lost_by.stopped), (0, 100, 100));
    assert!(
        service.events.iter().any(|event| matches!(event, Event::Lost(loss) if loss.reason == LossReason::Stopped))
    );
}

#[test]
fn an_outage_longer_than_the_buffer_loses_the_oldest_media() {
    let mut service = Service::new(config().buffer_bytes(300_000));
    service.down = true;
    service.play(0, 60_000, 2000);
    assert!(service.producer.stats().buffered_bytes_peak <= 300_000);
    service.down = false;
    service.pass(S(10));
    service.finish(S(10));
    let totals = service.producer.stats().totals;
    assert!(totals.lost_by.buffer_full > 0 && totals.persisted.frames > 0);
    assert_eq!(totals.lost.frames, totals.lost_by.buffer_full);
}

#[test]
fn a_shared_budget_limits_all_streams_together_and_starves_none() {
    let budget = SharedBudget::new(1_000_000);
    let mut services: Vec<Service> = (0..4).map(|_| Service::new(config().shared_budget(budget.clone()))).collect();
    // The first stream is in an outage and takes what it can before the others start.
    services[0].down = true;
    services[0].play(0, 100_000, 2000);
    for ms in (0..60_000).step_by(40) {
        for service in &mut services[1..] {
            service.down = true;
            service.put(frame(V, ms, ms % 2000 == 0));
        }
        let all: usize = services.iter().map(|service| service.producer.stats().buffered_bytes).sum();
        assert!(all <= budget.bytes(), "{all}");
    }
    let held: Vec<usize> = services.iter().map(|service| service.producer.stats().buffered_bytes).collect();
    assert!(held[0] > 500_000 && held[1..].iter().all(|&held| held > 80_000), "{held:?}");
}
