//! What to extract, with which resources, and the result of one image.

use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use kvs_types::TimestampOrigin;

use super::decoder::Decoders;
#[cfg(doc)]
use super::error::DecodeError;
use super::error::ExtractError;
use super::render::encode::RenderOptions;

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
    /// Fragments that start before this time are not looked at, although others may be decoded from their key frames. Zero
    /// means all fragments. GetImages looks only at fragments that start within its range.
    pub earliest_start: Duration,
    /// Format and size of the images.
    pub rendering: RenderOptions,
}

/// How many resources decoding may use, and when it stops.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "an argument list with names")]
pub struct DecodeOptions<'a> {
    /// Number of threads. Independent decode spans run in parallel.
    pub threads: NonZeroUsize,
    /// Which decoders are used.
    pub decoders: &'a Decoders,
    /// Called before every frame. Once it returns `true`, the remaining images fail with [`DecodeError::Canceled`].
    pub canceled: &'a (dyn Fn() -> bool + Sync),
}

impl std::fmt::Debug for DecodeOptions<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DecodeOptions")
            .field("threads", &self.threads)
            .field("decoders", &self.decoders)
            .finish_non_exhaustive()
    }
}
