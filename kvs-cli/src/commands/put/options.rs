//! The command line.

use std::time::{Duration, SystemTime};

use clap::{Args, ValueEnum};

use crate::values::parse_time;

/// Sends a recording, or a live Matroska stream from standard input, into a Kinesis Video Streams stream.
///
/// Region and credentials come from the environment, as with other AWS tools; those of a device with a certificate by the
/// AWS_IOT_CORE_* variables of AWS's C samples, which go before keys. Exits 0 only if everything submitted was
/// persisted, 1 if not, 2 if the input is not usable. Ctrl-C stops in order.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The stream's name or ARN; a stream that does not exist is created and keeps media for 24 hours.
    pub(crate) stream: String,

    /// The recording (MP4, MKV, .h264, .h265), or - for a live MKV on standard input.
    pub(crate) input: String,

    /// What tagged fragments ask for.
    #[arg(long, value_enum, default_value_t = Event::None)]
    pub(crate) event: Event,

    /// Tag every N-th fragment, beginning with the first.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) every: u32,

    /// Which sound goes along. Without it: whatever the recording has.
    #[arg(long, value_enum)]
    pub(crate) audio: Option<Sound>,

    /// Stop after so many seconds of media.
    #[arg(long, value_name = "S", value_parser = seconds)]
    pub(crate) duration: Option<Duration>,

    /// When the recording began: RFC 3339, epoch seconds, or an age such as -1h. Without it: now, or with --offline as if it
    /// had just ended.
    #[arg(long, value_name = "T", allow_hyphen_values = true, value_parser = time)]
    pub(crate) start_time: Option<SystemTime>,

    /// As fast as the service takes it, instead of as fast as it was recorded.
    #[arg(long)]
    pub(crate) offline: bool,

    /// Begins the keys of the images.
    #[arg(long, value_name = "P")]
    pub(crate) prefix: Option<String>,

    /// A tag on every fragment; may be given several times.
    #[arg(long = "tag", value_name = "K=V", value_parser = pair)]
    pub(crate) tags: Vec<(String, String)>,
}

/// What tagged fragments ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Event {
    /// Nothing.
    None,
    /// Images to S3.
    Image,
    /// A notification through SNS.
    Notification,
    /// Both.
    Both,
}

/// Which sound goes along.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sound {
    /// AAC; an error if the recording has none.
    Aac,
    /// G.711 A-law; an error if the recording has none.
    Alaw,
    /// None at all.
    None,
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| format!("{text:?} is no number of seconds"))?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

fn time(text: &str) -> Result<SystemTime, String> {
    parse_time(text, SystemTime::now())
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("{text:?} is not of the form name=value")),
    }
}
