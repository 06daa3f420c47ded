//! Matroska for live media: a zero-copy writer, a bounded push parser, and codec setup for H.264, H.265, AAC and G.711.
//!
//! The crate knows the layout of Amazon Kinesis Video Streams and is useful without the service. It has no I/O, no clock and
//! no randomness.
//!
//! ```
//! use std::time::Duration;
//!
//! use bytes::Bytes;
//! use kvs_mkv::codec::{h264, nal};
//! use kvs_mkv::fragment::FragmentReader;
//! use kvs_mkv::{Frame, Limits, SegmentInfo, Tag, TrackNumber, Writer};
//!
//! // An access unit of a camera: start codes, and parameter sets before the key frame.
//! let access_unit = Bytes::from_static(b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\
//!     \0\0\0\x01\x68\xce\x3c\x80\0\0\0\x01\x65\x88\x84\x01");
//! let track = h264::track(TrackNumber::ONE, &h264::ParameterSets::from_annex_b(&access_unit)?)?;
//!
//! // Write a fragment: the header, a cluster with one frame, a tag, and the mark that ends it.
//! let at = Duration::from_secs(10);
//! let frame = Frame::new(TrackNumber::ONE, at, nal::to_length_prefixed(&access_unit)?).with_keyframe(true);
//! let mut writer = Writer::new(SegmentInfo::new([1; 16]), vec![track])?;
//! let mut stream = vec![writer.start_segment(), writer.start_cluster(at)?];
//! stream.extend(writer.block(frame)?);
//! stream.push(writer.tags(&[Tag::new("door", "open")])?);
//! stream.push(writer.end_of_fragment());
//!
//! // Read it back. The stream may arrive in any pieces.
//! let mut reader = FragmentReader::new(Limits::default());
//! stream.into_iter().for_each(|piece| reader.push(piece));
//! let fragment = reader.next_fragment()?.expect("complete at the end-of-fragment mark");
//! assert_eq!((fragment.frames.len(), fragment.frames[0].pts), (1, at));
//! assert_eq!((fragment.tags[0].name.as_str(), fragment.tags[0].value.as_str()), ("door", "open"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contents
//!
//! | Task | Types |
//! |---|---|
//! | Write a stream | [`Writer`], with [`SegmentInfo`], [`Track`], [`Frame`] and [`Tag`] |
//! | Parse a stream | [`Parser`] returns [`Event`]s, or [`EventRef`]s that borrow their payload, bounded by [`Limits`] |
//! | Read what the service returns | [`fragment::FragmentReader`] returns whole [`fragment::Fragment`]s |
//! | Save fragments as one playable file | [`fragment::Merger`] |
//! | Set up a track from what an encoder produces | [`codec`]: [`h264`](codec::h264), [`h265`](codec::h265), [`aac`](codec::aac), [`g711`](codec::g711), [`pcm`](codec::pcm), [`mjpeg`](codec::mjpeg) |
//! | Split what an encoder writes into a pipe | [`codec::AccessUnitSplitter`] for H.264 and H.265, [`codec::aac::AdtsSplitter`] |
//! | Convert and inspect NAL units | [`codec::nal`] |
//! | Check a fragment before it is sent | [`rules::FragmentCheck`] |
//!
//! Parser and writer use the same [`Frame`]: what one returns, the other takes. A payload is a list of [`Bytes`](bytes::Bytes)
//! slices ([`Chunks`]); the crate does not copy it. Only [`Writer::blocks`] and
//! [`BlockBuffer`] gather payloads of up to 512 bytes.
//!
//! # Features
//!
//! The crate has no Cargo features. It needs Rust 1.85.
//!
//! # Limits
//!
//! - [`Limits`] bounds the memory of parser and reader; the defaults accept what the service accepts. Declared sizes are
//!   checked before use, and memory is never allocated from them.
//! - Frames of compressed or encrypted tracks (`ContentEncodings`) are returned as stored; [`Track::encoded`] is set then.
//! - CRC-32 elements are not checked. A frame with a negative time is an error.
//! - A file is read from its start; Cues are not used for seeking.
//!
//! # Errors
//!
//! | Error | Who must act |
//! |---|---|
//! | [`WriterError`], [`WriteError`] | the caller: the header cannot be expressed, or calls are out of order |
//! | [`ParseError`], [`fragment::FragmentError`] | the sender of the stream; for [`Problem::TooLarge`] and [`Problem::TooMany`] possibly the caller, who sets the [`Limits`] |
//! | [`fragment::MergeError`] | the caller: it skips the fragment |
//! | [`SplitError`](codec::SplitError), [`AdtsError`](codec::aac::AdtsError) | the encoder, or the caller who chose the wrong codec |
//! | [`NalError`](codec::nal::NalError), [`SyntaxError`](codec::h264::SyntaxError), `ParameterSetsError`, [`ConfigError`](codec::aac::ConfigError), ... | the encoder, or the caller who chose the wrong codec or framing |
//! | [`rules::Violation`] | the producer: the service would reject the fragment |
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]
#![cfg_attr(docsrs, feature(doc_cfg))]

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
    AudioSettings, CodecId, Cropping, DisplaySize, DisplayUnit, Frame, InvalidTrackNumber, PixelAspect, Pose,
    SegmentInfo, Tag, Track, TrackKind, TrackNumber, VideoSettings,
};
pub use ebml::ElementId;
pub use kvs_types::{ErrorId, FragmentNumber, InvalidField};
pub use limits::Limits;
pub use parser::{Event, EventRef, FrameRef, ParseError, Parser, Position, Problem};
pub use writer::{BlockBuffer, BlockPosition, BlockRoom, WriteError, Writer, WriterError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
