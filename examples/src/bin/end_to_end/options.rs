//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use kvs_examples::cli::Service;

/// From camera to picture on one machine: streams a recording into Kinesis Video Streams, tags fragments, collects the
/// images and notifications they cause, and asks GetImages for the rest.
///
/// Without --endpoint the service runs inside this program. Exits 0 only if every fragment was persisted and every
/// expected image and notification arrived, 1 if something is missing, 2 if the input is not usable.
#[derive(Debug, Parser)]
#[command(name = "end_to_end", version)]
pub(crate) struct Options {
    /// The recording: MP4 or MKV with H.264 or H.265 and, if you like, AAC.
    #[arg(long, value_name = "FILE", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/media/clock.mp4"), hide_default_value = true)]
    pub(crate) input: PathBuf,

    /// Where the results go; made anew on each run.
    #[arg(long, value_name = "DIR", default_value = "target/end_to_end")]
    pub(crate) out: PathBuf,

    /// What tagged fragments ask for.
    #[arg(long, value_enum, default_value_t = Event::Both)]
    pub(crate) event: Event,

    /// Tag every N-th fragment, beginning with the first.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,

    /// As fast as it was recorded, or as fast as it goes.
    #[arg(long, value_enum, default_value_t = Speed::Realtime)]
    pub(crate) speed: Speed,

    /// A running service with --endpoint, instead of the embedded one.
    #[command(flatten)]
    pub(crate) service: Service,

    /// The stream to create or use.
    #[arg(long, value_name = "NAME", default_value = "end-to-end")]
    pub(crate) stream: String,

    /// The data folder of the service at --endpoint, to see its images and notifications; it must be a kvs-local on this
    /// machine.
    #[arg(long, value_name = "DIR", requires = "endpoint")]
    pub(crate) service_data: Option<PathBuf>,

    /// Time between images, in milliseconds: of tagged fragments and of the final GetImages.
    #[arg(long, value_name = "MS", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(200..=20_000))]
    pub(crate) interval: u32,
}

impl Options {
    /// Time between images.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval.into())
    }
}

/// What tagged fragments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// Nothing: fragments are stored and no more.
    None,
    /// Images to S3.
    Image,
    /// A notification through SNS.
    Notification,
    /// Both.
    Both,
}

impl Event {
    /// Whether tagged fragments ask for images.
    pub(crate) const fn images(self) -> bool {
        matches!(self, Self::Image | Self::Both)
    }

    /// Whether tagged fragments ask for a notification.
    pub(crate) const fn notifications(self) -> bool {
        matches!(self, Self::Notification | Self::Both)
    }
}

/// How fast the recording is played into the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Speed {
    /// As a camera would send it.
    Realtime,
    /// As fast as the service takes it.
    Max,
}
