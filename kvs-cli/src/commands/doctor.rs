//! Finds out why a stream gives no pictures: checks each link from the stream to the first image, and names the fix.

use std::time::{Duration, SystemTime};

use clap::Args;
use kvs_aws::{
    Client, DescribeStream, Error, FragmentInfo, GetMediaForFragmentList, ListFragments, MediaBody, ServiceErrorKind,
    StreamId, StreamInfo, StreamStatus, TimestampOrigin,
};
use kvs_images::{
    ConfigurationStatus, DescribeImageGenerationConfiguration, DescribeNotificationConfiguration, GetImages,
    ImageError, ImageGenerationConfiguration,
};
use kvs_mkv::fragment::{Fragment, FragmentReader};
use kvs_mkv::{CodecId, TrackKind};
use kvs_types::tag_names;

use crate::failure::Failure;
use crate::options::GlobalOptions;
use crate::terminal::say;
use crate::values::{parse_duration, show_time};

/// Finds out why a stream gives no pictures.
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
    let mut doctor =
        Doctor { client: global.connection.client()?, stream: options.stream, findings: Findings::default() };
    let Some(info) = doctor.stream_itself().await? else { return doctor.findings.end() };
    doctor.retention(&info);
    let configuration = doctor.image_generation(&info).await?;
    doctor.notifications().await?;
    if let Some(last) = doctor.last_fragment(options.back).await? {
        doctor.fragment(&last, configuration.as_ref()).await?;
    }
    doctor.findings.end()
}

/// What was found, link by link.
#[derive(Debug, Default)]
struct Findings {
    bad: u32,
    notes: u32,
}

impl Findings {
    fn good(&self, link: &str, what: impl std::fmt::Display) {
        say(format_args!("ok    {link}: {what}"));
    }

    /// Nothing is wrong, but somebody may have expected something else.
    fn note(&mut self, link: &str, what: impl std::fmt::Display, then: &str) {
        self.notes += 1;
        say(format_args!("note  {link}: {what}\n      -> {then}"));
    }

    fn bad(&mut self, link: &str, what: impl std::fmt::Display, fix: &str) {
        self.bad += 1;
        say(format_args!("BAD   {link}: {what}\n      -> {fix}"));
    }

    fn end(self) -> Result<(), Failure> {
        match self.bad {
            0 => {
                say(format_args!("the chain from the stream to its images is whole ({} notes)", self.notes));
                Ok(())
            }
            1 => Err(Failure::run("a link of the chain is broken, see above")),
            bad => Err(Failure::run(format!("{bad} links of the chain are broken, see above"))),
        }
    }
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
                    "there is none of this name",
                    "create it: streams create NAME; check the region",
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
                "0 h: nothing is kept, so there is nothing to make images of",
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
            let then = "for images in S3 set one: image_config put FILE; GetImages needs none";
            self.findings.note(LINK, "not configured", then);
            return Ok(None);
        };
        if configuration.status == ConfigurationStatus::Disabled {
            self.findings.bad(LINK, "its status is DISABLED", "set it to ENABLED with image_config put");
        } else if let Err(field) = configuration.check() {
            self.findings.bad(LINK, field, "correct it with image_config get and put");
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
                "use a bucket in the stream's region: others are not served",
            ),
            _ => self.findings.good(LINK, bucket),
        }
    }

    async fn notifications(&mut self) -> Result<(), Failure> {
        const LINK: &str = "notifications";
        let ask = DescribeNotificationConfiguration::new(self.stream.clone());
        let found = self.client.send(ask).await;
        match found.map_err(|error| explain(error, "kinesisvideo:DescribeNotificationConfiguration"))? {
            None => self.findings.note(LINK, "not configured", "for messages set one: notification_config put FILE"),
            Some(configuration) if configuration.status == ConfigurationStatus::Disabled => {
                self.findings.bad(LINK, "the status is DISABLED", "set it to ENABLED with notification_config put");
            }
            Some(configuration) => match configuration.check() {
                Ok(()) => self.findings.good(LINK, configuration.destination_config.uri),
                Err(field) => self.findings.bad(LINK, field, "correct it with notification_config get and put"),
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
        let (mut newest, mut count, mut token) = (None::<FragmentInfo>, 0_usize, None);
        loop {
            let call = match token {
                Some(token) => first.clone().next_token(token),
                None => first.clone(),
            };
            let page = match self.client.send(call).await {
                Ok(page) => page,
                // So are streams answered for that have never had a fragment, or keep none.
                Err(error) if error.is_not_found() || keeps_nothing(&error) => break,
                Err(error) => return Err(explain(error, "kinesisvideo:ListFragments")),
            };
            count += page.fragments.len();
            newest = newest.into_iter().chain(page.fragments).max_by_key(|fragment| fragment.server_timestamp);
            let Some(next) = page.next_token else { break };
            token = Some(next);
        }
        match &newest {
            Some(last) => {
                let at = last.server_timestamp.map(show_time).unwrap_or_default();
                self.findings.good(LINK, format_args!("{count}, the last one of {at}"));
            }
            None => self.findings.bad(
                LINK,
                format_args!("none in the last {} s", back.as_secs()),
                "is the producer sending? read its acks; an ERROR ack tells what the service does not take; or look further with --back",
            ),
        }
        Ok(newest)
    }

    /// Looks into the newest fragment: tags, length, tracks, and a picture of it.
    async fn fragment(
        &mut self,
        last: &FragmentInfo,
        configuration: Option<&ImageGenerationConfiguration>,
    ) -> Result<(), Failure> {
        self.interval(last, configuration);
        let Some(number) = &last.fragment_number else { return Ok(()) };
        let ask = GetMediaForFragmentList::new(self.stream.clone(), [number]);
        let media =
            self.client.send(ask).await.map_err(|error| explain(error, "kinesisvideo:GetMediaForFragmentList"))?;
        match read_fragment(media).await? {
            Some(fragment) => {
                self.tag(&fragment, configuration);
                self.codec(&fragment);
            }
            None => self.findings.bad("media", "the last fragment has no frames", "send frames in every fragment"),
        }
        self.picture(last).await
    }

    fn interval(&mut self, last: &FragmentInfo, configuration: Option<&ImageGenerationConfiguration>) {
        let Some(configuration) = configuration else { return };
        let (length, every) = (last.length().as_millis(), u128::from(configuration.sampling_interval));
        if length > 0 && every > length {
            self.findings.note(
                "sampling interval",
                format_args!("{every} ms, longer than the last fragment of {length} ms"),
                "each tagged fragment gives one image at its start",
            );
        } else {
            self.findings.good("sampling interval", format_args!("{every} ms in fragments of {length} ms"));
        }
    }

    fn tag(&mut self, fragment: &Fragment, configuration: Option<&ImageGenerationConfiguration>) {
        const LINK: &str = "image tag";
        let tagged = fragment.tags.iter().any(|tag| tag.name == tag_names::IMAGE_GENERATION);
        match (tagged, configuration) {
            (true, _) => self.findings.good(LINK, "the last fragment asks for images"),
            (false, None) => self.findings.good(LINK, "the last fragment has none, and nothing waits for it"),
            (false, Some(_)) => self.findings.note(
                LINK,
                "the last fragment does not ask for images",
                "only fragments with AWS_KINESISVIDEO_IMAGE_GENERATION do: put_event(ImageGeneration::new())",
            ),
        }
    }

    fn codec(&mut self, fragment: &Fragment) {
        const LINK: &str = "codec";
        match fragment.tracks.first() {
            Some(track) if track.kind != TrackKind::Video => {
                self.findings.bad(
                    LINK,
                    "track 1 is not video",
                    "images are made of track 1: make video the first track",
                );
            }
            Some(track) if ![CodecId::H264, CodecId::H265].contains(&track.codec) => {
                let what = format_args!("{} gives no images", track.codec);
                self.findings.bad(LINK, what, "send H.264 or H.265");
            }
            Some(track) if track.codec_private.is_empty() => {
                let fix = "send the codec private data (avcC) of the stream in its track header";
                self.findings.bad(LINK, "the track has no codec private data", fix);
            }
            Some(track) => self.findings.good(LINK, &track.codec),
            None => self.findings.bad(LINK, "the fragment has no track", "send a track header"),
        }
        let first =
            fragment.frames.iter().find(|frame| fragment.tracks.first().is_some_and(|t| t.number == frame.track));
        match first {
            Some(frame) if !frame.keyframe => self.findings.bad(
                "key frame",
                "the fragment does not begin with one",
                "cut fragments at key frames: the service decodes from there",
            ),
            _ => self.findings.good("key frame", "the fragment begins with one"),
        }
    }

    async fn picture(&mut self, last: &FragmentInfo) -> Result<(), Failure> {
        const LINK: &str = "first picture";
        let Some(at) = last.server_timestamp else { return Ok(()) };
        let ask = GetImages::new(self.stream.clone(), at..at + Duration::from_millis(100));
        let ask = ask.selector(TimestampOrigin::Server).every(Duration::from_secs(3));
        let page = self.client.send(ask).await.map_err(|error| explain(error, "kinesisvideo:GetImages"))?;
        match page.images.into_iter().next().map(|image| image.content) {
            Some(Ok(picture)) => self.findings.good(LINK, format_args!("{} bytes", picture.len())),
            Some(Err(ImageError::MediaError)) => {
                let fix =
                    "the media cannot be decoded: check codec private data and that the stream is progressive 4:2:0";
                self.findings.bad(LINK, "MEDIA_ERROR", fix);
            }
            Some(Err(why)) => {
                self.findings.bad(LINK, why, "ask again in some seconds: stored media shows up with a delay")
            }
            None => self.findings.bad(LINK, "the answer is empty", "ask again in some seconds"),
        }
        Ok(())
    }
}

/// The first fragment of a body.
async fn read_fragment(mut media: MediaBody) -> Result<Option<Fragment>, Failure> {
    let mut reader = FragmentReader::new(kvs_mkv::Limits::default());
    while let Some(bytes) = media.next().await.map_err(Failure::of_run)? {
        reader.push(bytes);
        if let Some(fragment) = reader.next_fragment().map_err(Failure::of_run)? {
            return Ok(Some(fragment).filter(|fragment| !fragment.frames.is_empty()));
        }
    }
    let last = reader.finish().map_err(Failure::of_run)?;
    Ok(last.filter(|fragment| !fragment.frames.is_empty()))
}

fn keeps_nothing(error: &Error) -> bool {
    error.service().is_some_and(|error| error.kind == ServiceErrorKind::NoDataRetention)
}

/// Names the right that is missing, which is the most common reason of all.
fn explain(error: Error, right: &str) -> Failure {
    let denied = matches!(
        error.service().map(|error| &error.kind),
        Some(ServiceErrorKind::AccessDenied | ServiceErrorKind::NotAuthorized)
    );
    let failure = Failure::from(error);
    if denied { failure.about(format!("these credentials lack {right}")) } else { failure }
}
