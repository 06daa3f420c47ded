//! One page of GetImages: checks the request and renders its response.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use base64_simd::STANDARD;
use kvs_types::{ImageFormat, TimestampOrigin};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::api::{ApiError, StreamRef, required, within};
use crate::clock::{from_json_seconds, json_seconds};
use crate::error_chain::error_chain;
use crate::images::{
    DecodeOptions, Decoders, ExtractError, ImageEncoding, ImageRequest, ImageResult, ImageSize, RenderOptions,
    extract_images,
};
use crate::ingest::Profile;
use crate::limits;
use crate::stream::StoreMediaSource;
use crate::stream::registry::check_quality;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Request {
    #[serde(flatten)]
    pub(super) stream: StreamRef,
    image_selector_type: Option<TimestampOrigin>,
    start_timestamp: Option<f64>,
    end_timestamp: Option<f64>,
    sampling_interval: Option<u64>,
    format: Option<ImageFormat>,
    format_config: Option<BTreeMap<String, String>>,
    width_pixels: Option<u64>,
    height_pixels: Option<u64>,
    max_results: Option<u64>,
    next_token: Option<String>,
}

/// A valid request and the position of this page among its sampling instants.
#[derive(Debug)]
pub(super) struct ImagesPage {
    origin: TimestampOrigin,
    start_ms: u64,
    end_ms: u64,
    interval_ms: u64,
    rendering: RenderOptions,
    /// Number of images on a page.
    pub(super) size: u64,
    /// Index of the first sample on this page.
    first: u64,
    /// Identifies the request, so that its tokens are not accepted for another.
    fingerprint: String,
}

/// Where the next page starts.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    first: u64,
    /// Fingerprint of the request.
    request: String,
}

impl ImagesPage {
    /// Checks a request against the limits of `profile`.
    pub(super) fn new(request: &Request, profile: Profile) -> Result<Self, ApiError> {
        let origin = required("imageSelectorType", request.image_selector_type)?;
        let start_ms = from_json_seconds("StartTimestamp", required("startTimestamp", request.start_timestamp)?)?;
        let end_ms = from_json_seconds("EndTimestamp", required("endTimestamp", request.end_timestamp)?)?;
        let (interval_ms, size) = check_ranges(request, profile, start_ms, end_ms)?;
        let mut page = Self {
            origin,
            start_ms,
            end_ms,
            interval_ms,
            rendering: rendering(request)?,
            size,
            first: 0,
            fingerprint: String::new(),
        };
        page.fingerprint = page.fingerprint_for(&request.stream);
        if let Some(token) = request.next_token.as_deref() {
            page.first = page.read_token(token)?;
        }
        Ok(page)
    }

    /// Returns a hash of the parameters that must not change from page to page. The page size may change.
    fn fingerprint_for(&self, stream: &StreamRef) -> String {
        let Self { origin, start_ms, end_ms, interval_ms, rendering, .. } = self;
        let all = format!("{stream:?} {origin:?} {start_ms} {end_ms} {interval_ms} {rendering:?}");
        let digest = digest::digest(&digest::SHA256, all.as_bytes());
        STANDARD.encode_to_string(digest.as_ref().get(..12).unwrap_or_default())
    }

    fn read_token(&self, token: &str) -> Result<u64, ApiError> {
        let json = (token.len() <= limits::CONTROL_TOKEN).then(|| STANDARD.decode_to_vec(token).ok()).flatten();
        let token: Option<Token> = json.and_then(|json| serde_json::from_slice(&json).ok());
        token
            .filter(|token| token.request == self.fingerprint)
            .map(|token| token.first)
            .ok_or_else(|| ApiError::invalid("NextToken is not one that this request returned"))
    }

    /// Returns the number of samples: one at the start and after each interval, the end included.
    fn samples(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms).checked_div(self.interval_ms).unwrap_or(0).saturating_add(1)
    }

    /// Renders the images and returns the response. Blocks.
    pub(super) fn render(&self, job: &ImageJob<'_>) -> Result<Value, ApiError> {
        let end = self.samples().min(self.first.saturating_add(self.size));
        let at = |sample: u64| self.start_ms.saturating_add(sample.saturating_mul(self.interval_ms));
        let instants: Vec<u64> = (self.first..end).map(at).collect();
        let results = self.images(&instants, job)?;
        let mut images = Vec::new();
        let mut bytes_left = limits::IMAGES_RESPONSE;
        for (&at, result) in instants.iter().zip(&results) {
            let entry = job.injected_error.map_or_else(|| entry(at, result), |code| without_image(at, code));
            let size = entry["ImageContent"].as_str().map_or(0, str::len);
            if size > bytes_left && !images.is_empty() {
                break;
            }
            bytes_left = bytes_left.saturating_sub(size);
            images.push(entry);
        }
        let next = self.first.saturating_add(images.len() as u64);
        let token = (next < self.samples()).then(|| self.token(next));
        Ok(json!({ "Images": images, "NextToken": token }))
    }

    fn token(&self, first: u64) -> String {
        let token = Token { first, request: self.fingerprint.clone() };
        STANDARD.encode_to_string(serde_json::to_vec(&token).expect("serializing a number and a string does not fail"))
    }

    fn images(&self, instants: &[u64], job: &ImageJob<'_>) -> Result<Vec<ImageResult>, ApiError> {
        let instants: Vec<Duration> = instants.iter().copied().map(Duration::from_millis).collect();
        let (Some(&first), Some(&last)) = (instants.first(), instants.last()) else { return Ok(Vec::new()) };
        // Only fragments that start within the range are looked at, as the service team describes it.
        let earliest_start = Duration::from_millis(self.start_ms);
        let spans = job.media.spans(self.origin, earliest_start, (first, last)).map_err(|error| {
            tracing::error!(error = error_chain(&error), "failed to list fragments");
            ApiError::internal()
        })?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let request = ImageRequest { instants, origin: self.origin, earliest_start, rendering: self.rendering };
        let options = DecodeOptions { threads, decoders: job.decoders, canceled: job.canceled };
        Ok(extract_images(job.media, &spans, &request, options).results)
    }
}

/// What the images of a page are rendered from.
pub(super) struct ImageJob<'a> {
    pub(super) media: &'a StoreMediaSource,
    pub(super) decoders: &'a Decoders,
    /// The error that an injected fault reports in place of every image.
    pub(super) injected_error: Option<&'static str>,
    /// Returns `true` once the client has gone.
    pub(super) canceled: &'a (dyn Fn() -> bool + Sync),
}

fn without_image(at_ms: u64, code: &str) -> Value {
    json!({ "TimeStamp": json_seconds(at_ms), "Error": code })
}

/// Returns the sampling interval in ms and the page size.
fn check_ranges(request: &Request, profile: Profile, start_ms: u64, end_ms: u64) -> Result<(u64, u64), ApiError> {
    let span = end_ms
        .checked_sub(start_ms)
        .ok_or_else(|| ApiError::invalid("EndTimestamp must not lie before StartTimestamp"))?;
    let (shortest, largest, range) = match profile {
        Profile::Year2022 => (limits::SAMPLING_INTERVAL_MS_2022, limits::IMAGES_PAGE_2022, u64::MAX),
        Profile::Current => (limits::SAMPLING_INTERVAL_MS, limits::IMAGES_PAGE, limits::IMAGES_RANGE_MS),
    };
    if span > range {
        let message = format!("the time range must span at most {range} ms, got {span} ms");
        return Err(ApiError::invalid(message));
    }
    let interval = request.sampling_interval.unwrap_or(limits::SAMPLING_INTERVAL_MS_DEFAULT);
    within("SamplingInterval", Some(interval), shortest, i32::MAX.unsigned_abs().into())?;
    within("MaxResults", request.max_results, 1, limits::IMAGES_PAGE_2022)?;
    Ok((interval, request.max_results.unwrap_or(largest).min(largest)))
}

fn rendering(request: &Request) -> Result<RenderOptions, ApiError> {
    let quality = check_quality(request.format_config.as_ref())?;
    let format = ImageEncoding::new(required("format", request.format)?, quality);
    within("WidthPixels", request.width_pixels, 1, limits::IMAGE_WIDTH)?;
    within("HeightPixels", request.height_pixels, 1, limits::IMAGE_HEIGHT)?;
    let size = match (request.width_pixels, request.height_pixels) {
        (None, None) => None,
        (Some(width), Some(height)) => match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) => ImageSize::new(width, height),
            _ => None,
        },
        // The message of the service.
        _ => return Err(ApiError::invalid("Height and width for the images need to be provided or none.")),
    };
    Ok(RenderOptions { format, size })
}

fn entry(at_ms: u64, result: &ImageResult) -> Value {
    let at = json_seconds(at_ms);
    match result {
        Ok(image) => {
            let content = STANDARD.encode_to_string(image);
            if content.len() > limits::IMAGE_CONTENT {
                let (size, most) = (content.len(), limits::IMAGE_CONTENT);
                tracing::warn!(at_ms, size, most, "image exceeds the size limit of GetImages");
                return without_image(at_ms, "MEDIA_ERROR");
            }
            json!({ "TimeStamp": at, "ImageContent": content })
        }
        Err(error) => without_image(at_ms, ExtractError::code(error)),
    }
}
