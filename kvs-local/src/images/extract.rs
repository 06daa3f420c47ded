//! The entry point: from a list of instants to a list of encoded images.

use super::cache::FragmentCache;
use super::decode_span;
use super::error::{DecodeError, ExtractError};
use super::render::RenderPool;
use super::render::shape::IMAGES_FOLLOW_CONTAINER;
use super::request::{DecodeOptions, ImageRequest, ImageResult};
use super::source::{FragmentSpan, MediaSource};

/// The result of [`extract_images`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ExtractedImages {
    /// One result per instant, in the order of the request.
    pub results: Vec<ImageResult>,
    /// Number of frames that were decoded. No frame is decoded twice.
    pub frames_decoded: usize,
}

/// Decodes, scales and encodes the images of a request.
///
/// `spans` are in ingestion order. Besides the fragments that cover the instants they include the next fragment and
/// up to [`LOOK_BACK_FRAGMENTS`](super::limits::LOOK_BACK_FRAGMENTS) earlier ones, because a fragment that does not
/// start with a key frame is decoded from the key frame of an earlier fragment.
///
/// Decoding starts at the nearest key frame before each picture and skips frames that no other frame refers to.
/// Memory, of all calls in the process: [`KEPT_BYTES`](super::limits::KEPT_BYTES) of fragment media and
/// [`DECODER_BYTES`](super::limits::DECODER_BYTES) of pictures. A call waits while the decoders of others need all of it.
#[must_use]
pub fn extract_images(
    source: &dyn MediaSource,
    spans: &[FragmentSpan],
    request: &ImageRequest,
    options: DecodeOptions<'_>,
) -> ExtractedImages {
    extract_shaped_images(source, spans, request, options, IMAGES_FOLLOW_CONTAINER)
}

/// Like [`extract_images`], and says whether images are cropped, stretched and turned as the container states.
#[must_use]
pub fn extract_shaped_images(
    source: &dyn MediaSource,
    spans: &[FragmentSpan],
    request: &ImageRequest,
    options: DecodeOptions<'_>,
    follows_container: bool,
) -> ExtractedImages {
    let mut results: Vec<Option<ImageResult>> = vec![None; request.instants.len()];
    let mut cache = FragmentCache::new(spans, source, follows_container);
    let decode_spans = decode_span::plan(&mut cache, request, options.canceled, &mut results);
    let pool = RenderPool::new(cache, request.rendering, options);
    let frames_decoded = pool.run(&decode_spans, &mut results);
    let missing = || Err(DecodeError::Canceled.into());
    let results: Vec<ImageResult> = results.into_iter().map(|result| result.unwrap_or_else(missing)).collect();
    log_failures(&results, request);
    ExtractedImages { results, frames_decoded }
}

/// Logs one line per run of equal errors, not one per instant.
fn log_failures(results: &[ImageResult], request: &ImageRequest) {
    let mut last = None;
    for (result, instant) in results.iter().zip(&request.instants) {
        let Err(ExtractError::Decode(error)) = result else { continue };
        if last != Some(error) {
            tracing::warn!(at_millis = %instant.as_millis(), %error, "failed to decode stored media");
            last = Some(error);
        }
    }
}
