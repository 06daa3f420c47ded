//! `kvs doctor rtsp://`: each finding, by a scripted camera that has that fault and no other.

#![cfg(unix)]

use std::process::Stdio;
use std::time::{Duration, SystemTime};

use crate::scripted::media::{INTERVAL, PAUSE, Picture, alaw, packets, pictures, sdp, video};
use crate::scripted::{Connection, Server, Step};

/// What the doctor said.
struct Said {
    code: Option<i32>,
    out: String,
    errors: String,
}

impl Said {
    /// Asserts that there is this finding, and no other that is not good.
    #[track_caller]
    fn only(&self, code: i32, findings: &[&str]) {
        let not_good: Vec<&str> =
            self.out.lines().filter(|line| line.starts_with("note ") || line.starts_with("BAD ")).collect();
        assert_eq!(not_good.len(), findings.len(), "{}{}", self.out, self.errors);
        for (line, finding) in not_good.iter().zip(findings) {
            assert!(line.starts_with(finding), "{finding}: {}", self.out);
        }
        assert_eq!(self.code, Some(code), "{}{}", self.out, self.errors);
    }
}

/// Watches a camera for a second and a half.
async fn doctor(connections: Vec<Connection>) -> Said {
    doctor_for("1500ms", connections).await
}

async fn doctor_for(watch: &str, connections: Vec<Connection>) -> Said {
    let server = Server::start(connections).await;
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_kvs"));
    command.args(["doctor", &server.url("admin:s3cret@"), "--for", watch]).stdin(Stdio::null());
    let output = command.output().await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let said = Said { code: output.status.code(), out: text(output.stdout), errors: text(output.stderr) };
    assert!(!said.out.contains("s3cret") && !said.errors.contains("s3cret"), "{}{}", said.out, said.errors);
    said
}

/// A sender report by which the first picture was taken now, or so many seconds from now.
fn report(ahead: i64) -> Step {
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let ntp = (now.saturating_add_signed(ahead) + 2_208_988_800) << 32;
    Step::Report { track: 0, time: 0, ntp }
}

/// The RTP time of a camera that has jumped.
const HOUR: u32 = 3600 * 90_000;

/// The first pictures of the recording, as a camera sends them that has no fault.
fn good(steps: Vec<Step>) -> Connection {
    Connection::new(&[sdp::H264], [vec![report(0)], steps].concat())
}

/// Pictures with these times, in units of 10 ms.
fn timed(pictures: &[Picture], times: impl IntoIterator<Item = u32>, pause: Duration) -> Vec<Step> {
    let picture = |(picture, time): (&Picture, u32)| {
        let mut steps = packets(picture, time * INTERVAL);
        steps.push(Step::Sleep(pause));
        steps
    };
    pictures.iter().zip(times).flat_map(picture).collect()
}

#[tokio::test]
async fn a_good_camera_has_no_finding() {
    let said = doctor(vec![good(video(0..60, 0))]).await;
    said.only(0, &[]);
    assert!(said.out.contains("every link from the camera to the stream is in order (0 notes)"), "{}", said.out);
    assert!(said.out.contains("ok    key frames: at most 0.2 s apart"), "{}", said.out);
}

#[tokio::test]
async fn an_open_gop_is_a_note() {
    let mut pictures = pictures();
    pictures.truncate(60);
    for picture in &mut pictures {
        for unit in &mut picture.units {
            // An IDR slice as one that is not.
            if unit[0] & 0x1f == 5 {
                unit[0] = unit[0] & 0xe0 | 1;
            }
        }
        if picture.keyframe {
            // Recovery point: 0 frames, exact match.
            let slice = picture.units.iter().position(|unit| unit[0] & 0x1f == 1).unwrap();
            picture.units.insert(slice, vec![6, 6, 1, 0xc4, 0x80]);
        }
    }
    let said = doctor(vec![good(timed(&pictures, 0.., PAUSE))]).await;
    said.only(0, &["note  key frames: none is an IDR picture (open GOP)"]);
}

#[tokio::test]
async fn lost_packets_are_bad() {
    let mut steps = video(0..30, 0);
    steps.push(Step::Skip { track: 0, packets: 3 });
    steps.extend(video(30..60, 30 * INTERVAL));
    let said = doctor(vec![good(steps)]).await;
    said.only(1, &["BAD   loss: 3 packets lost"]);
    assert!(said.out.contains("-> use --transport tcp, a cable, or a lower bit rate"), "{}", said.out);
}

#[tokio::test]
async fn a_clock_that_is_off_or_never_told_is_a_note() {
    let off = Connection::new(&[sdp::H264], [vec![report(-3600)], video(0..60, 0)].concat());
    let untold = Connection::new(&[sdp::H264], video(0..60, 0));
    let (off, untold) = tokio::join!(doctor(vec![off]), doctor(vec![untold]));
    off.only(0, &["note  clock: the camera's clock is 360"]);
    assert!(off.out.contains("s behind this machine's"), "{}", off.out);
    untold.only(0, &["note  clock: the camera sends no sender reports"]);
}

#[tokio::test]
async fn sound_that_is_announced_and_never_comes_is_a_note() {
    let tracks = [sdp::H264, sdp::ALAW];
    let silent = Connection::new(&tracks, [vec![report(0)], video(0..60, 0)].concat());
    let mut steps = vec![report(0)];
    for (number, picture) in (0..60).zip(pictures()) {
        steps.extend(packets(&picture, number * INTERVAL));
        steps.extend([alaw(1, number * 80), Step::Sleep(PAUSE)]);
    }
    let heard = Connection::new(&tracks, steps);
    let (silent, heard) = tokio::join!(doctor(vec![silent]), doctor(vec![heard]));
    silent.only(0, &["note  audio: it is announced, but none came"]);
    heard.only(0, &[]);
    assert!(heard.out.contains("ok    audio: G.711 8000 Hz, 1 channels"), "{}", heard.out);
}

/// Takes 13 s: the next key frame is awaited.
#[tokio::test]
async fn a_gop_that_is_too_long_is_bad() {
    // A key frame, 24 pictures half a second apart, and the next key frame; a little faster than their times say.
    let pictures = pictures();
    let steps = timed(&pictures[..30], (0..30).map(|number| number * 50), Duration::from_millis(460));
    let said = doctor_for("13s", vec![good(steps)]).await;
    said.only(1, &["BAD   key frames: 12.5 s apart"]);
    assert!(said.out.contains("-> set the I-frame interval (GOP) to 4 frames or less"), "{}", said.out);
}

/// Takes 15 s: so long it waits for the first.
#[tokio::test]
async fn a_camera_without_key_frames_is_one_line() {
    let pictures = pictures();
    let without = pictures[1..25].iter().cycle().take(1700).cloned().collect::<Vec<_>>();
    let said = doctor(vec![good(timed(&without, 0.., PAUSE))]).await;
    assert_eq!((said.code, said.errors.lines().count()), (Some(1), 1), "{}{}", said.out, said.errors);
    assert!(said.errors.contains("no key frame within 15 s"), "{}", said.errors);
}

#[tokio::test]
async fn b_frames_are_a_note() {
    let times = (0..60).map(|number| match number % 25 {
        0 => number,
        odd if odd % 2 == 1 => number + 1,
        _ => number - 1,
    });
    let said = doctor(vec![good(timed(&pictures()[..60], times, PAUSE))]).await;
    said.only(0, &["note  B-frames: pictures come out of order"]);
}

#[tokio::test]
async fn motion_jpeg_is_one_line_alone_and_a_note_beside_h264() {
    let alone = doctor(vec![Connection::new(&[sdp::JPEG], Vec::new())]);
    let beside = Connection::new(&[sdp::H264, sdp::JPEG], [vec![report(0)], video(0..60, 0)].concat());
    let (alone, beside) = tokio::join!(alone, doctor(vec![beside]));
    assert_eq!((alone.code, alone.errors.lines().count()), (Some(2), 1), "{}", alone.errors);
    assert!(alone.errors.contains("it offers video jpeg); set the camera to H.264 or H.265"), "{}", alone.errors);
    beside.only(0, &["note  left out: video jpeg: the service does not take this codec"]);
}

#[tokio::test]
async fn a_connection_that_breaks_and_times_that_jump_are_told() {
    let broken = good([video(0..30, 0), vec![Step::HalfAndClose]].concat());
    // An hour ahead, at a key frame.
    let Step::Report { ntp, .. } = report(0) else { unreachable!() };
    let again = Step::Report { track: 0, time: HOUR, ntp };
    let jumping = good([video(0..50, 0), video(50..60, HOUR), vec![again]].concat());
    let (broken, jumping) = tokio::join!(doctor(vec![broken]), doctor(vec![jumping]));
    broken.only(1, &["BAD   connection: lost "]);
    jumping.only(0, &["note  times: 1 jumps, the last: the times of the camera jumped 3"]);
}
