//! Reads the events of a camera.

use std::time::Duration;

use kvs_rtsp::{Camera, CameraEvent, CameraOptions, Frame, TrackNumber};
use tokio::time::timeout;

/// Short waits.
pub(crate) fn options() -> CameraOptions {
    CameraOptions::new()
        .settle(Duration::from_millis(20))
        .retry_first(Duration::from_millis(50))
        .frame_timeout(Duration::from_millis(700))
        .keyframe_timeout(Duration::from_millis(700))
        .seed(1)
}

/// Longer than any test waits for one event.
const PATIENCE: Duration = Duration::from_secs(8);

/// Returns the events up to and with the first for which this holds.
pub(crate) async fn events_until(camera: &mut Camera, is_last: impl Fn(&CameraEvent) -> bool) -> Vec<CameraEvent> {
    let mut events = Vec::new();
    loop {
        let next = timeout(PATIENCE, camera.next()).await;
        let event = next.unwrap_or_else(|_| panic!("no such event among {}", names(&events))).unwrap();
        let ends = is_last(&event);
        events.push(event);
        if ends {
            return events;
        }
    }
}

/// Returns the events up to the frame of this number of a track.
pub(crate) async fn frames(camera: &mut Camera, track: TrackNumber, count: usize) -> Vec<CameraEvent> {
    let mut events = Vec::new();
    while of_track(&events, track).len() < count {
        let is_of_track = |event: &CameraEvent| matches!(event, CameraEvent::Frame(frame) if frame.track == track);
        events.extend(events_until(camera, is_of_track).await);
    }
    events
}

pub(crate) fn of_track(events: &[CameraEvent], track: TrackNumber) -> Vec<&Frame> {
    events.iter().filter_map(|event| frame_of(event, track)).collect()
}

fn frame_of(event: &CameraEvent, track: TrackNumber) -> Option<&Frame> {
    match event {
        CameraEvent::Frame(frame) if frame.track == track => Some(frame),
        _ => None,
    }
}

/// The kinds of the events in order, repetitions once.
pub(crate) fn names(events: &[CameraEvent]) -> String {
    let mut names: Vec<String> = events
        .iter()
        .map(|event| match event {
            CameraEvent::Frame(frame) if frame.keyframe && frame.track == TrackNumber::ONE => "Key".to_owned(),
            CameraEvent::Frame(frame) => format!("Frame{}", frame.track),
            event => format!("{event:?}").chars().take_while(|letter| letter.is_alphanumeric()).collect(),
        })
        .collect();
    names.dedup();
    names.join(" ")
}
