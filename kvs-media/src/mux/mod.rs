//! Writes MP4 and MPEG-TS: initialization and media segments for players, and whole files.
//!
//! The boxes are written here and not by a crate. mp4-atom (0.17.0) has no sample entry for G.711, refuses to encode an unknown one, and
//! builds avcC and hvcC again from their fields, so they may differ from those of the producer. muxide (0.5.0) has neither G.711 nor
//! an offset for `tfdt`, and takes ADTS. The codec private data of a track goes into its box unchanged. MPEG-TS is written here too:
//! what a crate would leave to us (Annex B, ADTS, continuity, splitting) is most of the work.

mod boxes;
mod codec;
mod movie;
mod presentation;
mod run;
mod segment;
mod tables;
mod ts;
mod whole;

pub use codec::{Codec, SetupError, TrackSetup, VideoCodec};
pub use movie::init_segment;
pub use run::{FrameProblem, Run, RunSample, Span};
pub use segment::media_segment;
pub use ts::ts_segment;
pub use whole::WholeFile;
