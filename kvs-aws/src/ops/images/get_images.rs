//! GetImages, one call: what the service answers, page by page.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_types::__internal::{check_format, check_length, check_range, check_size, epoch_seconds, jpeg_quality};
use kvs_types::{
    FieldProblem, FormatConfig, ImageError, ImageFormat, InvalidField, SamplingProfile, StreamId, TimestampOrigin,
};
use serde::{Deserialize, Serialize};

use super::error::ImageFailure;
use crate::limits;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::{self, Response};

/// Asks for pictures of a range, at most 300 s of it, a page at a time.
///
/// Most programs want `kvs_images::Images` instead, which follows pages, splits ranges and fills gaps.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kvs_aws::GetImages;
///
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let ask = GetImages::new("front-door".parse()?, start..start + Duration::from_secs(60))
///     .every(Duration::from_secs(5))
///     .size(320, 240)
///     .jpeg(80);
/// assert_eq!(
///     serde_json::to_string(&ask)?,
///     r#"{"StreamName":"front-door","ImageSelectorType":"PRODUCER_TIMESTAMP","StartTimestamp":1700000000,"EndTimestamp":1700000060,"SamplingInterval":5000,"Format":"JPEG","FormatConfig":{"JPEGQuality":"80"},"WidthPixels":320,"HeightPixels":240}"#
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GetImages {
    #[serde(flatten)]
    stream: StreamId,
    image_selector_type: TimestampOrigin,
    #[serde(with = "epoch_seconds")]
    start_timestamp: SystemTime,
    #[serde(with = "epoch_seconds")]
    end_timestamp: SystemTime,
    #[serde(skip_serializing_if = "Option::is_none")]
    sampling_interval: Option<u32>,
    format: ImageFormat,
    #[serde(skip_serializing_if = "Option::is_none")]
    format_config: Option<FormatConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    width_pixels: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    height_pixels: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_results: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next_token: Option<String>,
    #[serde(skip)]
    profile: SamplingProfile,
}

/// One page of pictures.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImagePage {
    /// The pictures and gaps, in the service's order.
    pub images: Vec<Image>,
    /// What to give to [`GetImages::next_token`] for the next page; `None` on the last one.
    pub next_token: Option<String>,
}

/// One picture, or why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The instant it was asked for, by the service's account; `None` when the service gave none.
    pub timestamp: Option<SystemTime>,
    /// The file's bytes, JPEG or PNG.
    pub content: Result<Bytes, ImageFailure>,
}

impl GetImages {
    /// JPEG pictures of `range` in the source's size by the producer's clock, one every 3 s (the service's default).
    #[must_use]
    pub const fn new(stream: StreamId, range: std::ops::Range<SystemTime>) -> Self {
        Self {
            stream,
            image_selector_type: TimestampOrigin::Producer,
            start_timestamp: range.start,
            end_timestamp: range.end,
            sampling_interval: None,
            format: ImageFormat::Jpeg,
            format_config: None,
            width_pixels: None,
            height_pixels: None,
            max_results: None,
            next_token: None,
            profile: SamplingProfile::Current,
        }
    }

    /// Sets whose clock the range is of. Default: the producer's.
    #[must_use]
    pub fn selector(mut self, selector: TimestampOrigin) -> Self {
        self.image_selector_type = selector;
        self
    }

    /// Sets the time from one picture to the next, in whole milliseconds, 200 ms at least.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.sampling_interval = Some(u32::try_from(interval.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sets the size; the picture is stretched to it. Default: the source's.
    #[must_use]
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.width_pixels = Some(width);
        self.height_pixels = Some(height);
        self
    }

    /// Asks for JPEG of a quality, 1 to 100. Default: JPEG of quality 80.
    #[must_use]
    pub fn jpeg(mut self, quality: u8) -> Self {
        self.format = ImageFormat::Jpeg;
        self.format_config = Some(jpeg_quality(quality));
        self
    }

    /// Asks for PNG.
    #[must_use]
    pub fn png(mut self) -> Self {
        self.format = ImageFormat::Png;
        self.format_config = None;
        self
    }

    /// Sets the largest page, 1 to 100; the service gives 25 at most.
    #[must_use]
    pub const fn max_results(mut self, most: u32) -> Self {
        self.max_results = Some(most);
        self
    }

    /// Asks for the page after the one that gave `token`; everything else must stay the same.
    #[must_use]
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }

    /// Sets which least interval the service has. Default: 200 ms.
    #[must_use]
    pub const fn profile(mut self, profile: SamplingProfile) -> Self {
        self.profile = profile;
        self
    }

    fn check_times(&self) -> Result<(), InvalidField> {
        if self.start_timestamp < SystemTime::UNIX_EPOCH {
            return Err(InvalidField::new("StartTimestamp", FieldProblem::BeforeEpoch));
        }
        let range = self.end_timestamp.duration_since(self.start_timestamp).unwrap_or_default();
        if range.is_zero() {
            return Err(InvalidField::new("EndTimestamp", FieldProblem::EmptyRange));
        }
        if range > limits::REQUEST_RANGE {
            let (max_seconds, actual_seconds) = (limits::REQUEST_RANGE.as_secs(), range.as_secs());
            return Err(InvalidField::new("EndTimestamp", FieldProblem::LongRange { max_seconds, actual_seconds }));
        }
        Ok(())
    }
}

impl Operation for GetImages {
    type Output = ImagePage;
    const NAME: &'static str = "GetImages";
    const PATH: &'static str = "/getImages";

    fn target(&self) -> Target<'_> {
        Target::DataPlane(&self.stream, &ApiName::GetImages)
    }

    fn check(&self) -> Result<(), InvalidField> {
        self.check_times()?;
        if let Some(interval) = self.sampling_interval {
            self.profile.check(interval)?;
        }
        check_format(self.format, self.format_config.as_ref())?;
        check_size(self.width_pixels, self.height_pixels)?;
        if let Some(most) = self.max_results {
            check_range("MaxResults", most, (1, limits::REQUEST_IMAGES))?;
        }
        let token = self.next_token.as_deref().map(|token| token.chars().count());
        token.map_or(Ok(()), |length| check_length("NextToken", length, (1, limits::ARCHIVED_TOKEN_CHARS)))
    }

    async fn read(response: Response) -> Result<ImagePage, Error> {
        let (operation, body) = response.bytes(limits::PAGE_BYTES).await?;
        parse_page(operation, &body)
    }
}

/// Reads a page out of a response body. One allocation for each picture: its bytes.
///
/// # Errors
/// When the body is not the JSON of a page. A picture that is no base64 is not an error of the page.
pub fn parse_page(operation: &'static str, body: &[u8]) -> Result<ImagePage, Error> {
    let page: WirePage<'_> = response::parse_json(operation, body)?;
    // A control-plane answer without `Images` must not look like a range without pictures.
    let images = page.images.ok_or(Error::Response { operation, problem: ResponseProblem::Missing("Images") })?;
    let images = images.into_iter().map(Image::from).collect();
    Ok(ImagePage { images, next_token: page.next_token.filter(|token| !token.is_empty()) })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WirePage<'a> {
    #[serde(borrow)]
    images: Option<Vec<WireImage<'a>>>,
    next_token: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct WireImage<'a> {
    #[serde(default, with = "epoch_seconds::option")]
    time_stamp: Option<SystemTime>,
    #[serde(borrow)]
    error: Option<Cow<'a, str>>,
    #[serde(borrow)]
    image_content: Option<Text<'a>>,
}

/// Text that stays in the response body if it can: `Option<Cow<str>>` alone would copy it.
#[derive(Deserialize)]
#[serde(transparent)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl From<WireImage<'_>> for Image {
    fn from(wire: WireImage<'_>) -> Self {
        let content = match (wire.error, wire.image_content) {
            (Some(error), _) if !error.is_empty() => Err(ImageFailure::Service(ImageError::from(&*error))),
            (_, Some(Text(text))) if !text.is_empty() => decode(&text),
            _ => Err(ImageFailure::NotAnswered),
        };
        Self { timestamp: wire.time_stamp, content }
    }
}

fn decode(text: &str) -> Result<Bytes, ImageFailure> {
    match base64_simd::STANDARD.decode_to_vec(text.as_bytes()) {
        Ok(bytes) => Ok(Bytes::from(bytes)),
        Err(_) => Err(ImageFailure::NotBase64 { chars: text.len() }),
    }
}
