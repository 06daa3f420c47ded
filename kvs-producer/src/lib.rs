//! The Kinesis Video Streams producer that loses nothing in silence: a sans-IO PutMedia state machine and a tokio driver.
//!
//! ```no_run
//! # async fn example(frames: Vec<kvs_mkv::Frame>) -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//! use kvs_aws::Client;
//! use kvs_mkv::{CodecId, Track, TrackKind, TrackNumber};
//! use kvs_producer::{StreamLookup, ProducerConfig, Event, ImageGeneration, NewStream, Producer};
//!
//! let video = Track::new(TrackNumber::ONE, TrackKind::Video, CodecId::H264); // with_codec_private(avcC)
//! let config = ProducerConfig::new("front-door", vec![video])
//!     .stream_lookup(StreamLookup::CreateIfMissing(NewStream::new(Duration::from_secs(24 * 60 * 60))));
//! let stream = Producer::open(config, Client::new(kvs_aws::ClientConfig::from_env()?)?).await?;
//! let mut events = stream.events();
//! tokio::spawn(async move {
//!     while let Some(event) = events.next().await {
//!         if let Event::Lost(loss) = event {
//!             eprintln!("lost {} frames: {}", loss.span.frames, loss.reason.name());
//!         }
//!     }
//! });
//! for frame in frames {
//!     let motion = frame.keyframe;
//!     stream.put_frame(frame).await?;
//!     if motion {
//!         stream.put_event(ImageGeneration::new().with_prefix("motion").with_pair("zone", "door"))?;
//!     }
//! }
//! let report = stream.stop(Duration::from_secs(10)).await;
//! println!("{} of {} frames persisted", report.totals.persisted.frames, report.totals.submitted.frames);
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! * **Submitted = persisted + reported lost.** Every frame that [`put_frame`](ProducerCore::put_frame) takes is later part of an
//!   [`Event::Persisted`] or of an [`Event::Lost`] that names its time range, bytes and reason.
//! * What the buffer retains is delivered at least once: after a broken connection sending goes on from the first fragment
//!   that is not persisted, whole fragments only, each session with its own header and from a key frame (unless
//!   [`LongGop::Split`] had to cut a fragment without one).
//! * The buffer never holds more than [`ProducerConfig::buffer_bytes`]; beside it a stream costs about 16 KiB and what its connection
//!   takes.
//! * A stop returns within its deadline, with a report.
//! * [`ProducerCore`], the core, has no I/O, no clock and no chance of its own: time and bytes are arguments, the seed is in the
//!   configuration. [`Producer`] (feature `tokio`) puts it on a socket; `blocking::Producer` (feature `blocking`) is the same for
//!   programs without a runtime.
//!
//! # The loop around the core
//!
//! ```
//! use std::time::{Instant, SystemTime};
//! use kvs_mkv::{CodecId, Frame, Track, TrackKind, TrackNumber};
//! use kvs_producer::{StreamLookup, ProducerConfig, ProducerCore, Transmit};
//!
//! let audio = Track::new(TrackNumber::ONE, TrackKind::Audio, CodecId::ACM).with_audio(8_000.0, 1, Some(16));
//! let config = ProducerConfig::new("door-bell", vec![audio]).stream_lookup(StreamLookup::FixedEndpoint("https://data".into()));
//! let now = Instant::now();
//! let mut producer = ProducerCore::new(config, now, SystemTime::now())?;
//! # let now_pts = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
//! producer.put_frame(Frame::new(TrackNumber::ONE, now_pts, vec![0x21, 0x10]), now)?;
//! while let Some(transmit) = producer.poll_transmit(now) {
//!     match transmit {
//!         Transmit::Control { .. } => { /* make the call, then handle_response */ }
//!         Transmit::Open { .. } => { /* connect, then handle_opened or handle_closed */ }
//!         Transmit::Body { .. } => { /* send, then handle_sent */ }
//!         Transmit::End { .. } | Transmit::Abort { .. } => { /* end the body, or drop the connection */ }
//!         _ => {}
//!     }
//! }
//! while let Some(event) = producer.poll_event() {
//!     println!("{event:?}");
//! }
//! let _sleep_until = producer.poll_timeout(now); // then handle_timeout
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod ack;
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
mod tags;
mod time;

pub use ack::{Ack, AckError, AckKind};
pub use buffer::budget::SharedBudget;
pub use config::{
    BitstreamMode, ConfigError, LongGop, MissingTrack, Overflow, ProducerConfig, StreamLookup, TimeJump, Timestamps,
};
#[cfg(feature = "tokio")]
pub use driver::{Events, OpenError, Producer, StopReport};
pub use io::ack_parser::{AckParseError, AckParser};
pub use io::control::{ControlRequest, ControlRequestId, ControlResponse, Freshness, NewStream, StreamStatus};
pub use io::failure::{Failure, FailureKind};
pub use io::session_id::SessionId;
pub use io::transmit::{OpenRequest, Timecodes, Transmit};
pub use kvs_mkv::{Chunks, CodecId, Frame, Tag, Track, TrackKind, TrackNumber};
pub use media::put_error::{PutFrameError, Refusal};
pub use producer_core::ProducerCore;
pub use report::diagnosis::{Diagnosis, RecoveryAction};
pub use report::event::Event;
pub use report::outcome::{Loss, LossReason, Persisted};
pub use report::reason::{CloseReason, HaltReason, JumpHandling};
pub use report::span::{FragmentId, Span};
pub use report::stats::{AckCounts, Amount, Histogram, LossCounts, Stats, Totals};
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
}

#[cfg(all(doctest, feature = "tokio"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
