//! Images of any time range of a Kinesis Video Streams stream, as an async stream.
//!
//! ```no_run
//! use std::time::{Duration, SystemTime};
//!
//! use kvs_images::{Client, ClientConfig, ImagesExt, StreamId};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! // AWS_REGION, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, …
//! let client = Client::new(ClientConfig::from_env()?)?;
//! let stream: StreamId = "front-door".parse()?;
//!
//! let now = SystemTime::now();
//! let hour = now - Duration::from_secs(3600)..now;
//! let mut images = client.images(stream).range(hour).every(Duration::from_secs(10)).size(640, 360).stream()?;
//! while let Some(image) = images.next().await {
//!     match image.content {
//!         Ok(jpeg) => println!("{:?}: {} bytes", image.at, jpeg.len()),
//!         Err(failure) => println!("{:?}: {failure}", image.at),
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! * [`Images::stream`] returns exactly one item for each timestamp of the range, in order. A timestamp without media is an
//!   item, and so is one whose call failed.
//! * [`Images::nearest`] and [`Images::latest`] return one image.
//! * Several calls run concurrently, within the quotas of the service ([`Pace`]). Dropping a future or the stream cancels its
//!   calls.
//!
//! The operation GetImages itself, and the configuration of automatic image generation and of notifications, are in
//! `kvs-aws`. This crate re-exports what its users need.
//!
//! # Features
//!
//! They are those of `kvs-aws`: `ring` (default), `aws-lc-rs`, `webpki-roots` (default), `native-roots`, `aws-config`, `iot`.
//!
//! # Limits
//!
//! The service accepts an interval of at least 200 ms, a size of at most 3840x2160 pixels and a JPEG quality of 1 to 100.
//! A range may have any length. In memory there are at most
//! [`Images::concurrency`] calls with 100 images each.
//!
//! # Errors
//!
//! * [`InvalidField`]: the caller passed a value that the service does not accept; nothing was sent.
//! * [`ImageFailure`], in an item: there is no media ([`ImageError::NoMedia`]), the media cannot be decoded
//!   ([`ImageError::MediaError`]), or the call for this part of the range failed ([`ImageFailure::Call`]).
//! * [`Error`], from `nearest` and `latest`: a call failed; its variants state who must act.
//!
//! # Types of other crates
//!
//! The public API has types of `kvs-aws` 0.1, `bytes` 1 and `futures-core` 0.3 (`Stream`).
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod fetcher;
mod gather;
mod image_at;
mod image_stream;
mod images;
mod pace;
mod plan;
mod request;

pub use image_at::ImageAt;
pub use image_stream::ImageStream;
pub use images::{Images, ImagesExt};
pub use pace::Pace;

pub use kvs_aws::{
    Client, ClientConfig, ConfigError, Credentials, Error, ImageError, ImageFailure, InvalidField, Region,
    SamplingProfile, StreamArn, StreamId, StreamName, TimestampOrigin,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
