//! A mock of the Lambda runtime API (<https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>), for a function as a program.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// How long an answer may take on a loaded machine.
const PATIENCE: Duration = Duration::from_secs(60);

/// One answer of the function: the last part of the path (`response` or `error`), and the body.
pub(crate) type Answer = (String, Value);

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

/// Runs a function on these events; returns its answers and what it printed.
pub(crate) async fn invoke(mut function: Command, events: &[String]) -> (Vec<Answer>, Vec<Value>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    function
        .env("AWS_LAMBDA_RUNTIME_API", listener.local_addr().unwrap().to_string())
        .env("AWS_LAMBDA_FUNCTION_NAME", "images")
        .env("AWS_LAMBDA_FUNCTION_VERSION", "1")
        .env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "128")
        .env("AWS_LAMBDA_LOG_GROUP_NAME", "images")
        .env("AWS_LAMBDA_LOG_STREAM_NAME", "images");
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
        all.push(tokio::time::timeout(PATIENCE, received.recv()).await.expect("an answer in time").unwrap());
    }
    function.kill().unwrap();
    function.wait().unwrap();
    server.abort();
    let mut text = String::new();
    function.stdout.take().unwrap().read_to_string(&mut text).unwrap();
    (all, text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}
