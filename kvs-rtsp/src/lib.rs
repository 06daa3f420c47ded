//! IP cameras for Kinesis Video Streams: frames with wall-clock times from RTSP, for months.
//!
//! A [`Camera`] connects, reconnects, and gives [`CameraEvent`]s: frames as `kvs_producer::Producer::put_frame` takes them, and
//! what happens on the way. The protocol is that of [retina](https://docs.rs/retina); this crate adds what a service that runs for
//! months needs: times, limits on every wait, reconnection, and errors that say what to do.
//!
//! ```no_run
//! use kvs_rtsp::{Camera, CameraEvent, CameraOptions};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut camera = Camera::open("rtsp://admin:secret@10.0.0.7/stream1", CameraOptions::new()).await?;
//! while let Some(event) = camera.next().await {
//!     match event {
//!         CameraEvent::Frame(frame) => { /* producer.put_frame(frame).await? */ }
//!         CameraEvent::CameraLost { error, retry_in } => eprintln!("{error}; next attempt in {retry_in:?}"),
//!         CameraEvent::CameraBack { gap } => eprintln!("back after {gap:?}"),
//!         event => eprintln!("{event:?}"),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # With a producer
//!
//! [`CameraEvent::Connected`] has the tracks for `ProducerConfig::new`. Keep the producer open while the camera is away: it ends its
//! connection in order and opens the next one with the next key frame. It also sees
//! [`ParametersChanged`](CameraEvent::ParametersChanged) by itself, because parameter sets are in band at key frames. Only if
//! [`same_codecs`] says that the tracks of a later `Connected` have other codecs, or that there are more or fewer of them, is a new
//! producer needed.
//!
//! # Times
//!
//! RTP times count from anywhere. [`ClockSource`] says whose clock makes wall-clock times of them:
//!
//! * `Local` (default): the frame that was delayed least between camera and this machine is the anchor. The others lie before and
//!   after it by the intervals of the camera. The anchor follows the local clock by 500 ppm at most, so that intervals stay those
//!   of the camera.
//! * `Camera`: the sender reports of the camera, if they are within 5 s of the local clock.
//!
//! All tracks have one anchor. At the start of a session frames are held for [`CameraOptions::settle`], because many cameras begin
//! with a burst, and with `Camera` up to 5 s for the first sender report. Times that jump more than 10 s ahead of their arrival, or
//! back, begin a new anchor at a key frame ([`CameraEvent::NewSession`]).
//!
//! # Loss
//!
//! By default the frames from a loss of packets to the next key frame are dropped and told ([`OnLoss`]).
//!
//! # Reconnection
//!
//! After 1 s, doubling to 60 s, with up to 20 % more; from the start again after a minute of frames. Rejected credentials are tried
//! again after 5 min, because cameras lock accounts. Every wait has a limit: 10 s for each request, 30 s for the first key frame and
//! between frames ([`CameraOptions`]).
//!
//! # Limits
//!
//! `rtsp://` only: no TLS, no multicast, no HTTP tunnel. One video track (H.264, H.265) and one of sound (AAC, G.711); what else a
//! camera offers is named in [`CameraEvent::Connected`]. Per camera at most [`CameraOptions::queue_bytes`] of frames wait for the
//! caller, and 8 MiB are held at the start of a session.
//!
//! Credentials are taken out of the URL and appear in no message, error or `Debug` text. The RTSP library logs through `log`; at
//! the levels debug and trace it prints whole requests.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod address;
mod driver;
mod error;
mod event;
mod intake;
mod options;
mod reconnect;
mod stats;

pub use address::UrlError;
pub use driver::Camera;
pub use error::{CameraError, Cause, OpenError};
pub use event::{CameraEvent, ClockFault, DropReason, SessionReason, SkipReason, SkippedTrack};
pub use kvs_mkv::{Frame, Track, TrackNumber};
pub use options::{CameraOptions, ClockSource, OnLoss, Transport};
pub use stats::{CameraState, CameraStats, ClockStats};

/// Returns a camera's URL without credentials and query, for messages.
///
/// ```
/// assert_eq!(kvs_rtsp::printable_url("rtsp://admin:secret@10.0.0.7/live?x=1")?, "rtsp://10.0.0.7/live");
/// # Ok::<(), kvs_rtsp::UrlError>(())
/// ```
///
/// # Errors
/// Returns an error if it is not the URL of a camera. The error does not repeat it.
pub fn printable_url(url: &str) -> Result<String, UrlError> {
    address::Address::parse(url).map(|address| address.to_string())
}

/// Whether a producer for the one list of tracks takes frames of the other: as many tracks, of the same codecs. Sizes and other
/// parameters of video may differ.
///
/// ```
/// use kvs_rtsp::{Track, TrackNumber, same_codecs};
/// use kvs_mkv::{CodecId, TrackKind};
///
/// let video = |codec| vec![Track::new(TrackNumber::ONE, TrackKind::Video, codec)];
/// assert!(same_codecs(&video(CodecId::H264), &video(CodecId::H264)));
/// assert!(!same_codecs(&video(CodecId::H264), &video(CodecId::H265)));
/// ```
#[must_use]
pub fn same_codecs(one: &[Track], other: &[Track]) -> bool {
    let fits = |(a, b): (&Track, &Track)| {
        // Sound is not described in band.
        let is_sound = a.kind == kvs_mkv::TrackKind::Audio;
        a.codec == b.codec && (!is_sound || a.codec_private == b.codec_private)
    };
    one.len() == other.len() && one.iter().zip(other).all(fits)
}

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
