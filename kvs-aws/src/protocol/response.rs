//! Responses: success bodies as JSON, error responses as [`ServiceError`].

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};

use crate::client_limits;
use crate::net::http_send::ResponseBody;
use crate::protocol::error::{Error, ResponseProblem};
use crate::protocol::service_error::{ServiceError, ServiceErrorKind};

/// A successful response whose body has not been read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Response {
    /// The operation's name, for errors.
    pub operation: &'static str,
    /// The headers.
    pub headers: HeaderMap,
    /// The body.
    pub body: ResponseBody,
}

impl Response {
    /// Reads the body as JSON. An empty body counts as an empty object.
    ///
    /// # Errors
    /// Returns an error if the connection breaks, the body is longer than `limit` bytes or not the expected JSON, or the
    /// service does not know the operation.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Error> {
        let (operation, bytes) = self.bytes(limit).await?;
        parse_json(operation, &bytes)
    }

    /// Reads the response of an operation without a result: an empty body or an empty object.
    pub(crate) async fn empty(self) -> Result<(), Error> {
        #[derive(Deserialize)]
        struct Empty {}
        let Empty {} = self.json(client_limits::RESPONSE_BYTES).await?;
        Ok(())
    }

    /// Reads the body.
    ///
    /// # Errors
    /// Returns an error if the connection breaks, the body is longer than `limit` bytes, or the service does not know the
    /// operation.
    pub async fn bytes(self, limit: usize) -> Result<(&'static str, Bytes), Error> {
        let Self { operation, headers, body } = self;
        let bytes = body.collect(limit).await?;
        match unknown_operation(&bytes) {
            Some(message) => {
                let kind = ServiceErrorKind::UnknownOperation;
                Err(describe(kind, message, StatusCode::OK, &headers).into())
            }
            None => Ok((operation, bytes)),
        }
    }
}

/// Reads a response body as JSON. An empty body counts as an empty object: some successful responses have none.
///
/// # Errors
/// Returns an error if the body is not a JSON object with the members of `T`.
pub(crate) fn parse_json<'de, T: Deserialize<'de>>(operation: &'static str, body: &'de [u8]) -> Result<T, Error> {
    let read = match body.trim_ascii().first() {
        None => serde_json::from_slice(b"{}"),
        // serde's derived code also reads a struct from an array, which no service sends.
        Some(b'[') => Err(serde_json::Error::custom("expected an object, got an array")),
        Some(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| Error::Response { operation, problem: ResponseProblem::json(error) })
}

/// Returns the message if the body says that the operation is unknown. The control plane sends it with HTTP 200.
fn unknown_operation(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        #[serde(rename = "Output")]
        output: Output,
    }
    #[derive(Deserialize)]
    struct Output {
        #[serde(rename = "__type")]
        kind: String,
    }
    /// The real message has 90 bytes. Larger bodies are not parsed twice.
    const LONGEST: usize = 1024;
    let body = body.get(..).filter(|body| body.len() <= LONGEST)?;
    let envelope = serde_json::from_slice::<Envelope>(body).ok()?;
    Some(envelope.output.kind)
}

/// Reads an error response.
#[must_use]
pub fn parse_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ServiceError {
    let fields: ErrorBody = serde_json::from_slice(body).unwrap_or_default();
    let header = ["x-amzn-errortype", "x-amz-errortype"].iter().find_map(|name| text(headers, name));
    let kind = match header.or(fields.kind.as_deref()).or(fields.code.as_deref()) {
        Some(name) => ServiceErrorKind::from_wire(name),
        None => kind_of_status(status, fields.message()),
    };
    describe(kind, fields.message().to_owned(), status, headers)
}

/// An error body. The service writes `Message`, the AWS front end `message`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct ErrorBody {
    #[serde(rename = "Message")]
    upper: Option<String>,
    message: Option<String>,
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
}

impl ErrorBody {
    fn message(&self) -> &str {
        self.upper.as_deref().or(self.message.as_deref()).unwrap_or_default()
    }
}

/// Derives the kind of an error without a name: the AWS front end often sends only a status and a sentence.
fn kind_of_status(status: StatusCode, message: &str) -> ServiceErrorKind {
    match status.as_u16() {
        401 | 403 if message.contains("expired") && message.contains("token") => ServiceErrorKind::ExpiredToken,
        401 | 403 if message.contains("security token") => ServiceErrorKind::UnrecognizedClient,
        401 | 403 if message.starts_with("Signature") || message.contains("signature we calculated") => {
            ServiceErrorKind::InvalidSignature
        }
        401 | 403 => ServiceErrorKind::AccessDenied,
        404 => ServiceErrorKind::ResourceNotFound,
        408 => ServiceErrorKind::RequestTimeout,
        429 => ServiceErrorKind::Throttling,
        503 => ServiceErrorKind::ServiceUnavailable,
        500.. => ServiceErrorKind::InternalFailure,
        _ => ServiceErrorKind::default(),
    }
}

fn describe(kind: ServiceErrorKind, message: String, status: StatusCode, headers: &HeaderMap) -> ServiceError {
    let mut error = ServiceError::new(kind, status.as_u16());
    error.message = message.chars().take(client_limits::ERROR_MESSAGE_CHARS).collect();
    error.request_id = ["x-amzn-requestid", "x-amz-requestid"].iter().find_map(|n| text(headers, n)).map(str::to_owned);
    error.date = text(headers, header::DATE.as_str()).and_then(http_date);
    error.retry_after = text(headers, header::RETRY_AFTER.as_str()).and_then(|text| retry_after(text, error.date));
    error
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty())
}

/// Reads `Retry-After`: a number of seconds, or a date that is compared with the service's clock.
fn retry_after(text: &str, now: Option<SystemTime>) -> Option<Duration> {
    if let Ok(seconds) = text.parse::<u32>() {
        return Some(Duration::from_secs(u64::from(seconds)));
    }
    http_date(text)?.duration_since(now?).ok()
}

pub(crate) fn http_date(text: &str) -> Option<SystemTime> {
    let zoned = jiff::fmt::rfc2822::parse(text).ok()?;
    u64::try_from(zoned.timestamp().as_millisecond()).ok().map(kvs_types::__internal::from_epoch_millis)
}

/// Reads a failed response, with a limit for the size of its body.
pub(crate) async fn read_error(status: StatusCode, headers: &HeaderMap, body: ResponseBody) -> ServiceError {
    // Status and headers are enough for an error, so a body that breaks off is not reported separately.
    let bytes = body.collect_some(client_limits::ERROR_BYTES).await;
    parse_error(status, headers, &bytes)
}
