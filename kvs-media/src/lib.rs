#![doc = include_str!("../README.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]

mod adts;
mod annex_b;
mod demux;
mod error;
mod fragment_counter;
mod indexed;
mod input;
mod merge;
mod mp4;
mod mpeg_ts;
mod mux;
mod nal_track;
mod notice;
mod options;
mod payload;
mod reader;
mod recording;
mod selection;
mod sniff;
mod stranger;
mod streamed;
#[cfg(feature = "timelapse")]
#[cfg_attr(docsrs, doc(cfg(feature = "timelapse")))]
pub mod timelapse;
mod timeline;

use std::time::Duration;

use kvs_mkv::{Chunks, Frame, Tag, Track, TrackNumber};

pub use error::MediaError;
pub use notice::{Notice, NoticeKind};
pub use options::{Format, ReaderOptions, TrackChoice};
pub use reader::Reader;
pub use recording::Recording;

/// For the programs of this family only: may change in any release.
#[doc(hidden)]
pub mod __internal {
    use std::path::Path;

    pub use crate::fragment_counter::{FRAGMENT_MIN, FragmentCounter};
    /// MP4 and MPEG-TS for players; kvs-local serves them.
    pub use crate::mux::{
        Codec, FrameProblem, Run, RunSample, SetupError, Span, TrackSetup, VideoCodec, WholeFile, init_segment,
        media_segment, ts_segment,
    };

    /// Detects what an input is from its first bytes, or returns what it looks like instead.
    ///
    /// # Errors
    /// What the bytes look like.
    pub fn detect(head: &[u8]) -> Result<crate::Format, &'static str> {
        crate::sniff::sniff(Path::new("-"), head)
    }
}

/// Largest file that [`Recording`] reads into memory: 2 GiB.
pub const MAX_FILE_BYTES: u64 = 2 << 30;
/// Most frames per track. Ten million are four days at 30 frames per second.
pub const MAX_SAMPLES: usize = 10_000_000;

/// Largest frame in bytes: the service accepts no larger fragment.
pub const MAX_FRAME_BYTES: u64 = kvs_types::limits::FRAGMENT_BYTES;

/// What a [`Reader`] returns, in the order of the recording.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// All tracks as they are from the next frame on: the codec private data or the picture size of one has changed. A new
    /// session or segment starts here. H.264 and H.265 also have the new parameter sets in the next frame.
    Tracks(Vec<Track>),
    /// A frame.
    Sample(Sample),
    /// Tags of the fragment that the frames so far belong to. Those that only the service writes are left out.
    Tags(Vec<Tag>),
}

/// One frame of a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Number of its track.
    pub track: TrackNumber,
    /// Presentation time from the start of the recording.
    pub pts: Duration,
    /// Decoding time: never later than `pts`, and in a file it never decreases within a track. A negative one is zero.
    pub dts: Duration,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// The payload of a Matroska block: H.264 and H.265 with four-byte lengths, AAC without ADTS header.
    pub data: Chunks,
}

impl From<Sample> for Frame {
    fn from(sample: Sample) -> Self {
        Self::new(sample.track, sample.pts, sample.data).with_keyframe(sample.keyframe)
    }
}
