//! The entry point: from a list of instants to a list of encoded images.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;

use super::cache::FragmentCache;
use super::decode_span;
use super::error::{DecodeError, ExtractError};
use super::render::RenderPool;
use super::render::encode::RenderOptions;
use super::source::{FragmentSpan, MediaSource};
use kvs_types::TimestampOrigin;

/// An encoded image, or the reason why there is none.
pub type ImageResult = Result<Bytes, ExtractError>;

/// Which images to extract.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "instants, their clock and the output format are the whole request")]
pub struct ImageRequest {
    /// Instants since the Unix epoch on the clock `origin`, in any order.
    pub instants: Vec<Duration>,
    /// The clock of `instants`.
    pub origin: TimestampOrigin,
    /// Format and size of the images.
    pub rendering: RenderOptions,
}

/// How many resources decoding may use, and when it stops.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "an argument list with names")]
pub struct DecodeOptions<'a> {
    /// Number of threads. Independent decode spans run in parallel.
    pub threads: NonZeroUsize,
    /// Called before every frame. Once it returns `true`, the remaining images fail with [`DecodeError::Canceled`].
    pub canceled: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions").field("threads", &self.threads).finish_non_exhaustive()
    }
}

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
/// Memory: up to [`KEPT_BYTES`](super::limits::KEPT_BYTES) of fragment media, plus one decoder per thread.
#[must_use]
pub fn extract_images(
    source: &dyn MediaSource,
    spans: &[FragmentSpan],
    request: &ImageRequest,
    options: DecodeOptions<'_>,
) -> ExtractedImages {
    let mut results: Vec<Option<ImageResult>> = vec![None; request.instants.len()];
    let mut cache = FragmentCache::new(spans, source);
    let decode_spans = decode_span::plan(&mut cache, &request.instants, request.origin, &mut results);
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
