//! boto3 as an independent judge of requests, signatures and responses.

use crate::support;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kvs_aws::{
    ApiName, Client, ConfigurationStatus, ContainerFormat, CreateStream, DeleteStream,
    DescribeImageGenerationConfiguration, DescribeNotificationConfiguration, DescribeStream,
    DescribeStreamStorageConfiguration, DiscontinuityMode, Endpoint, Error, FragmentDisplay, GetClip,
    GetDashStreamingSessionUrl, GetDataEndpoint, GetHlsStreamingSessionUrl, GetImages, GetMedia,
    GetMediaForFragmentList, ImageGenerationConfiguration, ListFragments, ListStreams, ListTagsForStream,
    NotificationConfiguration, Operation, StartSelector, StorageTier, StreamArn, StreamId, TagStream, TimestampOrigin,
    UntagStream, UpdateDataRetention, UpdateImageGenerationConfiguration, UpdateNotificationConfiguration,
    UpdateStream, UpdateStreamStorageConfiguration,
};
use kvs_types::__internal::from_epoch_millis;
use support::{SECRET, Scripted, Seen, client, ok};
use test_judges::python;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/judge/boto3_judge.py");

async fn judge(python: &str, arguments: &[&str], input: String) -> String {
    let mut command = Command::new(python);
    command.arg(Path::new(SCRIPT)).args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    assert!(output.status.success(), "boto3_judge.py {arguments:?} failed");
    String::from_utf8(output.stdout).unwrap()
}

fn stream() -> StreamId {
    "front-door".parse().unwrap()
}

fn arn() -> StreamArn {
    "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/front-door/1700000000000".parse().unwrap()
}

fn range() -> std::ops::Range<std::time::SystemTime> {
    from_epoch_millis(1_700_000_000_000)..from_epoch_millis(1_700_000_060_000)
}

/// Sends one operation to the server instead of its own endpoint.
async fn one<O: Operation>(client: &Client, endpoint: &Endpoint, operation: O) -> Result<(), (&'static str, Error)> {
    client.send_to(endpoint, operation).await.map(|_| ()).map_err(|error| (O::NAME, error))
}

type Answers = Vec<(&'static str, Result<(), (&'static str, Error)>)>;

/// Calls each operation once, in the order of the script's list.
#[expect(clippy::cognitive_complexity, reason = "a list of calls, one after the other")]
async fn our_calls(url: &str, only: Option<&str>) -> Answers {
    let (client, endpoint) = (client(url), url.parse::<Endpoint>().unwrap());
    let mut answers = Vec::new();
    macro_rules! calls {
        ($($operation:ty = $call:expr;)+) => {$(
            if only.is_none_or(|only| only == <$operation as Operation>::NAME) {
                let answer = one::<$operation>(&client, &endpoint, $call).await;
                answers.push((<$operation as Operation>::NAME, answer));
            }
        )+};
    }
    let version = "v1";
    let images = ImageGenerationConfiguration::new("s3://my-bucket/door", "eu-west-1");
    let images = images.with_sampling_interval(Duration::from_millis(200)).with_jpeg_quality(80).with_size(320, 240);
    let notify = NotificationConfiguration::new("arn:aws:sns:eu-west-1:111122223333:cameras");
    calls! {
        CreateStream = CreateStream::new("front-door".parse().unwrap()).device_name("cam-1")
            .media_type("video/h264,audio/aac").kms_key_id("alias/k").data_retention_in_hours(24).tag("place", "door")
            .storage_tier(StorageTier::Warm);
        DescribeStream = DescribeStream::new(stream());
        ListStreams = ListStreams::new().max_results(7).next_token("abc=").name_begins_with("fr".parse().unwrap());
        DeleteStream = DeleteStream::new(arn()).current_version(version);
        UpdateStream = UpdateStream::new(stream(), version).device_name("cam-2").media_type("video/h265");
        UpdateDataRetention = UpdateDataRetention::increase(arn().into(), version, 3);
        TagStream = TagStream::new(stream()).tag("place", "door").tag("floor", "1");
        UntagStream = UntagStream::new(stream(), ["place", "floor"]);
        ListTagsForStream = ListTagsForStream::new(stream()).next_token("abc");
        GetDataEndpoint = GetDataEndpoint::new(stream(), ApiName::GetImages);
        UpdateStreamStorageConfiguration = UpdateStreamStorageConfiguration::new(stream(), version, StorageTier::Hot);
        DescribeStreamStorageConfiguration = DescribeStreamStorageConfiguration::new(arn().into());
        UpdateImageGenerationConfiguration = UpdateImageGenerationConfiguration::new(stream(), images);
        DescribeImageGenerationConfiguration = DescribeImageGenerationConfiguration::new(stream());
        UpdateNotificationConfiguration =
            UpdateNotificationConfiguration::new(stream(), notify.with_status(ConfigurationStatus::Disabled));
        DescribeNotificationConfiguration = DescribeNotificationConfiguration::new(stream());
        GetImages = GetImages::new(stream(), range()).selector(TimestampOrigin::Server).every(Duration::from_secs(3))
            .jpeg(70).size(640, 360).max_results(25).next_token("abc");
        ListFragments = ListFragments::new(stream(), TimestampOrigin::Producer, range()).max_results(100);
        GetMediaForFragmentList =
            GetMediaForFragmentList::new(stream(), ["91343852333181432392682062607743920146159169392".parse().unwrap()]);
        GetClip = GetClip::new(stream(), TimestampOrigin::Server, range());
        GetHlsStreamingSessionUrl =
            GetHlsStreamingSessionUrl::on_demand(stream(), TimestampOrigin::Producer, range()).expires(600)
            .max_fragments(50).container_format(ContainerFormat::MpegTs)
            .discontinuity_mode(DiscontinuityMode::OnDiscontinuity).display_fragment_timestamp(FragmentDisplay::Always);
        GetDashStreamingSessionUrl =
            GetDashStreamingSessionUrl::live_replay(stream(), TimestampOrigin::Server, range().start).expires(600)
            .max_fragments(50).display_fragment_timestamp(FragmentDisplay::Always).display_fragment_number(FragmentDisplay::Never);
        GetMedia = GetMedia::new(stream(), StartSelector::AfterFragment("91343852333181432392".parse().unwrap()));
    }
    answers
}

fn as_json_line(seen: &Seen) -> String {
    let body = String::from_utf8(seen.body.clone()).unwrap();
    let line = serde_json::json!({"path": seen.path(), "headers": seen.headers, "body": body, "secret": SECRET});
    format!("{line}\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_equal_those_of_boto3_and_their_signatures_are_valid() {
    let Some(python) = python("requests_equal_those_of_boto3_and_their_signatures_are_valid", &["boto3"]) else {
        return;
    };
    let ours = Scripted::start(|_, _| ok("{}")).await;
    our_calls(&ours.url, None).await;
    let theirs = Scripted::start(|_, _| ok("{}")).await;
    judge(&python, &["calls", &theirs.url], String::new()).await;
    let (ours, theirs) = (ours.seen(), theirs.seen());
    assert_eq!(ours.len(), theirs.len());
    for (our, their) in ours.iter().zip(&theirs) {
        assert_eq!(our.line, their.line);
        assert_eq!(our.json(), their.json(), "{}", our.line);
    }
    let lines: String = ours.iter().map(as_json_line).collect();
    assert_eq!(judge(&python, &["verify"], lines).await.trim(), "ok");
}

/// Operations whose response has one required member: null for it is an error.
const NEEDS_ITS_MEMBER: [&str; 6] = [
    "CreateStream",
    "DescribeStream",
    "GetDataEndpoint",
    "GetImages",
    "GetHLSStreamingSessionURL",
    "GetDASHStreamingSessionURL",
];

#[tokio::test(flavor = "multi_thread")]
async fn reads_every_response_that_the_model_allows() {
    let Some(python) = python("reads_every_response_that_the_model_allows", &["boto3"]) else { return };
    let shapes = judge(&python, &["shapes"], String::new()).await;
    let shapes: std::collections::BTreeMap<String, Vec<String>> = serde_json::from_str(&shapes).unwrap();
    assert_eq!(shapes.len(), 23);
    let body = Arc::new(Mutex::new(String::new()));
    let next = Arc::clone(&body);
    let server = Scripted::start(move |_, _| ok(&next.lock().unwrap())).await;
    for (operation, answers) in shapes {
        for (index, answer) in answers.into_iter().enumerate() {
            let nulls = index == 1;
            body.lock().unwrap().clone_from(&answer);
            let mut read = our_calls(&server.url, Some(&operation)).await;
            let (_, read) = read.pop().unwrap_or_else(|| panic!("{operation} is not among our calls"));
            let expected = !(nulls && NEEDS_ITS_MEMBER.contains(&operation.as_str()));
            assert_eq!(read.is_ok(), expected, "{operation} {answer}: {read:?}");
        }
    }
}
