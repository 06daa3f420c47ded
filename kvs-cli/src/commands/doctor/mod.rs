//! `kvs doctor`: why a stream gives no images. Checks each link from the stream to the first image and names the fix.

mod findings;
mod fragment;

use std::time::{Duration, SystemTime};

use clap::Args;
use kvs_aws::{
    Client, ConfigurationStatus, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration,
    DescribeStream, Error, FragmentInfo, ImageGenerationConfiguration, ListFragments, ServiceErrorKind, StreamId,
    StreamInfo, StreamStatus, TimestampOrigin,
};

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::values::{parse_duration, show_time};
use findings::Findings;

/// Finds out why a stream gives no images.
///
/// Checks the stream, its retention, its configurations, its newest fragment and GetImages. Exits 1 if a link is broken.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Name or ARN of the stream.
    stream: StreamId,
    /// How far back to look for fragments.
    #[arg(long, value_name = "DURATION", default_value = "1h", value_parser = parse_duration)]
    back: Duration,
}

/// Checks every link and prints what it finds.
pub(crate) async fn run(options: Options, global: &GlobalOptions) -> Result<(), Failure> {
    let (client, findings) = (global.connection.client().await?, Findings::new(global.output()));
    let mut doctor = Doctor { client, stream: options.stream, findings };
    let Some(info) = doctor.stream_itself().await? else { return doctor.findings.end() };
    doctor.retention(&info);
    let configuration = doctor.image_generation(&info).await?;
    doctor.notifications().await?;
    if let Some(last) = doctor.last_fragment(options.back).await? {
        doctor.fragment(&last, configuration.as_ref()).await?;
    }
    doctor.findings.end()
}

struct Doctor {
    client: Client,
    stream: StreamId,
    findings: Findings,
}

impl Doctor {
    async fn stream_itself(&mut self) -> Result<Option<StreamInfo>, Failure> {
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
            Err(error) => return Err(explain(error, "kinesisvideo:DescribeStream")),
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

    async fn image_generation(&mut self, info: &StreamInfo) -> Result<Option<ImageGenerationConfiguration>, Failure> {
        const LINK: &str = "image generation";
        let ask = DescribeImageGenerationConfiguration::new(self.stream.clone());
        let found = self.client.send(ask).await;
        let found = found.map_err(|error| explain(error, "kinesisvideo:DescribeImageGenerationConfiguration"))?;
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
        self.bucket_region(info, &configuration);
        Ok(Some(configuration))
    }

    fn bucket_region(&mut self, info: &StreamInfo, configuration: &ImageGenerationConfiguration) {
        const LINK: &str = "bucket region";
        let bucket = &configuration.destination_config.destination_region;
        let arn = info.stream_arn.as_deref().and_then(|arn| kvs_aws::StreamArn::new(arn).ok());
        match arn.as_ref().map(kvs_aws::StreamArn::region) {
            Some(region) if region != bucket => self.findings.bad(
                LINK,
                format_args!("{bucket}, but the stream is in {region}"),
                "use a bucket in the Region of the stream: the service writes to no other",
            ),
            _ => self.findings.good(LINK, bucket),
        }
    }

    async fn notifications(&mut self) -> Result<(), Failure> {
        const LINK: &str = "notifications";
        let ask = DescribeNotificationConfiguration::new(self.stream.clone());
        let found = self.client.send(ask).await;
        match found.map_err(|error| explain(error, "kinesisvideo:DescribeNotificationConfiguration"))? {
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
    async fn last_fragment(&mut self, back: Duration) -> Result<Option<FragmentInfo>, Failure> {
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
                Err(error) => return Err(explain(error, "kinesisvideo:ListFragments")),
            };
            count += page.fragments.len();
            newest = newest.into_iter().chain(page.fragments).max_by_key(|fragment| fragment.server_timestamp);
        }
        match &newest {
            Some(last) => {
                let at = last.server_timestamp.map(show_time).unwrap_or_default();
                self.findings.good(LINK, format_args!("{count}, the last at {at}"));
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

/// Names the IAM action that is missing: the most common reason.
fn explain(error: Error, action: &str) -> Failure {
    let denied = matches!(
        error.service().map(|error| &error.kind),
        Some(ServiceErrorKind::AccessDenied | ServiceErrorKind::NotAuthorized)
    );
    let failure = Failure::from(error);
    if denied { failure.about(format!("these credentials may not call {action}")) } else { failure }
}
