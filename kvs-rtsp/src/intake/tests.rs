//! The intake in virtual time.

use super::*;
use crate::event::ClockFault;

const MS: i64 = 1_000_000;
const SECOND: i64 = 1000 * MS;
/// When the tests begin, on the wall.
const WALL: i64 = 1_780_000_000 * SECOND;

/// A camera with 25 frames per second and a key frame each second.
struct Simulation {
    intake: Intake,
    start: Instant,
    events: Vec<CameraEvent>,
}

impl Simulation {
    fn new(source: ClockSource) -> Self {
        let mut intake = Intake::new(OnLoss::default(), source, Duration::from_millis(500));
        intake.begin_session(Vec::new());
        Self { intake, start: Instant::now(), events: Vec::new() }
    }

    /// A frame of a track, with its media time and its arrival after the beginning of the test.
    fn frame(&mut self, track: usize, media: i64, arrival: i64, keyframe: bool) {
        let raw =
            RawFrame { track, media, arrival: WALL + arrival, keyframe, lost: 0, data: Bytes::from_static(b"frame") };
        self.intake.handle_frame(raw, self.at(arrival));
        self.collect();
    }

    /// Frames of video from one number to another, each this late.
    fn video(&mut self, numbers: std::ops::Range<i64>, media: impl Fn(i64) -> i64, late: impl Fn(i64) -> i64) {
        for number in numbers {
            self.frame(LEAD, media(number * 40 * MS), number * 40 * MS + late(number), number % 25 == 0);
        }
    }

    fn report(&mut self, track: usize, media: i64, wall: i64, arrival: i64) {
        self.intake.handle_report(track, media, WALL + wall, WALL + arrival, self.at(arrival));
        self.collect();
    }

    fn at(&self, arrival: i64) -> Instant {
        self.start + Duration::from_nanos(u64::try_from(arrival).unwrap_or(0))
    }

    fn collect(&mut self) {
        while let Some(event) = self.intake.poll_event() {
            self.events.push(event);
        }
    }

    /// The times of the frames of a track after the beginning of the test, in ms.
    fn times(&self, track: usize) -> Vec<i64> {
        let time = |event: &CameraEvent| match event {
            CameraEvent::Frame(frame) if frame.track == number(track) => {
                Some(i64::try_from(frame.pts.as_nanos()).unwrap_or(0) - WALL)
            }
            _ => None,
        };
        self.events.iter().filter_map(time).map(|time| time.div_euclid(MS)).collect()
    }

    fn told<T>(&self, what: impl Fn(&CameraEvent) -> Option<T>) -> Vec<T> {
        self.events.iter().filter_map(what).collect()
    }

    fn faults(&self) -> Vec<Option<ClockFault>> {
        self.told(|event| match event {
            CameraEvent::ClockOff { reason } => Some(Some(*reason)),
            CameraEvent::ClockRight => Some(None),
            _ => None,
        })
    }

    fn sessions(&self) -> Vec<SessionReason> {
        self.told(|event| match event {
            CameraEvent::NewSession { reason } => Some(*reason),
            _ => None,
        })
    }
}

#[test]
fn a_burst_at_the_start_does_not_make_times_late() {
    let mut camera = Simulation::new(ClockSource::Local);
    // The camera has kept two seconds, which arrive at once at 2 s; then frames are 30 ms late.
    camera.video(0..100, |media| 7 * SECOND + media, |number| (2 * SECOND - number * 40 * MS).max(30 * MS));
    let times = camera.times(LEAD);
    assert_eq!(times.len(), 100);
    assert!(times.iter().zip(0..).all(|(time, number)| *time == number * 40 + 30), "{times:?}");
    assert_eq!(camera.sessions(), []);
}

#[test]
fn the_anchor_follows_a_fast_camera_and_intervals_stay_true() {
    let mut camera = Simulation::new(ClockSource::Local);
    // 200 ppm fast, for two hours, with 20 to 60 ms of delay.
    let media = |time: i64| time + time / 5000;
    camera.video(0..180_000, media, |number| (20 + number * 7 % 40) * MS);
    let times = camera.times(LEAD);
    assert_eq!(times.len(), 180_000);
    for (number, time) in (0..).zip(&times) {
        assert!((time - number * 40 - 20).abs() <= 40, "frame {number} at {time}");
    }
    let apart: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(apart.iter().all(|apart| (39..=41).contains(apart)));
    assert_eq!(camera.sessions(), []);
}

#[test]
fn reports_of_the_camera_are_its_times() {
    let mut camera = Simulation::new(ClockSource::Camera);
    camera.video(0..1, |media| media, |_| 80 * MS);
    camera.report(LEAD, 0, 1234 * MS, 90 * MS);
    camera.video(1..100, |media| media, |_| 80 * MS);
    let times = camera.times(LEAD);
    assert!(times.len() == 100 && times.iter().zip(0..).all(|(time, number)| *time == number * 40 + 1234), "{times:?}");
    assert_eq!(camera.faults(), []);
    assert_eq!(camera.intake.clock_stats().ahead_millis, Some(1144));
}

#[test]
fn reports_that_come_late_begin_a_session_at_a_key_frame_and_no_time_comes_twice() {
    for ahead in [1500, -1500] {
        let mut camera = Simulation::new(ClockSource::Camera);
        camera.video(0..200, |media| media, |_| 80 * MS);
        assert_eq!(camera.faults(), [Some(ClockFault::NoReports)]);
        // Nothing was held longer than 5 s.
        assert_eq!(camera.times(LEAD).len(), 200);
        camera.report(LEAD, 200 * 40 * MS, 200 * 40 * MS + ahead * MS, 200 * 40 * MS);
        camera.video(200..400, |media| media, |_| 80 * MS);
        assert_eq!(camera.faults(), [Some(ClockFault::NoReports), None]);
        assert!(matches!(camera.sessions()[..], [SessionReason::ClockSet(_)]), "{:?}", camera.sessions());
        let times = camera.times(LEAD);
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
        assert_eq!(times.last(), Some(&(399 * 40 + ahead)));
        let dropped: u64 = camera
            .told(|event| match event {
                CameraEvent::Dropped { frames, reason: DropReason::Repeated } => Some(*frames),
                _ => None,
            })
            .iter()
            .sum();
        assert_eq!(u64::try_from(400 - times.len()).unwrap_or(0), dropped);
        assert_eq!(dropped > 0, ahead < 0);
    }
}

#[test]
fn a_camera_that_was_never_set_is_told_once_and_the_local_clock_used() {
    let mut camera = Simulation::new(ClockSource::Camera);
    camera.video(0..1, |media| media, |_| 80 * MS);
    for second in 0..20 {
        let at = second * SECOND;
        camera.report(LEAD, at, at - WALL, at + 80 * MS);
        camera.video(second * 25 + 1..second * 25 + 26, |media| media, |_| 80 * MS);
    }
    let faults = camera.faults();
    assert!(matches!(faults[..], [Some(ClockFault::Off { millis })] if millis < -1_700_000_000_000), "{faults:?}");
    let times = camera.times(LEAD);
    assert!(times.iter().zip(0..).all(|(time, number)| *time == number * 40 + 80), "{times:?}");
    // It is set.
    camera.report(LEAD, 20 * SECOND, 20 * SECOND + 10 * MS, 20 * SECOND + 80 * MS);
    camera.video(501..600, |media| media, |_| 80 * MS);
    assert_eq!(camera.faults().last(), Some(&None));
    assert_eq!(camera.times(LEAD).last(), Some(&(599 * 40 + 10)));
}

#[test]
fn reports_of_both_tracks_put_sound_and_pictures_together_even_from_1970() {
    let mut camera = Simulation::new(ClockSource::Local);
    camera.report(LEAD, 5 * SECOND, -WALL, 0);
    // The sound has another origin, by 3 s, and its encoder is 300 ms slower.
    camera.report(SOUND, 8 * SECOND, -WALL, 0);
    for number in 0..100 {
        let at = number * 40 * MS;
        camera.frame(LEAD, 5 * SECOND + at, at + 80 * MS, number % 25 == 0);
        camera.frame(SOUND, 8 * SECOND + at, at + 380 * MS, true);
    }
    let (pictures, sound) = (camera.times(LEAD), camera.times(SOUND));
    assert_eq!((pictures.last(), sound.last()), (Some(&(99 * 40 + 80)), Some(&(99 * 40 + 80))));
}

#[test]
fn a_silence_is_no_jump_and_a_clock_that_is_set_is_one() {
    let mut camera = Simulation::new(ClockSource::Local);
    camera.video(0..100, |media| media, |_| 30 * MS);
    // 45 s later.
    camera.video(1225..1300, |media| media, |_| 30 * MS);
    assert_eq!((camera.sessions().len(), camera.times(LEAD).len()), (0, 175));
    // The local clock is set an hour ahead.
    camera.video(1300..3000, |media| media, |_| 3600 * SECOND);
    assert!(matches!(camera.sessions()[..], [SessionReason::ClockSet(_)]), "{:?}", camera.sessions());
    assert_eq!(camera.times(LEAD).last(), Some(&(2999 * 40 + 3_600_000)));
    // It is set back, two hours.
    camera.video(3000..3100, |media| media, |_| -3600 * SECOND);
    assert_eq!(camera.sessions().len(), 2);
    assert_eq!(camera.times(LEAD).last(), Some(&(3099 * 40 - 3_600_000)));
}

#[test]
fn jumps_begin_a_session_and_nothing_is_said_of_what_was_never_joined() {
    for jump in [40 * SECOND, -3 * SECOND] {
        let mut camera = Simulation::new(ClockSource::Local);
        camera.video(0..110, |media| media + 100 * SECOND, |_| 30 * MS);
        camera.video(110..200, |media| media + 100 * SECOND + jump, |_| 30 * MS);
        assert_eq!(camera.sessions().len(), 1, "{:?}", camera.sessions());
        let dropped = camera.told(|event| match event {
            CameraEvent::Dropped { frames, reason } => Some((*frames, *reason)),
            _ => None,
        });
        // From the jump to the key frame 125.
        assert_eq!(dropped, [(15, DropReason::Jump)]);
        let times = camera.times(LEAD);
        assert_eq!((times.len(), times.last()), (185, Some(&(199 * 40 + 30))));
        assert!(times.windows(2).all(|pair| pair[0] < pair[1]));
    }
}

#[test]
fn what_was_passed_on_before_a_reconnection_does_not_come_again() {
    let mut camera = Simulation::new(ClockSource::Local);
    camera.video(0..100, |media| media, |_| 30 * MS);
    camera.intake.end_session();
    camera.intake.begin_session(Vec::new());
    // The camera begins with the GOP that it has kept: frames 75 to 99 again, at 4.2 s.
    for number in 75..200 {
        let at = number * 40 * MS;
        camera.frame(LEAD, at, at.max(4200 * MS) + 30 * MS, number % 25 == 0);
    }
    let times = camera.times(LEAD);
    assert!(times.windows(2).all(|pair| pair[0] < pair[1]), "{times:?}");
    assert_eq!(times.len(), 200);
    let back = camera.told(|event| match event {
        CameraEvent::CameraBack { gap } => Some(*gap),
        _ => None,
    });
    assert_eq!(back, [Duration::from_millis(240)]);
}

#[test]
fn pictures_before_the_first_key_frame_of_an_open_gop_are_left_out() {
    let mut camera = Simulation::new(ClockSource::Local);
    // Decoding order: I P B B, and the second GOP begins with a key frame whose two B-pictures are shown before it.
    let orders =
        [(3, true), (1, false), (2, false), (6, false), (4, false), (5, false), (9, true), (7, false), (8, false)];
    for (at, (order, key)) in (0..).zip(orders) {
        camera.frame(LEAD, order * 40 * MS, at * 40 * MS, key);
    }
    camera.frame(LEAD, 12 * 40 * MS, 600 * MS, false);
    assert_eq!(camera.told(|event| matches!(event, CameraEvent::Frame(_)).then_some(())).len(), 8);
}
