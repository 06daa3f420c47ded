//! A producer for Amazon Kinesis Video Streams: it sends H.264, H.265, AAC and G.711 with PutMedia, survives bad networks in
//! bounded memory, and never drops media silently.
//!
//! ```no_run
//! # #[cfg(feature = "tokio")]
//! # async fn example(frames: Vec<kvs_producer::Frame>) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use kvs_producer::{
//!     Client, ClientConfig, CodecId, Event, ImageGeneration, NewStream, Producer, ProducerConfig, StreamLookup, Track,
//!     TrackKind, TrackNumber,
//! };
//!
//! // Region and credentials from the environment variables of the AWS CLI.
//! let client = Client::new(ClientConfig::from_env()?)?;
//! let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264);
//! let config = ProducerConfig::new("front-door", vec![video])
//!     .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 60 * 60))));
//! let producer = Producer::open(config, client).await?;
//!
//! let mut events = producer.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         if let Event::Lost(loss) = event {
//!             eprintln!("lost {} frames: {}", loss.span.frames, loss.reason.name());
//!         }
//!     }
//! });
//!
//! for frame in frames {
//!     let motion = frame.keyframe;
//!     producer.put_frame(frame).await?;
//!     if motion {
//!         producer.put_event(ImageGeneration::new().with_prefix("motion").with_pair("zone", "door"))?;
//!     }
//! }
//!
//! let report = producer.stop(Duration::from_secs(10)).await;
//! println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
//! # Ok(())
//! # }
//! ```
//!
//! A [`Frame`] is an access unit as encoders and depacketizers deliver it, with its presentation time and whether it is a key
//! frame. Start codes become NAL unit lengths, ADTS headers are removed, and codec private data is taken from the stream
//! ([`BitstreamMode`]). [`codec`] helps to find key frames. The README shows how to get frames from an encoder.
//!
//! Parameter sets, SEI and delimiters may come in puts of their own: they are held, at most 256 KiB per track, and stored with
//! the next picture. A put may have up to 512 ADTS frames. A payload that is not what its track says is refused
//! ([`Refusal::InvalidNalUnits`], [`Refusal::InvalidAdts`]).
//!
//! # Guarantees
//!
//! * **Submitted = persisted + reported lost.** Every frame that `put_frame` accepts is later part of an
//!   [`Event::Persisted`] or of an [`Event::Lost`] with time range, size and reason. With a spool, what is neither at the end
//!   is [left there](#the-spool).
//! * Media that the buffer retains is delivered at least once: after a broken connection, sending continues with the first
//!   fragment that is not persisted. Each session has its own header and starts with a key frame, unless
//!   [`LongGop::Split`] had to cut a fragment without one.
//! * **Progress on any link.** If each connection lets one whole fragment and its acknowledgement through, each connection
//!   persists at least one new fragment, however often the link breaks. A backlog is clocked by acknowledgements: after a reset,
//!   one fragment is sent until it is persisted, then more, so that little is sent again. Live media waits only for that first
//!   acknowledgement. A session that was reset is followed within 100 ms, or within 1 s if it persisted nothing
//!   ([`Event::NoProgress`] says so after five of them); the back-off of
//!   [`initial_backoff`](ProducerConfig::initial_backoff) and [`max_backoff`](ProducerConfig::max_backoff) is for refusals and
//!   failed openings.
//! * The buffer never exceeds [`ProducerConfig::buffer_bytes`] and [`ProducerConfig::buffer_time`]. In addition, a stream uses
//!   about 16 KiB and the buffers of its connection.
//! * A stop returns within its deadline, with a report.
//!
//! # The spool
//!
//! With the feature `spool` and `ProducerConfig::spool`, media is kept on disk: what does not fit into memory, what waits
//! longer than `SpoolConfig::after` (10 s), and what is left when the producer stops. The next producer that uses the folder
//! sends it at its recorded time.
//!
//! ```
//! # #[cfg(feature = "spool")] {
//! use kvs_producer::{ProducerConfig, SpoolConfig, SpoolOrder};
//!
//! # let tracks = Vec::new();
//! let spool = SpoolConfig::new("/var/lib/camera/spool").bytes(8 << 30).order(SpoolOrder::NewestFirst);
//! let config = ProducerConfig::new("front-door", tracks).spool(spool);
//! # let _ = config;
//! # }
//! ```
//!
//! * **Submitted + recovered = persisted + reported lost + left in the spool** ([`Totals`]). Recovered is what an earlier run
//!   had left.
//! * A fragment that was reported as [`Event::Spooled`] survives a kill and a power loss at any instant. What was being written
//!   at that instant is recognized by its checksums and never sent.
//! * What was persisted is marked, so it is not sent again after a kill. After a power loss the last marks may be missing.
//! * A full, read-only, slow or damaged disk is an [`Event::SpoolProblem`]; the producer continues in memory. At the limit of
//!   the spool the oldest sixteenth is reported lost, or with [`Overflow::Refuse`] frames are refused.
//! * One folder serves one stream and one producer at a time. Files are readable by their owner only (0600), no symbolic link
//!   is followed. Media is not encrypted.
//! * Files are read and written on a thread of their own. Memory beyond the buffer: about 200 bytes per segment, 100 bytes per
//!   fragment of the segments in use, and the fragments that are being read or written.
//!
//! # Features
//!
//! * `tokio` (default): `Producer`, which drives the core with one tokio task per stream, and the client set-up
//!   (`Client`, `ClientConfig`, `Credentials`).
//! * `blocking`: the module `blocking`, for programs without an async runtime. Includes `tokio`.
//!
//! * `spool`: keeps media on disk, [see above](#the-spool).
//! * `ring` (default), `aws-lc-rs`: the TLS provider. If both are enabled, `aws-lc-rs` is used.
//! * `webpki-roots` (default), `native-roots`: the TLS trust roots, Mozilla's list or those of the operating system.
//!
//! Without `tokio` the crate is [`ProducerCore`]: no runtime, no sockets. Proxies and device certificates are settings and
//! features of `kvs-aws`.
//!
//! # Limits
//!
//! 1 to 3 tracks; fragments of 250 ms to 20 s and 50 MB; nine tags per fragment, including events and their pairs; tag names of
//! 1 to 128 bytes, values of up to 256 bytes. The service closes connections after 45 minutes and when their credentials expire;
//! the producer replaces them before that.
//!
//! # Errors and events, by who must act
//!
//! | Who | What |
//! |---|---|
//! | The programmer | [`ConfigError`], [`PutTagError`], and [`PutFrameError`] except `BufferFull` |
//! | The program, now | [`PutFrameError`] with [`Refusal::BufferFull`]: it returns the frame, put it again or drop it. [`Event::KeyframeNeeded`]: request a key frame from the encoder. [`Event::NoProgress`]: smaller fragments, by a shorter key frame interval or a lower bit rate |
//! | The owner of the AWS account | `OpenError::Halted` and [`Event::Halted`]: missing stream, permissions, KMS key. [`Event::Rejected`] says what to do |
//! | Nobody | [`Event::Retrying`], [`Event::Closed`]: the producer reconnects. [`Event::Lost`] reports the consequences |
//! | Who runs the machine | [`Event::SpoolProblem`]: free or mount the disk |
//!
//! # The core without a driver
//!
//! [`ProducerCore`] has no I/O, no clock and no ambient randomness: bytes and times are arguments, and the seed is in the
//! configuration. This is the loop of a driver:
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use kvs_producer::{
//!     CodecId, Frame, ProducerConfig, ProducerCore, StreamLookup, Track, TrackKind, TrackNumber, Transmit,
//! };
//!
//! let audio = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::ACM).with_audio(8_000.0, 1, Some(16));
//! let config = ProducerConfig::new("door-bell", vec![audio])
//!     .stream_lookup(StreamLookup::FixedEndpoint("https://data".into()));
//! let now = Instant::now();
//! let mut core = ProducerCore::new(config, now, SystemTime::now())?;
//! # let pts = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
//! core.put_frame(Frame::new(TrackNumber::ONE, pts, vec![0x21, 0x10]), now)?;
//! while let Some(transmit) = core.poll_transmit(now) {
//!     match transmit {
//!         Transmit::Control { .. } => { /* send the request, then call handle_response */ }
//!         Transmit::Open { .. } => { /* connect, then call handle_opened or handle_closed */ }
//!         Transmit::Body { .. } => { /* send, then call handle_sent */ }
//!         Transmit::End { .. } | Transmit::Abort { .. } => { /* end the body, or drop the connection */ }
//!         _ => {}
//!     }
//! }
//! while let Some(event) = core.poll_event() {
//!     println!("{event:?}");
//! }
//! let _sleep_until = core.poll_timeout(now); // then call handle_timeout
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(feature = "blocking")]
pub mod blocking;
mod buffer;
mod config;
mod connection;
mod context;
#[cfg(feature = "tokio")]
mod driver;
mod io;
mod limits;
mod media;
mod producer_core;
mod report;
mod spool;
mod tags;
mod time;

pub use buffer::budget::SharedBudget;
pub use config::{
    BitstreamMode, ConfigError, LongGop, MissingTrack, Overflow, ProducerConfig, SpoolOrder, StreamLookup, TimeJump,
    Timestamps,
};
#[cfg(feature = "tokio")]
pub use driver::{Events, OpenError, Producer, StopReport};
pub use io::ack_parser::{AckParseError, AckParser};
pub use io::control::{ControlRequest, ControlRequestId, ControlResponse, Freshness, NewStream};
pub use io::failure::{Failure, FailureKind};
pub use io::session_id::SessionId;
pub use io::transmit::{OpenRequest, Transmit};
#[cfg(feature = "tokio")]
pub use kvs_aws::{Client, ClientConfig, Credentials, InvalidField, ProvideCredentials, Region};
pub use kvs_mkv::rules::{Rule, Violation};
pub use kvs_mkv::{Chunks, CodecId, Frame, Tag, Track, TrackKind, TrackNumber, WriterError, codec};
pub use kvs_types::{Ack, AckError, AckEventType, ErrorId, FragmentNumber, FragmentTimecodeType, StreamStatus};
pub use media::put_error::{PutFrameError, Refusal};
pub use producer_core::ProducerCore;
pub use report::diagnosis::{Diagnosis, RecoveryAction, error_page};
pub use report::event::Event;
pub use report::no_progress::NoProgress;
pub use report::outcome::{Loss, LossReason, Persisted};
pub use report::reason::{CloseReason, HaltReason, JumpHandling};
pub use report::span::{FragmentId, Span};
pub use report::spool::SpoolProblem;
pub use report::stats::{AckCounts, Amount, Histogram, LossCounts, Stats, Totals};
#[cfg(feature = "spool")]
pub use spool::{
    config::SpoolConfig,
    engine::Spool,
    error::SpoolError,
    message::{SpoolRequest, SpoolResponse},
};
pub use tags::{EventInterval, FragmentEvent, FragmentTag, ImageGeneration, Notification, PutTagError, TagScope};

#[doc(hidden)]
pub mod __internal {
    //! What only the tests of this family need. Not covered by semantic versioning.

    /// Most tags that a user may put on one fragment.
    pub const USER_TAGS: usize = crate::limits::USER_TAGS;
    /// What a buffered frame counts in addition to its payload.
    pub const FRAME_OVERHEAD: usize = crate::limits::FRAME_OVERHEAD;
    /// What a buffered fragment counts in addition to its frames.
    pub const FRAGMENT_OVERHEAD: usize = crate::limits::FRAGMENT_OVERHEAD;
    #[cfg(feature = "spool")]
    pub use crate::spool::disk::{Durability, SpoolDisk};
}

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
