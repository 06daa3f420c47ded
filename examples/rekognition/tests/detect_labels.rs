//! The detector against a server that answers as Rekognition does: the request in the form of the service's model, and the answer
//! of the AWS CLI's example (`aws rekognition detect-labels help`), of which each label keeps two instances.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::time::SystemTime;

use aws_config::{BehaviorVersion, Region, SdkConfig};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kvs_alert::{CameraImage, Detector};
use kvs_alert_rekognition::{MAX_BYTES, Rekognition};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

const LABELS: &str = include_str!("detect-labels.json");
const JPEG: &[u8] = b"\xff\xd8 an image, as far as the detector knows";

/// What a request said: its target, its content type, and its body.
type Received = (String, String, Value);

/// Starts a server that gives every request this answer, and a configuration that leads to it.
async fn service(status: u16, answer: Value) -> (SdkConfig, mpsc::UnboundedReceiver<Received>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (sender, answer) = (sender.clone(), answer.clone());
            let service = service_fn(move |request: Request<Incoming>| {
                let (sender, answer) = (sender.clone(), answer.clone());
                async move {
                    let header = |name| request.headers()[name].to_str().unwrap().to_owned();
                    let (target, kind) = (header("x-amz-target"), header("content-type"));
                    assert!(header("authorization").contains("/eu-west-1/rekognition/aws4_request"));
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    let lowest = body["MinConfidence"].as_f64().unwrap();
                    sender.send((target, kind, body)).unwrap();
                    let response =
                        Response::builder().status(status).header("content-type", "application/x-amz-json-1.1");
                    let answer = Full::<Bytes>::from(confident(answer, lowest).to_string());
                    Ok::<_, Infallible>(response.body(answer).unwrap())
                }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    let credentials = aws_sdk_rekognition::config::Credentials::new("AKIDEXAMPLE", "secret", None, None, "a test");
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .region(Region::new("eu-west-1"))
        .credentials_provider(aws_sdk_rekognition::config::SharedCredentialsProvider::new(credentials))
        .endpoint_url(format!("http://{address}"))
        .retry_config(aws_config::retry::RetryConfig::disabled());
    (config.build(), received)
}

/// Leaves out the labels below the asked confidence, as the service does.
fn confident(mut answer: Value, lowest: f64) -> Value {
    if let Some(labels) = answer["Labels"].as_array_mut() {
        labels.retain(|label| label["Confidence"].as_f64().unwrap() >= lowest);
    }
    answer
}

fn image(jpeg: &[u8]) -> CameraImage {
    CameraImage::new("front-door", SystemTime::UNIX_EPOCH, "s3://bucket/image.jpg", jpeg.to_vec())
}

#[tokio::test]
async fn the_label_that_is_looked_for_is_found() {
    let (config, mut received) = service(200, serde_json::from_str(LABELS).unwrap()).await;
    let found = Rekognition::new(&config, "Person").detect(&image(JPEG)).await.unwrap();
    let [person] = &found[..] else { panic!("{found:?}") };
    assert_eq!(person.label, "person");
    assert!((person.score - 98.991_432).abs() < 1e-4, "{}", person.score);

    let (target, kind, body) = received.recv().await.unwrap();
    assert_eq!((target.as_str(), kind.as_str()), ("RekognitionService.DetectLabels", "application/x-amz-json-1.1"));
    let expected = json!({"Image": {"Bytes": STANDARD.encode(JPEG)}, "MaxLabels": 20, "MinConfidence": 75.0});
    assert_eq!(body, expected);
}

#[tokio::test]
async fn labels_that_are_absent_or_uncertain_do_not_alert() {
    let (config, _received) = service(200, serde_json::from_str(LABELS).unwrap()).await;
    // The image has a downtown, with 74.4 percent.
    for label in ["Cat", "person", "Downtown"] {
        assert_eq!(Rekognition::new(&config, label).detect(&image(JPEG)).await.unwrap(), [], "{label}");
    }
    let (config, _received) = service(200, json!({"Labels": [], "LabelModelVersion": "3.0"})).await;
    assert_eq!(Rekognition::new(&config, "Person").detect(&image(JPEG)).await.unwrap(), []);
}

#[tokio::test]
async fn a_refusal_says_its_name_and_reason() {
    let refusals = [
        (400, "InvalidImageFormatException", "Request has invalid image format"),
        (400, "AccessDeniedException", "User is not authorized to perform: rekognition:DetectLabels"),
        (400, "ProvisionedThroughputExceededException", "Provisioned rate exceeded"),
    ];
    for (status, name, reason) in refusals {
        let (config, _received) = service(status, json!({"__type": name, "Message": reason})).await;
        let error = Rekognition::new(&config, "Person").detect(&image(JPEG)).await.unwrap_err().to_string();
        assert!(error.contains(name) && error.contains(reason), "{error}");
    }
}

#[tokio::test]
async fn an_image_that_is_too_large_is_not_sent() {
    let (config, mut received) = service(200, json!({"Labels": []})).await;
    let mut detector = Rekognition::new(&config, "Person");
    let error = detector.detect(&image(&vec![0; MAX_BYTES + 1])).await.unwrap_err().to_string();
    assert_eq!(error, "5000001 bytes, and Rekognition takes 5000000");
    assert!(received.try_recv().is_err());
    assert_eq!(detector.detect(&image(&vec![0; MAX_BYTES])).await.unwrap(), []);
    assert!(received.try_recv().is_ok());
}
