//! Automatic image generation: the service writes images of tagged fragments to S3.

use std::time::Duration;

use crate::check::check_length;
use crate::configuration_status::ConfigurationStatus;
use crate::destination::{check_bucket_uri, check_uri};
use crate::field::InvalidField;
use crate::image_format::{FormatConfig, ImageFormat, SamplingProfile, check_format, check_size, jpeg_quality};
use crate::limits::DESTINATION_REGION_CHARS;
use crate::timestamp_origin::TimestampOrigin;

/// The configuration of automatic image generation.
///
/// ```
/// use std::time::Duration;
/// use kvs_types::ImageGenerationConfiguration;
///
/// let configuration = ImageGenerationConfiguration::new("s3://my-bucket-name", "us-east-1")
///     .with_sampling_interval(Duration::from_millis(200))
///     .with_size(320, 240)
///     .with_jpeg_quality(80);
/// configuration.check()?;
/// # Ok::<(), kvs_types::InvalidField>(())
/// ```
///
/// A change takes effect after a minute or more. Start PutMedia after that.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "PascalCase"))]
#[non_exhaustive]
pub struct ImageGenerationConfiguration {
    /// Whether images are generated.
    pub status: ConfigurationStatus,
    /// The clock that the timestamps of the images come from.
    pub image_selector_type: TimestampOrigin,
    /// Where the images are written.
    pub destination_config: ImageGenerationDestinationConfig,
    /// Time from one image to the next in milliseconds.
    pub sampling_interval: u32,
    /// The file format.
    pub format: ImageFormat,
    /// The settings of the format. Default: none, which means a JPEG quality of 80.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub format_config: Option<FormatConfig>,
    /// Width in pixels; requires the height. Default: the width of the video.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub width_pixels: Option<u32>,
    /// Height in pixels; requires the width. Default: the height of the video.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "Option::is_none"))]
    pub height_pixels: Option<u32>,
}

/// Where generated images are written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "PascalCase"))]
#[non_exhaustive]
pub struct ImageGenerationDestinationConfig {
    /// `s3://bucket` or `s3://bucket/path`.
    pub uri: String,
    /// The region of the bucket, which must be the region of the stream.
    pub destination_region: String,
}

impl ImageGenerationConfiguration {
    /// Creates an enabled configuration: a JPEG every 3 s by the producer's clock, in the size of the video.
    pub fn new(uri: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            status: ConfigurationStatus::Enabled,
            image_selector_type: TimestampOrigin::Producer,
            destination_config: ImageGenerationDestinationConfig { uri: uri.into(), destination_region: region.into() },
            sampling_interval: SamplingProfile::Year2022.least_millis(),
            format: ImageFormat::Jpeg,
            format_config: None,
            width_pixels: None,
            height_pixels: None,
        }
    }

    /// Sets whether images are generated. Default: enabled.
    #[must_use]
    pub const fn with_status(mut self, status: ConfigurationStatus) -> Self {
        self.status = status;
        self
    }

    /// Sets the clock that the timestamps of the images come from. Default: the producer's.
    #[must_use]
    pub const fn with_image_selector_type(mut self, origin: TimestampOrigin) -> Self {
        self.image_selector_type = origin;
        self
    }

    /// Sets the time from one image to the next, rounded down to a millisecond. Default: 3 s.
    #[must_use]
    pub fn with_sampling_interval(mut self, interval: Duration) -> Self {
        self.sampling_interval = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// Sets the size in pixels; the service stretches the image to it. Default: the size of the video.
    #[must_use]
    pub const fn with_size(mut self, width: u32, height: u32) -> Self {
        self.width_pixels = Some(width);
        self.height_pixels = Some(height);
        self
    }

    /// Selects JPEG of a quality, 1 to 100. Default: JPEG of the service's default quality, 80.
    #[must_use]
    pub fn with_jpeg_quality(mut self, quality: u8) -> Self {
        self.format = ImageFormat::Jpeg;
        self.format_config = Some(jpeg_quality(quality));
        self
    }

    /// Selects PNG.
    #[must_use]
    pub fn with_png(mut self) -> Self {
        self.format = ImageFormat::Png;
        self.format_config = None;
        self
    }

    /// Checks everything that can be checked without the service.
    ///
    /// # Errors
    /// Returns the first member that the service would reject.
    pub fn check(&self) -> Result<(), InvalidField> {
        self.check_with(SamplingProfile::Current)
    }

    /// Checks the configuration for a service with another least sampling interval.
    ///
    /// # Errors
    /// Returns the first member that the service would reject.
    pub fn check_with(&self, profile: SamplingProfile) -> Result<(), InvalidField> {
        let destination = &self.destination_config;
        check_uri(&destination.uri)?;
        check_bucket_uri(&destination.uri)?;
        check_destination_region(&destination.destination_region)?;
        profile.check(self.sampling_interval)?;
        check_format(self.format, self.format_config.as_ref())?;
        check_size(self.width_pixels, self.height_pixels)
    }
}

/// Checks the pattern `^[a-z]+(-[a-z]+)?-[a-z]+-[0-9]$`, 9 to 14 characters.
fn check_destination_region(region: &str) -> Result<(), InvalidField> {
    const FIELD: &str = "DestinationRegion";
    check_length(FIELD, region.chars().count(), DESTINATION_REGION_CHARS)?;
    let letters = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let words: Vec<&str> = region.split('-').collect();
    match words.split_last() {
        Some((number, words))
            if matches!(words.len(), 2 | 3)
                && words.iter().all(letters)
                && number.len() == 1
                && number.bytes().all(|b| b.is_ascii_digit()) =>
        {
            Ok(())
        }
        _ => Err(InvalidField::malformed(FIELD, "a region code such as eu-central-1", region)),
    }
}
