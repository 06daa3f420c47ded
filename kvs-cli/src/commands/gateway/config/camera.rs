//! The settings of one camera.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use clap::ValueEnum;
use kvs_producer::{
    CodecId, EventInterval, FragmentTag, ImageGeneration, NewStream, Notification, ProducerConfig, ProducerCore,
    SpoolConfig, SpoolOrder, StreamLookup, Track, TrackKind, TrackNumber,
};

use super::Cameras;
use super::aws::AwsConfig;
use super::document::Section;
use super::secret::expand;
use super::source::SourceConfig;
use crate::values::{parse_bytes, parse_duration};

/// The settings of one camera. Two that are equal need no restart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CameraConfig {
    pub(crate) stream: String,
    pub(crate) source: SourceConfig,
    pub(crate) aws: AwsConfig,
    /// Retention of a stream that is created; `None` if it must exist.
    retention: Option<Duration>,
    image_every: Option<Duration>,
    image_prefix: Option<String>,
    notify_every: Option<Duration>,
    pub(crate) tags: Vec<(String, String)>,
    pub(crate) buffer: usize,
    buffer_time: Duration,
    pub(crate) send_interval: Duration,
    pub(crate) spool: Option<SpoolSettings>,
}

/// Where and how media waits on disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SpoolSettings {
    pub(crate) dir: PathBuf,
    bytes: u64,
    order: SpoolOrder,
    after: Duration,
}

/// What cameras take from the rest of the configuration.
pub(super) struct Defaults<'a> {
    pub(super) folder: &'a Path,
    pub(super) aws: &'a AwsConfig,
    pub(super) spool: Option<PathBuf>,
    /// The memory of all cameras together.
    pub(super) memory: usize,
    pub(super) send_interval: Duration,
}

impl CameraConfig {
    /// Reads `[camera.NAME]`. `None` if a field was refused without which there is no camera.
    pub(super) fn read(mut section: Section<'_>, defaults: &Defaults<'_>, others: &Cameras) -> Option<Self> {
        let stream = section.parsed("stream", |text| match text.parse::<kvs_aws::StreamId>() {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => Err(error.to_string()),
        });
        if stream.is_none() && !section.has("stream") {
            section.refuse(
                "stream",
                "is missing: the name or the ARN of the stream that the camera is sent to".to_owned(),
            );
        }
        let source = SourceConfig::read(&mut section, defaults.folder);
        let aws = match section.section("aws") {
            Some(aws) => AwsConfig::read(aws, defaults.aws, defaults.folder),
            None => defaults.aws.clone(),
        };
        let retention = read_retention(&mut section);
        let image_every = section.parsed("image_every", interval);
        let image_prefix = section.text("image_prefix");
        if image_prefix.is_some() && image_every.is_none() && !section.has("image_every") {
            section.refuse("image_prefix", "needs image_every".to_owned());
        }
        let notify_every = section.parsed("notify_every", interval);
        let tags = section.pairs("tags");
        let buffer = section.parsed("buffer", |text| within(text, BUFFER_LEAST, defaults.memory));
        let buffer_time = section.parsed("buffer_time", interval);
        let send_interval = section.parsed("send_interval", send_interval);
        let spool = SpoolSettings::read(&mut section, stream.as_deref(), defaults);
        let camera = Self {
            stream: stream?,
            source: source?,
            aws,
            retention,
            image_every,
            image_prefix,
            notify_every,
            tags,
            buffer: buffer.unwrap_or(BUFFER).min(defaults.memory),
            buffer_time: buffer_time.unwrap_or(BUFFER_TIME),
            send_interval: send_interval.unwrap_or(defaults.send_interval),
            spool,
        };
        camera.check(&section);
        camera.check_beside(others, &section);
        section.finish();
        Some(camera)
    }

    /// Two producers on one stream cut each other off, and a spool has one owner.
    fn check_beside(&self, others: &Cameras, section: &Section<'_>) {
        for (name, other) in others {
            if self.stream == other.stream && self.aws == other.aws {
                section.refuse("stream", format!("camera {name} has it too: each camera needs a stream of its own"));
            }
            let dir = |camera: &Self| camera.spool.as_ref().map(|spool| spool.dir.clone());
            if dir(self).is_some() && dir(self) == dir(other) {
                section.refuse("spool", format!("camera {name} has this folder too: each camera needs its own"));
            }
        }
    }

    /// Lets the producer itself judge what it will get.
    fn check(&self, section: &Section<'_>) {
        let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
        let config = self.producer(vec![video]).stream_lookup(StreamLookup::FixedEndpoint("https://check".to_owned()));
        let mut core = match ProducerCore::new(config, Instant::now(), SystemTime::now()) {
            Ok(core) => core,
            Err(error) => return section.refuse_all(error.to_string()),
        };
        for (name, value) in &self.tags {
            if let Err(error) = core.put_tag(FragmentTag::persistent(name, value)) {
                section.refuse("tags", format!("{name}: {error}"));
            }
        }
        if let (Some(_), Err(error)) = (self.image_every, core.put_event(self.images())) {
            section.refuse("image_every", error.to_string());
        }
        if let (Some(_), Err(error)) = (self.notify_every, core.put_event(Notification::new())) {
            section.refuse("notify_every", error.to_string());
        }
    }

    /// The settings of the camera's producer.
    pub(crate) fn producer(&self, tracks: Vec<Track>) -> ProducerConfig {
        let config = self.producer_in_memory(tracks);
        match &self.spool {
            Some(spool) => config.spool(spool.producer()),
            None => config,
        }
    }

    /// The same without the spool.
    pub(crate) fn producer_in_memory(&self, tracks: Vec<Track>) -> ProducerConfig {
        let lookup = match self.retention {
            Some(retention) => StreamLookup::CreateIfMissing(NewStream::new(retention)),
            None => StreamLookup::Existing,
        };
        let mut config = ProducerConfig::new(&self.stream, tracks)
            .stream_lookup(lookup)
            .buffer_bytes(self.buffer)
            .buffer_time(self.buffer_time)
            .send_interval(self.send_interval);
        if let Some(every) = self.image_every {
            config = config.event_every(EventInterval::Time(every), self.images());
        }
        if let Some(every) = self.notify_every {
            config = config.event_every(EventInterval::Time(every), Notification::new());
        }
        config
    }

    fn images(&self) -> ImageGeneration {
        let images = ImageGeneration::new();
        self.image_prefix.iter().fold(images, |images, prefix| images.with_prefix(prefix))
    }
}

impl SpoolSettings {
    fn read(section: &mut Section<'_>, stream: Option<&str>, defaults: &Defaults<'_>) -> Option<Self> {
        let own = section.text("spool");
        let bytes = section.parsed("spool_bytes", |text| within(text, SPOOL_LEAST, usize::MAX));
        let order = section.parsed("spool_order", |text| match text {
            "oldest-first" => Ok(SpoolOrder::OldestFirst),
            "newest-first" => Ok(SpoolOrder::NewestFirst),
            _ => Err(format!("{text:?} is not one of oldest-first, newest-first")),
        });
        let after = section.parsed("spool_after", parse_duration);
        let dir = match own {
            Some(path) => expand(&path, defaults.folder).map_err(|reason| section.refuse("spool", reason)).ok(),
            // A folder for each stream: what is in it belongs to the stream, not to the camera.
            None => defaults.spool.as_ref().zip(stream).map(|(dir, stream)| dir.join(folder_name(stream))),
        };
        if dir.is_none() {
            for key in ["spool_bytes", "spool_order", "spool_after"].into_iter().filter(|key| section.has(key)) {
                section.refuse(key, "needs a spool, of this camera or in [gateway]".to_owned());
            }
        }
        Some(Self {
            dir: dir?,
            bytes: bytes.map_or(SPOOL, |bytes| bytes as u64),
            order: order.unwrap_or_default(),
            after: after.unwrap_or(SPOOL_AFTER),
        })
    }

    fn producer(&self) -> SpoolConfig {
        SpoolConfig::new(&self.dir).bytes(self.bytes).order(self.order).after(self.after)
    }
}

/// The name of a stream, also of an ARN, as the name of a folder.
fn folder_name(stream: &str) -> &str {
    let mut parts = stream.split('/');
    match (parts.next(), parts.next()) {
        (Some(_), Some(name)) => name,
        _ => stream,
    }
}

/// Reads how often frames are sent at most.
pub(super) fn send_interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text)?;
    if interval > SEND_INTERVAL {
        return Err(format!("{text:?} is longer than {} s", SEND_INTERVAL.as_secs()));
    }
    Ok(interval)
}

/// The longest interval that a producer takes.
const SEND_INTERVAL: Duration = Duration::from_secs(1);

fn read_retention(section: &mut Section<'_>) -> Option<Duration> {
    let create = section.boolean("create").unwrap_or(true);
    let retention = section.parsed("retention", |text| {
        let hours = parse_duration(text)?.as_secs() / 3600;
        if (1..=RETENTION_HOURS_MOST).contains(&hours) {
            Ok(Duration::from_secs(hours * 3600))
        } else {
            Err(format!("{text:?} is not between 1h and {}d", RETENTION_HOURS_MOST / 24))
        }
    });
    if !create && retention.is_some() {
        section.refuse("retention", "is for a stream that is created; this camera has create = false".to_owned());
    }
    create.then(|| retention.unwrap_or(RETENTION))
}

/// Reads a duration of at least a second.
fn interval(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        short if short < Duration::from_secs(1) => Err(format!("{text:?} is shorter than 1s")),
        duration => Ok(duration),
    }
}

/// Reads a number of bytes within bounds.
pub(super) fn within(text: &str, least: usize, most: usize) -> Result<usize, String> {
    let bytes = usize::try_from(parse_bytes(text)?).unwrap_or(usize::MAX);
    if bytes < least {
        return Err(format!("{text:?} is less than {least} bytes"));
    }
    if bytes > most {
        return Err(format!("{text:?} is more than {most} bytes, the memory of all cameras together"));
    }
    Ok(bytes)
}

/// Reads one of the values of an option of `kvs put`.
pub(super) fn choice<T: ValueEnum>(text: &str) -> Result<T, String> {
    T::from_str(text, false).map_err(|_| {
        let names = T::value_variants().iter().filter_map(ValueEnum::to_possible_value);
        let names: Vec<_> = names.map(|value| value.get_name().to_owned()).collect();
        format!("{text:?} is not one of {}", names.join(", "))
    })
}

/// Most memory of one camera, unless it is set: 25 s at 10 Mbit/s.
const BUFFER: usize = 32 << 20;
/// A smaller buffer cannot hold a key frame of a large picture.
pub(super) const BUFFER_LEAST: usize = 1 << 20;
/// Longest media in memory, unless it is set.
const BUFFER_TIME: Duration = Duration::from_secs(120);
/// Most media of one camera on disk, unless it is set.
const SPOOL: u64 = 1 << 30;
/// What the producer demands at least.
const SPOOL_LEAST: usize = 1 << 20;
/// How much media waits in memory before it is written to disk, unless it is set.
const SPOOL_AFTER: Duration = Duration::from_secs(10);
/// Retention of a stream that is created, unless it is set.
const RETENTION: Duration = Duration::from_secs(24 * 3600);
/// The limit of the service: ten years.
const RETENTION_HOURS_MOST: u64 = 87_600;
