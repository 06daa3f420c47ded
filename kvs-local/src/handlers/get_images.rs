//! GetImages: pictures of stored media at given times.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use base64_simd::STANDARD;
use bytes::Bytes;
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dispatcher::{Answerer, internal};
use crate::api::wire::{self, Answer};
use crate::api::{ApiError, Exception, StreamRef, parse, required, within};
use crate::clock::{from_json_seconds, json_seconds};
use crate::faults::Befallen;
use crate::images::{
    Axis, DecodeOptions, ExtractError, ImageEncoding, ImageRequest, ImageResult, ImageSize, JpegQuality, RenderOptions,
    extract_images,
};
use crate::ingest::Profile;
use crate::limits;
use crate::stream::registry::{ImageSelector, PictureFormat, StreamRecord, check_quality};
use crate::stream::store_media_source::StoreMediaSource;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetImages {
    #[serde(flatten)]
    stream: StreamRef,
    image_selector_type: Option<ImageSelector>,
    start_timestamp: Option<f64>,
    end_timestamp: Option<f64>,
    sampling_interval: Option<u64>,
    format: Option<PictureFormat>,
    format_config: Option<BTreeMap<String, String>>,
    width_pixels: Option<u64>,
    height_pixels: Option<u64>,
    max_results: Option<u64>,
    next_token: Option<String>,
}

/// A checked request: which samples, and which of them come on this page.
#[derive(Debug)]
struct Plan {
    axis: Axis,
    start_ms: u64,
    end_ms: u64,
    interval_ms: u64,
    rendering: RenderOptions,
    page: u64,
    first: u64,
    /// Binds tokens to the request they were made for.
    request: String,
}

/// Where the next page begins.
#[derive(Debug, Serialize, Deserialize)]
struct Token {
    first: u64,
    request: String,
}

/// Reads the body of a request as its answer does, for fuzzing.
pub(super) fn understand(body: &[u8], profile: Profile) -> Result<(), ApiError> {
    Plan::new(&parse(body)?, profile).map(drop)
}

impl Answerer {
    /// Decodes and encodes; as many requests at a time as there are cores.
    pub(super) async fn get_images(self: &Arc<Self>, body: &Bytes, befallen: &Befallen) -> Result<Answer, ApiError> {
        let request: GetImages = parse(body)?;
        let plan = Plan::new(&request, self.profile)?;
        let now = self.clock.wall();
        let stream = self.registry.find(&request.stream, now)?;
        let since = kept_since(&stream, now)?;
        let at = super::put_media::session::now(&self.clock).at;
        self.ledger.metadata(&stream.name, limits::IMAGES_POINTS.saturating_add(plan.page), at)?;
        self.ledger.media(&stream.name, plan.page, at)?;
        let permit = Arc::clone(&self.picture_work).acquire_owned().await.map_err(|_| internal())?;
        let answerer = Arc::clone(self);
        let cancel = CancelOnDrop::default();
        let (cancelled, scripted) = (Arc::clone(&cancel.0), befallen.image_error());
        let made = tokio::task::spawn_blocking(move || {
            let _permit = permit;
            let media = StoreMediaSource { store: Arc::clone(answerer.media.store()), key: stream.media_key(), since };
            let work = Work { media: &media, scripted, cancelled: &|| cancelled.load(Ordering::Relaxed) };
            plan.answer(&work)
        });
        let answer = made.await.map_err(|_| internal())??;
        Ok(wire::ok(Some(answer), befallen.style()))
    }
}

/// Cancels the work of a request when its future is dropped, because the client has disconnected.
#[derive(Default)]
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The oldest server time whose media the stream keeps; a stream that keeps none has no pictures.
fn kept_since(stream: &StreamRecord, now: SystemTime) -> Result<SystemTime, ApiError> {
    if !stream.takes_media(now) {
        return Err(ApiError::no_stream());
    }
    stream.keeps_since(now).ok_or_else(|| {
        let message = "the stream keeps no data (DataRetentionInHours is 0), so there is nothing to read";
        ApiError::new(Exception::NoDataRetention, message)
    })
}

impl Plan {
    fn new(request: &GetImages, profile: Profile) -> Result<Self, ApiError> {
        let axis = match required("imageSelectorType", request.image_selector_type)? {
            ImageSelector::ServerTimestamp => Axis::Server,
            ImageSelector::ProducerTimestamp => Axis::Producer,
        };
        let start_ms = from_json_seconds("StartTimestamp", required("startTimestamp", request.start_timestamp)?)?;
        let end_ms = from_json_seconds("EndTimestamp", required("endTimestamp", request.end_timestamp)?)?;
        let (interval_ms, page) = check_ranges(request, profile, start_ms, end_ms)?;
        let mut plan = Self {
            axis,
            start_ms,
            end_ms,
            interval_ms,
            rendering: rendering(request)?,
            page,
            first: 0,
            request: String::new(),
        };
        plan.request = plan.fingerprint(&request.stream);
        if let Some(token) = request.next_token.as_deref() {
            plan.first = plan.read_token(token)?;
        }
        Ok(plan)
    }

    /// What makes a request the same request on its next page; the size of pages may change.
    fn fingerprint(&self, stream: &StreamRef) -> String {
        let Self { axis, start_ms, end_ms, interval_ms, rendering, .. } = self;
        let all = format!("{stream:?} {axis:?} {start_ms} {end_ms} {interval_ms} {rendering:?}");
        let digest = digest::digest(&digest::SHA256, all.as_bytes());
        STANDARD.encode_to_string(digest.as_ref().get(..12).unwrap_or_default())
    }

    fn read_token(&self, token: &str) -> Result<u64, ApiError> {
        let read = (token.len() <= limits::CONTROL_TOKEN).then(|| STANDARD.decode_to_vec(token).ok()).flatten();
        let read: Option<Token> = read.and_then(|json| serde_json::from_slice(&json).ok());
        read.filter(|read| read.request == self.request)
            .map(|read| read.first)
            .ok_or_else(|| ApiError::invalid("NextToken is not one that this request returned"))
    }

    /// The samples: from the start on, every interval, the end included.
    fn samples(&self) -> u64 {
        self.end_ms.saturating_sub(self.start_ms).checked_div(self.interval_ms).unwrap_or(0).saturating_add(1)
    }

    fn answer(&self, work: &Work<'_>) -> Result<Value, ApiError> {
        let end = self.samples().min(self.first.saturating_add(self.page));
        let at = |sample: u64| self.start_ms.saturating_add(sample.saturating_mul(self.interval_ms));
        let instants: Vec<u64> = (self.first..end).map(at).collect();
        let results = self.pictures(&instants, work)?;
        let mut images = Vec::new();
        let mut room = limits::IMAGES_ANSWER;
        for (&at, result) in instants.iter().zip(&results) {
            let entry = work.scripted.map_or_else(|| entry(at, result), |code| without_picture(at, code));
            let size = entry["ImageContent"].as_str().map_or(0, str::len);
            if size > room && !images.is_empty() {
                break;
            }
            room = room.saturating_sub(size);
            images.push(entry);
        }
        let next = self.first.saturating_add(images.len() as u64);
        let token = (next < self.samples()).then(|| self.token(next));
        Ok(json!({ "Images": images, "NextToken": token }))
    }

    fn token(&self, first: u64) -> String {
        let token = Token { first, request: self.request.clone() };
        STANDARD.encode_to_string(serde_json::to_vec(&token).expect("a number and a text are always JSON"))
    }

    fn pictures(&self, instants: &[u64], work: &Work<'_>) -> Result<Vec<ImageResult>, ApiError> {
        let instants: Vec<Duration> = instants.iter().copied().map(Duration::from_millis).collect();
        let (Some(&first), Some(&last)) = (instants.first(), instants.last()) else { return Ok(Vec::new()) };
        let spans = work.media.spans(self.axis, first, last).map_err(|error| {
            tracing::error!(%error, "fragments could not be listed");
            internal()
        })?;
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let request = ImageRequest { instants, axis: self.axis, rendering: self.rendering };
        Ok(extract_images(work.media, &spans, &request, DecodeOptions { threads, cancelled: work.cancelled }).results)
    }
}

/// What the pictures of a request are made from.
struct Work<'a> {
    media: &'a StoreMediaSource,
    /// The error that a scripted fault puts in the place of every picture.
    scripted: Option<&'static str>,
    cancelled: &'a (dyn Fn() -> bool + Sync),
}

fn without_picture(at_ms: u64, code: &str) -> Value {
    json!({ "TimeStamp": json_seconds(at_ms), "Error": code })
}

/// The sampling interval and the size of a page.
fn check_ranges(request: &GetImages, profile: Profile, start_ms: u64, end_ms: u64) -> Result<(u64, u64), ApiError> {
    let span = end_ms
        .checked_sub(start_ms)
        .ok_or_else(|| ApiError::invalid("EndTimestamp must not lie before StartTimestamp"))?;
    let (shortest, largest, range) = match profile {
        Profile::Year2022 => (limits::SAMPLING_INTERVAL_MS_2022, limits::IMAGES_PAGE_2022, u64::MAX),
        Profile::Current => (limits::SAMPLING_INTERVAL_MS, limits::IMAGES_PAGE, limits::IMAGES_RANGE_MS),
    };
    if span > range {
        let message = format!("the range of GetImages may be up to {range} ms, this one is {span} ms");
        return Err(ApiError::invalid(message));
    }
    let interval = request.sampling_interval.unwrap_or(limits::SAMPLING_INTERVAL_MS_DEFAULT);
    within("SamplingInterval", Some(interval), shortest, i32::MAX.unsigned_abs().into())?;
    within("MaxResults", request.max_results, 1, limits::IMAGES_PAGE_2022)?;
    Ok((interval, request.max_results.unwrap_or(largest).min(largest)))
}

fn rendering(request: &GetImages) -> Result<RenderOptions, ApiError> {
    let quality = check_quality(request.format_config.as_ref())?;
    let format = match required("format", request.format)? {
        PictureFormat::Png => ImageEncoding::Png,
        PictureFormat::Jpeg => ImageEncoding::Jpeg(quality.and_then(JpegQuality::new).unwrap_or_default()),
    };
    within("WidthPixels", request.width_pixels, 1, limits::IMAGE_WIDTH)?;
    within("HeightPixels", request.height_pixels, 1, limits::IMAGE_HEIGHT)?;
    let size = match (request.width_pixels, request.height_pixels) {
        (None, None) => None,
        (Some(width), Some(height)) => match (u32::try_from(width), u32::try_from(height)) {
            (Ok(width), Ok(height)) => ImageSize::new(width, height),
            _ => None,
        },
        // The service's words.
        _ => return Err(ApiError::invalid("Height and width for the images need to be provided or none.")),
    };
    Ok(RenderOptions { format, size })
}

fn entry(at_ms: u64, result: &ImageResult) -> Value {
    let at = json_seconds(at_ms);
    match result {
        Ok(picture) => {
            let content = STANDARD.encode_to_string(picture);
            if content.len() > limits::IMAGE_CONTENT {
                let (size, most) = (content.len(), limits::IMAGE_CONTENT);
                tracing::warn!(at_ms, size, most, "a picture is larger than GetImages may give");
                return without_picture(at_ms, "MEDIA_ERROR");
            }
            json!({ "TimeStamp": at, "ImageContent": content })
        }
        Err(error) => without_picture(at_ms, ExtractError::code(error)),
    }
}
