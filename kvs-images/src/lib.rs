//! Kinesis Video Streams images: GetImages as a stream, image-generation and notification configuration.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::{Duration, SystemTime};
//! use kvs_aws::{Client, Config, StreamId};
//! use kvs_images::ImagesExt;
//!
//! let client = Client::new(Config::from_env()?)?;
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

mod configuration;
mod destination;
mod error;
mod fetcher;
mod format;
mod gather;
mod get_images;
mod image_generation;
mod images;
mod json_file;
mod notification;
mod pace;
mod plan;
mod status;

pub use configuration::{
    DescribeConfiguration, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration,
    StreamConfiguration, UpdateConfiguration, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
};
pub use error::ImageError;
pub use format::{FormatConfig, ImageFormat, SamplingProfile};
pub use get_images::{GetImages, Image, ImagePage, parse_page};
pub use image_generation::{ImageGenerationConfiguration, ImageGenerationDestination};
pub use images::{ImageAt, Images, ImagesExt};
pub use json_file::JsonFileError;
pub use notification::{NotificationConfiguration, NotificationDestination};
pub use pace::Pace;
pub use status::ConfigurationStatus;

/// Whose clock timestamps are of.
pub use kvs_aws::TimestampOrigin;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
