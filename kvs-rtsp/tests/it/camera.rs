//! What comes from a camera that plays.

use std::time::{Duration, SystemTime};

use kvs_mkv::{CodecId, TrackKind};
use kvs_rtsp::{
    Camera, CameraEvent, ClockFault, ClockSource, DropReason, OnLoss, SessionReason, SkipReason, TrackNumber,
};

use crate::scripted::media::{INTERVAL, PAUSE, aac, alaw, packets, pictures, sdp, video};
use crate::scripted::{Connection, Server, Step};
use crate::support::{events_until, frames, names, of_track, options};

const VIDEO: TrackNumber = TrackNumber::ONE;
const SOUND: TrackNumber = TrackNumber::TWO;

fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap()
}

fn is_near(time: Duration, other: Duration, within: Duration) -> bool {
    time.abs_diff(other) <= within
}

#[tokio::test]
async fn frames_have_wall_clock_times_and_every_byte_of_the_recording() {
    let server = Server::start(vec![Connection::new(&[sdp::H264], video(0..60, 4_294_900_000))]).await;
    let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
    let started = now();
    let events = frames(&mut camera, VIDEO, 60).await;
    let CameraEvent::Connected { tracks, skipped } = &events[0] else { panic!("{}", names(&events)) };
    assert_eq!((tracks.len(), &tracks[0].codec, skipped.len()), (1, &CodecId::H264, 0));
    assert!(!tracks[0].codec_private.is_empty() && tracks[0].video.is_some());
    let frames = of_track(&events, VIDEO);
    for (frame, picture) in frames.iter().zip(pictures()) {
        assert_eq!(frame.keyframe, picture.keyframe);
        // The camera's own parameter sets come again, from the RTSP library.
        let slices: Vec<&Vec<u8>> = picture.units.iter().filter(|unit| matches!(unit[0] & 0x1f, 1 | 5)).collect();
        let data = frame.data.clone().into_bytes();
        let end: Vec<u8> = slices
            .iter()
            .flat_map(|unit| [&u32::try_from(unit.len()).unwrap().to_be_bytes()[..], unit].concat())
            .collect();
        assert!(data.ends_with(&end), "{:?} {:?}", picture.units, frame.data);
    }
    // The RTP times wrap on the way.
    let intervals: Vec<u128> = frames.windows(2).map(|pair| (pair[1].pts - pair[0].pts).as_millis()).collect();
    assert!(intervals.iter().all(|interval| (9..=10).contains(interval)), "{intervals:?}");
    assert!(is_near(frames[0].pts, started, Duration::from_secs(3)), "{:?} {started:?}", frames[0].pts);
    camera.stop().await;
    assert_eq!(server.count("TEARDOWN"), 1);
}

#[tokio::test]
async fn new_parameters_are_told_before_their_key_frame() {
    let server = Server::start(vec![Connection::new(&[sdp::H264], video(0..70, 0))]).await;
    let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
    let events = frames(&mut camera, VIDEO, 70).await;
    let at = events.iter().position(|event| matches!(event, CameraEvent::ParametersChanged { .. })).unwrap();
    let (CameraEvent::Connected { tracks: before, .. }, CameraEvent::ParametersChanged { tracks: after }) =
        (&events[0], &events[at])
    else {
        panic!("{}", names(&events))
    };
    assert_ne!(before[0].video, after[0].video);
    assert_eq!(of_track(&events[..at], VIDEO).len(), 60);
    assert!(matches!(&events[at + 1], CameraEvent::Frame(frame) if frame.keyframe));
    assert!(kvs_rtsp::same_codecs(before, after));
}

#[tokio::test]
async fn after_a_loss_frames_are_dropped_up_to_the_next_key_frame_or_kept() {
    let pictures = pictures();
    let mut steps = video(0..10, 0);
    steps.push(Step::Skip { track: 0, packets: 3 });
    steps.extend(video(13..40, 13 * INTERVAL));
    let key = 13 + pictures[13..].iter().position(|picture| picture.keyframe).unwrap();
    for (on_loss, expected) in [(OnLoss::DropToKeyframe, 10 + 40 - key), (OnLoss::Keep, 10 + 27)] {
        let server = Server::start(vec![Connection::new(&[sdp::H264], steps.clone())]).await;
        let mut camera = Camera::open(&server.url(""), options().on_loss(on_loss)).await.unwrap();
        let events = frames(&mut camera, VIDEO, expected).await;
        let lost = events.iter().find_map(|event| match event {
            CameraEvent::Lost { packets, .. } => Some(*packets),
            _ => None,
        });
        assert_eq!(lost, Some(3), "{}", names(&events));
        let dropped = events.iter().find_map(|event| match event {
            CameraEvent::Dropped { frames, reason: DropReason::Loss } => Some(*frames),
            _ => None,
        });
        let is_dropping = on_loss == OnLoss::DropToKeyframe;
        assert_eq!(dropped, is_dropping.then(|| u64::try_from(key - 13).unwrap()));
        assert_eq!(of_track(&events, VIDEO)[10].keyframe, is_dropping);
        assert_eq!(camera.stats().lost_packets, 3);
    }
}

#[tokio::test]
async fn a_jump_of_the_times_begins_a_new_session_at_a_key_frame() {
    for (jump, is_forward) in [(3600 * 90_000, true), (-(20 * 90_000), false)] {
        let start = 1_000_000_000_u32;
        let mut steps = video(0..10, start);
        steps.extend(video(10..40, start.wrapping_add_signed(jump)));
        let server = Server::start(vec![Connection::new(&[sdp::H264], steps)]).await;
        let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
        let events = frames(&mut camera, VIDEO, 15).await;
        let at = events.iter().position(|event| matches!(event, CameraEvent::NewSession { .. })).unwrap();
        let CameraEvent::NewSession { reason } = &events[at] else { panic!() };
        assert_eq!(matches!(reason, SessionReason::JumpForward(_)), is_forward, "{reason}");
        let (before, after) = (of_track(&events[..at], VIDEO), of_track(&events[at..], VIDEO));
        assert!(after[0].keyframe && after[0].pts > before[before.len() - 1].pts, "{}", names(&events));
        assert!(is_near(after[0].pts, now(), Duration::from_secs(3)));
    }
}

#[tokio::test]
async fn sender_reports_of_1970_are_told_and_not_used() {
    let ntp = 2_208_988_800_u64 << 32;
    let mut steps = vec![Step::Report { track: 0, time: 0, ntp }];
    steps.extend(video(0..20, 0));
    let server = Server::start(vec![Connection::new(&[sdp::H264], steps)]).await;
    let mut camera = Camera::open(&server.url(""), options().clock(ClockSource::Camera)).await.unwrap();
    let events = frames(&mut camera, VIDEO, 5).await;
    let fault = events.iter().find_map(|event| match event {
        CameraEvent::ClockOff { reason } => Some(*reason),
        _ => None,
    });
    let Some(ClockFault::Off { millis }) = fault else { panic!("{}", names(&events)) };
    assert!(millis < -1_000_000_000_000, "{millis}");
    assert!(is_near(of_track(&events, VIDEO)[0].pts, now(), Duration::from_secs(3)));
    assert_eq!(camera.stats().clock.reports, 1);
}

#[tokio::test]
async fn sender_reports_near_the_local_clock_are_the_times_to_the_millisecond() {
    let started = now() + Duration::from_millis(1500);
    let ntp = ((started.as_secs() + 2_208_988_800) << 32) | ((u64::from(started.subsec_nanos()) << 32) / 1_000_000_000);
    let mut steps = vec![Step::Report { track: 0, time: 90_000, ntp }];
    steps.extend(video(0..20, 90_000));
    let server = Server::start(vec![Connection::new(&[sdp::H264], steps)]).await;
    let mut camera = Camera::open(&server.url(""), options().clock(ClockSource::Camera)).await.unwrap();
    let events = frames(&mut camera, VIDEO, 20).await;
    for (frame, number) in of_track(&events, VIDEO).iter().zip(0..) {
        let expected = started + Duration::from_millis(10) * number;
        assert!(is_near(frame.pts, expected, Duration::from_millis(1)), "{:?} {expected:?}", frame.pts);
    }
    assert!(!names(&events).contains("ClockOff"), "{}", names(&events));
}

#[tokio::test]
async fn sound_and_pictures_have_one_anchor_whatever_rtp_info_says() {
    // The sound is said to have begun an hour ago, and the sequence numbers are of nothing that comes.
    let wrong = "url=track0;seq=7;rtptime=0,url=track1;seq=9;rtptime=28800000";
    let right = "url=track0;seq=65530;rtptime=0,url=track1;seq=65530;rtptime=57600000";
    for info in [None, Some(right), Some(wrong)] {
        let mut steps = Vec::new();
        for (number, picture) in (0..40_u32).zip(pictures()) {
            steps.extend(packets(&picture, number * INTERVAL));
            steps.push(alaw(1, 57_600_000 + number * 80));
            steps.push(Step::Sleep(PAUSE));
        }
        let connection = Connection { rtp_info: info, ..Connection::new(&[sdp::H264, sdp::ALAW], steps) };
        let server = Server::start(vec![connection]).await;
        let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
        let events = frames(&mut camera, SOUND, 35).await;
        let (pictures, sound) = (of_track(&events, VIDEO), of_track(&events, SOUND));
        let apart = pictures[20].pts.abs_diff(sound[20].pts);
        assert!(apart < Duration::from_millis(60), "{info:?}: {apart:?}");
        assert!(sound.windows(2).all(|pair| pair[0].pts < pair[1].pts));
        let CameraEvent::Connected { tracks, .. } = &events[0] else { panic!() };
        assert_eq!(tracks[1].codec_private, b"\x06\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0\0\0"[..]);
        assert_eq!(camera.stats().lost_packets, 0, "{info:?}");
    }
}

#[tokio::test]
async fn aac_is_taken_and_what_is_not_is_named() {
    let mut steps = Vec::new();
    for (number, picture) in (0..30_u32).zip(pictures()) {
        steps.extend(packets(&picture, number * INTERVAL));
        steps.push(aac(2, number * 1024));
        steps.push(Step::Sleep(PAUSE));
    }
    let tracks = [sdp::H264, sdp::METADATA, sdp::AAC, sdp::JPEG, sdp::ALAW];
    let server = Server::start(vec![Connection::new(&tracks, steps)]).await;
    let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
    let events = frames(&mut camera, SOUND, 10).await;
    let CameraEvent::Connected { tracks, skipped } = &events[0] else { panic!("{}", names(&events)) };
    assert_eq!(
        (&tracks[1].codec, tracks[1].kind, &tracks[1].codec_private[..]),
        (&CodecId::AAC, TrackKind::Audio, &[0x11, 0x90][..])
    );
    let skipped: Vec<_> = skipped.iter().map(|track| (track.encoding.as_str(), track.reason)).collect();
    let expected =
        [("vnd.onvif.metadata", SkipReason::Codec), ("jpeg", SkipReason::Codec), ("pcma", SkipReason::Second)];
    assert_eq!(skipped, expected);
    assert_eq!(of_track(&events, SOUND)[0].data.clone().into_bytes()[..], [0x21, 0x10, 0x04, 0x60, 0x8c, 0x1c]);
}

#[tokio::test]
async fn a_camera_that_refuses_its_sound_still_has_pictures() {
    let connection =
        Connection { setup_status: [200, 461, 200], ..Connection::new(&[sdp::H264, sdp::ALAW], video(0..30, 0)) };
    let server = Server::start(vec![connection]).await;
    let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
    let events = frames(&mut camera, VIDEO, 5).await;
    let CameraEvent::Connected { tracks, skipped } = &events[0] else { panic!("{}", names(&events)) };
    assert_eq!((tracks.len(), skipped[0].reason), (1, SkipReason::Refused));
}

#[tokio::test]
async fn keepalives_are_sent_while_nobody_takes_the_frames() {
    let pictures = pictures();
    let mut steps = Vec::new();
    for number in 0..200_usize {
        steps.extend(packets(&pictures[number % 60], u32::try_from(number).unwrap() * INTERVAL));
        steps.push(Step::Sleep(Duration::from_millis(20)));
    }
    let connection = Connection { session_timeout: 2, ..Connection::new(&[sdp::H264], steps) };
    let server = Server::start(vec![connection]).await;
    let mut camera = Camera::open(&server.url(""), options().queue_bytes(20_000)).await.unwrap();
    tokio::time::sleep(Duration::from_millis(2500)).await;
    let keepalives = server.count("OPTIONS") + server.count("GET_PARAMETER") + server.count("SET_PARAMETER");
    assert!(keepalives >= 2, "{keepalives}");
    let is_drop = |event: &CameraEvent| matches!(event, CameraEvent::Dropped { reason: DropReason::QueueFull, .. });
    let events = events_until(&mut camera, is_drop).await;
    let next = events_until(&mut camera, |event| matches!(event, CameraEvent::Frame(_))).await;
    assert_eq!(names(&next), "Key", "{}", names(&events));
}
