//! From decoded pictures to image files, on several threads.

pub(in crate::images) mod color;
pub(in crate::images) mod encode;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use encode::RenderOptions;

use super::cache::FragmentCache;
use super::decode_span::DecodeSpan;
use super::decoder::span::SpanDecoder;
use super::error::{DecodeError, ExtractError};
use super::request::{DecodeOptions, ImageResult};

/// Threads that decode independent spans in parallel and render the pictures that were asked for.
pub(super) struct RenderPool<'a> {
    cache: FragmentCache<'a>,
    rendering: RenderOptions,
    options: DecodeOptions<'a>,
}

impl<'a> RenderPool<'a> {
    pub(super) const fn new(cache: FragmentCache<'a>, rendering: RenderOptions, options: DecodeOptions<'a>) -> Self {
        Self { cache, rendering, options }
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
        let mut rendered: Vec<(usize, ImageResult)> = Vec::new();
        let mut decoder = SpanDecoder::new(&self.cache);
        // Decoders contain their own panics. The scaler and the encoders are third-party code too: a panic there fails the images of
        // this span only.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            decoder.run(span, self.options.canceled, &mut |target, picture, display| {
                let image = picture.and_then(|picture| self.rendering.render(picture, display.color));
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
        let done: Vec<usize> = rendered.iter().map(|(instant, _)| *instant).collect();
        let instants = span.targets.iter().flat_map(|target| &target.instants);
        rendered.extend(
            instants.filter(|instant| !done.contains(instant)).map(|instant| (*instant, Err(error.clone().into()))),
        );
        (rendered, decoded)
    }
}
