//! Where a running camera's frames come from. Every source reconnects by itself and gives times that count from the Unix epoch.

mod pipe;
mod rtsp;

use std::time::Duration;

use kvs_producer::{Frame, Track};

use super::config::SourceConfig;
use pipe::PipeSource;
use rtsp::RtspSource;

/// What a camera gives.
#[derive(Debug)]
pub(super) enum SourceEvent {
    /// Frames of these tracks follow.
    Connected {
        tracks: Vec<Track>,
        /// Whether key frames carry their parameter sets, so that a producer sees what changes.
        is_in_band: bool,
        /// What the camera offers and is not taken.
        skipped: Option<String>,
    },
    Frame(Frame),
    /// The camera is away.
    Away {
        reason: String,
        retry_in: Duration,
        is_unauthorized: bool,
    },
    /// Packets were lost on the way.
    LostPackets(u64),
    /// Frames that arrived and are not sent.
    Dropped {
        frames: u64,
        reason: String,
    },
    /// Something else that the log should say.
    Note(String),
}

/// A running source.
pub(super) enum Source {
    Pipe(PipeSource),
    Rtsp(RtspSource),
    /// Panics when it is read.
    #[cfg(test)]
    Panics,
}

impl Source {
    /// Starts to connect.
    pub(super) fn start(config: &SourceConfig) -> Result<Self, String> {
        Ok(match config {
            SourceConfig::Program { command, input } => Self::Pipe(PipeSource::program(command, input.clone())),
            SourceConfig::File { path, input } => Self::Pipe(PipeSource::file(path, input.clone())),
            SourceConfig::Rtsp(config) => Self::Rtsp(RtspSource::start(config)?),
        })
    }

    /// The next event; `None` if the source has ended by itself, which is a fault. Cancel-safe.
    pub(super) async fn next(&mut self) -> Option<SourceEvent> {
        match self {
            Self::Pipe(pipe) => Some(pipe.next().await),
            Self::Rtsp(camera) => camera.next().await,
            #[cfg(test)]
            Self::Panics => panic!("a fault of a test"),
        }
    }

    /// Ends it in order.
    pub(super) async fn stop(self) {
        match self {
            Self::Pipe(pipe) => pipe.stop().await,
            Self::Rtsp(camera) => camera.stop().await,
            #[cfg(test)]
            Self::Panics => {}
        }
    }
}
