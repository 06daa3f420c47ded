//! The producer of a camera. It stays open while the camera is away.

use std::sync::Arc;

use kvs_producer::{
    Client, Event, Events, FragmentTag, Frame, Producer, PutFrameError, SharedBudget, Track, TrackKind,
};

use crate::commands::gateway::config::CameraConfig;
use crate::failure::with_causes;

/// The producer of a camera, and the tracks that it sends.
pub(super) struct Uplink {
    producer: Arc<Producer>,
    events: Events,
    tracks: Vec<Track>,
}

impl Uplink {
    /// Starts a producer, whether there is a network or not. A spool that cannot be used is told and left out.
    pub(super) fn start(
        config: &CameraConfig,
        tracks: Vec<Track>,
        client: &Client,
        budget: &SharedBudget,
    ) -> Result<(Self, Option<String>), String> {
        let settings = config.producer(tracks.clone()).shared_budget(budget.clone());
        let (producer, problem) = match Producer::start(settings, client.clone()) {
            Ok(producer) => (producer, None),
            Err(error) if config.spool.is_some() => {
                let in_memory = config.producer_in_memory(tracks.clone());
                let started = Producer::start(in_memory.shared_budget(budget.clone()), client.clone());
                (started.map_err(|error| with_causes(&error))?, Some(with_causes(&error)))
            }
            Err(error) => return Err(with_causes(&error)),
        };
        for (name, value) in &config.tags {
            // Checked with the configuration.
            let _ = producer.put_tag(FragmentTag::persistent(name, value));
        }
        let producer = Arc::new(producer);
        Ok((Self { events: producer.events(), producer, tracks }, problem))
    }

    pub(super) fn producer(&self) -> Arc<Producer> {
        Arc::clone(&self.producer)
    }

    /// Whether frames of these tracks need another producer.
    pub(super) fn fits(&self, tracks: &[Track], is_in_band: bool) -> bool {
        let same = |(own, new): (&Track, &Track)| {
            let is_seen = is_in_band && own.kind == TrackKind::Video;
            own.number == new.number
                && own.kind == new.kind
                && own.codec == new.codec
                && (is_seen || (own.codec_private == new.codec_private && own.audio == new.audio))
        };
        self.tracks.len() == tracks.len() && self.tracks.iter().zip(tracks).all(same)
    }

    /// Whether a frame is of a video track.
    pub(super) fn is_video(&self, frame: &Frame) -> bool {
        self.tracks.iter().any(|track| track.number == frame.track && track.kind == TrackKind::Video)
    }

    pub(super) fn put(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.producer.try_put_frame(frame)
    }

    pub(super) fn resume(&self) {
        self.producer.resume();
    }

    /// Cancel-safe.
    pub(super) async fn next_event(&mut self) -> Option<Event> {
        self.events.next().await
    }
}
