//! A producer with the tracks that it sends. Other tracks need another one.

use std::num::NonZeroU32;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use gst::glib;
use kvs_producer::{
    Client, Event, EventInterval, FragmentTimecodeType, Frame, ImageGeneration, NewStream, Notification, OpenError,
    Overflow, Producer, ProducerConfig, PutFrameError, PutTagError, SpoolConfig, Stats, StopReport, StreamLookup,
    Track, TrackKind,
};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::caps;
use crate::failure::SetupError;
use crate::requests::Request;
use crate::settings::Settings;

/// A producer and the tracks in its header.
#[derive(Debug)]
pub(crate) struct Session {
    producer: Producer,
    tracks: Vec<Track>,
    events: Mutex<Option<JoinHandle<()>>>,
}

/// How long the end waits for the last events to be reported.
const LAST_EVENTS: Duration = Duration::from_secs(1);

/// Whether frames can wait in front of the element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    /// A camera: the oldest media gives way if the buffer is full.
    Live,
    /// A file: the streaming thread waits while the buffer is full.
    Patient,
}

impl Session {
    /// Starts a producer, whether there is a network or not. `report` is called with each event, on a thread of the runtime.
    pub(crate) fn start(
        config: ProducerConfig,
        tracks: Vec<Track>,
        client: Client,
        handle: &Handle,
        report: impl Fn(Event) + Send + 'static,
    ) -> Result<Self, OpenError> {
        let _runtime = handle.enter();
        let producer = Producer::start(config, client)?;
        let mut events = producer.events();
        let task = handle.spawn(async move {
            while let Some(event) = events.next().await {
                report(event);
            }
        });
        Ok(Self { producer, tracks, events: Mutex::new(Some(task)) })
    }

    /// Whether frames of this track belong to this session. Parameter sets that change in the stream are the producer's matter.
    pub(crate) fn takes(&self, track: &Track) -> bool {
        self.tracks.iter().any(|own| {
            let is_seen = track.kind == TrackKind::Video && track.codec_private.is_empty();
            let same_setup = own.codec_private == track.codec_private && own.audio == track.audio;
            own.number == track.number && own.codec == track.codec && (is_seen || same_setup)
        })
    }

    pub(crate) fn put(&self, frame: Frame) -> Result<(), PutFrameError> {
        self.producer.try_put_frame(frame)
    }

    pub(crate) fn request(&self, request: Request) -> Result<(), PutTagError> {
        match request {
            Request::Tag(tag) => self.producer.put_tag(tag),
            Request::Event(event) => self.producer.put_event(event),
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        self.producer.stats()
    }

    /// Sends what is buffered and waits for its acknowledgements. All events are reported when it returns.
    pub(crate) async fn stop(&self, within: Duration) -> StopReport {
        let report = self.producer.stop(within).await;
        let events = self.events.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        if let Some(events) = events {
            let _ = tokio::time::timeout(LAST_EVENTS, events).await;
        }
        report
    }
}

/// The configuration of a producer for these properties.
pub(crate) fn config(settings: &Settings, tracks: Vec<Track>, source: Source) -> Result<ProducerConfig, SetupError> {
    let lookup = lookup(settings, &tracks)?;
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    let config = ProducerConfig::new(&settings.stream_name, tracks)
        .stream_lookup(lookup)
        .fragment_timecode_type(match settings.absolute_fragment_times {
            true => FragmentTimecodeType::Absolute,
            false => FragmentTimecodeType::Relative,
        })
        .buffer_bytes(mebibytes(settings.storage_mb))
        .buffer_time(seconds(settings.buffer_s))
        .ack_timeout(seconds(settings.staleness_s))
        .request_timeout(seconds(settings.completion_timeout_s))
        .overflow(match source {
            Source::Live => Overflow::DropOldest,
            Source::Patient => Overflow::Refuse,
        });
    Ok(with_spool(with_events(with_fragments(config, settings), settings), settings))
}

fn with_fragments(config: ProducerConfig, settings: &Settings) -> ProducerConfig {
    let duration = Duration::from_millis(settings.fragment_ms.into());
    let config = config.audio_fragment(duration);
    match settings.key_frame_fragmentation {
        true => config,
        false => config.fragment_min(duration.min(Duration::from_secs(1))).fragment_max(duration),
    }
}

fn with_events(mut config: ProducerConfig, settings: &Settings) -> ProducerConfig {
    let every = |seconds: u32| EventInterval::Time(Duration::from_secs(seconds.into()));
    if let Some(seconds) = NonZeroU32::new(settings.image_every_s) {
        config = config.event_every(every(seconds.get()), ImageGeneration::new());
    }
    if let Some(seconds) = NonZeroU32::new(settings.notify_every_s) {
        config = config.event_every(every(seconds.get()), Notification::new());
    }
    config
}

fn with_spool(config: ProducerConfig, settings: &Settings) -> ProducerConfig {
    match &settings.spool_dir {
        Some(dir) => config.spool(SpoolConfig::new(dir).bytes(u64::from(settings.spool_mb) << 20)),
        None => config,
    }
}

fn lookup(settings: &Settings, tracks: &[Track]) -> Result<StreamLookup, SetupError> {
    if !settings.allow_create_stream {
        return Ok(StreamLookup::Existing);
    }
    let retention = Duration::from_secs(u64::from(settings.retention_hours) * 60 * 60);
    let media_type = settings.content_type.clone().unwrap_or_else(|| caps::media_type(tracks));
    let mut stream = NewStream::new(retention).with_media_type(media_type);
    for (name, value) in settings.stream_tags.iter().flat_map(|tags| tags.iter()) {
        stream = stream.with_tag(name.as_str(), stream_tag(name, value)?);
    }
    Ok(StreamLookup::CreateIfMissing(stream))
}

fn stream_tag(name: &glib::GStr, value: &glib::SendValue) -> Result<String, SetupError> {
    value.get::<String>().map_err(|_| SetupError::StreamTag { field: name.to_string() })
}

fn mebibytes(size: u32) -> usize {
    usize::try_from(u64::from(size) << 20).unwrap_or(usize::MAX)
}

/// The time since the epoch as messages carry it: nanoseconds.
pub(crate) fn epoch_nanos(time: SystemTime) -> u64 {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}
