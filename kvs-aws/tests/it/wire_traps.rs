//! Responses as the real service sends them, from a scripted server.

use crate::support;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use kvs_aws::{
    ApiName, Client, CreateStream, DeleteStream, DescribeStream, Error, GetMedia, ListFragments, ListStreams,
    ServiceErrorKind, StartSelector, StreamId, StreamStatus, TimestampOrigin, TransportError,
};
use kvs_types::__internal::{ErrorChain, epoch_millis, from_epoch_millis};
use support::{Scripted, client, config, ok, response};

fn stream() -> StreamId {
    "cam".parse().unwrap()
}

/// A real response, from the service reference.
const DESCRIBED: &str = r#"{"StreamInfo":{"CreationTime":1.705489836421E9,"DataRetentionInHours":24,"DeviceName":null,"IngestionConfiguration":null,
 "KmsKeyId":"arn:aws:kms:us-east-1:111122223333:alias/aws/kinesisvideo","MediaType":null,"Status":"ACTIVE",
 "StreamARN":"arn:aws:kinesisvideo:us-east-1:111122223333:stream/camera_101/1705489836421","StreamName":"camera_101","Version":"davN9FKg4vjyKdCSs0f4"}}"#;

#[tokio::test]
async fn reads_nulls_unknown_members_and_scientific_notation() {
    let server = Scripted::start(|_, _| ok(DESCRIBED)).await;
    let info = client(&server.url).send(DescribeStream::new(stream())).await.unwrap();
    assert_eq!(info.creation_time.map(epoch_millis), Some(1_705_489_836_421));
    assert_eq!(info.status, Some(StreamStatus::Active));
    assert_eq!((info.device_name, info.data_retention_in_hours), (None, Some(24)));
    let seen = &server.seen()[0];
    assert_eq!(seen.line, "POST /describeStream HTTP/1.1");
    assert_eq!(seen.header("content-type"), Some("application/json"));
    assert!(seen.header("authorization").unwrap().contains("/eu-west-1/kinesisvideo/aws4_request"));
}

#[tokio::test]
async fn an_empty_body_and_an_empty_object_are_success() {
    let server = Scripted::start(|call, _| ok(if call == 0 { "" } else { "{}" })).await;
    let arn = || "arn:aws:kinesisvideo:eu-west-1:111122223333:stream/cam/1".parse().unwrap();
    client(&server.url).send(DeleteStream::new(arn())).await.unwrap();
    client(&server.url).send(DeleteStream::new(arn())).await.unwrap();
    let lists = Scripted::start(|_, _| ok(r#"{"StreamInfoList":null,"NextToken":null}"#)).await;
    assert_eq!(client(&lists.url).send(ListStreams::new()).await.unwrap().streams, []);
}

/// Status, headers, body, and the expected kind and message.
type Case = (&'static str, &'static str, &'static str, ServiceErrorKind, &'static str);

#[tokio::test]
async fn error_kinds_come_from_header_body_or_status() {
    use ServiceErrorKind::{
        AccessDenied, ExpiredToken, NotAuthorized, ResourceNotFound, UnknownOperation, UnrecognizedClient,
    };
    let cases: [Case; 8] = [
        (
            "404 Not Found",
            "x-amzn-ErrorType: ResourceNotFoundException:https://kinesisvideo.amazonaws.com/doc/2017-09-30/\r\nx-amzn-RequestId: 5f3b\r\n",
            r#"{"Message":"The requested stream is not found or not active."}"#,
            ResourceNotFound,
            "The requested stream is not found or not active.",
        ),
        ("401 Unauthorized", "x-amz-ErrorType: NotAuthorizedException\r\n", r#"{"Message":"no"}"#, NotAuthorized, "no"),
        (
            "403 Forbidden",
            "x-amzn-ErrorType: AccessDeniedException\r\n",
            r#"{"Message":"User: u is not authorized to perform: kinesisvideo:DescribeStream"}"#,
            AccessDenied,
            "User: u is not authorized to perform: kinesisvideo:DescribeStream",
        ),
        (
            "403 Forbidden",
            "",
            r#"{"message":"The security token included in the request is invalid."}"#,
            UnrecognizedClient,
            "The security token included in the request is invalid.",
        ),
        (
            "403 Forbidden",
            "",
            r#"{"message":"The security token included in the request is expired"}"#,
            ExpiredToken,
            "The security token included in the request is expired",
        ),
        (
            "400 Bad Request",
            "",
            r#"{"__type":"com.amazon#ValidationException","message":"m"}"#,
            ServiceErrorKind::Validation,
            "m",
        ),
        (
            "200 OK",
            "",
            r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#,
            UnknownOperation,
            "com.amazon.coral.service#UnknownOperationException",
        ),
        ("404 Not Found", "", "<html>nginx</html>", ResourceNotFound, ""),
    ];
    for (status, headers, body, kind, message) in cases {
        let server = Scripted::start(move |_, _| response(status, headers, body)).await;
        let error = client(&server.url).send(DescribeStream::new(stream())).await.unwrap_err();
        let error = error.service().unwrap_or_else(|| panic!("{status} {body}: {error}"));
        assert_eq!((&error.kind, error.message.as_str()), (&kind, message));
        assert_eq!(error.status, status[..3].parse::<u16>().unwrap());
        assert_eq!(error.request_id.as_deref(), headers.contains("RequestId").then_some("5f3b"));
    }
}

#[tokio::test]
async fn repeats_after_throttling_and_internal_errors_only() {
    let throttle = "x-amzn-ErrorType: ClientLimitExceededException\r\nRetry-After: 0\r\n";
    let server = Scripted::start(move |call, _| match call {
        0 => response("400 Bad Request", throttle, "{}"),
        1 => response("503 Service Unavailable", "", ""),
        _ => ok(DESCRIBED),
    })
    .await;
    client(&server.url).send(DescribeStream::new(stream())).await.unwrap();
    assert_eq!(server.seen().len(), 3);
    let server =
        Scripted::start(|_, _| response("400 Bad Request", "", r#"{"__type":"InvalidArgumentException"}"#)).await;
    client(&server.url).send(DescribeStream::new(stream())).await.unwrap_err();
    assert_eq!(server.seen().len(), 1);
    let server = Scripted::start(|_, _| response("500 Oops", "", "")).await;
    client(&server.url).send(DescribeStream::new(stream())).await.unwrap_err();
    assert_eq!(server.seen().len(), 4);
}

#[tokio::test]
async fn repeats_after_a_broken_connection() {
    let server = Scripted::start(|call, _| if call == 0 { "CLOSE".to_owned() } else { ok(DESCRIBED) }).await;
    client(&server.url).send(DescribeStream::new(stream())).await.unwrap();
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn corrects_a_wrong_clock_once() {
    let truth = SystemTime::now();
    let date = jiff::fmt::rfc2822::DateTimePrinter::new();
    let date = date.timestamp_to_rfc9110_string(&jiff::Timestamp::try_from(truth).unwrap()).unwrap();
    let header = format!("Date: {date}\r\n");
    let late = r#"{"message":"Signature expired: 20231107T044734Z is now earlier than 20231107T045305Z"}"#;
    let server = Scripted::start(move |call, _| match call {
        0 => response("403 Forbidden", &header, late),
        _ => ok(DESCRIBED),
    })
    .await;
    // The clock of a camera without a battery starts in 1970.
    let client = Client::new(config(&server.url).clock(|| from_epoch_millis(1_000_000))).unwrap();
    client.send(DescribeStream::new(stream())).await.unwrap();
    client.send(DescribeStream::new(stream())).await.unwrap();
    let dates: Vec<String> =
        server.seen().iter().map(|seen| seen.header("x-amz-date").unwrap()[..4].to_owned()).collect();
    assert_eq!(dates[0], "1970");
    assert_eq!(dates[1..], [date[12..16].to_owned(), date[12..16].to_owned()]);
    let off = client.service_time().duration_since(truth).unwrap_or_else(|error| error.duration());
    assert!(off < Duration::from_secs(2), "{off:?}");
    // If the same error repeats after a correction, the caller gets it.
    let stubborn =
        Scripted::start(move |_, _| response("403 Forbidden", "Date: Tue, 07 Nov 2023 04:53:05 GMT\r\n", late)).await;
    let client = Client::new(config(&stubborn.url).clock(|| from_epoch_millis(1_000_000))).unwrap();
    client.send(DescribeStream::new(stream())).await.unwrap_err();
    assert_eq!(stubborn.seen().len(), 2);
}

#[tokio::test]
async fn caches_data_endpoints_and_looks_up_stale_ones_again() {
    let stale = Arc::new(Mutex::new(false));
    let is_stale = Arc::clone(&stale);
    let server = Scripted::start(move |_, seen| match seen.path() {
        "/getDataEndpoint" => seen.own_endpoint(),
        _ if std::mem::take(&mut *is_stale.lock().unwrap()) => {
            response("400 Bad Request", "x-amzn-ErrorType: InvalidEndpointException\r\n", "{}")
        }
        _ => ok(r#"{"Fragments":[{"FragmentNumber":"913","FragmentSizeInBytes":7,"ProducerTimestamp":1.7E9,"ServerTimestamp":1.700000001E9,"FragmentLengthInMilliseconds":2000}]}"#),
    })
    .await;
    let client = client(&server.url);
    let list = || ListFragments::new(stream(), TimestampOrigin::Producer, from_epoch_millis(0)..from_epoch_millis(1));
    let page = client.send(list()).await.unwrap();
    assert_eq!(page.fragments[0].start(TimestampOrigin::Server).map(epoch_millis), Some(1_700_000_001_000));
    client.send(list()).await.unwrap();
    *stale.lock().unwrap() = true;
    client.send(list()).await.unwrap();
    let paths: Vec<String> = server.seen().iter().map(|seen| seen.path().to_owned()).collect();
    let (ask, use_it) = ("/getDataEndpoint", "/listFragments");
    assert_eq!(paths, [ask, use_it, use_it, use_it, ask, use_it]);
    client.forget_data_endpoint(&stream(), &ApiName::ListFragments);
    client.data_endpoint(&stream(), &ApiName::ListFragments).await.unwrap();
    assert_eq!(server.seen().len(), 7);
}

#[tokio::test]
async fn streams_media_and_rejects_json_as_media() {
    let server = Scripted::start(|call, seen| match (seen.path(), call) {
        ("/getDataEndpoint", _) => seen.own_endpoint(),
        (_, 1) => "HTTP/1.1 200 OK\r\nContent-Type: video/webm\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n".to_owned(),
        _ => response("200 OK", "Content-Type: application/json\r\n", r#"{"Output":{"__type":"x#UnknownOperationException"},"Version":"1.0"}"#),
    })
    .await;
    let client = client(&server.url);
    let mut media = client.send(GetMedia::new(stream(), StartSelector::Earliest)).await.unwrap();
    assert_eq!(media.content_type(), Some("video/webm"));
    let mut all = Vec::new();
    while let Some(piece) = media.next().await.unwrap() {
        all.extend_from_slice(&piece);
    }
    assert_eq!(all, b"abc");
    let error = client.send(GetMedia::new(stream(), StartSelector::Now)).await.unwrap_err();
    assert_eq!(error.service().unwrap().kind, ServiceErrorKind::UnknownOperation);
}

#[tokio::test]
async fn a_stalled_body_times_out() {
    let server = Scripted::start(|_, _| "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{".to_owned()).await;
    let brief = kvs_aws::Timeouts::default().response_body(Duration::from_millis(20));
    let config = config(&server.url).timeouts(brief).retry(kvs_aws::RetryConfig::disabled());
    let error = Client::new(config).unwrap().send(DescribeStream::new(stream())).await.unwrap_err();
    assert_eq!(error.to_string(), "waiting for more of the response took longer than 20 ms");
    assert!(matches!(error, Error::Transport(TransportError::Timeout { .. })));
}

#[tokio::test]
async fn rejects_invalid_requests_before_sending() {
    let server = Scripted::start(|_, _| ok("{}")).await;
    let error = client(&server.url)
        .send(CreateStream::new("cam".parse().unwrap()).data_retention_in_hours(87_601))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "DataRetentionInHours: must be 0 to 87600, got 87601");
    assert!(server.seen().is_empty());
}

#[tokio::test]
async fn errors_name_the_operation_and_the_position_in_the_json() {
    let server = Scripted::start(|_, _| ok(r#"{"StreamInfo":7}"#)).await;
    let error = client(&server.url).send(DescribeStream::new(stream())).await.unwrap_err();
    let error = ErrorChain(&error).to_string();
    assert!(
        error.starts_with("unexpected response of DescribeStream: invalid JSON: invalid type: integer `7`"),
        "{error}"
    );
    assert!(error.contains(" at line 1 column "), "{error}");
    let server = Scripted::start(|_, _| ok("{}")).await;
    let error = client(&server.url).send(DescribeStream::new(stream())).await.unwrap_err();
    let error = ErrorChain(&error).to_string();
    assert_eq!(error, "unexpected response of DescribeStream: StreamInfo is missing");
}
