//! `kvs doctor`: why a stream gives no images, and what a camera sends. Checks each link and names the fix.

mod bucket;
mod camera;
mod findings;
mod fragment;
mod gop;
mod trouble;

use std::time::{Duration, SystemTime};

use clap::Args;
use kvs_aws::{
    Client, ConfigurationStatus, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration,
    DescribeStream, Error, FragmentInfo, ImageGenerationConfiguration, ListFragments, ServiceErrorKind, StreamArn,
    StreamId, StreamInfo, StreamStatus, TimestampOrigin,
};

use crate::commands::put::{CameraTransport, is_url};
use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::values::{parse_duration, show_time};
use bucket::Bucket;
use findings::Findings;
use trouble::Trouble;

/// How far the clock of this machine may be from that of the service before it is worth a word. Signatures fail at 5 minutes.
const CLOCK_OFF: Duration = Duration::from_secs(60);
/// How old the newest fragment may be before the producer counts as stopped.
const STOPPED_AFTER: Duration = Duration::from_secs(300);

/// Finds out why a stream gives no images, or what a camera sends.
///
/// With a stream: checks the settings, the connection, the stream, its retention, its configurations, the bucket, its newest
/// fragment and GetImages. With a camera
/// (rtsp://USER:PASSWORD@HOST/PATH, or KVS_CAMERA_USER and KVS_CAMERA_PASSWORD): watches it and says what the service will make of
/// codecs, key frames, loss and clock, and which setting to change. Exits 1 if a link is broken, 2 if URL, credentials or codec
/// have to be corrected.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream, or the URL of a camera.
    #[arg(value_name = "STREAM|URL", value_parser = Subject::parse)]
    subject: Subject,
    /// How far back to look for fragments.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    back: Duration,
    /// How long to watch a camera.
    #[arg(long = "for", value_name = "DURATION", default_value = "25s", value_parser = parse_duration)]
    watch: Duration,
    /// How media comes from a camera.
    #[arg(long, value_enum, value_name = "T", default_value_t = CameraTransport::Tcp)]
    transport: CameraTransport,
}

/// What is checked.
#[derive(Clone, Debug)]
enum Subject {
    Stream(StreamId),
    /// A URL. It is checked later: messages about arguments repeat them, and it may have a password.
    Camera(String),
}

impl Subject {
    fn parse(text: &str) -> Result<Self, String> {
        if is_url(text) {
            return Ok(Self::Camera(text.to_owned()));
        }
        text.parse().map(Self::Stream).map_err(|error: kvs_aws::InvalidField| error.to_string())
    }
}

/// Checks every link and prints what it finds.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let stream = match options.subject {
        Subject::Camera(url) => return camera::run(&url, options.watch, options.transport, global.output()).await,
        Subject::Stream(stream) => stream,
    };
    let mut findings = Findings::new(global.output(), "from the stream to its images");
    let client = match global.connection.client().await {
        Ok(client) => client,
        Err(failure) => {
            findings.trouble(&Trouble::of_settings(&failure));
            return findings.end();
        }
    };
    let mut doctor = Doctor { client, stream, findings, s3: s3_endpoint(global) };
    if let Err(trouble) = doctor.examine(options.back).await {
        doctor.findings.trouble(&trouble);
    }
    doctor.findings.end()
}

/// Where the bucket of the images can be asked for; `None` beside a kvs-local that keeps images in its folder.
fn s3_endpoint(global: &GlobalOptions) -> Option<String> {
    let given = std::env::var("AWS_ENDPOINT_URL_S3").ok().filter(|url| !url.is_empty());
    given.or_else(|| (!global.connection.is_custom()).then(|| "https://s3.REGION.amazonaws.com".to_owned()))
}

struct Doctor {
    client: Client,
    stream: StreamId,
    findings: Findings,
    /// The S3 endpoint, with `REGION` in place of the Region.
    s3: Option<String>,
}

impl Doctor {
    async fn examine(&mut self, back: Duration) -> Result<(), Trouble> {
        if !self.region() {
            return Ok(());
        }
        let info = self.stream_itself().await;
        self.clock();
        let Some(info) = info? else { return Ok(()) };
        self.retention(&info);
        let configuration = self.image_generation(&info).await?;
        self.notifications().await?;
        if let Some(last) = self.last_fragment(back).await? {
            self.fragment(&last, configuration.as_ref()).await?;
        }
        Ok(())
    }

    /// Whether the ARN, if one was given, is of the Region that is asked.
    fn region(&mut self) -> bool {
        let arn = StreamArn::new(self.stream.to_string()).ok();
        let (Some(of_arn), asked) = (arn.as_ref().map(StreamArn::region), self.client.region().as_str()) else {
            return true;
        };
        if of_arn == asked {
            return true;
        }
        let message = format!("the stream is in {of_arn}, and {asked} is asked");
        self.findings.bad("Region", message, "give the Region of the ARN: --region, or AWS_REGION");
        false
    }

    /// Compares the clock of this machine with that of the service, which its answers tell.
    fn clock(&mut self) {
        let (ours, theirs) = (SystemTime::now(), self.client.service_time());
        let off = ours.duration_since(theirs).unwrap_or_else(|error| error.duration());
        if off > CLOCK_OFF {
            let direction = if ours > theirs { "ahead of" } else { "behind" };
            self.findings.note(
                "clock",
                format_args!("this machine is {} s {direction} the service", off.as_secs()),
                "set the clock, and run an NTP client: the times of frames come from it",
            );
        }
    }

    async fn stream_itself(&mut self) -> Result<Option<StreamInfo>, Trouble> {
        const LINK: &str = "stream";
        let info = match self.client.send(DescribeStream::new(self.stream.clone())).await {
            Ok(info) => info,
            Err(error) if error.is_not_found() => {
                self.findings.bad(
                    LINK,
                    "no stream of this name in this Region",
                    "create it with kvs streams create NAME, or check --region",
                );
                return Ok(None);
            }
            Err(error) => return Err(Trouble::of_call(&error, "kinesisvideo:DescribeStream")),
        };
        match &info.status {
            Some(StreamStatus::Active) => self.findings.good(LINK, info.stream_arn.as_deref().unwrap_or("active")),
            status => {
                let status = status.as_ref().map_or("unknown", StreamStatus::as_str);
                self.findings.bad(LINK, format_args!("its status is {status}"), "wait until it is ACTIVE");
            }
        }
        Ok(Some(info))
    }

    fn retention(&mut self, info: &StreamInfo) {
        const LINK: &str = "retention";
        match info.data_retention_in_hours {
            Some(0) | None => self.findings.bad(
                LINK,
                "0 h: no media is kept, so there are no images",
                "raise it: aws kinesisvideo update-data-retention --operation INCREASE_DATA_RETENTION",
            ),
            Some(hours) => self.findings.good(LINK, format_args!("{hours} h")),
        }
    }

    async fn image_generation(&mut self, info: &StreamInfo) -> Result<Option<ImageGenerationConfiguration>, Trouble> {
        const LINK: &str = "image generation";
        let ask = DescribeImageGenerationConfiguration::new(self.stream.clone());
        let found = self.client.send(ask).await;
        let found =
            found.map_err(|error| Trouble::of_call(&error, "kinesisvideo:DescribeImageGenerationConfiguration"))?;
        let Some(configuration) = found else {
            let then = "for images in S3 set one with kvs config image put FILE; GetImages needs none";
            self.findings.note(LINK, "not configured", then);
            return Ok(None);
        };
        if configuration.status == ConfigurationStatus::Disabled {
            self.findings.bad(LINK, "its status is DISABLED", "set it to ENABLED with kvs config image put");
        } else if let Err(field) = configuration.check() {
            self.findings.bad(LINK, field, "correct it with kvs config image get and put");
        } else {
            let every = configuration.sampling_interval;
            let uri = &configuration.destination_config.uri;
            self.findings.good(LINK, format_args!("one every {every} ms to {uri}"));
        }
        if self.bucket_region(info, &configuration) {
            self.bucket(&configuration).await;
        }
        Ok(Some(configuration))
    }

    /// Whether the configuration names the Region of the stream.
    fn bucket_region(&mut self, info: &StreamInfo, configuration: &ImageGenerationConfiguration) -> bool {
        const LINK: &str = "bucket region";
        let bucket = &configuration.destination_config.destination_region;
        let arn = info.stream_arn.as_deref().and_then(|arn| StreamArn::new(arn).ok());
        match arn.as_ref().map(StreamArn::region) {
            Some(region) if region != bucket => {
                self.findings.bad(
                    LINK,
                    format_args!("{bucket}, but the stream is in {region}"),
                    "use a bucket in the Region of the stream: the service writes to no other",
                );
                false
            }
            _ => {
                self.findings.good(LINK, bucket);
                true
            }
        }
    }

    async fn bucket(&mut self, configuration: &ImageGenerationConfiguration) {
        const LINK: &str = "bucket";
        let destination = &configuration.destination_config;
        let (region, uri) = (&destination.destination_region, &destination.uri);
        let name = uri.strip_prefix("s3://").unwrap_or(uri).split('/').next().unwrap_or_default();
        let Some(endpoint) = self.s3.as_ref().map(|endpoint| endpoint.replace("REGION", region)) else { return };
        match bucket::ask(&endpoint, name, region).await {
            Bucket::There => self
                .findings
                .good(LINK, format_args!("{name} exists; whether the producer may write to it is not known")),
            Bucket::Missing => {
                let fix = format!("create it: aws s3 mb s3://{name} --region {region}");
                self.findings.bad(LINK, format_args!("there is no {name}"), &fix);
            }
            Bucket::In(other) => {
                let fix = "use a bucket in the Region of the stream: the service writes to no other";
                self.findings.bad(LINK, format_args!("{name} is in {other}, and the configuration says {region}"), fix);
            }
            Bucket::Unknown(why) => {
                let fix = "look for it with aws s3 ls";
                self.findings.note(LINK, format_args!("not known whether {name} exists: {why}"), fix);
            }
        }
    }

    async fn notifications(&mut self) -> Result<(), Trouble> {
        const LINK: &str = "notifications";
        let ask = DescribeNotificationConfiguration::new(self.stream.clone());
        let found = self.client.send(ask).await;
        match found.map_err(|error| Trouble::of_call(&error, "kinesisvideo:DescribeNotificationConfiguration"))? {
            None => {
                self.findings.note(LINK, "not configured", "for messages set one with kvs config notification put FILE")
            }
            Some(configuration) if configuration.status == ConfigurationStatus::Disabled => {
                self.findings.bad(LINK, "its status is DISABLED", "set it to ENABLED with kvs config notification put");
            }
            Some(configuration) => match configuration.check() {
                Ok(()) => self.findings.good(LINK, configuration.destination_config.uri),
                Err(field) => self.findings.bad(LINK, field, "correct it with kvs config notification get and put"),
            },
        }
        Ok(())
    }

    /// The newest stored fragment of the last hours.
    async fn last_fragment(&mut self, back: Duration) -> Result<Option<FragmentInfo>, Trouble> {
        const LINK: &str = "persisted fragments";
        let now = SystemTime::now();
        let range = now.checked_sub(back).unwrap_or(SystemTime::UNIX_EPOCH)..now + Duration::from_secs(60);
        let first = ListFragments::new(self.stream.clone(), TimestampOrigin::Server, range).max_results(1000);
        let (mut newest, mut count, mut pages) = (None::<FragmentInfo>, 0_usize, self.client.pages(first));
        loop {
            let page = match pages.next().await {
                Ok(Some(page)) => page,
                Ok(None) => break,
                // The service answers so for a stream that never had a fragment, or keeps none.
                Err(error) if error.is_not_found() || keeps_nothing(&error) => break,
                Err(error) => return Err(Trouble::of_call(&error, "kinesisvideo:ListFragments")),
            };
            count += page.fragments.len();
            newest = newest.into_iter().chain(page.fragments).max_by_key(|fragment| fragment.server_timestamp);
        }
        match &newest {
            Some(last) => {
                let at = last.server_timestamp.map(show_time).unwrap_or_default();
                let age = last.server_timestamp.and_then(|at| now.duration_since(at).ok()).unwrap_or_default();
                if age > STOPPED_AFTER {
                    let message = format!("{count}, but the last is {} s old, at {at}", age.as_secs());
                    self.findings.note(LINK, message, "look at the producer: it has stopped, or its media is refused");
                } else {
                    self.findings.good(LINK, format_args!("{count}, the last at {at}"));
                }
            }
            None => self.findings.bad(
                LINK,
                format_args!("none in the last {} s", back.as_secs()),
                "check that the producer sends; an ERROR ack says what the service rejects; or look further back with --back",
            ),
        }
        Ok(newest)
    }
}

fn keeps_nothing(error: &Error) -> bool {
    error.service().is_some_and(|error| error.kind == ServiceErrorKind::NoDataRetention)
}
