//! GetImages: one call, one page.

use std::borrow::Cow;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use kvs_types::__internal::{check_format, check_length, check_range, check_size, epoch_seconds, jpeg_quality};
use kvs_types::{
    FieldProblem, FormatConfig, ImageError, ImageFormat, InvalidField, SamplingProfile, StreamId, TimestampOrigin,
    limits,
};
use serde::{Deserialize, Serialize};

use super::error::ImageFailure;
use crate::client_limits;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::operation::{ApiName, Operation, Target};
use crate::protocol::response::{self, Response};

/// Returns the images of a range of at most 300 s, one page per call.
///
/// Most programs use `kvs_images::Images` instead, which accepts any range and follows the pages.
///
/// ```
/// use std::time::{Duration, SystemTime};
/// use kvs_aws::GetImages;
///
/// let start = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
/// let request = GetImages::new("front-door".parse()?, start..start + Duration::from_secs(60))
///     .every(Duration::from_secs(5))
///     .size(320, 240)
///     .jpeg(80);
/// assert_eq!(
///     serde_json::to_string(&request)?,
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

/// A page of images.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ImagePage {
    /// The images, in the service's order.
    pub images: Vec<Image>,
    /// The token for [`GetImages::next_token`]; `None` on the last page.
    pub next_token: Option<String>,
}

/// An image, or the reason why there is none.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Image {
    /// The timestamp in the response; `None` if it has none.
    pub timestamp: Option<SystemTime>,
    /// The JPEG or PNG file, or the reason why there is none.
    pub content: Result<Bytes, ImageFailure>,
}

impl GetImages {
    /// Creates a request for JPEG images of `range` by the producer's clock, one every 3 s, in the size of the video.
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

    /// Sets whose clock the range is from. Default: the producer's.
    #[must_use]
    pub fn selector(mut self, selector: TimestampOrigin) -> Self {
        self.image_selector_type = selector;
        self
    }

    /// Sets the interval between images: whole milliseconds, at least 200 ms. Default: 3 s.
    #[must_use]
    pub fn every(mut self, interval: Duration) -> Self {
        self.sampling_interval = Some(u32::try_from(interval.as_millis()).unwrap_or(u32::MAX));
        self
    }

    /// Sets the size in pixels; images are stretched to it. Default: the size of the video.
    #[must_use]
    pub const fn size(mut self, width: u32, height: u32) -> Self {
        self.width_pixels = Some(width);
        self.height_pixels = Some(height);
        self
    }

    /// Requests JPEG of this quality, 1 to 100. Default: JPEG of quality 80.
    #[must_use]
    pub fn jpeg(mut self, quality: u8) -> Self {
        self.format = ImageFormat::Jpeg;
        self.format_config = Some(jpeg_quality(quality));
        self
    }

    /// Requests PNG.
    #[must_use]
    pub fn png(mut self) -> Self {
        self.format = ImageFormat::Png;
        self.format_config = None;
        self
    }

    /// Sets the page size, 1 to 100. The service returns at most 25.
    #[must_use]
    pub const fn max_results(mut self, most: u32) -> Self {
        self.max_results = Some(most);
        self
    }

    /// Requests the page after the one that returned `token`. All other settings must stay the same.
    #[must_use]
    pub fn next_token(mut self, token: impl Into<String>) -> Self {
        self.next_token = Some(token.into());
        self
    }

    /// Sets which shortest interval the service accepts. Default: 200 ms.
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
        if range > limits::GET_IMAGES_RANGE {
            let (max_seconds, actual_seconds) = (limits::GET_IMAGES_RANGE.as_secs(), range.as_secs());
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
            check_range("MaxResults", most, (1, limits::GET_IMAGES_MAX_RESULTS))?;
        }
        let token = self.next_token.as_deref().map(|token| token.chars().count());
        token.map_or(Ok(()), |length| check_length("NextToken", length, (1, limits::ARCHIVED_MEDIA_TOKEN_CHARS)))
    }

    async fn read(response: Response) -> Result<ImagePage, Error> {
        let (operation, body) = response.bytes(client_limits::IMAGE_PAGE_BYTES).await?;
        parse_page(operation, &body)
    }
}

/// Reads a page from a response body, with one allocation per image.
///
/// # Errors
/// Returns an error if the body is not the JSON of a page. Invalid base64 is an error of its image only.
pub fn parse_page(operation: &'static str, body: &[u8]) -> Result<ImagePage, Error> {
    let page: WirePage<'_> = response::parse_json(operation, body)?;
    // A response of the control plane, without `Images`, must not look like a range without images.
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

/// A text that borrows from the response body if possible; `Option<Cow<str>>` alone would copy it.
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
