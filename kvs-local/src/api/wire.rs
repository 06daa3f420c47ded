//! Responses as the service writes them.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use http_body_util::channel::{Channel, Sender};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::{Frame, SizeHint};
use jiff::Timestamp;
use kvs_mkv::{Chunks, ChunksIntoIter};
use serde::Serialize;
use serde_json::Value;

use crate::api::{ApiError, Exception};
use crate::limits;

/// The body of a response, whole or streamed. An error closes the connection before the end of the body.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;
/// An HTTP response.
pub(crate) type Response = http::Response<Body>;

const REQUEST_ID: &str = "x-amzn-requestid";
const ERROR_TYPE: &str = "x-amzn-errortype";
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json");
pub(crate) const MP4: HeaderValue = HeaderValue::from_static("video/mp4");
/// Follows the exception name in `x-amzn-ErrorType`.
const DOCUMENTATION: &str = "https://kinesisvideo.amazonaws.com/doc/2017-09-30/";

/// The body that the service sends, with status 200, for a path it does not know.
pub(crate) const UNKNOWN_OPERATION: &str =
    r#"{"Output":{"__type":"com.amazon.coral.service#UnknownOperationException"},"Version":"1.0"}"#;

/// The notation of fractional numbers in JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NumberFormat {
    /// `1705489836.421`
    #[default]
    Plain,
    /// `1.705489836421E9`, as the Java code of the service sometimes writes it.
    Scientific,
}

/// How a JSON body is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct JsonStyle {
    pub(crate) numbers: NumberFormat,
    /// Omits absent values. Otherwise they are explicit nulls, as the service sends them.
    pub(crate) omit_nulls: bool,
}

/// Returns a 200 response with a JSON body, or with an empty one.
pub(crate) fn ok(body: Option<Value>, style: JsonStyle) -> Response {
    let body = body.map_or_else(Bytes::new, |value| {
        let value = if style.omit_nulls { without_nulls(value) } else { value };
        json(&value, style.numbers)
    });
    with_body(StatusCode::OK, JSON, body)
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept = members.into_iter().filter(|(_, value)| !value.is_null());
            Value::Object(kept.map(|(name, value)| (name, without_nulls(value))).collect())
        }
        Value::Array(values) => Value::Array(values.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// Returns a response with this body.
pub(crate) fn with_body(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = http::Response::new(whole(body));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID, request_id());
    response
}

/// Returns a 200 response with a streamed body.
pub(crate) fn streamed(content_type: HeaderValue, body: Body) -> Response {
    let mut response = http::Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, content_type);
    headers.insert(REQUEST_ID, request_id());
    response
}

/// Returns a 200 response with a streamed body of known size.
pub(crate) fn sized(content_type: HeaderValue, body: SizedBody) -> Response {
    streamed(content_type, body.boxed_unsync())
}

/// Returns a 200 response with a body in pieces. `held` is dropped when they have been sent.
pub(crate) fn chunks<T: Send + 'static>(content_type: HeaderValue, body: Chunks, held: T) -> Response {
    let left = body.len() as u64;
    streamed(content_type, PiecesBody { pieces: body.into_iter(), left, _held: held }.boxed_unsync())
}

/// A body whose size is known before its bytes are, so that the response states it.
#[derive(Debug)]
pub(crate) struct SizedBody {
    channel: Channel<Bytes, std::io::Error>,
    left: u64,
}

/// Sends the bytes of a [`SizedBody`].
pub(crate) type BodySender = Sender<Bytes, std::io::Error>;

impl SizedBody {
    pub(crate) fn new(len: u64) -> (BodySender, Self) {
        let (sender, channel) = Channel::new(limits::WAITING_PIECES);
        (sender, Self { channel, left: len })
    }
}

impl hyper::body::Body for SizedBody {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let polled = Pin::new(&mut self.channel).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &polled {
            self.left = self.left.saturating_sub(frame.data_ref().map_or(0, Bytes::len) as u64);
        }
        polled
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// A body in pieces that are not joined.
struct PiecesBody<T> {
    pieces: ChunksIntoIter,
    left: u64,
    _held: T,
}

// Nothing in it is pinned.
impl<T> Unpin for PiecesBody<T> {}

impl<T> hyper::body::Body for PiecesBody<T> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        let piece = self.pieces.next();
        self.left = self.left.saturating_sub(piece.as_ref().map_or(0, Bytes::len) as u64);
        Poll::Ready(piece.map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// Returns the response for an error, in the format of the service.
pub(crate) fn error_response(error: &ApiError) -> Response {
    let mut body = serde_json::Map::new();
    body.insert(error.exception.message_key().to_owned(), Value::String(error.message.clone()));
    let body = json(&Value::Object(body), NumberFormat::Plain);
    let mut response = with_body(error.exception.status(), JSON, body);
    let kind = format!("{}:{DOCUMENTATION}", error.exception.name());
    if let Ok(kind) = HeaderValue::from_str(&kind) {
        response.headers_mut().insert(ERROR_TYPE, kind);
    }
    response
}

/// Sets the `Date` header.
pub(crate) fn set_date(response: &mut Response, at: SystemTime) {
    let text = Timestamp::try_from(at).map(|at| at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string());
    if let Some(value) = text.ok().and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::DATE, value);
    }
}

/// Returns the error for a path that names no operation.
pub(crate) fn unknown_operation() -> ApiError {
    ApiError::new(Exception::UnknownOperation, "Kinesis Video Streams has no operation with this method and path")
}

/// Wraps bytes as a body.
fn whole(body: Bytes) -> Body {
    Full::new(body).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// Returns a new request id; clients show it in their errors.
fn request_id() -> HeaderValue {
    HeaderValue::from_str(&uuid::Uuid::new_v4().to_string()).expect("a UUID is a valid header value")
}

fn json(value: &Value, numbers: NumberFormat) -> Bytes {
    let mut out = Vec::new();
    let written = match numbers {
        NumberFormat::Plain => value.serialize(&mut serde_json::Serializer::new(&mut out)),
        NumberFormat::Scientific => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Scientific)),
    };
    written.expect("serializing a JSON value into a Vec does not fail");
    out.into()
}

/// Formats fractional numbers with an exponent.
struct Scientific;

impl serde_json::ser::Formatter for Scientific {
    fn write_f64<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, value: f64) -> std::io::Result<()> {
        write!(writer, "{value:E}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn writes_timestamps_in_scientific_notation() {
        let value = json!({ "CreationTime": 1_705_489_836.421, "DataRetentionInHours": 24 });
        assert_eq!(json(&value, NumberFormat::Plain), r#"{"CreationTime":1705489836.421,"DataRetentionInHours":24}"#);
        assert_eq!(
            json(&value, NumberFormat::Scientific),
            r#"{"CreationTime":1.705489836421E9,"DataRetentionInHours":24}"#
        );
    }

    #[test]
    fn unknown_operation_body_has_90_bytes() {
        assert_eq!(UNKNOWN_OPERATION.len(), 90);
    }

    #[test]
    fn error_type_header_starts_with_exception_name() {
        let response = error_response(&ApiError::no_stream());
        assert_eq!(response.status(), StatusCode::NOT_FOUND);
        let kind = response.headers().get("x-amzn-ErrorType").unwrap().to_str().unwrap();
        assert_eq!(kind.split(':').next(), Some("ResourceNotFoundException"));
    }
}
