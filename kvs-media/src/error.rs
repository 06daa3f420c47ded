//! Why a file cannot be used as a recording.

use std::io;
use std::path::PathBuf;

/// Why a file cannot be used as a recording. Each message is one line that says what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The file does not exist.
    #[error("{} does not exist; give the path of a recording", path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// It cannot be read.
    #[error("cannot read {}; check that it is a regular file with read permission", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system error.
        source: io::Error,
    },
    /// The file is too large to be read into memory.
    #[error("{} has {size} bytes, more than the limit of {limit}; use a shorter recording, or Playback", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit: [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
        limit: u64,
    },
    /// The file is not a recording.
    #[error("{} is not a recording but looks like {looks_like}; give an MP4, Matroska, .h264, .h265 or ADTS .aac file", path.display())]
    NotMedia {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        looks_like: &'static str,
    },
    /// A track has an unsupported codec.
    #[error("the {kind} track of {} has the unsupported codec {codec}; convert it: ffmpeg -i IN -c:v libx264 -c:a aac OUT.mp4", path.display())]
    Codec {
        /// The file.
        path: PathBuf,
        /// `video` or `audio`.
        kind: &'static str,
        /// The codec's name in the file.
        codec: String,
    },
    /// The file has no frames.
    #[error("{} has no video and no audio frames; give another recording", path.display())]
    NoFrames {
        /// The file.
        path: PathBuf,
    },
    /// The file ends too early.
    #[error("{} is cut off: {what}; copy it again, or repair it with a tool for its container", path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        what: String,
    },
    /// The file contradicts itself or the standard of its container.
    #[error("{} is damaged: {what}; repair it, for example with: ffmpeg -i IN -c copy OUT.mp4", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
    },
}
