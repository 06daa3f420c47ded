//! The format and size of images.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::check::check_range;
use crate::closed_enum::closed_enum;
use crate::field::InvalidField;
use crate::limits;

closed_enum! {
    /// The file format of images.
    #[derive(Default)]
    #[non_exhaustive]
    pub enum ImageFormat ("Format": "JPEG or PNG") {
        /// JPEG, lossy and small.
        #[default]
        Jpeg = "JPEG",
        /// PNG, lossless and large.
        Png = "PNG",
    }
}

impl ImageFormat {
    /// Returns the file extension that the service uses in object keys, without the dot: `jpg` or `png`.
    #[must_use]
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Jpeg => "jpg",
            Self::Png => "png",
        }
    }

    /// Returns the format that belongs to a file extension, `None` for any other text.
    #[must_use]
    pub fn from_extension(extension: &str) -> Option<Self> {
        [Self::Jpeg, Self::Png].into_iter().find(|format| format.extension() == extension)
    }

    /// Returns the media type: `image/jpeg` or `image/png`.
    #[must_use]
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Jpeg => "image/jpeg",
            Self::Png => "image/png",
        }
    }
}

/// Which least sampling interval the service has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum SamplingProfile {
    /// 200 ms.
    #[default]
    Current,
    /// 3,000 ms, as documented in 2022.
    Year2022,
}

impl SamplingProfile {
    /// Returns the least interval in milliseconds.
    #[must_use]
    pub const fn least_millis(self) -> u32 {
        match self {
            Self::Current => limits::SAMPLING_INTERVAL_MILLIS,
            Self::Year2022 => limits::SAMPLING_INTERVAL_MILLIS_2022,
        }
    }

    /// Checks a sampling interval in milliseconds.
    ///
    /// # Errors
    /// Returns an error if the interval is below the least one or does not fit in 31 bits.
    pub fn check(self, millis: u32) -> Result<(), InvalidField> {
        // The model's integer is a signed 32-bit one.
        check_range("SamplingInterval", millis, (self.least_millis(), i32::MAX.unsigned_abs()))
    }
}

/// The format's settings by name. The service knows one: `JPEGQuality`, a number from 1 to 100 as text.
pub type FormatConfig = BTreeMap<String, String>;

const JPEG_QUALITY: &str = "JPEGQuality";

/// Returns the settings for a JPEG quality.
#[must_use]
pub fn jpeg_quality(quality: u8) -> FormatConfig {
    FormatConfig::from([(JPEG_QUALITY.to_owned(), quality.to_string())])
}

/// Checks that the only setting is a JPEG quality of 1 to 100, and that the format is JPEG.
///
/// # Errors
/// Returns the setting that the service would reject.
pub fn check_format(format: ImageFormat, config: Option<&FormatConfig>) -> Result<(), InvalidField> {
    let Some(config) = config else { return Ok(()) };
    let [(key, value)] = config.iter().collect::<Vec<_>>()[..] else {
        return Err(InvalidField::combination("FormatConfig", "must have exactly the one entry JPEGQuality"));
    };
    if key != JPEG_QUALITY {
        return Err(InvalidField::malformed("FormatConfig", "the key JPEGQuality", key));
    }
    let Ok(quality) = value.parse::<u32>() else {
        return Err(InvalidField::malformed("JPEGQuality", "a number from 1 to 100 as text", value));
    };
    check_range("JPEGQuality", quality, bounds(limits::JPEG_QUALITY))?;
    match format {
        ImageFormat::Jpeg => Ok(()),
        ImageFormat::Png => Err(InvalidField::combination("FormatConfig", "JPEGQuality is not accepted with PNG")),
    }
}

/// Checks that both sides or neither are given, each within its range.
///
/// # Errors
/// Returns the side that the service would reject.
pub fn check_size(width: Option<u32>, height: Option<u32>) -> Result<(), InvalidField> {
    match (width, height) {
        (None, None) => Ok(()),
        (Some(width), Some(height)) => {
            check_range("WidthPixels", width, bounds(limits::IMAGE_WIDTH_PIXELS))?;
            check_range("HeightPixels", height, bounds(limits::IMAGE_HEIGHT_PIXELS))
        }
        (Some(_), None) | (None, Some(_)) => {
            Err(InvalidField::combination("WidthPixels", "width and height must be given both or neither"))
        }
    }
}

const fn bounds(range: RangeInclusive<u32>) -> (u32, u32) {
    (*range.start(), *range.end())
}
