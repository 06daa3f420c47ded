//! What pictures are to look like.

use std::collections::BTreeMap;

use kvs_types::__internal::check_range;
use kvs_types::InvalidField;
use serde::{Deserialize, Serialize};

use crate::limits;

/// JPEG or PNG, as the service writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[non_exhaustive]
pub enum ImageFormat {
    /// JPEG, lossy and small.
    #[default]
    Jpeg,
    /// PNG, lossless and large.
    Png,
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
    /// The least interval in milliseconds.
    #[must_use]
    pub fn least_millis(self) -> u32 {
        let least = match self {
            Self::Current => limits::SAMPLING_INTERVAL,
            Self::Year2022 => limits::SAMPLING_INTERVAL_2022,
        };
        u32::try_from(least.as_millis()).expect("the limits are a few seconds")
    }

    /// Checks an interval in milliseconds.
    ///
    /// # Errors
    /// When it is shorter than the least one.
    #[doc(hidden)]
    pub fn check(self, millis: u32) -> Result<(), InvalidField> {
        // The model's integer has 32 bits with a sign.
        check_range("SamplingInterval", millis, (self.least_millis(), i32::MAX.unsigned_abs()))
    }
}

/// The one setting that a format has: JPEG's quality, which the service wants as text.
pub type FormatConfig = BTreeMap<String, String>;

pub(crate) const JPEG_QUALITY: &str = "JPEGQuality";

pub(crate) fn quality_of(quality: u8) -> FormatConfig {
    FormatConfig::from([(JPEG_QUALITY.to_owned(), quality.to_string())])
}

/// One key at most, a quality of 1 to 100, and that only for JPEG.
pub(crate) fn check_format(format: ImageFormat, config: Option<&FormatConfig>) -> Result<(), InvalidField> {
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
    check_range("JPEGQuality", quality, (*limits::JPEG_QUALITY.start(), *limits::JPEG_QUALITY.end()))?;
    match format {
        ImageFormat::Jpeg => Ok(()),
        ImageFormat::Png => Err(InvalidField::combination("FormatConfig", "JPEGQuality does not go with PNG")),
    }
}

/// Both sides or none, each in range: the service refuses one alone.
pub(crate) fn check_size(width: Option<u32>, height: Option<u32>) -> Result<(), InvalidField> {
    let bounds = |range: std::ops::RangeInclusive<u32>| (*range.start(), *range.end());
    match (width, height) {
        (None, None) => Ok(()),
        (Some(width), Some(height)) => {
            check_range("WidthPixels", width, bounds(limits::WIDTH))?;
            check_range("HeightPixels", height, bounds(limits::HEIGHT))
        }
        (Some(_), None) | (None, Some(_)) => {
            Err(InvalidField::combination("WidthPixels", "width and height must be given both or neither"))
        }
    }
}
