//! Kinesis Video Streams images: GetImages as a stream, image-generation and notification configuration.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod limits;

mod destination;
mod error;
mod format;
mod get_images;
mod image_generation;
mod json_file;
mod notification;
mod status;

pub use error::ImageError;
pub use format::{FormatConfig, ImageFormat, SamplingProfile};
pub use get_images::{GetImages, Image, ImagePage, parse_page};
pub use image_generation::{
    DescribeImageGenerationConfiguration, ImageGenerationConfiguration, ImageGenerationDestination,
    UpdateImageGenerationConfiguration,
};
pub use json_file::JsonFileError;
pub use notification::{
    DescribeNotificationConfiguration, NotificationConfiguration, NotificationDestination,
    UpdateNotificationConfiguration,
};
pub use status::ConfigurationStatus;

/// Whose clock timestamps are of.
pub use kvs_aws::TimestampOrigin;
