//! Cameras that do not answer, that go and come back, and that reject.

use std::time::Duration;

use kvs_rtsp::{Camera, CameraError, CameraEvent, CameraState, OpenError, TrackNumber};

use crate::scripted::media::{INTERVAL, packets, pictures, sdp, video};
use crate::scripted::{Connection, Server, Step};
use crate::support::{events_until, frames, names, of_track, options};

const VIDEO: TrackNumber = TrackNumber::ONE;
const DIGEST: &str = "Digest realm=\"cam\", nonce=\"abc\", algorithm=MD5, qop=\"auth\"";
const PASSWORD: &str = "p%40ss%2Fw0rd";

fn is_frame(event: &CameraEvent) -> bool {
    matches!(event, CameraEvent::Frame(_))
}

/// Plays the first pictures, ends in a way, and plays on with the next connection.
async fn comes_back_after(ending: Vec<Step>) -> Vec<CameraEvent> {
    let first = Connection::new(&[sdp::H264], [video(0..20, 0), ending].concat());
    let second = Connection::new(&[sdp::H264], video(0..60, 3_000_000_000));
    let server = Server::start(vec![first, second]).await;
    let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
    let mut events = events_until(&mut camera, |event| matches!(event, CameraEvent::CameraBack { .. })).await;
    events.extend(frames(&mut camera, VIDEO, 5).await);
    let before: Vec<_> = of_track(&events, VIDEO).iter().map(|frame| frame.pts).collect();
    assert!(before.windows(2).all(|pair| pair[0] < pair[1]), "{before:?}");
    assert_eq!(camera.stats().sessions, 2);
    events
}

#[tokio::test]
async fn silence_counts_as_lost_and_the_gap_is_told() {
    let events = comes_back_after(Vec::new()).await;
    assert_eq!(names(&events), "Connected Key Frame1 CameraLost Connected CameraBack Key Frame1");
    let lost = events.iter().find_map(|event| match event {
        CameraEvent::CameraLost { error, .. } => Some(error.to_string()),
        _ => None,
    });
    assert!(lost.as_ref().unwrap().ends_with("no frame within 0.7 s"), "{lost:?}");
    let gap = events.iter().find_map(|event| match event {
        CameraEvent::CameraBack { gap } => Some(*gap),
        _ => None,
    });
    assert!((Duration::from_millis(700)..Duration::from_secs(6)).contains(&gap.unwrap()), "{gap:?}");
}

#[tokio::test]
async fn a_connection_that_ends_within_a_frame_is_replaced() {
    let events = comes_back_after(vec![Step::HalfAndClose]).await;
    assert!(
        names(&events).starts_with("Connected Key Frame1 CameraLost Connected CameraBack Key"),
        "{}",
        names(&events)
    );
}

#[tokio::test]
async fn a_new_source_begins_a_new_session() {
    let ending = [vec![Step::NewSource { track: 0 }], video(20..25, 77)].concat();
    let events = comes_back_after(ending).await;
    assert!(
        names(&events).starts_with("Connected Key Frame1 CameraLost Connected CameraBack Key"),
        "{}",
        names(&events)
    );
}

#[tokio::test]
async fn a_busy_camera_is_asked_again() {
    for status in [453, 503] {
        let busy = Connection { describe_status: status, ..Connection::new(&[], Vec::new()) };
        let free = Connection::new(&[sdp::H264], video(0..60, 0));
        let server = Server::start(vec![busy.clone(), busy, free]).await;
        let mut camera = Camera::start(&server.url(""), options()).unwrap();
        let events = events_until(&mut camera, is_frame).await;
        assert_eq!(names(&events), "Retrying Connected Key");
        let attempts: Vec<u32> = events
            .iter()
            .filter_map(|event| match event {
                CameraEvent::Retrying { error: CameraError::Busy { .. }, attempt, .. } => Some(*attempt),
                _ => None,
            })
            .collect();
        assert_eq!(attempts, [1, 2]);
    }
}

#[tokio::test]
async fn credentials_are_decoded_and_answer_digest_and_basic() {
    let digest = (DIGEST, "Digest username=\"admin\"");
    let basic = ("Basic realm=\"cam\"", "Basic YWRtaW46cEBzcy93MHJk");
    for auth in [digest, basic] {
        let connection = Connection { auth: Some(auth), ..Connection::new(&[sdp::H264], video(0..30, 0)) };
        let server = Server::start(vec![connection]).await;
        let mut camera = Camera::open(&server.url(&format!("admin:{PASSWORD}@")), options()).await.unwrap();
        frames(&mut camera, VIDEO, 3).await;
        camera.stop().await;
        assert_eq!(server.count("DESCRIBE"), 2, "once without credentials");
        assert!(server.requests().iter().all(|request| !request.contains("p%40ss") && !request.contains("p@ss")));
    }
}

#[tokio::test]
async fn rejected_credentials_are_told_once_and_tried_slowly() {
    let connection = Connection { auth: Some((DIGEST, "never")), ..Connection::new(&[], Vec::new()) };
    let server = Server::start(vec![connection]).await;
    let url = server.url(&format!("admin:{PASSWORD}@"));
    let Err(OpenError::Camera(error)) = Camera::open(&url, options()).await else { panic!("it must not open") };
    let text = format!("{error} {error:?}");
    assert!(text.contains("rejects the credentials") && error.needs_correction(), "{text}");
    assert!(!text.contains("p@ss") && !text.contains("p%40ss"), "{text}");
    // Once without and once with credentials.
    assert_eq!(server.count("DESCRIBE"), 2);
    let mut camera = Camera::start(&url, options()).unwrap();
    let events = events_until(&mut camera, |_| true).await;
    let CameraEvent::Unauthorized { retry_in, .. } = &events[0] else { panic!("{}", names(&events)) };
    assert!(*retry_in >= Duration::from_secs(300), "{retry_in:?}");
    assert_eq!(camera.stats().state, CameraState::Unauthorized);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(server.count("DESCRIBE"), 4);
}

#[tokio::test]
async fn what_cannot_be_used_says_what_to_change() {
    let open = async |connection: Connection, patience: Duration| {
        let server = Server::start(vec![connection]).await;
        let options = options().request_timeout(patience).audio(false);
        match Camera::open(&server.url(""), options).await {
            Err(OpenError::Camera(error)) => error,
            other => panic!("{other:?}"),
        }
    };
    let short = Duration::from_millis(500);
    let jpeg = open(Connection::new(&[sdp::JPEG], Vec::new()), short).await;
    assert!(jpeg.to_string().contains("video jpeg") && jpeg.to_string().contains("H.264 or H.265"), "{jpeg}");
    let missing = Connection { describe_status: 404, ..Connection::new(&[], Vec::new()) };
    let missing = open(missing, short).await;
    assert!(missing.to_string().contains("check the path") && missing.needs_correction(), "{missing}");
    let pictures = pictures();
    let without_keys =
        pictures[1..25].iter().zip(1..).flat_map(|(picture, number)| packets(picture, number * INTERVAL));
    let keyless = open(Connection::new(&[sdp::H264], without_keys.collect()), short).await;
    assert!(keyless.to_string().ends_with("no key frame within 0.7 s"), "{keyless}");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("rtsp://{}/", listener.local_addr().unwrap());
    let Err(silent) = Camera::open(&url, options().request_timeout(short)).await else { panic!() };
    assert!(silent.to_string().ends_with("no answer within 0.5 s"), "{silent}");
    drop(listener);
    let Err(nobody) = Camera::open(&url, options()).await else { panic!() };
    assert!(nobody.to_string().starts_with("cannot connect to rtsp://127.0.0.1:"), "{nobody}");
}

#[tokio::test]
async fn a_camera_that_is_stopped_or_dropped_is_told() {
    for is_stopped in [true, false] {
        let server = Server::start(vec![Connection::new(&[sdp::H264], video(0..60, 0))]).await;
        let mut camera = Camera::open(&server.url(""), options()).await.unwrap();
        frames(&mut camera, VIDEO, 3).await;
        if is_stopped {
            camera.stop().await;
        } else {
            drop(camera);
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        assert_eq!(server.count("TEARDOWN"), 1);
    }
}
