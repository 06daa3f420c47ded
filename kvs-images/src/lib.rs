//! Kinesis Video Streams images: GetImages as a stream, image-generation and notification configuration.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, SystemTime};
//! use kvs_aws::{Client, ClientConfig, StreamId};
//! use kvs_images::ImagesExt;
//!
//! let client = Client::new(ClientConfig::from_env()?)?;
//! let stream: StreamId = "front-door".parse()?;
//! if let Some(image) = client.images(stream).size(320, 240).latest(SystemTime::now()).await? {
//!     println!("{} bytes of {:?}", image.content?.len(), image.at);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # The contract
//!
//! * [`Images::stream`] gives exactly one item for each instant of its range, in order, whatever the service's pages and
//!   seams look like. A gap is an item, and so is an instant whose call failed.
//! * Nothing that the service would refuse is sent: ranges, intervals, sizes and qualities are checked first.
//! * Memory is bounded by the calls that are under way; dropping a future or a stream ends its calls.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod limits;

mod fetcher;
mod gather;
mod images;
mod pace;
mod plan;

pub use images::{ImageAt, Images, ImagesExt};
pub use pace::Pace;

pub use kvs_aws::{
    ConfigurationStatus, DescribeConfiguration, DescribeImageGenerationConfiguration,
    DescribeNotificationConfiguration, FormatConfig, GetImages, Image, ImageError, ImageFailure, ImageFormat,
    ImageGenerationConfiguration, ImageGenerationDestinationConfig, ImagePage, JsonFileError,
    NotificationConfiguration, NotificationDestinationConfig, SamplingProfile, StreamConfiguration, TimestampOrigin,
    UpdateConfiguration, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
