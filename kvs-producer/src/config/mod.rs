//! Everything a producer can be told before it begins.

use std::time::Duration;

use kvs_mkv::{SegmentInfo, Track, TrackKind, TrackNumber, Writer};
use kvs_types::limits as service;

use crate::buffer::budget::SharedBudget;
use crate::io::control::NewStream;
use crate::io::transmit::Timecodes;
use crate::limits;
use crate::tags::{EventInterval, FragmentEvent, PutTagError};

/// How one stream is produced. The defaults suit a camera on a home uplink.
///
/// ```
/// use std::time::Duration;
/// use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
/// use kvs_producer::{StreamLookup, ProducerConfig, NewStream};
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
    pub(crate) timecodes: Timecodes,
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
    pub(crate) regular_events: Vec<(EventInterval, FragmentEvent)>,
    pub(crate) overflow: Overflow,
    pub(crate) pre_roll: Duration,
    pub(crate) backoff_first: Duration,
    pub(crate) backoff_cap: Duration,
    pub(crate) call_timeout: Duration,
    pub(crate) drain_timeout: Duration,
    pub(crate) ack_timeout: Duration,
    pub(crate) idle_after: Duration,
    pub(crate) session_max: Duration,
    pub(crate) writing_app: String,
}

/// How the stream and its endpoint are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StreamLookup {
    /// The stream must exist; its endpoint is asked for.
    #[default]
    Existing,
    /// A stream that DescribeStream does not find is created. Any other answer never creates one.
    CreateIfMissing(NewStream),
    /// This data endpoint, without any call before.
    FixedEndpoint(String),
}

/// What the frames' times count from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Timestamps {
    /// The Unix epoch. Times before 2010 come from a clock that was never set: they are counted from the wall clock instead,
    /// if that is set.
    #[default]
    Epoch,
    /// Anything: the first frame's time is taken as now.
    Live,
    /// Anything: the first frame was recorded at this time after the Unix epoch.
    StartAt(Duration),
}

/// Whether bitstream_mode are looked at before they are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum BitstreamMode {
    /// Start codes become lengths, ADTS headers go, and the codec private data is taken from the stream: missing at first, it
    /// is filled in; changed at a key frame, it begins a new session.
    #[default]
    Detect,
    /// They go out as they are, under the codec private data of the configuration.
    Passthrough,
}

/// What happens when the leading track's time goes back by more than reordering explains.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeJump {
    /// The next key frame begins a new session at the new time.
    #[default]
    NewSession,
    /// The frame is refused.
    Refuse,
    /// The times go on from where they were.
    Rebase,
}

/// What happens to frames after a fragment had to be cut without a key frame (a longer interval than a fragment may last,
/// 50 MB, a pause of the source, [`end_fragment`](crate::ProducerCore::end_fragment)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LongGop {
    /// They make a fragment that cannot be decoded by itself; nothing is lost, but it may begin a session.
    #[default]
    Split,
    /// They are reported lost until the next key frame.
    Drop,
}

/// What happens to a fragment that has no frame of a track its header declares, which the service would refuse (error 4011).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissingTrack {
    /// It goes out in a session of its own, whose header leaves the track out; nothing is lost.
    #[default]
    LeaveOut,
    /// It is reported lost: for viewers that need all tracks or none. A track that has been silent for
    /// [`interleave_wait`](ProducerConfig::interleave_wait) is left out all the same.
    Drop,
}

/// What happens when the buffer is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overflow {
    /// The oldest fragment goes and is reported; live video goes on.
    #[default]
    DropOldest,
    /// The new frame is handed back; for recordings, and for callers that wait.
    Refuse,
}

/// Why a configuration cannot work.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// The name or ARN is empty or too long.
    #[error("stream name of {bytes} bytes, 1 to {limit} allowed")]
    StreamName {
        /// Its length.
        bytes: usize,
        /// The longest: 256 bytes for a name, 1,024 for an ARN.
        limit: usize,
    },
    /// None, or more than the service takes.
    #[error("{count} tracks, 1 to {limit} allowed")]
    Tracks {
        /// How many.
        count: usize,
        /// [`service::TRACKS`].
        limit: usize,
    },
    /// Two tracks with one number or uid.
    #[error("track {track} is there twice")]
    DuplicateTrack {
        /// The number.
        track: TrackNumber,
    },
    /// The buffer cannot hold anything useful.
    #[error("buffer of {bytes} bytes, at least {least} needed")]
    BufferTooSmall {
        /// What was asked for.
        bytes: usize,
        /// 64 KiB.
        least: usize,
    },
    /// An event for every so many fragments that the service would refuse.
    #[error(transparent)]
    Event(#[from] PutTagError),
    /// A track the container cannot describe, or a program name it has no room for.
    #[error(transparent)]
    Header(#[from] kvs_mkv::WriterError),
    /// A fragment length outside of what the service takes.
    #[error("fragments of {shortest:?} to {longest:?}, between {least:?} and {most:?} allowed")]
    FragmentDuration {
        /// What was asked for as the shortest.
        shortest: Duration,
        /// What was asked for as the longest.
        longest: Duration,
        /// [`limits::FRAGMENT_DURATION_FLOOR`].
        least: Duration,
        /// [`service::FRAGMENT_DURATION_MAX`].
        most: Duration,
    },
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

impl ProducerConfig {
    /// A stream by its name or ARN, and its tracks: video first, wherever there is video.
    pub fn new(stream: impl Into<String>, tracks: Vec<Track>) -> Self {
        Self {
            stream: stream.into(),
            tracks,
            seed: None,
            stream_lookup: StreamLookup::default(),
            timecodes: Timecodes::default(),
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
            regular_events: Vec::new(),
            overflow: Overflow::default(),
            pre_roll: Duration::ZERO,
            backoff_first: Duration::from_millis(200),
            backoff_cap: Duration::from_secs(10),
            call_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
            ack_timeout: Duration::from_secs(30),
            idle_after: Duration::from_secs(20),
            session_max: Duration::from_secs(40 * 60),
            writing_app: concat!("kvs-producer ", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }

    /// The stream's name or ARN.
    #[must_use]
    pub fn stream(&self) -> &str {
        &self.stream
    }

    /// Bounds the buffers of several streams together, beside each one's own [`buffer_bytes`](Self::buffer_bytes).
    #[must_use]
    pub fn shared_budget(mut self, budget: SharedBudget) -> Self {
        self.shared_budget = Some(budget);
        self
    }

    /// Puts an event on fragments without being asked each time: for those who just want pictures, or a message now and then.
    /// The first fragment has it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use kvs_producer::{EventInterval, ProducerConfig, ImageGeneration};
    ///
    /// # let tracks = Vec::new();
    /// let config = ProducerConfig::new("front-door", tracks)
    ///     .event_every(EventInterval::Time(Duration::from_secs(60)), ImageGeneration::new().with_prefix("minute"));
    /// # let _ = config;
    /// ```
    #[must_use]
    pub fn event_every(mut self, cadence: EventInterval, event: impl Into<FragmentEvent>) -> Self {
        self.regular_events.push((cadence, event.into()));
        self
    }

    /// Sets the seed of the random numbers: backoff jitter, rotation jitter and segment UIDs. Use a different one for each
    /// stream. Default: the tokio driver draws a random seed for each producer; the core alone uses 0.
    #[must_use]
    pub const fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    setters! {
        /// How the stream and its endpoint are found: by default the stream must exist.
        stream_lookup: StreamLookup;
        /// What cluster timecodes count from: by default the Unix epoch.
        timecodes: Timecodes;
        /// What the frames' times count from: by default the Unix epoch.
        timestamps: Timestamps;
        /// Whether bitstream_mode are looked at: by default they are, where the codec is H.264, H.265 or AAC.
        bitstream_mode: BitstreamMode;
        /// What happens when time goes back: by default a new session.
        time_jump: TimeJump;
        /// Fragments are not cut at a key frame before they are this long: 1 s by default, which keeps streams of key frames
        /// only under the service's five fragments a second. At least [`limits::FRAGMENT_DURATION_FLOOR`].
        fragment_min: Duration;
        /// Fragments are cut without a key frame when they would become longer: 20 s by default, the service's limit.
        fragment_max: Duration;
        /// Length of fragments where there is no video: 2 s by default.
        audio_fragment: Duration;
        /// What happens to frames after such a cut: by default they make a fragment of their own.
        long_gop: LongGop;
        /// What happens to a fragment without a frame of one of its tracks: by default it goes out without that track.
        missing_track: MissingTrack;
        /// With several tracks, how long a frame waits for earlier ones of the others: 2 s by default. A track that gives none
        /// for so long counts as silent.
        interleave_wait: Duration;
        /// The same as media time, for sources faster than real time: 5 s by default.
        interleave_span: Duration;
        /// The most bytes the buffer holds, frames' overhead included: 32 MiB by default. This is the memory a stream costs,
        /// beside about 16 KiB and the transport's own buffers.
        buffer_bytes: usize;
        /// The longest the buffer reaches back: 120 s by default.
        buffer_time: Duration;
        /// What happens when the buffer is full: by default the oldest fragment goes.
        overflow: Overflow;
        /// How much media before [`resume`](crate::ProducerCore::resume) is kept while paused: none by default.
        pre_roll: Duration;
        /// The first wait after a failure, 200 ms by default; it doubles with each attempt.
        backoff_first: Duration;
        /// The longest wait between attempts, 10 s by default: sending resumes at most this and one round trip after the
        /// network is back.
        backoff_cap: Duration;
        /// How long a call or a connection attempt may take: 10 s by default.
        call_timeout: Duration;
        /// How long nothing may be taken and no ack come between the end of a request body and the last ack: 10 s by default.
        drain_timeout: Duration;
        /// How long a connection may say nothing and take nothing while media waits for acks: 30 s by default. A slow link that
        /// still takes bytes is not silent.
        ack_timeout: Duration;
        /// After how long without a frame the fragment and the connection are ended in order: 20 s by default; the service cuts
        /// after 30.
        idle_after: Duration;
        /// How long a connection is used: 40 min by default; the service cuts after 45. It ends earlier when the credentials do.
        session_max: Duration;
        /// Names the program in the media's header.
        writing_app: String;
    }

    /// The track that decides where fragments begin: the first video track, or else the first.
    pub(crate) fn lead(&self) -> Option<&Track> {
        self.tracks.iter().find(|track| track.kind == TrackKind::Video).or_else(|| self.tracks.first())
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let limit = if self.stream.starts_with("arn:") { ARN_BYTES } else { service::STREAM_NAME_CHARS };
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
        let (least, most) = (limits::FRAGMENT_DURATION_FLOOR, service::FRAGMENT_DURATION_MAX);
        let (shortest, longest) = (self.fragment_min.min(self.audio_fragment), self.fragment_max);
        if shortest < least || longest > most || self.fragment_min.max(self.audio_fragment) > longest {
            return Err(ConfigError::FragmentDuration { shortest, longest, least, most });
        }
        self.regular_events.iter().try_for_each(|(_, event)| event.check())?;
        // Every session's header is one of these, perhaps with fewer tracks.
        Writer::new(SegmentInfo::new([1; 16]).with_app(self.writing_app.as_str()), self.tracks.clone())?;
        Ok(())
    }
}

/// Below this not even one key frame of a small picture fits.
const BUFFER_LEAST: usize = 64 << 10;
/// The longest stream ARN, by the API reference of PutMedia.
const ARN_BYTES: usize = 1024;
