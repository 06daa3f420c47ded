//! From decoded pictures to image files, on several threads.

pub(in crate::images) mod color;
pub(in crate::images) mod encode;
pub(crate) mod shape;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use encode::RenderOptions;

use super::cache::FragmentCache;
use super::decode_span::DecodeSpan;
use super::decoder::span::{Decoding, SpanDecoder};
use super::error::{DecodeError, ExtractError};
use super::memory::DECODERS;
use super::request::{DecodeOptions, ImageResult};

/// Threads that decode independent spans in parallel and render the pictures that were asked for.
pub(super) struct RenderPool<'a> {
    cache: FragmentCache<'a>,
    rendering: RenderOptions,
    options: DecodeOptions<'a>,
    /// Held by the one decoder process that runs at a time.
    turn: Mutex<()>,
}

impl<'a> RenderPool<'a> {
    pub(super) const fn new(cache: FragmentCache<'a>, rendering: RenderOptions, options: DecodeOptions<'a>) -> Self {
        Self { cache, rendering, options, turn: Mutex::new(()) }
    }

    /// Processes all spans, writes one result per instant and returns the number of frames decoded.
    pub(super) fn run(&self, spans: &[DecodeSpan], results: &mut [Option<ImageResult>]) -> usize {
        let (next, decoded) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Mutex::new(results);
        let work = || {
            while let Some(span) = spans.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (rendered, frames) = self.run_span(span);
                decoded.fetch_add(frames, Ordering::Relaxed);
                let mut results = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for (instant, result) in rendered {
                    if let Some(slot) = results.get_mut(instant) {
                        *slot = Some(result);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.options.threads.get().min(spans.len()) {
                scope.spawn(work);
            }
            work();
        });
        decoded.into_inner()
    }

    /// Decodes one span. Returns a result for each of its instants, and the number of frames decoded.
    fn run_span(&self, span: &DecodeSpan) -> (Vec<(usize, ImageResult)>, usize) {
        let Some(_memory) = DECODERS.reserve(self.decoder_bytes(span), self.options.canceled) else {
            return (failed(span, &[], &DecodeError::Canceled), 0);
        };
        let mut rendered: Vec<(usize, ImageResult)> = Vec::new();
        let DecodeOptions { decoders, canceled, .. } = self.options;
        let mut decoder = SpanDecoder::new(&self.cache, Decoding { decoders, turn: &self.turn, canceled });
        // Decoders contain their own panics. The scaler and the encoders are third-party code too: a panic there fails the images of
        // this span only.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            decoder.run(span, &mut |target, picture, display| {
                let shown = picture.and_then(|picture| display.shape.apply(picture));
                let image = shown.and_then(|picture| self.rendering.render(picture, display.color));
                let result: ImageResult = image.map_err(ExtractError::from);
                rendered.extend(target.instants.iter().map(|instant| (*instant, result.clone())));
            })
        }));
        let decoded = decoder.decoded();
        let error = match outcome {
            Ok(Ok(())) => return (rendered, decoded),
            Ok(Err(error)) => error,
            Err(_panic) => {
                tracing::error!("rendering panicked; the images of this request up to the next key frame fail");
                DecodeError::Decoder { pts_millis: 0, reason: "rendering panicked".to_owned() }
            }
        };
        let missing = failed(span, &rendered, &error);
        rendered.extend(missing);
        (rendered, decoded)
    }

    /// Returns the bytes that the decoders of a span need; it has one at a time.
    fn decoder_bytes(&self, span: &DecodeSpan) -> u64 {
        let last = span.targets.last().map_or(span.start.0, |target| target.position.0);
        let loaded = (span.start.0..=last).filter_map(|fragment| self.cache.loaded(fragment).ok());
        loaded.map(|fragment| fragment.index.decoder_bytes).max().unwrap_or(0)
    }
}

/// Returns an error for every instant of a span that has no result yet.
fn failed(span: &DecodeSpan, rendered: &[(usize, ImageResult)], error: &DecodeError) -> Vec<(usize, ImageResult)> {
    let instants = span.targets.iter().flat_map(|target| target.instants.iter().copied());
    let is_missing = |instant: &usize| rendered.iter().all(|(done, _)| done != instant);
    instants.filter(is_missing).map(|instant| (instant, Err(error.clone().into()))).collect()
}
