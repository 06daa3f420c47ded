//! The Lambda example against a mock of the Lambda runtime API
//! (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), with recorded events.

use crate::support;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// One answer of the function: the last part of the path (`response` or `error`), and the body.
type Answer = (String, Value);

/// The events that wait, and where answers go.
struct RuntimeApi {
    events: Mutex<VecDeque<String>>,
    answers: mpsc::UnboundedSender<Answer>,
}

impl RuntimeApi {
    async fn call(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        if path == "/2018-06-01/runtime/invocation/next" {
            let Some(event) = self.events.lock().await.pop_front() else {
                // Lambda freezes the function here.
                return std::future::pending().await;
            };
            let response = Response::builder()
                .header("lambda-runtime-aws-request-id", "8476a536-e9f4-11e8-9739-2dfe598c3fcd")
                .header("lambda-runtime-deadline-ms", "4102444800000")
                .header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-west-2:111122223333:function:images");
            return response.body(Full::from(event)).unwrap();
        }
        let kind = path.strip_prefix("/2018-06-01/runtime/invocation/8476a536-e9f4-11e8-9739-2dfe598c3fcd/");
        let kind = kind.unwrap_or_else(|| panic!("unexpected call of {path}")).to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        self.answers.send((kind, serde_json::from_slice(&body).unwrap())).unwrap();
        Response::builder().status(202).body(Full::default()).unwrap()
    }
}

/// Runs the function on these events; returns its answers and what it printed.
async fn invoke(events: &[String], stream: Option<&str>) -> (Vec<Answer>, Vec<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut function = support::example("lambda");
    function
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "images")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "images")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "images");
    if let Some(stream) = stream {
        function.env("STREAM", stream);
    }
    let mut function = function.stdout(Stdio::piped()).spawn().unwrap();
    let (answers, mut received) = mpsc::unbounded_channel();
    let api = Arc::new(RuntimeApi { events: Mutex::new(events.iter().cloned().collect()), answers });
    let server = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let api = Arc::clone(&api);
            let service = service_fn(move |request| {
                let api = Arc::clone(&api);
                async move { Ok::<_, Infallible>(api.call(request).await) }
            });
            tokio::spawn(hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(socket), service));
        }
    });
    let mut all = Vec::new();
    while all.len() < events.len() {
        all.push(received.recv().await.unwrap());
    }
    function.kill().unwrap();
    function.wait().unwrap();
    server.abort();
    let mut text = String::new();
    function.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (all, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn recorded(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("events").join(name)).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn decodes_every_recorded_event() {
    let names = [
        "s3-put.json",
        "s3-test.json",
        "sqs-s3.json",
        "sns-fragment.json",
        "sqs-sns-fragment.json",
        "eventbridge-object-created.json",
    ];
    let (answers, lines) = invoke(&names.map(recorded), None).await;
    let no_failures = json!({"batchItemFailures": []});
    let one = json!({"found": 1, "refused": []});
    let expected =
        [one.clone(), json!({"found": 0, "refused": []}), no_failures.clone(), one.clone(), no_failures, one];
    for ((name, answer), expected) in names.iter().zip(&answers).zip(expected) {
        assert_eq!(answer, &("response".to_owned(), expected), "{name}");
    }
    let kinds: Vec<&str> = lines.iter().map(|line| line.as_object().unwrap().keys().next().unwrap().as_str()).collect();
    assert_eq!(kinds, ["image", "image", "fragment", "fragment", "image"]);

    let (_, lines) = invoke(&names.map(recorded), Some("gate")).await;
    assert!(lines.is_empty(), "images and fragments of another stream: {lines:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn prints_what_the_key_of_an_image_says() {
    let (_, lines) = invoke(&[recorded("s3-put.json")], Some("demo-stream")).await;
    let image = &lines[0]["image"];
    assert_eq!(image["time"], "2023-07-30T08:54:50.324Z");
    assert_eq!((&image["stream"], &image["prefix"]), (&json!("demo-stream"), &json!("front door")));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_bad_message_of_a_batch_is_delivered_again() {
    let (answers, lines) = invoke(&[recorded("sqs-one-bad.json"), "{}".to_owned()], None).await;
    assert_eq!(lines.len(), 1);
    let failures = json!({"batchItemFailures": [{"itemIdentifier": "2e1424d4-f796-459a-8184-9c92662be6da"}]});
    assert_eq!(answers[0], ("response".to_owned(), failures));
    let (kind, error) = &answers[1];
    assert_eq!(kind, "error");
    assert!(error["errorMessage"].as_str().unwrap().contains("not recognized"), "{error}");
}
