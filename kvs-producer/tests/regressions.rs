//! What went wrong in the field with other producers, each under the name its thread has in our notes, in virtual time.

#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use std::time::{Duration, Instant, SystemTime};

use kvs_mkv::codec::g711::{self, Law};
use kvs_mkv::{CodecId, Frame, Track, TrackKind};
use kvs_producer::{
    BitstreamMode, CloseReason, ControlResponse, Event, Failure, FailureKind, FragmentTag, FragmentTimecodeType,
    HaltReason, ImageGeneration, LongGop, LossReason, MissingTrack, Overflow, ProducerCore, RecoveryAction, Refusal,
    TimeJump, Timestamps, Transmit,
};
use kvs_types::ErrorId;
use support::*;

const S: fn(u64) -> Duration = Duration::from_secs;
const MS: fn(u64) -> Duration = Duration::from_millis;

fn count(service: &Service, matches: impl Fn(&Event) -> bool) -> usize {
    service.events.iter().filter(|event| matches(event)).count()
}

fn times_rise(service: &Service) {
    for pair in service.stored.windows(2).filter(|pair| pair[0].session == pair[1].session) {
        let last = pair[0].frames.iter().map(|frame| frame.pts).max().unwrap();
        let first = pair[1].frames.iter().map(|frame| frame.pts).min().unwrap();
        assert!(first > last, "{first:?} after {last:?}");
    }
}

/// An error ack that the network delivers twice is one refusal: the fragment is sent again and stored.
#[test]
fn a_doubled_error_ack_counts_once() {
    let mut service = Service::new(config());
    service.ack = |_| Vec::new();
    service.play(0, 2040, 2000);
    let error = format!(
        r#"{{"EventType":"ERROR","FragmentTimecode":{},"ErrorId":4006,"ErrorCode":"INVALID_MKV_DATA"}}"#,
        at(0).as_millis()
    );
    let session = service.session.unwrap();
    for _ in 0..2 {
        service.producer.handle_ack(session, error.as_bytes(), service.now);
    }
    service.ack = all_acks;
    service.pass(S(5));
    service.finish(S(10));
    assert_eq!(count(&service, |event| matches!(event, Event::Rejected { .. })), 2);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// After a cut without a key frame, sound that is back before the next key frame does not begin a fragment whose header lacks it.
#[test]
fn a_track_that_is_back_does_not_begin_a_fragment() {
    let config =
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough);
    let mut service = Service::new(config.long_gop(LongGop::Split));
    for ms in (0..40_000).step_by(40) {
        let sound = !(4_000..14_000).contains(&ms);
        // One group so long that it has to be cut, with sound that comes back just then.
        if !(14_000..14_400).contains(&ms) {
            service.put(frame(V, ms, ms % 6000 == 0 && !(10_000..30_000).contains(&ms)));
        }
        if sound {
            service.put(frame(A, ms + 20, false));
        }
        if ms == 14_000 {
            service.producer.end_fragment();
        }
        service.pass(MS(40));
    }
    service.finish(S(10));
    for seen in &service.stored {
        assert!(seen.tracks == 2 || seen.frames.iter().all(|frame| frame.track == V), "{}", seen.timecode);
    }
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.track_joining, "{totals:?}");
}

/// A track that gives nothing any more does not keep key frames from beginning fragments.
#[test]
fn a_silent_track_holds_no_fragment_open() {
    let config =
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough);
    let mut service = Service::new(config.long_gop(LongGop::Drop));
    for ms in (0..20_000).step_by(40) {
        service.put(frame(V, ms, ms % 3000 == 0));
        if ms < 5000 {
            service.put(frame(A, ms, false));
        }
        service.pass(MS(40));
    }
    service.finish(S(10));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// cpp#281, cpp#42: outages of 30 s to 10 min over 48 h, no manual action.
#[test]
fn recovers_after_two_hours_without_restart() {
    let mut service = Service::new(config());
    let mut at = 0;
    for outage in [30, 60, 120, 300, 600] {
        // One frame a second stands for two hours of them.
        for _ in 0..7200 / 5 {
            service.put(frame(V, at, true));
            service.pass(S(1));
            at += 1000;
        }
        service.down = true;
        service.cut();
        for _ in 0..outage {
            service.put(frame(V, at, true));
            service.pass(S(1));
            at += 1000;
        }
        service.down = false;
        service.pass(S(11));
        assert!(service.session.is_some(), "back within the backoff cap after {outage} s");
    }
    service.finish(S(30));
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.too_old, "only what the buffer's 120 s could not hold is lost");
    assert!(totals.persisted.frames > totals.submitted.frames * 8 / 10);
}

/// cpp#526: after an outage the backlog goes out and live media goes on.
#[test]
fn backlog_then_live_not_exit() {
    let mut service = Service::new(config());
    service.play(0, 4000, 2000);
    service.down = true;
    service.cut();
    service.play(4000, 40_000, 2000);
    service.down = false;
    service.pass(S(10));
    service.play(40_000, 60_000, 2000);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
    service.finish(S(10));
    assert_eq!(service.stored.len(), 30);
    times_rise(&service);
}

/// c#242: a flapping link never idles longer than the cap.
#[test]
fn retry_gap_is_capped() {
    let mut service = Service::new(config().max_backoff(S(5)));
    service.down = true;
    service.play(0, 120_000, 2000);
    let mut waits = Vec::new();
    for event in &service.events {
        if let Event::Retrying { wait, .. } = event {
            waits.push(*wait);
        }
    }
    assert!(waits.len() >= 24 && waits.iter().all(|wait| *wait <= S(5)), "{waits:?}");
}

/// pic#278: rotation every few fragments, all persisted, no timeout.
#[test]
fn persisted_acks_across_rotation() {
    let mut service = Service::new(config().session_max(S(6)));
    service.play(0, 60_000, 2000);
    service.finish(S(10));
    assert!(service.sessions >= 9, "{}", service.sessions);
    assert_eq!(service.stored.len(), 30, "nothing is sent twice");
    assert_eq!(service.producer.stats().totals.persisted.frames, 1500);
    assert!(service.events.iter().all(|event| match event {
        Event::Closed { reason, .. } => *reason == CloseReason::Complete,
        _ => true,
    }));
}

/// cpp#548: a link of 20 B/s lives as long as it takes bytes.
#[test]
fn slow_link_not_killed() {
    let mut service = Service::new(config());
    service.black_hole = true;
    service.slow = Some(20);
    service.play(0, 60_000, 2000);
    assert_eq!(count(&service, |event| matches!(event, Event::Closed { .. })), 0);
    // When it takes nothing at all any more, it is noticed.
    service.slow = Some(0);
    service.play(60_000, 120_000, 2000);
    assert!(count(&service, |event| matches!(event, Event::Closed { reason: CloseReason::Silent { .. }, .. })) >= 1);
}

/// What was handed to the socket is still on its way when the body ends: the acks are waited for as long as it moves.
#[test]
fn a_slow_link_is_not_killed_while_its_last_bytes_go_out() {
    let mut service = Service::new(config().drain_timeout(S(2)).ack_timeout(S(5)));
    service.pass(S(1));
    (service.ack, service.slow, service.lingers) = (|_| Vec::new(), Some(4_000), true);
    (0..50).for_each(|n| service.put(frame(V, n * 40, n == 0)));
    // 25 kB at 4 kB a second, with less than the ack timeout before the body ends and more after it.
    (0..3).for_each(|_| service.pass(S(1)));
    let session = service.session.unwrap();
    service.producer.finish(Some(service.now + S(60)), service.now);
    (0..5).for_each(|_| service.pass(S(1)));
    for ack in all_acks(at(0).as_millis() as u64) {
        service.producer.handle_ack(session, ack.as_bytes(), service.now);
    }
    service.pass(S(1));
    assert_eq!((service.sessions, service.producer.stats().totals.persisted.frames), (1, 50));
}

/// With less in flight than the window holds, a line that moves slowly is no dead one.
#[test]
fn a_slow_link_is_not_killed_after_the_source_stopped() {
    let mut service = Service::new(config().ack_timeout(S(5)).idle_after(S(600)));
    service.pass(S(1));
    (service.ack, service.slow) = (|_| Vec::new(), Some(1_000));
    (0..50).for_each(|n| service.put(frame(V, n * 40, n == 0)));
    (0..20).for_each(|_| service.pass(S(1)));
    assert_eq!((service.sessions, service.session.is_some()), (1, true));
}

/// cpp#230, c#490: a pause past the service's 30 s makes a clean new session.
#[test]
fn idle_35s_no_4006() {
    let mut service = Service::new(config());
    service.play(0, 4000, 2000);
    service.pass(S(35));
    assert_eq!(count(&service, |event| matches!(event, Event::Idle)), 1);
    assert_eq!(service.stored.len(), 2, "the last fragment was ended and stored");
    service.play(40_000, 44_000, 2000);
    service.finish(S(10));
    assert_eq!((service.sessions, service.stored.len()), (2, 4));
    assert!(service.events.iter().all(|event| !matches!(event, Event::Retrying { .. })));
}

/// cpp#279, java#38: three B-frames a group, closed and open.
#[test]
fn b_frames_across_boundary() {
    for open_group in [false, true] {
        let mut service = Service::new(config());
        for group in 0..5u64 {
            let start = 1000 + group * 1000;
            service.put(frame(V, start, true));
            if open_group && group > 0 {
                for before in [80, 40] {
                    service.put(frame(V, start - before, false));
                }
            }
            for n in 0..5 {
                for offset in [160, 40, 80, 120] {
                    service.put(frame(V, start + n * 160 + offset, false));
                }
            }
        }
        service.finish(S(10));
        times_rise(&service);
        assert_eq!(service.stored.len(), 5);
        assert_eq!(service.producer.stats().adjusted_frames, 0, "open: {open_group}");
        assert!(service.stored.iter().all(|seen| seen.frames[0].keyframe));
    }
}

/// cpp#183: one rejected fragment, the next are persisted.
#[test]
fn bad_fragment_does_not_kill_stream() {
    let mut service = Service::new(config());
    service.ack = |timecode| {
        if timecode == (EPOCH + Duration::from_secs(4)).as_millis() as u64 {
            let code = "FRAGMENT_TIMECODE_LESSER_THAN_PREVIOUS";
            return vec![format!(
                r#"{{"EventType":"ERROR","FragmentTimecode":{timecode},"ErrorId":4004,"ErrorCode":"{code}"}}"#
            )];
        }
        all_acks(timecode)
    };
    service.play(0, 10_000, 2000);
    service.finish(S(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted.frames, totals.lost_by.rejected), (200, 50));
    let lost = service.events.iter().find_map(|event| match event {
        Event::Lost(loss) => Some(loss),
        _ => None,
    });
    let lost = lost.unwrap();
    assert!(matches!(&lost.reason, LossReason::Rejected(error) if error.id == ErrorId(4004)));
    assert_eq!((lost.span.start, lost.span.frames), (SystemTime::UNIX_EPOCH + at(4000), 50));
}

/// Every documented id: meaning, cause, action; unknown ones do not break the stream.
#[test]
fn every_error_ack_has_an_answer() {
    for id in ErrorId::ALL.iter().map(|id| id.0).chain([4999, 5999, 0]) {
        let mut service = Service::new(config());
        service.play(0, 3000, 2000);
        let (session, now) = (service.session.unwrap(), service.now);
        let ack = format!(r#"{{"EventType":"ERROR","ErrorId":{id}}}"#);
        service.producer.handle_ack(session, ack.as_bytes(), now);
        service.run();
        service.pass(S(2));
        let diagnosis = service.events.iter().find_map(|event| match event {
            Event::Rejected { diagnosis, .. } => Some(diagnosis.clone()),
            _ => None,
        });
        let diagnosis = diagnosis.unwrap();
        assert_eq!(diagnosis.error.id, ErrorId(id));
        let halted = count(&service, |event| matches!(event, Event::Halted(HaltReason::Rejected(_)))) == 1;
        assert_eq!(halted, diagnosis.action == RecoveryAction::Halt, "{id}");
        service.producer.resume(service.now);
        service.play(4000, 8000, 2000);
        service.finish(S(20));
        let totals = service.producer.stats().totals;
        let eaten = if diagnosis.action == RecoveryAction::SkipFragment { totals.lost_by.rejected } else { 0 };
        assert_eq!(totals.lost.frames, eaten, "{id}: {totals:?}");
    }
}

/// c#368: time going back is an error to the caller, if he wants it.
#[test]
fn non_monotonic_is_error_to_caller() {
    let mut service = Service::new(config().time_jump(TimeJump::Refuse));
    service.put(frame(V, 10_000, true));
    let refused = service.producer.put_frame(frame(V, 1000, false), service.now).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TimestampRegression { .. }), "{refused}");
    assert_eq!(refused.into_frame(), frame(V, 1000, false));
}

/// c#142, c#144: 2 MB of budget at 1 kB/s, a day in a black hole.
#[test]
fn oom_at_1kbps() {
    let mut service = Service::new(config().buffer_bytes(2_000_000).buffer_time(S(86_400)));
    service.down = true;
    for n in 0..86_400 {
        service.put(Frame::new(V, at(n * 1000), vec![0; 1000]).with_keyframe(n % 2 == 0));
        service.pass(S(1));
        assert!(service.producer.stats().buffered_bytes <= 2_000_000);
        service.events.clear();
    }
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.buffer_full);
}

/// cpp#707, cpp#804: a stop while the line is dead returns within its time.
#[test]
fn stop_during_stale() {
    let mut service = Service::new(config());
    service.black_hole = true;
    service.play(0, 20_000, 2000);
    service.finish(S(5));
    assert_eq!(service.producer.stats().totals.lost_by.stopped, 500);
}

/// c#196, c#212: credentials of an hour, three days, no gap.
#[test]
fn expired_token_midstream() {
    let mut service = Service::new(config());
    for n in 0..72 * 360 {
        service.put(frame(V, n * 10_000, true));
        service.pass(S(10));
        service.events.clear();
    }
    service.finish(S(10));
    let stats = service.producer.stats();
    assert_eq!(stats.totals.persisted, stats.totals.submitted);
    assert!(stats.sessions >= 72 * 60 / 40, "{}", stats.sessions);
    assert_eq!((stats.reconnects, stats.resent_fragments), (0, 0));
}

/// java#204: sound alone is cut by time and accepted.
#[test]
fn audio_only() {
    let track = Track::new(V, TrackKind::Audio, CodecId::AAC).with_audio(48_000.0, 2, None);
    let mut service =
        Service::new(kvs_producer::ProducerConfig::new("cam", vec![track]).bitstream_mode(BitstreamMode::Passthrough));
    for n in 0..500 {
        service.put(frame(V, n * 21, false));
        service.pass(MS(21));
    }
    service.finish(S(10));
    times_rise(&service);
    assert!(service.stored.len() >= 5 && service.stored.iter().all(|seen| seen.frames.len() < 100));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// cpp#680, cpp#354: one track stalls and comes back with a wild time; no fragment lacks a declared track.
#[test]
fn track_stall_and_wild_pts() {
    let mut service = Service::new(
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough),
    );
    for ms in (0..40_000).step_by(40) {
        service.put(frame(V, ms, ms % 2000 == 0));
        if !(10_000..25_000).contains(&ms) {
            service.put(frame(A, ms, false));
        }
        if ms == 15_000 {
            let wild = Frame::new(A, at(16_198_103_012_560_000 / 10_000), vec![1; 10]);
            assert!(service.producer.put_frame(wild, service.now).is_err());
        }
        service.pass(MS(40));
    }
    service.finish(S(10));
    for seen in &service.stored {
        let sounds = seen.frames.iter().any(|frame| frame.track == A);
        assert_eq!(seen.tracks, if sounds { 2 } else { 1 }, "fragment of {}", seen.timecode);
    }
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.track_joining, "{totals:?}");
    let video: usize = service.stored.iter().flat_map(|seen| &seen.frames).filter(|frame| frame.track == V).count();
    assert_eq!(video, 1000, "no picture is lost");
    assert_eq!(service.sessions, 3);
}

/// c#405: tags exactly once after any replay.
#[test]
fn tags_once_each_after_replay() {
    let mut service = Service::new(config());
    // The service stores, and its acks get lost.
    service.ack = |_| Vec::new();
    for n in 0..5 {
        service.play(n * 2000, n * 2000 + 2000, 2000);
        service.producer.put_tag(FragmentTag::once(format!("n{n}"), "")).unwrap();
    }
    service.ack = all_acks;
    service.cut();
    service.pass(S(5));
    service.finish(S(10));
    assert!(service.stored.len() > 5, "fragments were sent again");
    for seen in &service.stored {
        let n = (seen.timecode - EPOCH.as_millis() as u64) / 2000;
        let names: Vec<_> = seen.tags.iter().flatten().map(|tag| tag.name.as_str()).collect();
        assert_eq!(names, [format!("n{n}")]);
    }
}

/// boto3#3712: the image event of a fragment stands on that fragment, so its first picture is there.
#[test]
fn first_image_present() {
    let mut service = Service::new(config());
    service.put(frame(V, 0, true));
    service.producer.put_event(ImageGeneration::new()).unwrap();
    service.play(40, 2000, 100_000);
    service.put(frame(V, 2000, true));
    service.finish(S(10));
    assert_eq!(service.stored[0].tags[0][0].name, "AWS_KINESISVIDEO_IMAGE_GENERATION");
    assert!(service.stored[1].tags.is_empty());
}

/// cpp#806, cpp#737: a file is stored at the time it was recorded.
#[test]
fn file_at_recorded_time() {
    let recorded = SystemTime::UNIX_EPOCH + Duration::from_secs(1_500_000_000);
    for timecodes in [FragmentTimecodeType::Absolute, FragmentTimecodeType::Relative] {
        let config = config().timestamps(Timestamps::StartAt(recorded)).fragment_timecode_type(timecodes);
        let mut service = Service::new(config);
        service.producer.put_frame(Frame::new(V, MS(80), vec![1; 10]).with_keyframe(true), service.now).unwrap();
        service.run();
        let start = service.requests[0].producer_start;
        service.finish(S(10));
        let timecode = MS(service.stored[0].timecode);
        let origin = if timecodes == FragmentTimecodeType::Relative { start } else { SystemTime::UNIX_EPOCH };
        let stored_at = origin + timecode;
        assert_eq!(stored_at, recorded);
    }
}

/// c#370: a file goes out faster than real time, paced by the buffer.
#[test]
fn faster_than_realtime() {
    let mut service = Service::new(config().overflow(Overflow::Refuse).buffer_bytes(200_000));
    let mut waits = 0;
    service.black_hole = false;
    for n in 0..90_000u64 {
        let mut next = frame(V, n * 40, n % 50 == 0);
        loop {
            match service.producer.put_frame(next, service.now) {
                Ok(()) => break,
                Err(refused) => {
                    assert!(matches!(refused.refusal, Refusal::BufferFull { .. }));
                    waits += 1;
                    next = refused.into_frame();
                    service.run();
                    service.pass(MS(1));
                }
            }
        }
        service.events.clear();
    }
    service.finish(S(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.persisted, totals.lost.frames), (totals.submitted, 0));
    assert!(waits > 0, "the buffer set the pace");
}

/// c#54, c#154: pre-roll before the event, no overlap, no failure.
#[test]
fn preroll_overlap() {
    let mut service = Service::new(config().pre_roll(S(5)));
    service.producer.pause(service.now);
    service.play(0, 60_000, 2000);
    assert_eq!(service.sessions, 0, "nothing is sent before the event");
    service.producer.resume(service.now);
    service.play(60_000, 70_000, 2000);
    service.producer.pause(service.now);
    service.play(70_000, 90_000, 2000);
    service.producer.resume(service.now);
    service.finish(S(10));
    let first = service.stored[0].timecode - EPOCH.as_millis() as u64;
    assert!((53_000..=55_000).contains(&first), "{first}");
    times_rise(&service);
    let totals = service.producer.stats().totals;
    assert_eq!(totals.lost.frames, totals.lost_by.paused);
    let mut timecodes: Vec<_> = service.stored.iter().map(|seen| seen.timecode).collect();
    timecodes.dedup();
    assert_eq!(timecodes.len(), service.stored.len());
}

/// cpp#370: ten minutes of pause, two clean sessions.
#[test]
fn pause_resume() {
    let mut service = Service::new(config());
    service.play(0, 4000, 2000);
    service.producer.pause(service.now);
    service.pass(S(600));
    service.producer.resume(service.now);
    service.play(604_000, 608_000, 2000);
    service.finish(S(10));
    assert_eq!((service.sessions, service.stored.len()), (2, 4));
    assert!(service.events.iter().all(|event| !matches!(event, Event::Retrying { .. } | Event::Rejected { .. })));
}

/// c#26, webrtc#1616: a clock that was never set.
#[test]
fn clock_1970() {
    let mut service = Service::new(config());
    service.producer.put_frame(Frame::new(V, MS(5000), vec![1; 10]).with_keyframe(true), service.now).unwrap();
    service.finish(S(10));
    assert_eq!(MS(service.stored[0].timecode), EPOCH);
}

/// A jump of the source's clock begins a new session; nothing is lost.
#[test]
fn a_jump_back_in_time_makes_a_new_session() {
    let mut service = Service::new(config());
    service.play(100_000, 104_000, 2000);
    service.play(0, 4000, 2000);
    service.finish(S(10));
    assert_eq!((service.sessions, service.stored.len()), (2, 4));
    assert_eq!(count(&service, |event| matches!(event, Event::TimeJump { .. })), 1);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// cpp#334, cpp#109: other parameter sets in the stream begin a new session, under their own header.
#[test]
fn params_change_starts_session() {
    let unit = |bytes: &[u8]| [b"\0\0\0\x01".as_slice(), bytes].concat();
    let key = |level: u8| {
        let sps = [0x67, 0x42, 0xc0, level, 0xda, 0x0f, 0x0a, 0x69, 0xa8, 0x08, 0x08, 0x08, 0x10];
        [unit(&sps), unit(&[0x68, 0xce, 0x3c, 0x80]), unit(&[0x65, 0x88, 0x84])].concat()
    };
    let track = Track::new(V, TrackKind::Video, CodecId::H264);
    let mut service = Service::new(kvs_producer::ProducerConfig::new("cam", vec![track]));
    for (n, level) in [10, 10, 11, 11].into_iter().enumerate() {
        let start = n as u64 * 2000;
        service.put(Frame::new(V, at(start), key(level)).with_keyframe(true));
        service.put(Frame::new(V, at(start + 40), unit(&[0x41, 0x9a])));
    }
    service.finish(S(10));
    assert_eq!((service.sessions, service.stored.len()), (2, 4));
    let levels: Vec<u8> = service.headers.iter().map(|tracks| tracks[0].codec_private[3]).collect();
    assert_eq!(levels, [10, 11]);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// An ack that never comes must not make the buffer think that all behind it is old.
#[test]
fn one_missing_ack_costs_nothing() {
    let mut service = Service::new(config().session_max(S(900)));
    service.ack =
        |timecode| if timecode == (EPOCH + S(4)).as_millis() as u64 { Vec::new() } else { all_acks(timecode) };
    service.play(0, 600_000, 2000);
    let stats = service.producer.stats();
    assert_eq!((stats.totals.lost.frames, stats.sessions), (0, 1));
    assert!(stats.buffered_time < S(130), "{:?}", stats.buffered_time);
    service.ack = all_acks;
    service.finish(S(60));
    let totals = service.producer.stats().totals;
    // Its payload was given up after the buffer's two minutes; without the ack it counts as lost.
    assert_eq!((totals.lost.frames, totals.lost_by.unconfirmed), (50, 50));
}

/// cpp PR#1200: a hundred thousand producers that cannot work or never reach the service, made and dropped.
#[test]
fn offline_constructor_leak() {
    const EACH: u64 = 50_000;
    let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + EPOCH);
    let heap = allocation_counter::measure(|| {
        for n in 0..EACH {
            // Refused when it is nearly made: the header of its sessions is tried last.
            assert!(ProducerCore::new(config().seed(n).writing_app("x".repeat(1 << 17)), now, wall).is_err());
            let mut producer = ProducerCore::new(config().seed(n), now, wall).unwrap();
            producer.put_frame(frame(V, 0, true), now).unwrap();
            let Some(Transmit::Control { id, .. }) = producer.poll_transmit(now) else {
                panic!("it looks for its stream")
            };
            producer.handle_response(
                id,
                ControlResponse::Failed(Failure::new(FailureKind::Unreachable, "offline")),
                now,
            );
            assert!(matches!(producer.poll_event(), Some(Event::Retrying { .. })));
        }
    });
    assert_eq!((heap.count_current, heap.bytes_current), (0, 0), "{heap:?}");
    // Nothing gathers while they come and go either.
    assert!(heap.bytes_max < 1 << 20, "{heap:?}");
}

/// cpp#131, cpp#80: a producer is freed wherever it stands, and the next one for the same stream works at once.
#[test]
fn free_then_create_same_name() {
    type Play = fn(&mut Service);
    let lives: [Play; 7] = [
        |_| {},
        |service| service.down = true,
        |service| service.play(0, 1000, 2000),
        // Sent and not confirmed.
        |service| {
            service.ack = |_| Vec::new();
            service.play(0, 5000, 2000);
        },
        // Between two attempts.
        |service| {
            service.play(0, 1000, 2000);
            service.down = true;
            service.cut();
        },
        // In the middle of its stop.
        |service| {
            (service.black_hole, service.lingers) = (true, true);
            service.play(0, 1000, 2000);
            service.producer.finish(None, service.now);
            service.run();
        },
        |service| {
            service.play(0, 1000, 2000);
            service.finish(S(5));
        },
    ];
    for (which, life) in lives.into_iter().enumerate() {
        let mut first = Service::new(config());
        life(&mut first);
        // While the first one lives, and right after it is gone.
        let mut second = Service::new(config());
        second.play(3000, 5000, 2000);
        drop(first);
        second.play(5000, 7000, 2000);
        second.finish(S(5));
        let mut third = Service::new(config());
        third.play(7000, 9000, 2000);
        third.finish(S(5));
        for service in [&second, &third] {
            let totals = service.producer.stats().totals;
            assert_eq!((totals.lost.frames, totals.persisted), (0, totals.submitted), "after life {which}");
            assert!(!service.calls.iter().any(|call| call == "CreateStream"), "{:?}", service.calls);
            assert_eq!(service.sessions, 1, "after life {which}");
        }
    }
}

/// cpp#405, cpp#491: SEI in front, zeros behind a unit; what is stored is what was given, unit by unit.
#[test]
fn sei_first_and_trailing_zero() {
    const SPS: &[u8] = b"\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10";
    const PPS: &[u8] = b"\x68\xce\x3c\x80";
    const SEI: &[u8] = b"\x06\x05\x04\x01\x02\x03\x04\x80";
    let picture: Vec<u8> = [b"\x65\x88".as_slice(), &[0x5a; 300]].concat();
    let units = [SEI, SPS, PPS, &picture];
    let track = Track::new(V, TrackKind::Video, CodecId::H264);
    let mut service = Service::new(kvs_producer::ProducerConfig::new("cam", vec![track]));
    let access_unit: Vec<u8> = units.iter().flat_map(|unit| [b"\0\0\0\x01", *unit, b"\0\0"].concat()).collect();
    service.put(Frame::new(V, at(0), access_unit).with_keyframe(true));
    service.finish(S(5));
    let stored = service.stored[0].frames[0].data.clone().into_bytes();
    let lengths = |unit: &&[u8]| [u32::try_from(unit.len()).unwrap().to_be_bytes().as_slice(), unit].concat();
    assert_eq!(stored, units.iter().flat_map(lengths).collect::<Vec<u8>>());
    let told = &service.headers[0][0].codec_private;
    assert!(told.windows(SPS.len()).any(|window| window == SPS), "the decoder is told though an SEI came first");
}

/// cpp#675: what the header says of the sound is the law it was made with.
#[test]
fn ulaw_not_alaw() {
    for (law, tag) in [(Law::Mu, 7u16), (Law::A, 6)] {
        let track = g711::track(V, law, 8000, 1);
        let mut service = Service::new(kvs_producer::ProducerConfig::new("cam", vec![track]));
        for ms in (0..5000).step_by(20) {
            service.put(Frame::new(V, at(ms), vec![0xd5; 160]));
            service.pass(MS(20));
        }
        service.finish(S(5));
        let stored = &service.headers[0][0];
        assert_eq!(stored.codec, CodecId::ACM);
        assert_eq!(stored.codec_private[..2], tag.to_le_bytes(), "{law:?}");
        assert_eq!(service.stored[0].frames[0].data.clone().into_bytes(), vec![0xd5; 160]);
    }
}

/// cpp#773: a library says nothing on its own; this test runs itself and looks at what was printed.
#[test]
fn silent_library() {
    const INSIDE: &str = "KVS_PRODUCER_SILENT_LIBRARY";
    if std::env::var_os(INSIDE).is_some() {
        let mut service = Service::new(config());
        service.play(0, 3000, 2000);
        service.cut();
        service.down = true;
        service.play(3000, 9000, 2000);
        assert!(service.producer.put_frame(Frame::new(A, at(0), vec![1]), service.now).is_err());
        service.down = false;
        service.pass(S(20));
        return service.finish(S(10));
    }
    let mut again = std::process::Command::new(std::env::current_exe().unwrap());
    let again = again.args(["--exact", "silent_library", "--nocapture", "--test-threads", "1"]).env(INSIDE, "1");
    let output = again.output().unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // The test runner's own words and nothing in between.
    let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    let [running, ok, result] = lines[..] else { panic!("{lines:?}") };
    assert!(running == "running 1 test" && ok == "test silent_library ... ok" && result.starts_with("test result: ok"));
}

/// With pictures shown out of order, a fragment that has to be cut before its key frame is cut where no picture's time has to move.
#[test]
fn a_long_group_is_cut_at_a_clean_place() {
    let config = kvs_producer::ProducerConfig::new("cam", vec![video(), audio()])
        .bitstream_mode(BitstreamMode::Passthrough)
        .fragment_max(S(5));
    let mut service = Service::new(config);
    // Four pictures a step: one that others refer to, then three that are shown before it.
    for step in 0..100u64 {
        for (n, ahead) in [4, 1, 2, 3].into_iter().enumerate() {
            service.put(frame(V, (step * 4 + ahead) * 40, step == 0 && n == 0));
            // The sound is there before the pictures.
            if step > 0 {
                service.put(frame(A, (step * 4 + n as u64 + 1) * 40 + 13, false));
            }
            service.pass(MS(40));
        }
    }
    service.finish(S(10));
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
    assert!(service.stored.len() >= 4, "{}", service.stored.len());
    for seen in &service.stored {
        let times: Vec<_> = seen.frames.iter().map(|frame| frame.pts).collect();
        assert!(*times.iter().max().unwrap() - *times.iter().min().unwrap() <= S(5));
    }
    times_rise(&service);
    let moved: Vec<_> =
        service.events.iter().filter(|event| matches!(event, Event::TimestampsAdjusted { .. })).collect();
    assert!(moved.is_empty(), "a time had to move: {moved:?}");
}

/// A fragment that lacks a track is lost where that was asked for, also when it is on the wire; all others go out whole.
#[test]
fn a_fragment_without_one_of_its_tracks_is_dropped_where_that_is_asked_for() {
    let config =
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough);
    let mut service = Service::new(config.missing_track(MissingTrack::Drop));
    for ms in (0..20_000).step_by(40) {
        service.put(frame(V, ms, ms % 2000 == 0));
        if !(9_000..9_900).contains(&ms) {
            service.put(frame(A, ms, false));
        }
        // Two fragments end within the time in which there is no sound.
        if ms == 9_200 || ms == 9_600 {
            service.producer.end_fragment();
        }
        service.pass(MS(40));
    }
    service.finish(S(10));
    let totals = service.producer.stats().totals;
    assert_eq!((totals.lost.frames, totals.lost_by.track_missing), (10, 10), "{totals:?}");
    for seen in &service.stored {
        assert!(seen.frames.iter().any(|frame| frame.track == A) && seen.tracks == 2, "{}", seen.timecode);
    }
}

/// Many key frames a second stay under the service's five fragments a second.
#[test]
fn all_intra_streams_make_no_more_fragments_than_the_service_takes() {
    let mut service = Service::new(config());
    service.play(0, 10_000, 40);
    service.finish(S(10));
    assert_eq!(service.stored.len(), 10);
}

/// A fragment that ends by a wish of the user is stored without waiting for the next one.
#[test]
fn end_fragment_has_the_last_one_stored_at_once() {
    let mut service = Service::new(config());
    service.play(0, 2000, 2000);
    service.producer.end_fragment();
    service.run();
    assert_eq!(service.stored.len(), 1);
    assert_eq!(service.producer.stats().totals.persisted.frames, 50);
    assert_eq!(service.sessions, 1);
}

/// The cost of a frame does not depend on what is buffered: an outage is no reason to burn the battery.
#[test]
fn the_buffer_is_found_without_a_search() {
    /// The least time that 200 frames took of ten turns, with so many fragments buffered before.
    fn cost(fragments: u64) -> Duration {
        let mut service = Service::new(config().buffer_bytes(1 << 30).buffer_time(S(864_000)));
        service.black_hole = true;
        for n in 0..fragments {
            service.put(frame(V, n * 500, true));
        }
        let put = |ms: u64, service: &mut Service| service.put(frame(V, ms, ms.is_multiple_of(400)));
        let turns = (0..10).map(|turn| {
            let begun = Instant::now();
            (0..200).for_each(|n| put((fragments + 1) * 500 / 400 * 400 + 400 + (turn * 200 + n) * 40, &mut service));
            begun.elapsed()
        });
        turns.min().unwrap()
    }
    let (few, many) = (cost(20), cost(20_000));
    // A search would make it a thousand times as long.
    assert!(many < few * 4, "{few:?} with 20 fragments, {many:?} with 20,000");
}
