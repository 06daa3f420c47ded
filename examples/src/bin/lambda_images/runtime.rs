//! The runtime interface of Lambda: ask for an event, answer it, ask again.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html>. It is plain HTTP/1.1 on the loopback, one exchange at a time.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use kvs_notify::limits::DOCUMENT_BYTES;
use serde_json::json;
use tokio::net::TcpStream;

const BASE: &str = "/2018-06-01/runtime/invocation";
const REQUEST_ID: &str = "lambda-runtime-aws-request-id";
/// An answer that the interface does not take within this time never will be. Waiting for an event has no bound: Lambda freezes the process.
const PATIENCE: Duration = Duration::from_secs(10);

/// Answers events until the connection ends.
pub(crate) fn run(address: &str, handle: impl Fn(&[u8]) -> Result<String, String>) -> Result<(), RuntimeError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(answer_all(address, handle))
}

async fn answer_all(address: &str, handle: impl Fn(&[u8]) -> Result<String, String>) -> Result<(), RuntimeError> {
    let (mut sender, connection) = handshake(TokioIo::new(TcpStream::connect(address).await?)).await?;
    let connection = tokio::spawn(connection);
    loop {
        let (id, event) = match next(&mut sender, address).await {
            Ok(next) => next,
            // Lambda ended the environment.
            Err(RuntimeError::Http(error)) if is_end(&error) => break,
            Err(error) => return Err(error),
        };
        let (kind, body) = match handle(&event) {
            Ok(response) => ("response", response),
            Err(problem) => ("error", json!({"errorType": "Event", "errorMessage": problem}).to_string()),
        };
        let path = format!("{BASE}/{id}/{kind}");
        tokio::time::timeout(PATIENCE, post(&mut sender, address, &path, body))
            .await
            .map_err(|_| RuntimeError::Slow)??;
    }
    connection.abort();
    Ok(())
}

/// Whether the other side closed the connection.
fn is_end(error: &hyper::Error) -> bool {
    error.is_closed() || error.is_canceled() || error.is_incomplete_message()
}

async fn next(sender: &mut SendRequest<Full<Bytes>>, host: &str) -> Result<(String, Bytes), RuntimeError> {
    let request = Request::get(format!("{BASE}/next")).header("host", host).body(Full::default())?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok());
    let id = id.ok_or(RuntimeError::NoRequestId)?.to_owned();
    Ok((id, body(response).await?))
}

async fn post(sender: &mut SendRequest<Full<Bytes>>, host: &str, path: &str, text: String) -> Result<(), RuntimeError> {
    let request = Request::post(path).header("host", host).body(Full::from(text))?;
    sender.ready().await?;
    let response = sender.send_request(request).await?;
    // Read to its end, so that the connection can be used again.
    body(response).await.map(drop)
}

async fn body(response: Response<hyper::body::Incoming>) -> Result<Bytes, RuntimeError> {
    let body = Limited::new(response.into_body(), DOCUMENT_BYTES).collect().await;
    Ok(body.map_err(RuntimeError::Body)?.to_bytes())
}

/// Why the function ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeError {
    #[error("Lambda's runtime interface: {0}")]
    Io(#[from] std::io::Error),
    #[error("Lambda's runtime interface: {0}")]
    Http(#[from] hyper::Error),
    #[error("Lambda's runtime interface: {0}")]
    Request(#[from] http::Error),
    #[error("Lambda's runtime interface: an event cannot be read: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("Lambda's runtime interface sent an event without {REQUEST_ID}")]
    NoRequestId,
    #[error("Lambda's runtime interface took no answer within {PATIENCE:?}")]
    Slow,
}
