//! The settings of a producer.

use std::num::NonZeroU32;
use std::time::Duration;

use kvs_aws::limits::RETENTION_HOURS;
use kvs_producer::{
    EventInterval, FragmentEvent, ImageGeneration, NewStream, Notification, Overflow, ProducerConfig, SpoolConfig,
    StreamLookup, Timestamps,
};
use pyo3::prelude::*;

use crate::errors::invalid;
use crate::input::{Origin, duration, instant};
use crate::tracks::{Codec, TrackSettings};

/// The settings as `kvs.Producer` collects them. Times are seconds.
#[derive(FromPyObject)]
pub(crate) struct Settings {
    pub(crate) stream: String,
    tracks: Vec<TrackSettings>,
    create_stream: bool,
    retention_hours: u32,
    start_at: Option<f64>,
    start_now: bool,
    buffer_bytes: usize,
    buffer_time: f64,
    wait_when_full: bool,
    image_every: Option<f64>,
    notify_every_fragments: Option<u32>,
    spool_dir: Option<String>,
    spool_bytes: u64,
}

impl Settings {
    /// Returns what the times of the frames count from.
    pub(crate) const fn origin(&self) -> Origin {
        if self.start_now || self.start_at.is_some() { Origin::FirstFrame } else { Origin::Epoch }
    }

    /// Returns the configuration, and how the key frames of each track are found.
    pub(crate) fn config(self) -> PyResult<(ProducerConfig, Vec<(u64, Codec)>)> {
        let tracks = self.tracks.into_iter().map(TrackSettings::track).collect::<PyResult<Vec<_>>>()?;
        let codecs = tracks.iter().map(|(track, codec)| (track.number.get(), *codec)).collect();
        let tracks = tracks.into_iter().map(|(track, _)| track).collect();
        let mut config = ProducerConfig::new(self.stream, tracks)
            .buffer_bytes(self.buffer_bytes)
            .buffer_time(duration("buffer_time", self.buffer_time)?)
            .writing_app(concat!("kvs-python ", env!("CARGO_PKG_VERSION")).to_owned());
        if self.create_stream {
            let stream = NewStream::new(retention(self.retention_hours)?);
            config = config.stream_lookup(StreamLookup::CreateIfMissing(stream));
        }
        if self.start_now {
            config = config.timestamps(Timestamps::Live);
        } else if let Some(start) = self.start_at {
            config = config.timestamps(Timestamps::StartAt(instant("start_at", start)?));
        }
        if self.wait_when_full {
            config = config.overflow(Overflow::Refuse);
        }
        if let Some(every) = self.image_every {
            config = config.event_every(EventInterval::Time(duration("image_every", every)?), ImageGeneration::new());
        }
        if let Some(every) = self.notify_every_fragments {
            let every =
                NonZeroU32::new(every).ok_or_else(|| invalid("notify_every of 0 fragments, it must be at least 1"))?;
            config = config.event_every(EventInterval::Fragments(every), Notification::new());
        }
        if let Some(dir) = self.spool_dir {
            config = config.spool(SpoolConfig::new(dir).bytes(self.spool_bytes));
        }
        Ok((config, codecs))
    }
}

fn retention(hours: u32) -> PyResult<Duration> {
    if hours > RETENTION_HOURS {
        return Err(invalid(format!("retention_hours of {hours}, it must be 0 to {RETENTION_HOURS}")));
    }
    Ok(Duration::from_secs(u64::from(hours) * 3600))
}

/// Returns the event that requests images.
pub(crate) fn image_event(prefix: Option<String>, pairs: Vec<(String, String)>) -> FragmentEvent {
    let event = pairs.into_iter().fold(ImageGeneration::new(), |event, (name, value)| event.with_pair(name, value));
    match prefix {
        Some(prefix) => event.with_prefix(prefix).into(),
        None => event.into(),
    }
}

/// Returns the event that requests a notification.
pub(crate) fn notification_event(pairs: Vec<(String, String)>) -> FragmentEvent {
    pairs.into_iter().fold(Notification::new(), |event, (name, value)| event.with_pair(name, value)).into()
}
