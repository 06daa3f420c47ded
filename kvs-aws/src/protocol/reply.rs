//! A response on its way to an operation's output.

use std::time::{Duration, SystemTime};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;
use serde::de::{DeserializeOwned, Error as _};

use crate::limits;
use crate::net::http_send::ResponseBody;
use crate::protocol::error::{Error, ResponseProblem, ServiceError, ServiceErrorKind, TransportError};

/// A successful response before its body is read.
#[derive(Debug)]
#[non_exhaustive]
pub struct Reply {
    /// The operation's name, for errors.
    pub operation: &'static str,
    /// The response's headers.
    pub headers: HeaderMap,
    /// The body, not yet read.
    pub body: ResponseBody,
}

impl Reply {
    /// Reads the whole body as JSON; an empty body is the empty object.
    ///
    /// # Errors
    /// When the body breaks off, is longer than `limit`, is no such JSON, or says in a success that the operation is
    /// unknown.
    pub async fn json<T: DeserializeOwned>(self, limit: usize) -> Result<T, Error> {
        let (operation, bytes) = self.bytes(limit).await?;
        parse_json(operation, &bytes)
    }

    /// Reads the whole body, having looked for the unknown-operation answer in it.
    ///
    /// # Errors
    /// When the body breaks off or is longer than `limit`, or says that the operation is unknown.
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

/// Reads a response body as `T`; nothing at all is the empty object.
///
/// # Errors
/// When it is not a JSON object with the members of a `T`.
pub fn parse_json<'de, T: Deserialize<'de>>(operation: &'static str, body: &'de [u8]) -> Result<T, Error> {
    let read = match body.trim_ascii().first() {
        None => serde_json::from_slice(b"{}"),
        // Derived readers take the members in an array too, which no service means.
        Some(b'[') => Err(serde_json::Error::custom("an array in place of an object")),
        Some(_) => serde_json::from_slice(body),
    };
    read.map_err(|error| Error::Response { operation, problem: ResponseProblem::Json(error) })
}

/// The control plane answers a call that it does not know with status 200 and this object and nothing else.
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
    /// The real answer has 90 bytes; a page of pictures is not parsed twice.
    const LONGEST: usize = 1024;
    let body = body.get(..).filter(|body| body.len() <= LONGEST)?;
    let envelope = serde_json::from_slice::<Envelope>(body).ok()?;
    Some(envelope.output.kind)
}

/// Reads an error response.
#[must_use]
pub fn parse_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> ServiceError {
    let said: Said = serde_json::from_slice(body).unwrap_or_default();
    let header = ["x-amzn-errortype", "x-amz-errortype"].iter().find_map(|name| text(headers, name));
    let kind = match header.or(said.kind.as_deref()).or(said.code.as_deref()) {
        Some(name) => ServiceErrorKind::from_wire(name),
        None => kind_of_status(status, said.message()),
    };
    describe(kind, said.message().to_owned(), status, headers)
}

/// An error body: the service writes `Message`, the layer in front `message`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Said {
    #[serde(rename = "Message")]
    upper: Option<String>,
    message: Option<String>,
    #[serde(rename = "__type")]
    kind: Option<String>,
    code: Option<String>,
}

impl Said {
    fn message(&self) -> &str {
        self.upper.as_deref().or(self.message.as_deref()).unwrap_or_default()
    }
}

/// Errors of the layer in front often have no type, only a status and a sentence.
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
    error.message = message.chars().take(limits::ERROR_MESSAGE_CHARS).collect();
    error.request_id = ["x-amzn-requestid", "x-amz-requestid"].iter().find_map(|n| text(headers, n)).map(str::to_owned);
    error.date = text(headers, header::DATE.as_str()).and_then(http_date);
    error.retry_after = text(headers, header::RETRY_AFTER.as_str()).and_then(|text| retry_after(text, error.date));
    error
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim).filter(|text| !text.is_empty())
}

/// `Retry-After` is a number of seconds or a date; a date counts from the service's own clock.
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

/// Turns a failed response into its error, reading as much of the body as an error may have.
pub(crate) async fn read_error(status: StatusCode, headers: &HeaderMap, body: ResponseBody) -> ServiceError {
    // An error whose body breaks off is still that error.
    let bytes = body.collect_some(limits::ERROR_BYTES).await;
    parse_error(status, headers, &bytes)
}

impl ResponseBody {
    /// Reads the whole body.
    ///
    /// # Errors
    /// When it breaks off or is longer than `limit`.
    pub async fn collect(mut self, limit: usize) -> Result<Bytes, TransportError> {
        let Some(first) = self.next().await? else { return Ok(Bytes::new()) };
        let mut whole = match self.next().await? {
            None if first.len() <= limit => return Ok(first),
            None => return Err(TransportError::TooLong { limit }),
            Some(second) => {
                let mut whole =
                    BytesMut::with_capacity(self.size_hint(limit).saturating_add(first.len() + second.len()));
                whole.extend_from_slice(&first);
                whole.extend_from_slice(&second);
                whole
            }
        };
        while whole.len() <= limit {
            match self.next().await? {
                Some(piece) => whole.extend_from_slice(&piece),
                None => return Ok(whole.freeze()),
            }
        }
        Err(TransportError::TooLong { limit })
    }

    /// Reads up to about `limit` bytes; what cannot be read is left out.
    async fn collect_some(mut self, limit: usize) -> Bytes {
        let mut whole = BytesMut::new();
        while whole.len() < limit {
            match self.next().await {
                Ok(Some(piece)) => whole.extend_from_slice(&piece),
                Ok(None) | Err(_) => break,
            }
        }
        whole.freeze()
    }
}
