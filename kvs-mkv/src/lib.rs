//! Matroska for live media: a zero-copy writer, a bounded push parser and codec set-up.
//!
//! No I/O and no clock: bytes go in, bytes and events come out. One [`Frame`] type serves both ways, and a payload is
//! never copied: it travels as [`Chunks`].
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod codec;
pub mod service;

mod chunks;
mod fragment_number;
mod frame;
mod tag;
mod track;

pub use chunks::Chunks;
pub use fragment_number::{FragmentNumber, InvalidFragmentNumber};
pub use frame::{Frame, InvalidTrackNumber, TrackNumber};
pub use tag::Tag;
pub use track::{AudioSettings, CodecId, Track, TrackKind, VideoSettings};
