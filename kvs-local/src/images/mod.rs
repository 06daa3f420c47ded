//! Images of stored fragments: decoded, scaled and encoded, never fabricated.
//!
//! ```text
//! instants ──plan──> DecodeSpans ──RenderPool──> SpanDecoder ──Picture──> RenderOptions ──> JPEG or PNG
//!              │                                     │
//!              └──────── FragmentCache ──────────────┘──> MediaSource
//! ```
//!
//! [`extract_images`] returns, for each instant, the picture that is displayed at that instant: the last one whose
//! presentation time is not after it, within the fragment that covers the instant. The call blocks and uses up to
//! [`DecodeOptions::threads`] threads. The module has no clock and does no I/O except through [`MediaSource`] and [`Ffmpeg`].
//!
//! Imports go one way: `extract` -> `render` -> `decoder::span` -> `decode_span` -> `cache` -> `index` -> the readers of
//! `decoder`.
//!
//! The built-in decoders take H.264 Baseline to High and H.265 Main profile, 4:2:0, 8 bits per sample, with B-frames and open GOPs.
//! [`Ffmpeg`] takes more bits, 4:2:2, 4:4:4, monochrome and interlaced video too. Anything else is an [`ExtractError::Decode`] with
//! the reason.

pub mod limits;

mod access_unit;
mod cache;
mod decode_span;
mod decoder;
mod error;
mod extract;
mod index;
mod memory;
mod render;
mod request;
mod source;

pub use decoder::contained::contained_panics;
pub use decoder::{Decoders, Ffmpeg};
pub use error::{DecodeError, ExtractError};
pub use extract::{ExtractedImages, extract_images, extract_shaped_images};
pub use render::encode::{ImageEncoding, ImageSize, JpegQuality, RenderOptions};
#[cfg(feature = "server")]
pub(crate) use render::shape::{IMAGES_FOLLOW_CONTAINER, Shape};
pub use request::{DecodeOptions, ImageRequest, ImageResult};
pub use source::{FragmentMedia, FragmentSpan, MediaSource};
