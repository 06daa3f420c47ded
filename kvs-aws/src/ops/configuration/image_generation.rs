//! Automatic image generation: pictures of tagged fragments into an S3 bucket.

use std::time::Duration;

use kvs_types::__internal::check_length;
use kvs_types::InvalidField;
use serde::{Deserialize, Serialize};

use super::StreamConfiguration;
use super::destination;
use super::status::ConfigurationStatus;
use crate::limits;
use crate::ops::archived::TimestampOrigin;
use crate::ops::images::format::{self, FormatConfig, ImageFormat, SamplingProfile};

/// How a stream makes pictures by itself.
///
/// ```
/// use std::time::Duration;
/// use kvs_aws::ImageGenerationConfiguration;
///
/// let configuration = ImageGenerationConfiguration::new("s3://my-bucket-name", "us-east-1")
///     .sampling_interval(Duration::from_millis(200))
///     .size(320, 240)
///     .jpeg_quality(80);
/// configuration.check()?;
/// # Ok::<(), kvs_aws::InvalidField>(())
/// ```
///
/// A change takes a minute or more to take effect; start PutMedia after that.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ImageGenerationConfiguration {
    /// Whether pictures are made.
    pub status: ConfigurationStatus,
    /// Whose clock the pictures' times are of.
    pub image_selector_type: TimestampOrigin,
    /// Where the pictures go.
    pub destination_config: ImageGenerationDestination,
    /// Milliseconds from one picture to the next.
    pub sampling_interval: u32,
    /// JPEG or PNG.
    pub format: ImageFormat,
    /// `JPEGQuality` as text, if set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format_config: Option<FormatConfig>,
    /// Width; goes only with the height.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_pixels: Option<u32>,
    /// Height; goes only with the width.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub height_pixels: Option<u32>,
}

/// Where pictures go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
#[non_exhaustive]
pub struct ImageGenerationDestination {
    /// `s3://bucket` or `s3://bucket/path`.
    pub uri: String,
    /// The bucket's region, which must be the stream's.
    pub destination_region: String,
}

impl ImageGenerationConfiguration {
    /// Enabled, by the producer's clock, a JPEG every 3 s in the source's size.
    pub fn new(uri: impl Into<String>, region: impl Into<String>) -> Self {
        Self {
            status: ConfigurationStatus::Enabled,
            image_selector_type: TimestampOrigin::Producer,
            destination_config: ImageGenerationDestination { uri: uri.into(), destination_region: region.into() },
            sampling_interval: SamplingProfile::Year2022.least_millis(),
            format: ImageFormat::Jpeg,
            format_config: None,
            width_pixels: None,
            height_pixels: None,
        }
    }

    /// Sets whether pictures are made.
    #[must_use]
    pub const fn status(mut self, status: ConfigurationStatus) -> Self {
        self.status = status;
        self
    }

    /// Sets whose clock the pictures' times are of.
    #[must_use]
    pub fn selector(mut self, selector: TimestampOrigin) -> Self {
        self.image_selector_type = selector;
        self
    }

    /// Sets the time from one picture to the next, in whole milliseconds.
    #[must_use]
    pub fn sampling_interval(mut self, interval: Duration) -> Self {
        self.sampling_interval = u32::try_from(interval.as_millis()).unwrap_or(u32::MAX);
        self
    }

    /// Sets the size; the picture is stretched to it.
    #[must_use]
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.width_pixels = Some(width);
        self.height_pixels = Some(height);
        self
    }

    /// Asks for JPEG of a quality, 1 to 100.
    #[must_use]
    pub fn jpeg_quality(mut self, quality: u8) -> Self {
        self.format = ImageFormat::Jpeg;
        self.format_config = Some(format::quality_of(quality));
        self
    }

    /// Asks for PNG.
    #[must_use]
    pub fn png(mut self) -> Self {
        self.format = ImageFormat::Png;
        self.format_config = None;
        self
    }

    /// Checks everything that can be known without asking the service.
    ///
    /// # Errors
    /// With the first member that the service would refuse.
    pub fn check(&self) -> Result<(), InvalidField> {
        self.check_with(SamplingProfile::Current)
    }

    /// The same for a service with another least interval; ask before setting it there.
    ///
    /// # Errors
    /// With the first member that the service would refuse.
    pub fn check_with(&self, profile: SamplingProfile) -> Result<(), InvalidField> {
        let destination = &self.destination_config;
        destination::check_uri(&destination.uri)?;
        destination::check_bucket_uri(&destination.uri)?;
        check_destination_region(&destination.destination_region)?;
        profile.check(self.sampling_interval)?;
        format::check_format(self.format, self.format_config.as_ref())?;
        format::check_size(self.width_pixels, self.height_pixels)
    }
}

/// `^[a-z]+(-[a-z]+)?-[a-z]+-[0-9]$`, 9 to 14 characters.
fn check_destination_region(region: &str) -> Result<(), InvalidField> {
    const FIELD: &str = "DestinationRegion";
    check_length(FIELD, region.chars().count(), limits::DESTINATION_REGION_CHARS)?;
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

impl StreamConfiguration for ImageGenerationConfiguration {
    const MEMBER: &'static str = "ImageGenerationConfiguration";
    const UPDATE: [&'static str; 2] = ["UpdateImageGenerationConfiguration", "/updateImageGenerationConfiguration"];
    const DESCRIBE: [&'static str; 2] =
        ["DescribeImageGenerationConfiguration", "/describeImageGenerationConfiguration"];

    fn check(&self) -> Result<(), InvalidField> {
        Self::check(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::UpdateImageGenerationConfiguration;
    use super::*;

    /// AWS's own sample input, quoted in the service reference.
    const SAMPLE: &str = r#"{"StreamName":"demo-stream","ImageGenerationConfiguration":{"Status":"ENABLED","DestinationConfig":{"DestinationRegion":"us-east-1","Uri":"s3://my-bucket-name"},"SamplingInterval":200,"ImageSelectorType":"PRODUCER_TIMESTAMP","Format":"JPEG","FormatConfig":{"JPEGQuality":"80"},"WidthPixels":320,"HeightPixels":240}}"#;

    #[test]
    fn the_file_of_the_aws_walkthrough_is_read_and_written_back_the_same() {
        let update = UpdateImageGenerationConfiguration::from_json(SAMPLE).unwrap();
        let value = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(value(&update.to_json()), value(SAMPLE));
    }

    fn refused(from: &str, to: &str) -> String {
        assert!(SAMPLE.contains(from), "{from}");
        UpdateImageGenerationConfiguration::from_json(&SAMPLE.replace(from, to)).unwrap_err().to_string()
    }

    #[test]
    fn wrong_members_are_named_with_their_limit() {
        for (from, to, message) in [
            ("200", "199", "SamplingInterval: must be 200 to 2147483647, got 199"),
            (r#""80""#, r#""101""#, "JPEGQuality: must be 1 to 100, got 101"),
            (r#""80""#, r#""high""#, r#"JPEGQuality: must be a number from 1 to 100 as text, got "high""#),
            ("320", "3841", "WidthPixels: must be 1 to 3840, got 3841"),
            (r#""WidthPixels":320,"#, "", "WidthPixels: width and height must be given both or neither"),
            (r#""Format":"JPEG""#, r#""Format":"PNG""#, "FormatConfig: JPEGQuality does not go with PNG"),
            (
                "us-east-1",
                "us-east-one",
                r#"DestinationRegion: must be a region code such as eu-central-1, got "us-east-one""#,
            ),
            (
                "s3://my-bucket-name",
                "arn:aws:s3:::b",
                r#"Uri: must be s3://bucket or s3://bucket/path, got "arn:aws:s3:::b""#,
            ),
            ("WidthPixels", "WidthPixel", "unknown member ImageGenerationConfiguration.WidthPixel"),
            (r#""StreamName":"demo-stream","#, "", "StreamName or StreamARN is missing"),
        ] {
            assert_eq!(refused(from, to), message);
        }
    }

    #[test]
    fn the_old_minimum_is_a_profile() {
        let update = UpdateImageGenerationConfiguration::from_json(SAMPLE).unwrap();
        let error = update.configuration().unwrap().check_with(SamplingProfile::Year2022).unwrap_err();
        assert_eq!(error.to_string(), "SamplingInterval: must be 3000 to 2147483647, got 200");
    }

    #[test]
    fn deletion_is_a_request_without_a_configuration() {
        let delete = UpdateImageGenerationConfiguration::delete("cam".parse().unwrap());
        assert_eq!(serde_json::to_string(&delete).unwrap(), r#"{"StreamName":"cam"}"#);
        let error = UpdateImageGenerationConfiguration::from_json(r#"{"StreamName":"cam"}"#).unwrap_err();
        assert_eq!(error.to_string(), "ImageGenerationConfiguration is missing");
    }
}
