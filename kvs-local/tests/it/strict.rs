//! kvs-local is as strict as the service: endpoints, members of requests, streams that are being deleted.

use crate::support;
use std::time::Duration;

use kvs_local::{Fault, FaultKind, LocalKvs};
use serde_json::{Value, json};
use support::{Media, Put, builder, create, post};

/// The members of all requests that take one of a few words: operation, path of the member, a valid request.
fn words() -> Vec<(&'static str, &'static str, Value)> {
    let images = json!({ "Status": "ENABLED", "ImageSelectorType": "SERVER_TIMESTAMP", "SamplingInterval": 200, "Format": "JPEG",
        "DestinationConfig": { "Uri": "s3://pics", "DestinationRegion": "us-west-2" } });
    let images = json!({ "StreamName": "door", "ImageGenerationConfiguration": images });
    let messages =
        json!({ "Status": "ENABLED", "DestinationConfig": { "Uri": "arn:aws:sns:us-west-2:111122223333:t" } });
    let messages = json!({ "StreamName": "door", "NotificationConfiguration": messages });
    let get_images = json!({ "StreamName": "door", "ImageSelectorType": "SERVER_TIMESTAMP", "StartTimestamp": 1,
        "EndTimestamp": 2, "Format": "PNG" });
    let storage = json!({ "DefaultStorageTier": "WARM" });
    let selector = json!({ "FragmentSelectorType": "SERVER_TIMESTAMP",
        "TimestampRange": { "StartTimestamp": 1, "EndTimestamp": 2 } });
    vec![
        (
            "/createStream",
            "StreamStorageConfiguration.DefaultStorageTier",
            json!({ "StreamName": "new", "StreamStorageConfiguration": storage }),
        ),
        (
            "/updateStreamStorageConfiguration",
            "StreamStorageConfiguration.DefaultStorageTier",
            json!({ "StreamName": "door", "CurrentVersion": "x", "StreamStorageConfiguration": storage }),
        ),
        (
            "/updateDataRetention",
            "Operation",
            json!({ "StreamName": "door", "CurrentVersion": "x", "Operation": "INCREASE_DATA_RETENTION",
                "DataRetentionChangeInHours": 1 }),
        ),
        ("/getDataEndpoint", "APIName", json!({ "StreamName": "door", "APIName": "PUT_MEDIA" })),
        ("/updateImageGenerationConfiguration", "ImageGenerationConfiguration.Status", images.clone()),
        ("/updateImageGenerationConfiguration", "ImageGenerationConfiguration.ImageSelectorType", images.clone()),
        ("/updateImageGenerationConfiguration", "ImageGenerationConfiguration.Format", images),
        ("/updateNotificationConfiguration", "NotificationConfiguration.Status", messages),
        ("/getImages", "ImageSelectorType", get_images.clone()),
        ("/getImages", "Format", get_images),
        (
            "/listFragments",
            "FragmentSelector.FragmentSelectorType",
            json!({ "StreamName": "door", "FragmentSelector": selector }),
        ),
        (
            "/getMedia",
            "StartSelector.StartSelectorType",
            json!({ "StreamName": "door", "StartSelector": { "StartSelectorType": "NOW" } }),
        ),
    ]
}

fn set(request: &Value, path: &str, value: Value) -> String {
    let mut request = request.clone();
    *request.pointer_mut(&format!("/{}", path.replace('.', "/"))).unwrap() = value;
    request.to_string()
}

#[tokio::test]
async fn wrong_value_of_a_word_is_an_invalid_argument_that_names_the_member() {
    let local = support::open().await;
    create(local.address(), "door").await;
    for (operation, path, request) in words() {
        for wrong in [json!(null), json!(7), json!(true), json!([]), json!({}), json!("nonsense")] {
            let body = set(&request, path, wrong);
            let response = post(local.address(), operation, &body).await;
            assert_eq!(
                (response.status, response.exception()),
                (400, "InvalidArgumentException"),
                "{operation} {body}"
            );
            let message = response.json()["Message"].as_str().unwrap().to_lowercase();
            let member = path.rsplit('.').next().unwrap().to_lowercase();
            assert!(message.contains(&member), "{operation} {body}: {message}");
        }
    }
    local.shutdown().await;
}

#[tokio::test]
async fn values_outside_the_api_model_are_rejected() {
    let local = support::open().await;
    create(local.address(), "door").await;
    let uri = |uri: &str| {
        json!({ "StreamName": "door", "ImageGenerationConfiguration": { "Status": "ENABLED", "SamplingInterval": 200,
            "ImageSelectorType": "SERVER_TIMESTAMP", "Format": "JPEG",
            "DestinationConfig": { "Uri": uri, "DestinationRegion": "us-west-2" } } })
        .to_string()
    };
    for (operation, body) in [
        ("/createStream", r#"{"StreamName":"new","Tags":{}}"#.to_owned()),
        ("/tagStream", r#"{"StreamName":"door","Tags":{}}"#.to_owned()),
        ("/updateImageGenerationConfiguration", uri("s3://pics/a*b")),
        ("/listFragments", r#"{"StreamName":"door","NextToken":""}"#.to_owned()),
        ("/listStreams", r#"{"NextToken":"a-b_"}"#.to_owned()),
        ("/describeMappedResourceConfiguration", r#"{"StreamName":"door","NextToken":"AAAA"}"#.to_owned()),
        ("/listTagsForStream", r#"{"StreamName":"door","NextToken":"AAAA"}"#.to_owned()),
    ] {
        let response = post(local.address(), operation, &body).await;
        assert_eq!((response.status, response.exception()), (400, "InvalidArgumentException"), "{operation} {body}");
    }
    assert_eq!(post(local.address(), "/updateImageGenerationConfiguration", &uri("s3://pics/a-b")).await.status, 200);
    assert_eq!(post(local.address(), "/listStreams", r#"{"NextToken":""}"#).await.status, 200);
    local.shutdown().await;
}

#[tokio::test]
async fn stream_that_is_being_deleted_is_shown_and_nothing_else() {
    let local = builder().transition_delay(Duration::from_secs(3600)).clock(clock()).start().await.unwrap();
    let created =
        post(local.address(), "/createStream", r#"{"StreamName":"door","DataRetentionInHours":1}"#).await.json();
    HOURS.fetch_add(2, std::sync::atomic::Ordering::Relaxed);
    let arn = created["StreamARN"].as_str().unwrap();
    let delete = format!(r#"{{"StreamARN":"{arn}"}}"#);
    assert_eq!(post(local.address(), "/deleteStream", &delete).await.status, 200);
    let named = r#"{"StreamName":"door"}"#;
    let shown = post(local.address(), "/describeStream", named).await;
    assert_eq!(shown.json()["StreamInfo"]["Status"], "DELETING");
    let again = post(local.address(), "/createStream", named).await;
    assert_eq!(again.exception(), "ResourceInUseException");
    for (operation, body) in [
        ("/deleteStream", delete.as_str()),
        ("/tagStream", r#"{"StreamName":"door","Tags":{"a":"b"}}"#),
        ("/untagStream", r#"{"StreamName":"door","TagKeyList":["a"]}"#),
        ("/listTagsForStream", named),
        ("/describeImageGenerationConfiguration", named),
        ("/describeNotificationConfiguration", named),
        ("/describeStreamStorageConfiguration", named),
        ("/describeMappedResourceConfiguration", named),
        ("/updateNotificationConfiguration", named),
        ("/updateStream", r#"{"StreamName":"door","CurrentVersion":"stale"}"#),
        ("/getDataEndpoint", r#"{"StreamName":"door","APIName":"GET_MEDIA"}"#),
        ("/listFragments", named),
        ("/getMedia", r#"{"StreamName":"door","StartSelector":{"StartSelectorType":"NOW"}}"#),
    ] {
        let response = post(local.address(), operation, body).await;
        assert_eq!((response.status, response.exception()), (404, "ResourceNotFoundException"), "{operation}");
    }
    local.shutdown().await;
}

#[tokio::test]
async fn start_timestamp_is_ignored_for_absolute_timecodes() {
    let local = support::open().await;
    create(local.address(), "door").await;
    // A published sink sends milliseconds.
    let mut put = Put::open(local.address(), "door", "x-amzn-producer-start-timestamp: 1699332285123\r\n").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    put.send(&media.fragment(1_699_332_285_123, &[])).await;
    put.send(&media.end()).await;
    for expected in ["BUFFERING", "RECEIVED", "PERSISTED"] {
        assert_eq!(put.ack().await["EventType"], expected);
    }
    local.shutdown().await;
}

#[tokio::test]
async fn listing_can_be_unordered_and_late() {
    let local = support::open().await;
    create(local.address(), "door").await;
    let mut put = Put::open(local.address(), "door", "").await;
    let mut media = Media::new();
    put.send(&media.header()).await;
    for fragment in 0..3 {
        put.send(&media.fragment(1_699_332_285_000 + 1000 * fragment, &[])).await;
        put.send(&media.end()).await;
    }
    put.end().await;
    put.rest().await;
    let listed = async || {
        let page = post(local.address(), "/listFragments", r#"{"StreamName":"door"}"#).await.json();
        let fragments = page["Fragments"].as_array().unwrap().clone();
        fragments.iter().map(|one| one["FragmentNumber"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let numbers = listed().await;
    assert!(numbers.len() == 3 && !numbers.is_sorted(), "{numbers:?}");
    let media = async || {
        let body = json!({ "StreamName": "door", "Fragments": numbers }).to_string();
        let body = post(local.address(), "/getMediaForFragmentList", &body).await.body;
        String::from_utf8_lossy(&body).matches("FRAGMENT_NOT_FOUND").count()
    };
    assert_eq!(media().await, 0);
    local.faults().add(Fault::new(FaultKind::LateListing { ms: 3_600_000 })).unwrap();
    assert_eq!((listed().await.len(), media().await), (0, 3));
    local.faults().clear();
    local.faults().add(Fault::new(FaultKind::Unordered)).unwrap();
    assert_eq!(listed().await.len(), 3);
    local.shutdown().await;
}

#[tokio::test]
async fn as_aws_is_slow_and_strict() {
    let local = LocalKvs::builder().anonymous().as_aws().start().await.unwrap();
    let to = local.address();
    assert_eq!(post(to, "/createStream", r#"{"StreamName":"door"}"#).await.status, 200);
    let status =
        async || post(to, "/describeStream", r#"{"StreamName":"door"}"#).await.json()["StreamInfo"]["Status"].clone();
    assert_eq!(status().await, "CREATING");
    let unknown = post(to, "/DescribeStream", "{}").await;
    assert_eq!(unknown.status, 200);
    assert!(String::from_utf8_lossy(&unknown.body).contains("UnknownOperationException"));
    let mut refused = 0;
    for _ in 0..12 {
        let response = post(to, "/listTagsForStream", r#"{"StreamName":"door"}"#).await;
        refused += usize::from(response.exception() == "ClientLimitExceededException");
    }
    assert!(refused > 0);
    local.shutdown().await;
}

static HOURS: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);

/// A clock that the test moves by hours.
fn clock() -> impl Fn() -> std::time::SystemTime + Send + Sync + 'static {
    let start = std::time::SystemTime::now();
    move || start + Duration::from_secs(3600 * HOURS.load(std::sync::atomic::Ordering::Relaxed))
}

#[tokio::test]
async fn each_endpoint_has_its_own_operations() {
    let local = LocalKvs::builder().anonymous().start().await.unwrap();
    let control = local.address();
    create(control, "door").await;
    let endpoint = async |api: &str| {
        let body = json!({ "StreamName": "door", "APIName": api }).to_string();
        let url = post(control, "/getDataEndpoint", &body).await.json()["DataEndpoint"].as_str().unwrap().to_owned();
        url.strip_prefix("http://").unwrap().parse::<std::net::SocketAddr>().unwrap()
    };
    let (media, archived) = (endpoint("PUT_MEDIA").await, endpoint("LIST_FRAGMENTS").await);
    assert_eq!((endpoint("GET_MEDIA").await, endpoint("GET_CLIP").await), (media, archived));
    let listing = r#"{"StreamName":"door"}"#;
    let follow = r#"{"StreamName":"door","StartSelector":{"StartSelectorType":"NOW"}}"#;
    for (operation, body, home) in [
        ("/describeStream", listing, control),
        ("/listFragments", listing, archived),
        ("/getMedia", follow, media),
        ("/getClip", listing, archived),
    ] {
        for address in [control, media, archived] {
            let response = post(address, operation, body).await;
            let unknown = String::from_utf8_lossy(&response.body).contains("UnknownOperationException");
            assert_eq!(unknown, address != home, "{operation} at {address}");
            assert!(!unknown || response.status == 200);
        }
    }
    // The body of PutMedia is not read, and the answer is the same.
    let put = "POST /putMedia HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n";
    let response = support::exchange(control, put.as_bytes()).await;
    assert_eq!(response.status, 200);
    assert!(String::from_utf8_lossy(&response.body).contains("UnknownOperationException"));
    local.shutdown().await;
}
