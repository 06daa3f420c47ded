//! Demuxers of containers that are read from start to end. They take bytes in any pieces and have no I/O.

mod matroska;
mod wav;

use std::fmt;

use bytes::Bytes;
use kvs_mkv::{Chunks, Tag, TrackKind};

pub(crate) use matroska::Matroska;
pub(crate) use wav::Wav;

use crate::error::Fault;
use crate::notice::Notice;
use crate::payload::PayloadFormat;

/// Push bytes, then take what is found until there is nothing more.
pub(crate) trait Demuxer: fmt::Debug + Send + Sync {
    /// Appends the next bytes.
    fn push(&mut self, bytes: Bytes);
    /// Returns what comes next, or `None` if more bytes are needed. At the end of the input `None` means that there is no more.
    fn next(&mut self, is_end: bool) -> Result<Option<Demuxed>, Fault>;
    /// Whether times have an origin of their own, so that the first one is the start of the recording.
    fn has_absolute_times(&self) -> bool {
        false
    }
}

/// What a demuxer finds, in the order of the input.
#[derive(Debug)]
pub(crate) enum Demuxed {
    /// The tracks. A later list replaces it.
    Tracks(Vec<DemuxTrack>),
    Frame(DemuxFrame),
    /// Tags of the fragment that contains the frames before them.
    Tags(Vec<Tag>),
    Notice(Notice),
}

/// A track as its container describes it.
#[derive(Debug)]
pub(crate) struct DemuxTrack {
    /// How frames refer to it.
    pub(crate) id: u64,
    pub(crate) kind: TrackKind,
    pub(crate) enabled: bool,
    /// Its codec in words.
    pub(crate) codec: String,
    /// What changes if the description of the track does.
    pub(crate) config: Bytes,
    /// Its payload format; a fault matters only if the track is chosen.
    pub(crate) format: Result<PayloadFormat, Fault>,
}

/// A frame with its times in nanoseconds.
#[derive(Debug)]
pub(crate) struct DemuxFrame {
    pub(crate) track: u64,
    pub(crate) pts: i64,
    /// Decoding time, if the container states it.
    pub(crate) dts: Option<i64>,
    pub(crate) keyframe: bool,
    pub(crate) data: Chunks,
}
