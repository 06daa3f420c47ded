//! All settings of a producer.

use std::time::Duration;

use kvs_mkv::{SegmentInfo, Track, TrackKind, Writer};
use kvs_types::{FragmentTimecodeType, limits as service};

use super::error::ConfigError;
use super::policy::{BitstreamMode, LongGop, MissingTrack, Overflow, StreamLookup, TimeJump, Timestamps};
use crate::buffer::budget::SharedBudget;
use crate::limits;
#[cfg(feature = "spool")]
use crate::spool::config::{LEAST_BYTES, SpoolConfig};
use crate::tags::{EventInterval, FragmentEvent};

/// The configuration of a producer. The defaults suit a camera behind a home uplink.
///
/// ```
/// use std::time::Duration;
/// use kvs_producer::{CodecId, NewStream, ProducerConfig, StreamLookup, Track, TrackKind, TrackNumber};
///
/// let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
/// let config = ProducerConfig::new("front-door", vec![video])
///     .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 60 * 60))))
///     .buffer_bytes(8 << 20);
/// # let _ = config;
/// ```
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    pub(crate) stream: String,
    pub(crate) tracks: Vec<Track>,
    pub(crate) seed: Option<u64>,
    pub(crate) stream_lookup: StreamLookup,
    pub(crate) fragment_timecode_type: FragmentTimecodeType,
    pub(crate) timestamps: Timestamps,
    pub(crate) bitstream_mode: BitstreamMode,
    pub(crate) time_jump: TimeJump,
    pub(crate) fragment_min: Duration,
    pub(crate) fragment_max: Duration,
    pub(crate) audio_fragment: Duration,
    pub(crate) long_gop: LongGop,
    pub(crate) missing_track: MissingTrack,
    pub(crate) interleave_wait: Duration,
    pub(crate) interleave_span: Duration,
    pub(crate) buffer_bytes: usize,
    pub(crate) buffer_time: Duration,
    pub(crate) shared_budget: Option<SharedBudget>,
    pub(crate) periodic_events: Vec<(EventInterval, FragmentEvent)>,
    pub(crate) overflow: Overflow,
    pub(crate) pre_roll: Duration,
    pub(crate) initial_backoff: Duration,
    pub(crate) max_backoff: Duration,
    pub(crate) request_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) idle_after: Duration,
    pub(crate) session_max: Duration,
    #[cfg(feature = "tokio")]
    pub(crate) send_interval: Duration,
    pub(crate) writing_app: String,
    #[cfg(feature = "spool")]
    pub(crate) spool: Option<SpoolConfig>,
}

macro_rules! setters {
    ($($(#[$doc:meta])* $name:ident: $kind:ty;)*) => {
        $($(#[$doc])*
        #[must_use]
        pub fn $name(mut self, $name: $kind) -> Self {
            self.$name = $name;
            self
        })*
    };
}

/// Longest [`send_interval`](ProducerConfig::send_interval): half of a short fragment.
#[cfg(feature = "tokio")]
const SEND_INTERVAL_MAX: Duration = Duration::from_secs(1);

impl ProducerConfig {
    /// Creates a configuration for a stream, given by name or ARN, and its 1 to 3 tracks. The first video track leads:
    /// fragments start at its key frames. Without video the first track leads.
    pub fn new(stream: impl Into<String>, tracks: Vec<Track>) -> Self {
        Self {
            stream: stream.into(),
            tracks,
            seed: None,
            stream_lookup: StreamLookup::default(),
            fragment_timecode_type: FragmentTimecodeType::Absolute,
            timestamps: Timestamps::default(),
            bitstream_mode: BitstreamMode::default(),
            time_jump: TimeJump::default(),
            fragment_min: service::FRAGMENT_DURATION_MIN,
            fragment_max: service::FRAGMENT_DURATION_MAX,
            audio_fragment: Duration::from_secs(2),
            long_gop: LongGop::default(),
            missing_track: MissingTrack::default(),
            interleave_wait: Duration::from_secs(2),
            interleave_span: Duration::from_secs(5),
            buffer_bytes: 32 << 20,
            buffer_time: Duration::from_secs(120),
            shared_budget: None,
            periodic_events: Vec::new(),
            overflow: Overflow::default(),
            pre_roll: Duration::ZERO,
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(10),
            request_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(30),
            idle_after: Duration::from_secs(20),
            session_max: Duration::from_secs(40 * 60),
            #[cfg(feature = "tokio")]
            send_interval: Duration::ZERO,
            writing_app: concat!("kvs-producer ", env!("CARGO_PKG_VERSION")).to_owned(),
            #[cfg(feature = "spool")]
            spool: None,
        }
    }

    /// Sets a limit for the buffers of several streams together, in addition to [`buffer_bytes`](Self::buffer_bytes) of each.
    /// Default: none.
    #[must_use]
    pub fn shared_budget(mut self, budget: SharedBudget) -> Self {
        self.shared_budget = Some(budget);
        self
    }

    /// Sets a folder for media that exceeds [`buffer_bytes`](Self::buffer_bytes) or [`buffer_time`](Self::buffer_time), and for
    /// what waits when the producer stops. Default: none. Fragments leave memory when half of these limits is reached.
    #[cfg(feature = "spool")]
    #[must_use]
    pub fn spool(mut self, spool: SpoolConfig) -> Self {
        self.spool = Some(spool);
        self
    }

    /// Adds an event that the producer puts on fragments by itself: on the first fragment and then at this interval. Use it
    /// if you only need periodic images or notifications.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kvs_producer::{EventInterval, ImageGeneration, ProducerConfig};
    ///
    /// # let tracks = Vec::new();
    /// let config = ProducerConfig::new("front-door", tracks)
    ///     .event_every(EventInterval::Time(Duration::from_secs(60)), ImageGeneration::new().with_prefix("minute"));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn event_every(mut self, interval: EventInterval, event: impl Into<FragmentEvent>) -> Self {
        self.periodic_events.push((interval, event.into()));
        self
    }

    /// Sets the seed of the random numbers: jitter of waits and rotations, and segment UIDs. Give each stream a different
    /// one. Default: the tokio driver draws a random seed for each producer; a core without the driver uses 0.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    setters! {
        /// Sets how the stream and its endpoint are found. Default: [`StreamLookup::Existing`].
        stream_lookup: StreamLookup;
        /// Sets what cluster timecodes count from. Default: the Unix epoch.
        fragment_timecode_type: FragmentTimecodeType;
        /// Sets what the timestamps of the frames count from. Default: the Unix epoch.
        timestamps: Timestamps;
        /// Sets whether payloads are read and converted. Default: [`BitstreamMode::Detect`].
        bitstream_mode: BitstreamMode;
        /// Sets what to do when timestamps go back. Default: [`TimeJump::NewSession`].
        time_jump: TimeJump;
        /// Sets the shortest fragment: earlier key frames do not start a new one. At least 250 ms, default 1 s, which keeps
        /// streams that consist of key frames only below the service's limit of five fragments per second.
        fragment_min: Duration;
        /// Sets the longest fragment: it is cut without a key frame rather than exceed this. At most and by default 20 s, the
        /// service's limit.
        fragment_max: Duration;
        /// Sets the duration of fragments of streams without video. Default: 2 s.
        audio_fragment: Duration;
        /// Sets what to do with frames after a cut without a key frame. Default: [`LongGop::Split`].
        long_gop: LongGop;
        /// Sets what to do with a fragment that lacks a track. Default: [`MissingTrack::LeaveOut`].
        missing_track: MissingTrack;
        /// Sets how long a frame waits for earlier frames of other tracks. A track without frames for this long counts as
        /// silent. Default: 2 s. Does not apply with [`Overflow::Refuse`]: there the caller may wait too.
        interleave_wait: Duration;
        /// Sets the same limit in media time, for sources faster than real time, such as recordings. Default: 5 s. A recording whose
        /// tracks are put one after the other in pieces needs more than the length of a piece, and room in the buffer for it.
        interleave_span: Duration;
        /// Sets the size of the buffer in bytes, including overhead of 128 bytes per frame and 512 per fragment. Default:
        /// 32 MiB, at least 64 KiB. A stream uses this memory, about 16 KiB, and the buffers of its connection.
        buffer_bytes: usize;
        /// Sets the longest time range of the buffer. Default: 120 s.
        buffer_time: Duration;
        /// Sets what to do when the buffer is full. Default: [`Overflow::DropOldest`].
        overflow: Overflow;
        /// Sets how much media from before [`resume`](crate::ProducerCore::resume) is kept while paused. Default: none.
        pre_roll: Duration;
        /// Sets the first wait after a failure. It doubles with each attempt. Default: 200 ms.
        initial_backoff: Duration;
        /// Sets the longest wait between attempts. Sending resumes at most this and one round trip after the network is
        /// back. Default: 10 s.
        max_backoff: Duration;
        /// Sets how long a control request or a connection attempt may take. Default: 10 s.
        request_timeout: Duration;
        /// Sets how long the connection may be without activity between the end of a request body and the last
        /// acknowledgement. Doubles, up to 16 times, with each session in a row that ended so and persisted nothing. Default:
        /// 10 s.
        drain_timeout: Duration;
        /// Sets how long a connection may be without activity while acknowledgements are due. A slow link that accepts bytes
        /// is active. Doubles like [`drain_timeout`](Self::drain_timeout). Default: 30 s.
        ack_timeout: Duration;
        /// Sets the time without a frame after which the fragment and the connection are ended in order. Default: 20 s,
        /// because the service closes idle connections after 30 s.
        idle_after: Duration;
        /// Sets how long a connection is used at most; it also ends before the credentials expire. Default: 40 min, because
        /// the service closes connections after 45 min.
        session_max: Duration;
        /// Sets the name of the writing application in the Matroska header. Default: name and version of this crate.
        writing_app: String;
    }

    /// Sets how often [`Producer`](crate::Producer) sends at most: frames that come sooner are sent together, in one write. Key frames and
    /// ends of fragments are sent at once, so fragments are not persisted later. For programs with many streams, whose processor time
    /// goes into wake-ups and writes. Default: 0, every frame is sent at once; at most 1 s.
    #[cfg(feature = "tokio")]
    #[must_use]
    pub fn send_interval(mut self, interval: Duration) -> Self {
        self.send_interval = interval.min(SEND_INTERVAL_MAX);
        self
    }

    /// The track that decides where fragments start: the first video track, or else the first track.
    pub(crate) fn lead(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Video).or_else(|| self.tracks.first())
    }

    /// Whether the times of the frames are those of a recording.
    pub(crate) fn is_recorded(&self) -> bool {
        matches!(self.timestamps, Timestamps::StartAt(_)) || self.overflow == Overflow::Refuse
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let is_arn = self.stream.starts_with("arn:");
        let limit = if is_arn { service::STREAM_ARN_CHARS } else { service::STREAM_NAME_CHARS };
        if self.stream.is_empty() || self.stream.len() > limit {
            return Err(ConfigError::StreamName { bytes: self.stream.len(), limit });
        }
        if self.tracks.is_empty() || self.tracks.len() > service::TRACKS {
            return Err(ConfigError::Tracks { count: self.tracks.len(), limit: service::TRACKS });
        }
        for (at, track) in self.tracks.iter().enumerate() {
            if self.tracks.iter().skip(at + 1).any(|other| other.number == track.number || other.uid == track.uid) {
                return Err(ConfigError::DuplicateTrack { track: track.number });
            }
        }
        if self.buffer_bytes < BUFFER_LEAST {
            return Err(ConfigError::BufferTooSmall { bytes: self.buffer_bytes, least: BUFFER_LEAST });
        }
        #[cfg(feature = "spool")]
        if let Some(spool) = self.spool.as_ref().filter(|spool| spool.limit() < LEAST_BYTES) {
            return Err(ConfigError::SpoolTooSmall { bytes: spool.limit(), least: LEAST_BYTES });
        }
        let (least, most) = (limits::FRAGMENT_DURATION_FLOOR, service::FRAGMENT_DURATION_MAX);
        let (shortest, longest) = (self.fragment_min.min(self.audio_fragment), self.fragment_max);
        if shortest < least || longest > most || self.fragment_min.max(self.audio_fragment) > longest {
            return Err(ConfigError::FragmentDuration { shortest, longest, least, most });
        }
        self.periodic_events.iter().try_for_each(|(_, event)| event.check())?;
        // Every session's header has these tracks, or some of them.
        Writer::new(SegmentInfo::new([1; 16]).with_app(self.writing_app.as_str()), self.tracks.clone())?;
        Ok(())
    }
}

/// A smaller buffer cannot hold one key frame of a small picture.
const BUFFER_LEAST: usize = 64 << 10;
