//! Why a file cannot be used as a recording.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be used as a recording; each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// There is no such file.
    #[error("{} does not exist; give the path of a recording", path.display())]
    Missing {
        /// The path given.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("{} cannot be read: {source}; check that it is a file and that you may read it", path.display())]
    Unreadable {
        /// The path given.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It is too large to be held in memory.
    #[error("{} has {size} bytes, more than the {limit} these programs take; give a shorter recording", path.display())]
    TooLarge {
        /// The path given.
        path: PathBuf,
        /// Its bytes.
        size: u64,
        /// [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
        limit: u64,
    },
    /// It is something else.
    #[error("{} is not a recording but looks like {looks_like}; give an MP4, Matroska, .h264, .h265 or ADTS .aac file", path.display())]
    NotMedia {
        /// The path given.
        path: PathBuf,
        /// What it looks like.
        looks_like: &'static str,
    },
    /// A track has a codec that is not taken.
    #[error("the {kind} track of {} is coded as {codec}, which is not supported; convert it: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4", path.display())]
    Codec {
        /// The path given.
        path: PathBuf,
        /// `video` or `audio`.
        kind: &'static str,
        /// How the file names the codec.
        codec: String,
    },
    /// There is nothing in it to play.
    #[error("{} has no video and no audio frames; give a recording that has", path.display())]
    NoFrames {
        /// The path given.
        path: PathBuf,
    },
    /// It ends before everything that it says it has.
    #[error("{} is cut off: {what}; copy it again, or repair it with a tool for its container", path.display())]
    Truncated {
        /// The path given.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// It contradicts itself or its container's standard.
    #[error("{} is damaged: {what}; try to repair it: ffmpeg -i IN -c copy OUT.mp4", path.display())]
    Damaged {
        /// The path given.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}
