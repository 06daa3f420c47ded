//! The command line.

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::time::Duration;

use kvs_aws::Endpoint;
use lexopt::{Arg, Parser, ValueExt};

use crate::failure::Failure;

/// Printed by `--help`.
const HELP: &str = "\
From camera to image on one machine: streams a recording into Kinesis Video Streams, tags fragments, collects the images
and notifications they cause, and gets further images with GetImages.

Without --endpoint the service runs inside this program. Exit codes: 0 if every fragment was persisted and every expected
image and notification arrived, 1 if something is missing, 2 if the command line or the input must be corrected first.

Usage: end_to_end [OPTIONS]

Options:
  --input FILE        Recording: MP4 or MKV with H.264 or H.265, and AAC if you like [default: the bundled one]
  --out DIR           Directory for the results, emptied on each run [default: target/end_to_end]
  --event EVENT       What tagged fragments request: none, image, notification or both [default: both]
  --every N           Tag every Nth fragment, starting with the first [default: 2]
  --speed SPEED       Speed of the recording, or as fast as possible: realtime or max [default: realtime]
  --stream NAME       Stream to create or use [default: end-to-end]
  --interval MS       Milliseconds between images, 200 to 20000 [default: 1000]
  --endpoint URL      Address of a running service, instead of the embedded one
  --region REGION     AWS Region of that service [default: AWS_REGION, else us-west-2]
  --service-data DIR  Data directory of the kvs-local at --endpoint, to read its images and notifications
  --help              Print this help
  --version           Print the version";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) input: PathBuf,
    pub(crate) out: PathBuf,
    pub(crate) event: Event,
    /// Every how many fragments one is tagged.
    pub(crate) every: u32,
    pub(crate) speed: Speed,
    pub(crate) stream: String,
    /// Milliseconds between images.
    pub(crate) interval: u32,
    pub(crate) endpoint: Option<String>,
    pub(crate) region: Option<String>,
    pub(crate) service_data: Option<PathBuf>,
}

impl Options {
    /// Reads the command line; `Err(Ok(_))` after `--help` and `--version`.
    pub(crate) fn from_args() -> Result<Self, Result<ExitCode, Failure>> {
        let mut options = Self {
            input: concat!(env!("CARGO_MANIFEST_DIR"), "/media/clock.mp4").into(),
            out: "target/end_to_end".into(),
            event: Event::Both,
            every: 2,
            speed: Speed::Realtime,
            stream: "end-to-end".to_owned(),
            interval: 1000,
            endpoint: None,
            region: None,
            service_data: None,
        };
        let mut arguments = Parser::from_env();
        let wrong = |error| Err(Failure::of_input(error));
        while let Some(argument) = arguments.next().map_err(wrong)? {
            let name = match argument {
                Arg::Long(name) => name.to_owned(),
                Arg::Short('h') => "help".to_owned(),
                Arg::Short('V') => "version".to_owned(),
                argument => return Err(wrong(argument.unexpected())),
            };
            let text = match name.as_str() {
                "help" => HELP,
                "version" => concat!("end_to_end ", env!("CARGO_PKG_VERSION")),
                name => {
                    options.set(name, &mut arguments).map_err(wrong)?;
                    continue;
                }
            };
            println!("{text}");
            return Err(Ok(ExitCode::SUCCESS));
        }
        options.check().map_err(Err)?;
        Ok(options)
    }

    fn set(&mut self, name: &str, arguments: &mut Parser) -> Result<(), lexopt::Error> {
        match name {
            "input" => self.input = arguments.value()?.into(),
            "out" => self.out = arguments.value()?.into(),
            "event" => self.event = arguments.value()?.parse()?,
            "every" => self.every = arguments.value()?.parse()?,
            "speed" => self.speed = arguments.value()?.parse()?,
            "stream" => self.stream = arguments.value()?.string()?,
            "interval" => self.interval = arguments.value()?.parse()?,
            "endpoint" => self.endpoint = Some(arguments.value()?.parse::<Endpoint>()?.to_string()),
            "region" => self.region = Some(arguments.value()?.string()?),
            "service-data" => self.service_data = Some(arguments.value()?.into()),
            _ => return Err(Arg::Long(name).unexpected()),
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Failure> {
        if self.every == 0 {
            return Err(Failure::input("--every must be 1 or more, got 0"));
        }
        // The limits of SamplingInterval: 200 ms, and 20 s in an image generation configuration.
        if !(200..=20_000).contains(&self.interval) {
            return Err(Failure::input(format!("--interval must be 200 to 20000 ms, got {}", self.interval)));
        }
        if self.service_data.is_some() && self.endpoint.is_none() {
            return Err(Failure::input("--service-data needs --endpoint: it is the data directory of that service"));
        }
        Ok(())
    }

    /// Time between images.
    pub(crate) fn interval(&self) -> Duration {
        Duration::from_millis(self.interval.into())
    }
}

/// What tagged fragments request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    /// Nothing: fragments are only stored.
    None,
    /// Images to S3.
    Image,
    /// A notification through SNS.
    Notification,
    /// Both.
    Both,
}

impl Event {
    /// Whether tagged fragments request images.
    pub(crate) const fn images(self) -> bool {
        matches!(self, Self::Image | Self::Both)
    }

    /// Whether tagged fragments request a notification.
    pub(crate) const fn notifications(self) -> bool {
        matches!(self, Self::Notification | Self::Both)
    }
}

impl FromStr for Event {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::None),
            "image" => Ok(Self::Image),
            "notification" => Ok(Self::Notification),
            "both" => Ok(Self::Both),
            _ => Err("use none, image, notification or both"),
        }
    }
}

/// How fast the recording is streamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speed {
    /// As a camera would send it.
    Realtime,
    /// As fast as the service accepts it.
    Max,
}

impl FromStr for Speed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "realtime" => Ok(Self::Realtime),
            "max" => Ok(Self::Max),
            _ => Err("use realtime or max"),
        }
    }
}
