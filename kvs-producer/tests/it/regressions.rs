//! Problems that users reported for other producers, with their issues, in virtual time.

use crate::support;
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

/// An error acknowledgement that arrives twice counts as one rejection: the fragment is sent again and stored.
#[test]
fn a_repeated_error_ack_counts_once() {
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

/// After a cut without a key frame, audio that resumes before the next key frame does not start a fragment whose header does not
/// declare it.
#[test]
fn a_resumed_track_does_not_start_a_fragment() {
    let config =
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough);
    let mut service = Service::new(config.long_gop(LongGop::Split));
    for ms in (0..40_000).step_by(40) {
        let sound = !(4_000..14_000).contains(&ms);
        // A GOP so long that it is cut, with audio that resumes at that moment.
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

/// A track without frames does not prevent key frames from starting fragments.
#[test]
fn a_silent_track_keeps_no_fragment_open() {
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
fn recovers_after_long_outages() {
    let mut service = Service::new(config());
    let mut at = 0;
    for outage in [30, 60, 120, 300, 600] {
        // One frame per second represents two hours of video.
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

/// cpp#526: after an outage the backlog is sent, and live media continues.
#[test]
fn the_backlog_is_sent_before_live_media() {
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

/// c#242: an unstable link never waits longer than the backoff cap.
#[test]
fn waits_between_attempts_are_capped() {
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
fn all_fragments_are_persisted_across_rotations() {
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

/// cpp#548: a link of 20 B/s is kept as long as it accepts bytes.
#[test]
fn a_slow_link_is_kept() {
    let mut service = Service::new(config());
    service.black_hole = true;
    service.slow = Some(20);
    service.play(0, 60_000, 2000);
    assert_eq!(count(&service, |event| matches!(event, Event::Closed { .. })), 0);
    // A link that accepts nothing is detected.
    service.slow = Some(0);
    service.play(60_000, 120_000, 2000);
    assert!(count(&service, |event| matches!(event, Event::Closed { reason: CloseReason::Silent { .. }, .. })) >= 1);
}

/// Data in the socket is still being sent when the body ends: acknowledgements are awaited as long as it progresses.
#[test]
fn a_slow_link_is_kept_while_its_last_bytes_are_sent() {
    let mut service = Service::new(config().drain_timeout(S(2)).ack_timeout(S(5)));
    service.pass(S(1));
    (service.ack, service.slow, service.lingers) = (|_| Vec::new(), Some(4_000), true);
    (0..50).for_each(|n| service.put(frame(V, n * 40, n == 0)));
    // 25 kB at 4 kB/s: less than the ack timeout before the end of the body, and more after it.
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

/// A link that makes slow progress is not dead, also with less in flight than the window.
#[test]
fn a_slow_link_is_kept_after_the_source_stopped() {
    let mut service = Service::new(config().ack_timeout(S(5)).idle_after(S(600)));
    service.pass(S(1));
    (service.ack, service.slow) = (|_| Vec::new(), Some(1_000));
    (0..50).for_each(|n| service.put(frame(V, n * 40, n == 0)));
    (0..20).for_each(|_| service.pass(S(1)));
    assert_eq!((service.sessions, service.session.is_some()), (1, true));
}

/// cpp#230, c#490: a pause longer than the service's 30 s leads to a clean new session.
#[test]
fn a_long_pause_ends_the_session_in_order() {
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

/// cpp#279, java#38: B-frames across boundaries, in closed and open GOPs.
#[test]
fn b_frames_across_a_boundary_are_accepted() {
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
fn one_rejected_fragment_does_not_stop_the_stream() {
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

/// Documented and unknown error ids: none stops the stream except those that halt it.
#[test]
fn every_error_ack_is_handled() {
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

/// c#368: a timestamp that goes back is an error for the caller if the policy says so.
#[test]
fn rejects_backward_timestamps_if_configured() {
    let mut service = Service::new(config().time_jump(TimeJump::Refuse));
    service.put(frame(V, 10_000, true));
    let refused = service.producer.put_frame(frame(V, 1000, false), service.now).unwrap_err();
    assert!(matches!(refused.refusal, Refusal::TimestampRegression { .. }), "{refused}");
    assert_eq!(refused.into_frame(), frame(V, 1000, false));
}

/// c#142, c#144: a buffer of 2 MB at 1 kB/s, for a day on a connection that never answers.
#[test]
fn the_buffer_stays_bounded_for_a_day() {
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

/// cpp#707, cpp#804: a stop on a dead connection returns within its deadline.
#[test]
fn a_stop_on_a_dead_connection_keeps_its_deadline() {
    let mut service = Service::new(config());
    service.black_hole = true;
    service.play(0, 20_000, 2000);
    service.finish(S(5));
    assert_eq!(service.producer.stats().totals.lost_by.stopped, 500);
}

/// c#196, c#212: credentials of one hour for three days, without a gap.
#[test]
fn expiring_credentials_cause_no_gap() {
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

/// java#204: audio without video is cut by time and accepted.
#[test]
fn audio_only_streams_are_cut_by_time() {
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

/// cpp#680, cpp#354: a track stalls and resumes with an implausible time; no fragment lacks a declared track.
#[test]
fn a_stalled_track_with_an_implausible_time_breaks_no_fragment() {
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

/// c#405: tags are sent once per fragment, also after a resend.
#[test]
fn tags_are_not_repeated_after_a_resend() {
    let mut service = Service::new(config());
    // The service stores the media, and its acknowledgements are lost.
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

/// boto3#3712: the image event is on the fragment of the key frame, so the first image exists.
#[test]
fn an_image_event_is_on_the_fragment_of_its_frame() {
    let mut service = Service::new(config());
    service.put(frame(V, 0, true));
    service.producer.put_event(ImageGeneration::new()).unwrap();
    service.play(40, 2000, 100_000);
    service.put(frame(V, 2000, true));
    service.finish(S(10));
    assert_eq!(service.stored[0].tags[0][0].name, "AWS_KINESISVIDEO_IMAGE_GENERATION");
    assert!(service.stored[1].tags.is_empty());
}

/// cpp#806, cpp#737: a recording is stored at its recording time.
#[test]
fn start_at_stores_media_at_its_recording_time() {
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

/// c#370: a recording is sent faster than real time, limited by the buffer.
#[test]
fn sends_faster_than_real_time() {
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

/// c#54, c#154: pre-roll before an event, without overlap or failure.
#[test]
fn pre_roll_does_not_overlap() {
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

/// cpp#370: a pause of ten minutes gives two clean sessions.
#[test]
fn a_long_pause_gives_two_sessions() {
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
fn an_unset_clock_is_replaced_by_the_wall_clock() {
    let mut service = Service::new(config());
    service.producer.put_frame(Frame::new(V, MS(5000), vec![1; 10]).with_keyframe(true), service.now).unwrap();
    service.finish(S(10));
    assert_eq!(MS(service.stored[0].timecode), EPOCH);
}

/// A jump of the source's clock starts a new session; nothing is lost.
#[test]
fn a_backward_time_jump_starts_a_new_session() {
    let mut service = Service::new(config());
    service.play(100_000, 104_000, 2000);
    service.play(0, 4000, 2000);
    service.finish(S(10));
    assert_eq!((service.sessions, service.stored.len()), (2, 4));
    assert_eq!(count(&service, |event| matches!(event, Event::TimeJump { .. })), 1);
    assert_eq!(service.producer.stats().totals.lost.frames, 0);
}

/// cpp#334, cpp#109: new parameter sets start a new session with its own header.
#[test]
fn changed_parameter_sets_start_a_session() {
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

/// A missing acknowledgement must not make the buffer count later media as too old.
#[test]
fn a_missing_ack_does_not_evict_later_media() {
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
    // Its payload was released after the buffer's two minutes; without the acknowledgement it counts as lost.
    assert_eq!((totals.lost.frames, totals.lost_by.unconfirmed), (50, 50));
}

/// cpp PR#1200: many producers that are invalid or never reach the service are created and dropped.
#[test]
fn dropped_producers_leak_no_memory() {
    const EACH: u64 = 50_000;
    let (now, wall) = (Instant::now(), SystemTime::UNIX_EPOCH + EPOCH);
    let heap = allocation_counter::measure(|| {
        for n in 0..EACH {
            // Rejected late: the header of its sessions is checked last.
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
    // Nothing accumulates meanwhile either.
    assert!(heap.bytes_max < 1 << 20, "{heap:?}");
}

/// cpp#131, cpp#80: a producer can be dropped in any state, and a new one for the same stream works immediately.
#[test]
fn a_new_producer_replaces_a_dropped_one() {
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
        // During its stop.
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
        // While the first one exists, and right after it was dropped.
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

/// cpp#405, cpp#491: SEI first and zeros after a NAL unit; the stored NAL units equal the given ones.
#[test]
fn sei_and_trailing_zeros_are_handled() {
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
    let header = &service.headers[0][0].codec_private;
    assert!(
        header.windows(SPS.len()).any(|window| window == SPS),
        "the header contains the SPS although an SEI came first"
    );
}

/// cpp#675: the header declares the G.711 law of the audio.
#[test]
fn the_header_declares_the_g711_law() {
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

/// cpp#773: the library prints nothing. This test runs itself and checks the output.
#[test]
fn the_library_prints_nothing() {
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
    let again = again
        .args(["--exact", "regressions::the_library_prints_nothing", "--nocapture", "--test-threads", "1"])
        .env(INSIDE, "1");
    let output = again.output().unwrap();
    let printed = String::from_utf8(output.stdout.clone()).unwrap();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    // Only the output of the test runner.
    let lines: Vec<&str> = printed.lines().filter(|line| !line.is_empty()).collect();
    let [running, ok, result] = lines[..] else { panic!("{lines:?}") };
    assert!(
        running == "running 1 test"
            && ok == "test regressions::the_library_prints_nothing ... ok"
            && result.starts_with("test result: ok")
    );
}

/// With reordered pictures, a fragment that is cut without a key frame is cut where no timestamp has to be adjusted.
#[test]
fn a_long_gop_is_cut_at_a_clean_place() {
    let config = kvs_producer::ProducerConfig::new("cam", vec![video(), audio()])
        .bitstream_mode(BitstreamMode::Passthrough)
        .fragment_max(S(5));
    let mut service = Service::new(config);
    // Groups of four pictures: a reference picture, then three that are displayed before it.
    for step in 0..100u64 {
        for (n, ahead) in [4, 1, 2, 3].into_iter().enumerate() {
            service.put(frame(V, (step * 4 + ahead) * 40, step == 0 && n == 0));
            // Audio arrives before the pictures.
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

/// With `MissingTrack::Drop`, a fragment that lacks a track is lost, also while it is being sent; all others are complete.
#[test]
fn a_fragment_that_lacks_a_track_is_dropped_if_configured() {
    let config =
        kvs_producer::ProducerConfig::new("cam", vec![video(), audio()]).bitstream_mode(BitstreamMode::Passthrough);
    let mut service = Service::new(config.missing_track(MissingTrack::Drop));
    for ms in (0..20_000).step_by(40) {
        service.put(frame(V, ms, ms % 2000 == 0));
        if !(9_000..9_900).contains(&ms) {
            service.put(frame(A, ms, false));
        }
        // Two fragments end while there is no audio.
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

/// Many key frames per second stay below the service's limit of five fragments per second.
#[test]
fn all_intra_streams_stay_below_the_fragment_rate_limit() {
    let mut service = Service::new(config());
    service.play(0, 10_000, 40);
    service.finish(S(10));
    assert_eq!(service.stored.len(), 10);
}

/// `end_fragment` lets the service store a fragment without waiting for the next one.
#[test]
fn end_fragment_stores_the_fragment_immediately() {
    let mut service = Service::new(config());
    service.play(0, 2000, 2000);
    service.producer.end_fragment();
    service.run();
    assert_eq!(service.stored.len(), 1);
    assert_eq!(service.producer.stats().totals.persisted.frames, 50);
    assert_eq!(service.sessions, 1);
}

/// The processor time of a frame does not depend on the size of the backlog.
#[test]
fn the_cost_of_a_frame_is_independent_of_the_backlog() {
    /// The shortest time for 200 frames in ten rounds, with this many fragments buffered before.
    fn cost(fragments: u64) -> Duration {
        let mut service = Service::new(config().buffer_bytes(1 << 30).buffer_time(S(864_000)));
        service.black_hole = true;
        for n in 0..fragments {
            service.put(frame(V, n * 500, true));
        }
        let put = |ms: u64, service: &mut Service| service.put(frame(V, ms, ms.is_multiple_of(400)));
        let turns = (0..10).map(|turn| {
            let started = Instant::now();
            (0..200).for_each(|n| put((fragments + 1) * 500 / 400 * 400 + 400 + (turn * 200 + n) * 40, &mut service));
            started.elapsed()
        });
        turns.min().unwrap()
    }
    let (few, many) = (cost(20), cost(20_000));
    // A linear search would take a thousand times as long.
    assert!(many < few * 4, "{few:?} with 20 fragments, {many:?} with 20,000");
}
