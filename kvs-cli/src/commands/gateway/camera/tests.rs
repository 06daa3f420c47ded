//! What fails in a camera stays in it.

use std::path::Path;
use std::sync::Mutex;

use kvs_producer::{CodecId, Track, TrackKind, TrackNumber};

use super::*;
use crate::commands::gateway::config::Config;
use crate::commands::gateway::journal::LogFormat;
use crate::commands::gateway::source::{Source, SourceEvent};
use crate::connection::{Connection, GivenKeys};

/// A camera whose service is at an address where nothing listens.
async fn context(name: &str) -> Context {
    let text = format!("[camera.{name}]\nurl = 'rtsp://127.0.0.1:1/{name}'\nstream = '{name}'\n");
    let config = Config::parse(&text, Path::new("cameras.toml")).unwrap();
    let keys = GivenKeys { id: "id".to_owned(), secret: "secret".to_owned(), token: None };
    let connection = Connection::default().with(None, Some("local".to_owned()), Some("http://127.0.0.1:1".to_owned()));
    Context {
        config: Arc::clone(&config.cameras[name]),
        board: Arc::new(Board::new(name)),
        client: connection.client_with(Some(keys)).await.unwrap(),
        budget: SharedBudget::new(64 << 20),
        journal: Journal::new(LogFormat::Json, true).unwrap(),
    }
}

fn video() -> Track {
    Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264)
}

fn connected(tracks: Vec<Track>) -> SourceEvent {
    SourceEvent::Connected { tracks, is_in_band: true, skipped: None }
}

/// Seconds from the first start of a task to the others, if each start panics after `lives` seconds.
async fn starts(lives: u64, count: usize) -> (Vec<u64>, Arc<Board>) {
    let context = context("door").await;
    let board = Arc::clone(&context.board);
    let (stop, stopping) = watch::channel(None);
    let (begun, times) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
    let started = Arc::clone(&times);
    let run = move |_, _| {
        let mut started = started.lock().unwrap();
        started.push(begun.elapsed().as_secs());
        let is_last = started.len() == count;
        let stop = stop.clone();
        async move {
            if is_last {
                stop.send_replace(Some(Instant::now()));
                return Ending { lost_frames: 7, spooled_frames: 0 };
            }
            sleep(Duration::from_secs(lives)).await;
            panic!("a fault of a test");
        }
    };
    let ending = supervise(context, stopping, run).await;
    assert_eq!(ending.lost_frames, 7, "the ending is that of the last run");
    let times = times.lock().unwrap().clone();
    (times, board)
}

#[tokio::test(start_paused = true)]
async fn a_task_that_panics_is_reported_and_started_again_after_waits_that_double_to_a_minute() {
    let (times, board) = starts(0, 9).await;
    assert_eq!(times, [0, 1, 3, 7, 15, 31, 63, 123, 183]);
    let now = board.snapshot();
    assert_eq!((now.panics, now.camera, now.is_well()), (8, CameraState::Failed, false));
    assert_eq!(now.reason, "its task panicked");
    // A minute without a panic resets the wait.
    assert_eq!(starts(60, 4).await.0, [0, 61, 122, 183]);
}

#[tokio::test(start_paused = true)]
async fn a_camera_that_panics_disturbs_no_other_and_can_be_stopped_while_it_waits() {
    let (bad, good) = (context("bad").await, context("good").await);
    let (bad_board, good_board) = (Arc::clone(&bad.board), Arc::clone(&good.board));
    let (stop, stopping) = watch::channel(None);
    let panics = tokio::spawn(supervise(bad, stopping.clone(), async |_: Context, _: Stop| -> Ending {
        panic!("a fault of a test")
    }));
    let works = tokio::spawn(supervise(good, stopping, |context: Context, mut stop: Stop| async move {
        while timeout_at(Instant::now() + Duration::from_millis(40), stop.wait_for(Option::is_some)).await.is_err() {
            context.board.frame(1000, true);
            context.board.camera_is(CameraState::Live, "");
        }
        Ending::default()
    }));
    sleep(Duration::from_secs(100)).await;
    stop.send_replace(Some(Instant::now()));
    assert_eq!(panics.await.unwrap(), Ending::default());
    assert_eq!(works.await.unwrap(), Ending::default());
    assert_eq!(bad_board.snapshot().panics, 7);
    let good = good_board.snapshot();
    assert_eq!((good.panics, good.camera, good.received_frames), (0, CameraState::Live, 2499));
}

#[tokio::test(start_paused = true)]
async fn a_source_that_panics_is_started_again_and_its_producer_stays() {
    let context = context("door").await;
    let board = Arc::clone(&context.board);
    let (_stop, mut stopping) = watch::channel(None);
    let mut run = Run::new(context);
    run.source_event(connected(vec![video()])).await;
    run.source = Some(Source::Panics);
    let wake = loop {
        match run.wake(&mut stopping).await {
            run::Wake::Uplink(Some(event)) => run.uplink_event(&event),
            wake => break wake,
        }
    };
    assert!(matches!(wake, run::Wake::Panicked));
    run.source_panicked();
    assert!(run.source.is_none() && run.uplink.is_some());
    let wait = run.begin_at.unwrap() - Instant::now();
    assert_eq!(wait, Duration::from_secs(10));
    let now = board.snapshot();
    assert_eq!(now.camera, CameraState::Lost);
    assert!(now.reason.contains("panicked"), "{}", now.reason);
    run.begin();
    assert!(run.source.is_some() && run.begin_at.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_panics_is_reported_and_another_takes_its_place() {
    let context = context("door").await;
    let board = Arc::clone(&context.board);
    let (_stop, mut stopping) = watch::channel(None);
    let mut run = Run::new(context);
    run.source_event(connected(vec![video()])).await;
    run.uplink_panicked();
    let now = board.snapshot();
    assert_eq!((now.panics, now.upload), (1, UploadState::Halted));
    let begun = Instant::now();
    assert!(matches!(run.wake(&mut stopping).await, run::Wake::Resume));
    assert_eq!(begun.elapsed(), Duration::from_secs(10));
    run.resume();
    assert!(run.uplink.is_some());
    assert_eq!(board.snapshot().upload, UploadState::Connecting);
}

#[tokio::test(start_paused = true)]
async fn a_producer_that_could_not_start_is_tried_again_without_a_connection_of_the_camera() {
    let context = context("door").await;
    let board = Arc::clone(&context.board);
    let (_stop, mut stopping) = watch::channel(None);
    let mut run = Run::new(context);
    // More tracks than the service takes.
    let most = kvs_types::limits::TRACKS;
    let tracks = (1..=most as u64 + 1)
        .map(|number| Track::new(TrackNumber::new(number).unwrap(), TrackKind::Video, CodecId::H264));
    run.source_event(connected(tracks.collect())).await;
    let now = board.snapshot();
    assert_eq!((now.upload, run.uplink.is_some()), (UploadState::Halted, false));
    assert!(now.reason.contains("4 tracks, must be 1 to 3"), "{}", now.reason);
    for _ in 0..2 {
        let begun = Instant::now();
        assert!(matches!(run.wake(&mut stopping).await, run::Wake::Resume));
        assert_eq!(begun.elapsed(), Duration::from_secs(300));
        run.resume();
        assert!(run.uplink.is_none() && run.resume_at.is_some());
    }
    // What was wrong is right now.
    run.tracks.truncate(1);
    assert!(matches!(run.wake(&mut stopping).await, run::Wake::Resume));
    run.resume();
    assert!(run.uplink.is_some());
    assert_eq!(board.snapshot().upload, UploadState::Connecting);
}
