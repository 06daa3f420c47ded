//! Matroska for live media: a zero-copy writer, a bounded push parser and codec set-up.
//!
//! No I/O and no clock: bytes go in, bytes and events come out. One [`Frame`] type serves both ways, and a payload is
//! never copied: it travels as [`Chunks`].
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod codec;
pub mod fragment;
pub mod rules;

mod chunks;
mod document;
mod ebml;
mod limits;
mod parser;
mod writer;

pub use chunks::{Chunks, ChunksIntoIter};
pub use document::{
    AudioSettings, CodecId, Frame, InvalidTrackNumber, SegmentInfo, Tag, Track, TrackKind, TrackNumber, VideoSettings,
};
pub use ebml::ElementId;
pub use limits::Limits;
pub use parser::{Event, ParseError, Parser, Position, Problem};
pub use writer::{WriteError, Writer, WriterError};

pub use kvs_types::{ErrorId, FragmentNumber, InvalidField};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
