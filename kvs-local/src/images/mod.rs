//! Pictures out of stored fragments: decoded, stretched and encoded, nothing made up.
//!
//! [`pictures`] is given where fragments lie in time and a way to read them, and gives for every instant the picture
//! that was shown then: the latest one at or before the instant inside the fragment that covers it. It blocks and uses
//! as many threads as it is told to; it has no clock and does no I/O of its own.
//!
//! H.264 from baseline to high profile and H.265 of the main profile: 4:2:0, 8 bits a sample, with B-frames and open
//! GOPs. Anything else is a [`ImageError::Media`] that says why.

pub mod limits;

mod access_unit;
mod bits;
mod cache;
mod decode_span;
mod decoder;
mod error;
mod index;
mod media;
mod render;
mod sequence;
mod slice;

use std::num::NonZeroUsize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;

use cache::Shelf;
use decode_span::Stretch;
use decoder::span::Reel;

pub use error::Undecodable;
pub use media::{Axis, Footage, FootageSource, FragmentSpan};
pub use render::encode::{ImageFormat, JpegQuality, PictureSize, Rendering};

/// Why there is no picture at an instant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// No fragment covers the instant.
    #[error("no media at this instant")]
    NoMedia,
    /// A fragment covers it, but no picture can be had from it.
    #[error("{0}")]
    Media(#[from] Undecodable),
}

impl ImageError {
    /// What the service calls it.
    /// <https://docs.aws.amazon.com/kinesisvideostreams/latest/dg/API_reader_Image.html>
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoMedia => "NO_MEDIA",
            Self::Media(_) => "MEDIA_ERROR",
        }
    }
}

/// An encoded picture, or why there is none.
pub type PictureResult = Result<Bytes, ImageError>;

/// Which pictures are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "when, on which clock, in which shape")]
pub struct PictureRequest {
    /// Instants since the Unix epoch, in any order, on the clock `axis`.
    pub instants: Vec<Duration>,
    /// Which clock.
    pub axis: Axis,
    /// Format and size.
    pub rendering: Rendering,
}

/// How hard to work, and when to stop.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "an argument list with names")]
pub struct Effort<'a> {
    /// How many threads to use; independent stretches of video are decoded side by side.
    pub threads: NonZeroUsize,
    /// Asked before every frame; once it says `false`, what is missing is given up.
    pub go_on: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for Effort<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Effort").field("threads", &self.threads).finish_non_exhaustive()
    }
}

/// What came of a request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pictures {
    /// One result for each instant, in the order of the request.
    pub results: Vec<PictureResult>,
    /// How many frames were decoded for them: every frame at most once.
    pub frames_decoded: usize,
}

/// Decodes, stretches and encodes the pictures of a request.
///
/// `spans` lie in the order of ingestion and hold, beside the fragments that cover the instants, the one after each of
/// them and [`limits::LOOK_BACK_FRAGMENTS`] before, as far as there are any: a fragment that starts without a key frame
/// is decoded from an earlier one's.
///
/// Decoding starts at the nearest key frame before each picture and skips what nothing refers to. Memory: the media of
/// the fragments in question up to [`limits::KEPT_BYTES`], and one decoder a thread.
#[must_use]
pub fn pictures(
    source: &dyn FootageSource,
    spans: &[FragmentSpan],
    request: &PictureRequest,
    effort: Effort<'_>,
) -> Pictures {
    let mut results: Vec<Option<PictureResult>> = vec![None; request.instants.len()];
    let mut shelf = Shelf::new(spans, source);
    let stretches = decode_span::plan(&mut shelf, &request.instants, request.axis, &mut results);
    let studio = Studio { shelf, rendering: request.rendering, effort };
    let frames_decoded = studio.run(&stretches, &mut results);
    let results: Vec<PictureResult> =
        results.into_iter().map(|result| result.unwrap_or(Err(Undecodable::GivenUp.into()))).collect();
    log_failures(&results, request);
    Pictures { results, frames_decoded }
}

/// Everything the threads share.
struct Studio<'a> {
    shelf: Shelf<'a>,
    rendering: Rendering,
    effort: Effort<'a>,
}

impl Studio<'_> {
    /// Works off the stretches, side by side, and gives the number of frames decoded.
    fn run(&self, stretches: &[Stretch], results: &mut [Option<PictureResult>]) -> usize {
        let (next, decoded) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shared = Mutex::new(results);
        let work = || {
            while let Some(stretch) = stretches.get(next.fetch_add(1, Ordering::Relaxed)) {
                let (done, frames) = self.run_one(stretch);
                decoded.fetch_add(frames, Ordering::Relaxed);
                let mut results = shared.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                for (instant, result) in done {
                    if let Some(slot) = results.get_mut(instant) {
                        *slot = Some(result);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..self.effort.threads.get().min(stretches.len()) {
                scope.spawn(work);
            }
            work();
        });
        decoded.into_inner()
    }

    fn run_one(&self, stretch: &Stretch) -> (Vec<(usize, PictureResult)>, usize) {
        let mut done: Vec<(usize, PictureResult)> = Vec::new();
        let mut reel = Reel::new(&self.shelf);
        // The decoder eats bytes from anywhere; should it panic, its pictures fail and nothing else.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            reel.run(stretch, self.effort.go_on, &mut |target, picture, look| {
                let picture = picture.and_then(|picture| self.rendering.render(picture, look.colour));
                let result: PictureResult = picture.map_err(ImageError::from);
                done.extend(target.instants.iter().map(|instant| (*instant, result.clone())));
            })
        }));
        let decoded = reel.decoded();
        let failure = match outcome {
            Ok(Ok(())) => return (done, decoded),
            Ok(Err(reason)) => reason,
            Err(_panic) => Undecodable::Decoder { pts_millis: 0, reason: "the decoder panicked".to_owned() },
        };
        let shown: Vec<usize> = done.iter().map(|(instant, _)| *instant).collect();
        let rest =
            stretch.targets.iter().flat_map(|target| &target.instants).filter(|instant| !shown.contains(instant));
        done.extend(rest.map(|instant| (*instant, Err(failure.clone().into()))));
        (done, decoded)
    }
}

/// One line for each reason in a row, not one for each instant.
fn log_failures(results: &[PictureResult], request: &PictureRequest) {
    let mut last = None;
    for (result, instant) in results.iter().zip(&request.instants) {
        let Err(ImageError::Media(reason)) = result else { continue };
        if last != Some(reason) {
            tracing::warn!(at_millis = %instant.as_millis(), %reason, "no picture from media that is there");
            last = Some(reason);
        }
    }
}
