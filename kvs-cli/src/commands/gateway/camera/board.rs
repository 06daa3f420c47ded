//! What is known of a camera at any time: its tasks write it, metrics and health read it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use kvs_producer::{Producer, Stats};

use super::counters::Counters;
use super::rate::Rate;
use super::state::{CameraState, UploadState};

/// The state and the counters of one camera. They go on when the camera is restarted.
#[derive(Debug)]
pub(crate) struct Board {
    name: String,
    /// The zero of the seconds that rates count.
    started: Instant,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    stream: String,
    buffer_limit: usize,
    camera: CameraState,
    upload: UploadState,
    /// Why the camera is away.
    camera_reason: String,
    /// Why the upload does not go on.
    upload_reason: String,
    since: SystemTime,
    tracks: String,
    rate: Rate,
    received_frames: u64,
    received_bytes: u64,
    lost_packets: u64,
    dropped_frames: u64,
    disconnects: u64,
    panics: u64,
    last_frame: Option<SystemTime>,
    last_persisted: Option<SystemTime>,
    producer: Option<Arc<Producer>>,
    /// What producers before this one have done.
    past: Counters,
}

/// What is known of a camera at one moment.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) name: String,
    pub(crate) stream: String,
    pub(crate) camera: CameraState,
    pub(crate) upload: UploadState,
    /// Why the camera or the upload is not as it should be.
    pub(crate) reason: String,
    pub(crate) since: SystemTime,
    pub(crate) tracks: String,
    pub(crate) frames_per_second: f64,
    pub(crate) bits_per_second: f64,
    pub(crate) received_frames: u64,
    pub(crate) received_bytes: u64,
    pub(crate) lost_packets: u64,
    pub(crate) dropped_frames: u64,
    pub(crate) disconnects: u64,
    pub(crate) panics: u64,
    pub(crate) last_frame: Option<SystemTime>,
    pub(crate) last_persisted: Option<SystemTime>,
    pub(crate) buffer_bytes: usize,
    pub(crate) buffer_limit: usize,
    pub(crate) buffer_time: Duration,
    pub(crate) spooled_bytes: u64,
    pub(crate) counters: Counters,
}

impl Snapshot {
    /// Whether the camera is seen and its media is accepted.
    pub(crate) const fn is_well(&self) -> bool {
        self.camera.is_well() && self.upload.is_well()
    }
}

impl Board {
    pub(crate) fn new(name: &str) -> Self {
        let known = Known {
            stream: String::new(),
            buffer_limit: 0,
            camera: CameraState::Connecting,
            upload: UploadState::Waiting,
            camera_reason: String::new(),
            upload_reason: String::new(),
            since: SystemTime::now(),
            tracks: String::new(),
            rate: Rate::default(),
            received_frames: 0,
            received_bytes: 0,
            lost_packets: 0,
            dropped_frames: 0,
            disconnects: 0,
            panics: 0,
            last_frame: None,
            last_persisted: None,
            producer: None,
            past: Counters::default(),
        };
        Self { name: name.to_owned(), started: Instant::now(), known: Mutex::new(known) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn configured(&self, stream: &str, buffer_limit: usize) {
        let mut known = self.known();
        stream.clone_into(&mut known.stream);
        known.buffer_limit = buffer_limit;
    }

    /// Returns whether that is a change.
    pub(super) fn camera_is(&self, state: CameraState, reason: &str) -> bool {
        let mut known = self.known();
        let is_change = known.camera != state;
        if is_change {
            known.since = SystemTime::now();
            known.disconnects += u64::from(known.camera == CameraState::Live && state.is_absent());
            known.camera = state;
        }
        reason.clone_into(&mut known.camera_reason);
        is_change
    }

    /// Returns whether that is a change.
    pub(super) fn upload_is(&self, state: UploadState, reason: &str) -> bool {
        let mut known = self.known();
        let is_change = known.upload != state;
        if is_change {
            known.since = SystemTime::now();
            known.upload = state;
        }
        reason.clone_into(&mut known.upload_reason);
        is_change
    }

    pub(super) fn tracks_are(&self, tracks: &str) {
        tracks.clone_into(&mut self.known().tracks);
    }

    pub(super) fn frame(&self, bytes: usize, is_video: bool) {
        let second = self.started.elapsed().as_secs();
        let mut known = self.known();
        known.rate.count(second, bytes, is_video);
        known.received_frames += 1;
        known.received_bytes += bytes as u64;
        known.last_frame = Some(SystemTime::now());
    }

    pub(super) fn lost_packets(&self, packets: u64) {
        self.known().lost_packets += packets;
    }

    pub(super) fn dropped_frames(&self, frames: u64) {
        self.known().dropped_frames += frames;
    }

    pub(super) fn persisted(&self) {
        self.known().last_persisted = Some(SystemTime::now());
    }

    pub(super) fn producer_is(&self, producer: Arc<Producer>) {
        self.known().producer = Some(producer);
    }

    /// The producer has stopped with these statistics.
    pub(super) fn stopped(&self, stats: &Stats) {
        let mut known = self.known();
        known.producer = None;
        known.past.add(stats);
    }

    /// The task of the camera has panicked: what its producer holds is lost. Returns how many frames that are.
    pub(super) fn panicked(&self) -> u64 {
        let mut known = self.known();
        known.panics += 1;
        let Some(producer) = known.producer.take() else { return 0 };
        let stats = producer.stats();
        let held = stats.totals.held().frames - stats.totals.spooled.frames.min(stats.totals.held().frames);
        known.past.add(&stats);
        known.past.lose_stopped(held);
        held
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let second = self.started.elapsed().as_secs();
        let known = self.known();
        let stats = known.producer.as_ref().map(|producer| producer.stats());
        let mut counters = known.past.clone();
        if let Some(stats) = &stats {
            counters.add(stats);
        }
        let (frames_per_second, bits_per_second) = known.rate.per_second(second);
        Snapshot {
            name: self.name.clone(),
            stream: known.stream.clone(),
            camera: known.camera,
            upload: known.upload,
            // A camera that is away explains why nothing is sent.
            reason: if known.camera_reason.is_empty() { &known.upload_reason } else { &known.camera_reason }.clone(),
            since: known.since,
            tracks: known.tracks.clone(),
            frames_per_second,
            bits_per_second,
            received_frames: known.received_frames,
            received_bytes: known.received_bytes,
            lost_packets: known.lost_packets,
            dropped_frames: known.dropped_frames,
            disconnects: known.disconnects,
            panics: known.panics,
            last_frame: known.last_frame,
            last_persisted: known.last_persisted,
            buffer_bytes: stats.as_ref().map_or(0, |stats| stats.buffered_bytes),
            buffer_limit: known.buffer_limit,
            buffer_time: stats.as_ref().map_or(Duration::ZERO, |stats| stats.buffered_time),
            spooled_bytes: stats.as_ref().map_or(0, |stats| stats.totals.spooled.bytes),
            counters,
        }
    }
}
