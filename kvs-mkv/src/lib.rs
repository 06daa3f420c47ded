//! Matroska for live media: a zero-copy writer, a bounded push parser and codec set-up.
//!
//! No I/O and no clock: bytes go in, bytes and events come out. One [`Frame`] type serves both ways, and a payload is
//! never copied: it travels as [`Chunks`].
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

pub mod codec;
pub mod fragment;
pub mod service;

mod chunks;
mod ebml;
mod event;
mod fragment_number;
mod frame;
mod input;
mod limits;
mod parse_error;
mod parser;
mod segment_info;
mod tag;
mod track;
mod writer;

pub use chunks::{Chunks, IntoIter};
pub use ebml::ElementId;
pub use event::Event;
pub use fragment_number::{FragmentNumber, InvalidFragmentNumber};
pub use frame::{Frame, InvalidTrackNumber, TrackNumber};
pub use limits::Limits;
pub use parse_error::{ParseError, Problem};
pub use parser::Parser;
pub use segment_info::SegmentInfo;
pub use tag::Tag;
pub use track::{AudioSettings, CodecId, Track, TrackKind, VideoSettings};
pub use writer::{WriteError, Writer, WriterError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
