//! Codec setup: from what an encoder produces to what a container carries.
//!
//! Kinesis Video Streams takes length-prefixed H.264 and H.265 with their parameter sets in the codec private data, raw AAC
//! with an AudioSpecificConfig, and G.711 described by a WAVEFORMATEX. The modules here build and parse these, and return a
//! complete [`Track`](crate::Track):
//!
//! ```
//! use bytes::Bytes;
//! use kvs_mkv::TrackNumber;
//! use kvs_mkv::codec::{h264, nal};
//!
//! // What an encoder produces: start codes, and parameter sets before the key frame.
//! let access_unit = Bytes::from_static(b"\0\0\0\x01\x67\x42\xc0\x0a\xda\x0f\x0a\x69\xa8\x08\x08\x08\x10\
//!     \0\0\0\x01\x68\xce\x3c\x80\0\0\x01\x65\x88\x84\x01");
//! let sets = h264::ParameterSets::from_annex_b(&access_unit)?;
//! let track = h264::track(TrackNumber::ONE, &sets)?;
//! let payload = nal::annex_b_to_length_prefixed(&access_unit)?;
//! assert!(h264::is_keyframe(nal::units(&access_unit)?));
//! assert_eq!(track.codec.as_str(), "V_MPEG4/ISO/AVC");
//! assert_eq!(payload.len(), access_unit.len() + 1); // one start code had three bytes
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! An encoder that writes into a pipe gives no access units but bytes: [`AccessUnitSplitter`] and
//! [`AdtsSplitter`](aac::AdtsSplitter) cut them.
//!
//! No function copies a payload: NAL units are slices of the input, and only the four-byte lengths are new bytes.

pub mod aac;
pub mod g711;
pub mod h264;
pub mod h265;
pub mod limits;
pub mod mjpeg;
pub mod nal;
pub mod pcm;

mod bit_reader;
mod set_list;
mod split;
mod syntax;
mod vui;
mod wave_format;

pub use split::{AccessUnit, AccessUnitSplitter, SkipReason, Skipped, SplitError, SplitEvent};
