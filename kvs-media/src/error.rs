//! Why a file cannot be used as a recording.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// Why an input cannot be used as a recording. Each message is one line that says what to do.
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
    #[error("{} has {size} bytes, more than the limit of {limit}; use a shorter recording, or Reader", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size in bytes.
        size: u64,
        /// The limit: [`MAX_FILE_BYTES`](super::MAX_FILE_BYTES).
        limit: u64,
    },
    /// The file is not a recording.
    #[error("{} cannot be read: it looks like {looks_like}; give MP4, Matroska, MPEG-TS, WAV, ADTS, or H.264 or H.265 with start codes, for example from: ffmpeg -i IN -c copy OUT.mkv", path.display())]
    NotMedia {
        /// The file.
        path: PathBuf,
        /// What it looks like.
        looks_like: &'static str,
    },
    /// A track has an unsupported codec.
    #[error("the {kind} track of {} has the unsupported codec {codec}; convert it: ffmpeg -i IN {} OUT.mp4, or leave it out", path.display(), conversion(kind))]
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
    /// The file is in order, but cannot be expressed as a stream, or not with the chosen options.
    #[error("{} cannot be used: {what}", path.display())]
    Refused {
        /// The file.
        path: PathBuf,
        /// What cannot be done, and what to do instead.
        what: String,
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

/// The options of ffmpeg that convert the tracks of a kind; the others are not encoded again.
fn conversion(kind: &str) -> &'static str {
    if kind == "audio" { "-c:v copy -c:a aac" } else { "-c:v libx264 -c:a aac" }
}

/// What a demuxer found wrong; the reader adds the name of the input.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    Truncated(String),
    Damaged(String),
    Refused(String),
    Codec {
        kind: &'static str,
        codec: String,
    },
    /// A codec that the service does not take. Its track is left out if there are others.
    NotTaken {
        kind: &'static str,
        codec: String,
    },
    NoFrames,
}

impl Fault {
    pub(crate) fn damaged(what: impl ToString) -> Self {
        Self::Damaged(what.to_string())
    }

    /// Damage that a library names, with its cause.
    pub(crate) fn damaged_by(error: impl Error) -> Self {
        match error.source() {
            Some(cause) => Self::damaged(format!("{error}: {cause}")),
            None => Self::damaged(error),
        }
    }

    pub(crate) fn in_file(self, path: &Path) -> MediaError {
        let path = path.to_owned();
        match self {
            Self::Io(source) => MediaError::Unreadable { path, source },
            Self::Truncated(what) => MediaError::Truncated { path, what },
            Self::Damaged(what) => MediaError::Damaged { path, what },
            Self::Refused(what) => MediaError::Refused { path, what },
            Self::Codec { kind, codec } | Self::NotTaken { kind, codec } => MediaError::Codec { path, kind, codec },
            Self::NoFrames => MediaError::NoFrames { path },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
